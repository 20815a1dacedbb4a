/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Software network cards in a process of their own (`bulkhead softdev virtio-net --socket`), so that what its wires did
 * can be held against what a cell counted.
 */
#ifndef TESTS_COMPONENT_WIRE_RUN_H
#define TESTS_COMPONENT_WIRE_RUN_H

#include <jansson.h>
#include <sys/types.h>

#define WIRE_CARDS_MAX 4u

struct wire_run {
	pid_t pid;
	char dir[64]; /* holds card0, card1, ... (sockets) and `said` (its standard error) */
	unsigned card_cnt;
};

/* What it says at its end. */
struct wire_said {
	unsigned long from_client[WIRE_CARDS_MAX], to_client[WIRE_CARDS_MAX], refused[WIRE_CARDS_MAX];
	unsigned long carried, lost, duplicated, reordered, corrupted, without_buffer, undeliverable;
};

/**
 * wire_run_start - one card for each letter of `wires`; those with the same letter are the ends of a wire; a
 * capital letter: the card is an 82599, not virtio's
 * @options: NULL-terminated, behind the sockets
 * Returns when the sockets are there; fails the test if that takes long.
 */
void wire_run_start(struct wire_run *run, const char *program, const char *wires, const char *const *options);
/* wire_run_end - SIGTERM, wait, read what it said, remove its files */
void wire_run_end(struct wire_run *run, struct wire_said *out_said);
/* wire_run_kill - SIGKILL, at once; wire_run_forget then removes the files */
void wire_run_kill(struct wire_run *run);
void wire_run_forget(struct wire_run *run);

/* wire_number - a number of a cell's JSON, in one of its objects; fails the test if there is none */
unsigned long wire_number(const json_t *json, const char *object, const char *key);

#endif
