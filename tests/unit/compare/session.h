/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison that never ran: cases, runs and figures as a test wants them. */
#ifndef TESTS_UNIT_COMPARE_SESSION_H
#define TESTS_UNIT_COMPARE_SESSION_H

#include "host/compare/session.h"

/* fake_open - quick: random reads of 4 KiB at depths 1 and 32, and the 512-byte reference; three rounds, no runs. */
struct bh_session *fake_open(void);
void fake_close(struct bh_session *session);

/* fake_run - add a run that did well: all of its 1000 I/Os took latency_ns. */
struct bh_run *fake_run(struct bh_session *session, uint32_t case_idx, enum bh_side side, uint32_t round, double iops,
                        uint64_t latency_ns);

/* fake_pairs - three complete pairs of every case: B is iops_ratio times as fast as A and p99_ratio times lower. */
void fake_pairs(struct bh_session *session, double iops_ratio, double p99_ratio);

#endif
