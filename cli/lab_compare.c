/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead lab compare: `bulkhead compare` on a drive of the lab, as one `bulkhead lab run`. */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/lab_compare.h"

#define WORDS_MAX 128
#define INSIDE    "/report"

static const char *const flags[] = {"--quick", "--destructive", "--prove", "--check", "--json", "--quiet", NULL};
static const char *const valued[] = {"--runs", "--duration", "--cpu", "--namespace", "--serial", NULL};

/* What the two programs get. */
struct words {
	char *outer[WORDS_MAX], *inner[WORDS_MAX];
	int outer_cnt, inner_cnt;
	bool has_nvme, has_timeout, has_serial, quick, failed;
	const char *report_dir;
};

static void
usage(FILE *stream)
{
	fputs("usage: bulkhead lab compare nvme [OPTIONS]\n\n"
	      "Boots the lab with an NVMe drive of 1 GiB and runs `bulkhead compare nvme auto` in it: Linux against "
	      "the cell.\n"
	      "The drive is made for it and holds nothing, so the writes are measured too, unless --quick.\n\n"
	      "  --report DIR   where the report goes at the end (default: bulkhead-compare-lab)\n"
	      "  --quick, --runs, --duration, --cpu, --namespace, --destructive, --serial, --prove, --check, --json, "
	      "--quiet\n"
	      "                 as for `bulkhead compare`\n"
	      "  all others     as for `bulkhead lab run`, such as --nvme 4G,lba=4096 --iommu amd --cpus 4\n",
	      stream);
}

static bool
one_of(const char *const *list, const char *word)
{
	for (; *list != NULL; list++) {
		size_t len = strlen(*list);
		if (strncmp(*list, word, len) == 0 && (word[len] == '\0' || word[len] == '='))
			return true;
	}
	return false;
}

static void
put(char **list, int *cnt, const char *word, struct words *words)
{
	if (*cnt == WORDS_MAX - 1)
		words->failed = true;
	else
		list[(*cnt)++] = (char *)(uintptr_t)word;
}

static void
put_outer(struct words *words, const char *word)
{
	put(words->outer, &words->outer_cnt, word, words);
}

static void
put_inner(struct words *words, const char *word)
{
	put(words->inner, &words->inner_cnt, word, words);
}

/* Return: how many words of argv this option took; 0: its value is missing. */
static int
take(struct words *words, int left, char **argv)
{
	static const char *const nvme[] = {"--nvme", NULL}, *const timeout[] = {"--timeout", NULL},
	                         *const serial[] = {"--serial", NULL}, *const report[] = {"--report", NULL};
	const char *word = argv[0];
	bool attached = strchr(word, '=') != NULL;
	if (one_of(report, word)) {
		words->report_dir = attached ? strchr(word, '=') + 1 : left > 1 ? argv[1] : NULL;
		return words->report_dir == NULL ? 0 : attached ? 1 : 2;
	}
	if (one_of(flags, word)) {
		words->quick |= strcmp(word, "--quick") == 0;
		put_inner(words, word);
		return 1;
	}
	if (one_of(valued, word)) {
		words->has_serial |= one_of(serial, word);
		put_inner(words, word);
		if (!attached && left > 1)
			put_inner(words, argv[1]);
		return attached ? 1 : left > 1 ? 2 : 0;
	}
	words->has_nvme |= one_of(nvme, word);
	words->has_timeout |= one_of(timeout, word);
	put_outer(words, word);
	return 1;
}

/* What `bulkhead lab run` is called with. */
static void
complete(struct words *words, char *get)
{
	if (!words->has_nvme) {
		put_outer(words, "--nvme");
		put_outer(words, "1G");
	}
	if (!words->has_timeout) {
		put_outer(words, "--timeout");
		put_outer(words, "3600s");
	}
	if (!words->has_nvme && !words->has_serial && !words->quick) { /* its serial number is the lab's own choice */
		put_inner(words, "--destructive");
		put_inner(words, "--serial");
		put_inner(words, "bulkhead0");
	}
	put_outer(words, "--get");
	put_outer(words, get);
	put_outer(words, "--");
	for (int i = 0; i < words->inner_cnt; i++)
		put_outer(words, words->inner[i]);
	words->outer[words->outer_cnt] = NULL;
}

int
lab_compare(int argc, char **argv)
{
	struct words words = {.report_dir = "bulkhead-compare-lab"};
	char get[512];
	static const char *const inner[] = {"bulkhead", "compare", "nvme", "auto", "--report", INSIDE};
	if (argc < 2 || strcmp(argv[1], "nvme") != 0) {
		bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
		usage(help ? stdout : stderr);
		return help ? BH_EXIT_OK : BH_EXIT_USAGE;
	}
	put_outer(&words, "lab");
	put_outer(&words, "run");
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		put_inner(&words, inner[i]);
	for (int i = 2, taken; i < argc; i += taken) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			usage(stdout);
			return BH_EXIT_OK;
		}
		taken = take(&words, argc - i, argv + i);
		if (taken == 0) {
			fprintf(stderr, "bulkhead lab compare: %s needs a value\n", argv[i]);
			return BH_EXIT_USAGE;
		}
	}
	if ((size_t)snprintf(get, sizeof(get), INSIDE ":%s", words.report_dir) >= sizeof(get))
		words.failed = true;
	complete(&words, get);
	if (words.failed) {
		fprintf(stderr, "bulkhead lab compare: more or longer options than it takes\n");
		return BH_EXIT_USAGE;
	}
	optind = 1;
	int code = cmd_lab(words.outer_cnt, words.outer);
	fprintf(stderr, "report on this machine: %s/report.html\n", words.report_dir);
	return code;
}
