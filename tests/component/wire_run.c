/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/component/wire_run.h"

#include <ctype.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/command.h"

#define ARGS_MAX      40u
#define READY_WAIT_MS 20000u
#define END_WAIT_MS   10000

static void
path_of(const struct wire_run *run, const char *name, char *out, size_t out_bytes)
{
	snprintf(out, out_bytes, "%s/%s", run->dir, name);
}

static void
spawn(struct wire_run *run, char *const *argv)
{
	extern char **environ;
	char path[96];
	posix_spawn_file_actions_t actions;
	path_of(run, "said", path, sizeof(path));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 2, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(posix_spawn(&run->pid, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
}

static void
wait_ready(const struct wire_run *run)
{
	char path[96], name[16];
	for (unsigned i = 0; i < run->card_cnt; i++) {
		snprintf(name, sizeof(name), "card%u", i);
		path_of(run, name, path, sizeof(path));
		for (unsigned ms = 0; access(path, F_OK) != 0; ms += 10) {
			if (ms > READY_WAIT_MS)
				fail_msg("%s did not appear", path);
			usleep(10000);
		}
	}
}

void
wire_run_start(struct wire_run *run, const char *program, const char *wires, const char *const *options)
{
	char text[WIRE_CARDS_MAX][128];
	const char *argv[ARGS_MAX] = {program, "softdev", "virtio-net", "--yield"};
	unsigned cnt = 4;
	*run = (struct wire_run){.dir = "/tmp/bulkhead-test-XXXXXX"};
	assert_non_null(mkdtemp(run->dir));
	for (; wires[run->card_cnt] != '\0'; run->card_cnt++) {
		assert_true(run->card_cnt < WIRE_CARDS_MAX);
		char *socket = text[run->card_cnt];
		char letter = wires[run->card_cnt];
		snprintf(socket, sizeof(text[0]), "%s/card%u,wire=%c%s", run->dir, run->card_cnt, tolower(letter),
		         isupper(letter) ? ",model=ixgbe" : "");
		argv[cnt++] = "--socket";
		argv[cnt++] = socket;
	}
	/* The cell takes the last CPU. */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		argv[cnt++] = "--cpu";
		argv[cnt++] = "0";
	}
	for (; *options != NULL; options++) {
		assert_true(cnt + 1 < ARGS_MAX);
		argv[cnt++] = *options;
	}
	spawn(run, (char *const *)(uintptr_t)argv);
	wait_ready(run);
}

static void
card_read(const char *line, struct wire_said *out)
{
	unsigned idx;
	unsigned long from, refused, to;
	if (sscanf(line, "bulkhead softdev: card %u: %lu frames from the client (%lu refused), %lu to it", &idx, &from,
	           &refused, &to) != 4)
		return;
	assert_true(idx < WIRE_CARDS_MAX);
	out->from_client[idx] = from;
	out->to_client[idx] = to;
	out->refused[idx] = refused;
}

static void
said_read(const struct wire_run *run, struct wire_said *out)
{
	char path[96], line[512];
	int found = 0;
	path_of(run, "said", path, sizeof(path));
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	memset(out, 0, sizeof(*out));
	while (fgets(line, sizeof(line), file) != NULL) {
		card_read(line, out);
		found |= sscanf(line,
		                "bulkhead softdev: wires: %lu frames carried, %lu lost, %lu duplicated, %lu reordered, "
		                "%lu corrupted, %lu without a buffer, %lu undeliverable",
		                &out->carried, &out->lost, &out->duplicated, &out->reordered, &out->corrupted,
		                &out->without_buffer, &out->undeliverable) == 7;
	}
	fclose(file);
	if (!found)
		fail_msg("the software device did not say what its wires did: %s", path);
}

void
wire_run_end(struct wire_run *run, struct wire_said *out_said)
{
	kill(run->pid, SIGTERM);
	assert_int_equal(command_wait_exit(run->pid, END_WAIT_MS), 0);
	said_read(run, out_said);
	wire_run_forget(run);
}

void
wire_run_kill(struct wire_run *run)
{
	kill(run->pid, SIGKILL);
	(void)command_wait_exit(run->pid, END_WAIT_MS);
}

void
wire_run_forget(struct wire_run *run)
{
	char path[96], name[16];
	for (unsigned i = 0; i < run->card_cnt; i++) {
		snprintf(name, sizeof(name), "card%u", i);
		path_of(run, name, path, sizeof(path));
		unlink(path);
	}
	path_of(run, "said", path, sizeof(path));
	unlink(path);
	rmdir(run->dir);
}

unsigned long
wire_number(const json_t *json, const char *object, const char *key)
{
	const json_t *value = json_object_get(json_object_get(json, object), key);
	if (!json_is_number(value))
		fail_msg("%s.%s is missing or no number", object, key);
	return (unsigned long)json_number_value(value);
}
