/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pktgen sends, as tcpdump sees it; and a capture that goes through a cross-connect into another file, frame by
 * frame the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/command.h"

#define WAIT_MS 60000

static const char *program;
static char folder[] = "/tmp/bulkhead-test-XXXXXX";

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs a cell on a configuration; FOLDER in it is the folder. */
static void
cell(const char *config, const char *duration, int want_code)
{
	char path[64];
	struct command_result result;
	snprintf(path, sizeof(path), "%s/cell.conf", folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "[cell]\ncpus = auto\npages = normal\n");
	for (const char *at = config, *next; *at != '\0'; at = next) {
		next = strstr(at, "FOLDER");
		fprintf(file, "%.*s%s", (int)(next != NULL ? next - at : (long)strlen(at)), at,
		        next != NULL ? folder : "");
		next = next != NULL ? next + strlen("FOLDER") : at + strlen(at);
	}
	fclose(file);
	command_run(LIST(program, "run", path, "--json", "--quiet", "--duration", duration), WAIT_MS, &result);
	if (result.exit_code != want_code)
		fail_msg("exit code %d, want %d\n%s\n%s", result.exit_code, want_code, result.err, result.out);
	command_result_free(&result);
	unlink(path);
}

/* What `tcpdump OPTION -r FOLDER/name` prints; the caller frees it. */
static char *
tcpdump(const char *name, const char *option)
{
	char path[64];
	struct command_result result;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	command_run(LIST("/usr/bin/tcpdump", "-n", "-t", option, "-r", path), WAIT_MS, &result);
	assert_int_equal(result.exit_code, 0);
	free(result.err);
	return result.out;
}

static unsigned
occurrences(const char *text, const char *what)
{
	unsigned cnt = 0;
	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		cnt++;
	return cnt;
}

static void
tcpdump_finds_each_frame_whole(void **state)
{
	cell("app = pktgen\n[port out]\nbackend = pcap\nwrite = FOLDER/sent.pcap\n"
	     "[pktgen]\ntx = out\nrx = out\ncount = 3000\nflows = 3\nsize = imix\n",
	     "30s", 0);
	char *seen = tcpdump("sent.pcap", "-vv");
	assert_int_equal(occurrences(seen, "udp sum ok"), 3000);
	assert_int_equal(occurrences(seen, "bad"), 0);
	assert_int_equal(occurrences(seen, "10.1.0.2.1026 > 10.2.0.1.9: "), 1000);
	assert_int_equal(occurrences(seen, "length 46)"), 3000 * 7 / 12); /* of IPv4: 64 without Ethernet's 18 */
	assert_int_equal(occurrences(seen, "length 1500)"), 3000 / 12);
	free(seen);
}

static void
a_capture_comes_out_as_it_went_in(void **state)
{
	cell("app = xconnect\n[port in]\nbackend = pcap\nfile = FOLDER/sent.pcap\ntiming = fast\n"
	     "[port out]\nbackend = pcap\nwrite = FOLDER/copy.pcap\n[xconnect]\na = in\nb = out\n",
	     "3s", 0);
	char *sent = tcpdump("sent.pcap", "-xx"), *copy = tcpdump("copy.pcap", "-xx");
	assert_true(strlen(sent) > 3000 * 60 * 2);
	assert_string_equal(sent, copy);
	free(sent);
	free(copy);
}

static int
make_folder(void **state)
{
	return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = {"sent.pcap", "copy.pcap", "cell.conf"};
	char path[64];
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(tcpdump_finds_each_frame_whole),
	        cmocka_unit_test(a_capture_comes_out_as_it_went_in),
	};
	if (argc < 2) {
		fprintf(stderr, "usage: test_net_capture PROGRAM\n");
		return 2;
	}
	if (access("/usr/bin/tcpdump", X_OK) != 0) {
		printf("skipped: needs tcpdump (apt-get install tcpdump)\n");
		return 77;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
