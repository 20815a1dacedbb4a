/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each configuration that docs/ shows (```ini) and each of examples/ is read as `bulkhead run` would. What a part of one leaves out is
 * added: [cell], an app that uses the ports, ports for the sections of a forwarder.
 *
 * test_docs SOURCE_FOLDER
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/apps.h"
#include "host/errors/errors.h"
#include "host/run/config.h"

#define BLOCK_BYTES 4096u

static const char *source;

static int
load(const char *text, struct bh_error *error)
{
	char path[64];
	struct bh_run_config *config = NULL;
	int fd = memfd_create("config", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int err = bh_config_load_partition(path, bh_apps, bh_app_cnt, &config, error);
	close(fd);
	bh_config_free(config);
	return err;
}

/* The idx-th name of "[KIND NAME]". */
static bool
section(const char *block, const char *kind, unsigned idx, char out[32])
{
	char head[16];
	const char *at = block;
	snprintf(head, sizeof(head), "[%.12s ", kind);
	for (unsigned i = 0; (at = strstr(at, head)) != NULL; i++) {
		at += strlen(head);
		if (i == idx) {
			snprintf(out, 32, "%.*s", (int)strcspn(at, "]"), at);
			return true;
		}
	}
	return false;
}

static void
complete(const char *block, char *out, size_t out_bytes)
{
	char name[32], first[32] = "", last[32] = "";
	bool whole = strstr(block, "[cell]") != NULL || strstr(block, "[partition]") != NULL;
	bool forwarder = strstr(block, "[fwd]") != NULL;
	FILE *file = fmemopen(out, out_bytes, "w");
	assert_non_null(file);
	if (!whole)
		fprintf(file, "[cell]\napp = %s\ncpus = auto\n", forwarder ? "fwd" : "pktgen");
	for (unsigned i = 0; forwarder && !whole && section(block, "fwd", i, name); i++)
		fprintf(file, "[port %s]\nbackend = softdev\n", name);
	fprintf(file, "%s\n", block);
	for (unsigned i = 0; section(block, "port", i, name); i++) {
		if (i == 0)
			strcpy(first, name);
		strcpy(last, name);
	}
	if (!whole && !forwarder)
		fprintf(file, "[pktgen]\ntx = %s\nrx = %s\n", first, last);
	fclose(file);
}

/* Return: how many blocks this page has. */
static unsigned
page(const char *path)
{
	static char line[1024], block[BLOCK_BYTES], text[2 * BLOCK_BYTES];
	unsigned cnt = 0, line_no = 0;
	bool inside = false;
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		line_no++;
		if (!inside && strcmp(line, "```ini\n") == 0) {
			inside = true;
			block[0] = '\0';
		} else if (inside && strcmp(line, "```\n") == 0) {
			struct bh_error error = {0};
			inside = false;
			cnt++;
			complete(block, text, sizeof(text));
			if (load(text, &error) != 0)
				fail_msg("%s, the block that ends at line %u: %s", path, line_no, error.text);
		} else if (inside) {
			assert_true(strlen(block) + strlen(line) < sizeof(block));
			strcat(block, line);
		}
	}
	fclose(file);
	return cnt;
}

static void
pages_can_be_read(void **state)
{
	char pattern[512];
	glob_t found;
	unsigned cnt = 0;
	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/docs/*.md", source);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		cnt += page(found.gl_pathv[i]);
	globfree(&found);
	assert_true(cnt >= 10);
}

static void
examples_can_be_read(void **state)
{
	char pattern[512];
	glob_t found;
	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/examples/*.conf", source);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 5);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct bh_run_config *config = NULL;
		struct bh_error error = {0};
		if (bh_config_load(found.gl_pathv[i], NULL, 0, bh_apps, bh_app_cnt, &config, &error) != 0)
			fail_msg("%s: %s", found.gl_pathv[i], error.text);
		bh_config_free(config);
	}
	globfree(&found);
}

/* So that the above can fail. */
static void
a_wrong_one_is_found(void **state)
{
	char text[512];
	struct bh_error error = {0};
	(void)state;
	complete("[port p0]\nbackend = af_xdp\nnonsense = 1\n", text, sizeof(text));
	assert_int_not_equal(load(text, &error), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_wrong_one_is_found),
	        cmocka_unit_test(pages_can_be_read),
	        cmocka_unit_test(examples_can_be_read),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_docs SOURCE_FOLDER\n");
		return 2;
	}
	source = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
