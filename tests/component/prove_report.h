/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What `bulkhead prove-iommu --json` says, for the tests on software devices and in the lab.
 */
#ifndef TESTS_COMPONENT_PROVE_REPORT_H
#define TESTS_COMPONENT_PROVE_REPORT_H

#include <jansson.h>

/* prove_report_parse - what a run printed; fails the test where it is not a whole report. */
json_t *prove_report_parse(const char *text);

/* prove_report_expect - the verdict of a target ("supervisor-physical"), for device writes or reads; the last one of that name. */
void prove_report_expect(json_t *report, const char *target, const char *access, const char *verdict);

/* prove_report_all_held - every target that the project promises is there and held, every control worked. */
void prove_report_all_held(json_t *report);

/* prove_report_attempt - one attempt; fails the test if there is none. */
json_t *prove_report_attempt(json_t *report, const char *target, const char *access);

#endif
