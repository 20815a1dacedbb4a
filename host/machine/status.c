/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/errors/errors.h"
#include "host/machine/cpus.h"

const char *
bh_row_state_name(enum bh_row_state state)
{
	static const char *const name[BH_ROW_STATES] = {"holds", "drifted", "reboot", "free", "refused"};
	return name[state];
}

static struct bh_status_row *
new_row(struct bh_status *status, const char *name)
{
	static struct bh_status_row nowhere; /* out of memory: counted, not shown */
	if (status->row_cnt == status->row_room) {
		uint32_t room = status->row_room != 0 ? status->row_room * 2 : 64;
		struct bh_status_row *row = realloc(status->row, room * sizeof(*row));
		if (row == NULL)
			return &nowhere;
		status->row = row;
		status->row_room = room;
	}
	struct bh_status_row *row = &status->row[status->row_cnt++];
	*row = (struct bh_status_row){.state = BH_ROW_FREE};
	snprintf(row->name, sizeof(row->name), "%s", name);
	return row;
}

/* For a table: what is longer is cut. */
static void
put(char out[BH_STATUS_TEXT_BYTES], const char *text)
{
	size_t len = 0;
	for (; text != NULL && len < BH_STATUS_TEXT_BYTES - 1 && text[len] != '\0'; len++)
		out[len] = text[len];
	out[len] = '\0';
}

/* The value of name=... on a command line; of isolcpus without its flags in front. */
static void
parameter(const char *line, const char *name, char out[BH_STATUS_TEXT_BYTES])
{
	size_t len = strlen(name);
	out[0] = '\0';
	for (const char *at = line; (at = strstr(at, name)) != NULL; at += len) {
		if ((at != line && at[-1] != ' ') || at[len] != '=')
			continue;
		snprintf(out, BH_STATUS_TEXT_BYTES, "%.*s", (int)strcspn(at + len + 1, " "), at + len + 1);
	}
	char *digit = strpbrk(out, "0123456789");
	if (digit != NULL && strcmp(name, "isolcpus") == 0)
		memmove(out, digit, strlen(digit) + 1);
}

/* CPUs that nobody else is scheduled on: booted so, or by a partition of ours. */
static void
effective_cpus(const char *root, char out[BH_STATUS_TEXT_BYTES])
{
	char kind[64], list[BH_CPUS_TEXT_BYTES];
	struct bh_cpus booted, group = {0};
	if (bh_cpus_read(&booted, root, "/sys/devices/system/cpu/isolated") != 0)
		booted = (struct bh_cpus){0};
	if (bh_sys_read(kind, sizeof(kind), root, BH_PARTITION_GROUP "/cpuset.cpus.partition") != 0 ||
	    strcmp(kind, "isolated") != 0 ||
	    bh_cpus_read(&group, root, BH_PARTITION_GROUP "/cpuset.cpus.effective") != 0)
		group = (struct bh_cpus){0};
	const struct bh_cpus both = bh_cpus_or(&booted, &group);
	put(out, bh_cpus_list(&both, list));
}

static bool
same_list(const char *a, const char *b)
{
	struct bh_cpus first, second;
	return bh_cpus_parse_list(a, &first) == 0 && bh_cpus_parse_list(b, &second) == 0 &&
	       bh_cpus_equal(&first, &second);
}

/* The parameter as the drop-in of ours has it, or "". */
static void
wanted_parameter(const struct bh_journal *journal, const char *name, char out[BH_STATUS_TEXT_BYTES])
{
	out[0] = '\0';
	for (uint32_t i = 0; i < journal->entry_cnt && out[0] == '\0'; i++) {
		const struct bh_journal_entry *entry = &journal->entry[i];
		char text[2048], *quote;
		if (entry->kind != BH_CHANGE_FILE || entry->state > BH_ENTRY_DONE || entry->want == NULL ||
		    strstr(entry->path, "grub.d") == NULL)
			continue;
		snprintf(text, sizeof(text), "%s", entry->want);
		while ((quote = strpbrk(text, "\"'\n")) != NULL)
			*quote = ' ';
		parameter(text, name, out);
	}
}

static void
judge(struct bh_status_row *row, bool needs_boot)
{
	if (row->wanted[0] == '\0')
		row->state = BH_ROW_FREE;
	else if (same_list(row->wanted, row->effective))
		row->state = BH_ROW_HOLDS;
	else
		row->state = needs_boot && row->booted[0] == '\0' ? BH_ROW_REBOOT : BH_ROW_DRIFTED;
}

static void
main_rows(struct bh_status *status, const struct bh_journal *journal)
{
	char line[4096], text[BH_CPUS_TEXT_BYTES];
	struct bh_status_row *row;
	if (bh_sys_read(line, sizeof(line), journal->root, "/proc/cmdline") != 0)
		line[0] = '\0';
	row = new_row(status, "isolated CPUs");
	const struct bh_journal_entry *cpus =
	        bh_journal_find(journal, BH_CHANGE_SYS, BH_PARTITION_GROUP "/cpuset.cpus");
	wanted_parameter(journal, "isolcpus", row->wanted);
	if (cpus != NULL)
		put(row->wanted, cpus->want);
	parameter(line, "isolcpus", row->booted);
	effective_cpus(journal->root, row->effective);
	judge(row, cpus == NULL);

	row = new_row(status, "nohz_full");
	wanted_parameter(journal, "nohz_full", row->wanted);
	parameter(line, "nohz_full", row->booted);
	if (bh_sys_read(text, sizeof(text), journal->root, "/sys/devices/system/cpu/nohz_full") == 0 &&
	    strcmp(text, "(null)") != 0)
		put(row->effective, text);
	judge(row, true);

	row = new_row(status, "rcu_nocbs");
	wanted_parameter(journal, "rcu_nocbs", row->wanted);
	parameter(line, "rcu_nocbs", row->booted);
	put(row->effective, row->booted); /* the kernel tells it nowhere else */
	judge(row, true);
}

static void
detail_row(struct bh_status *status, const struct bh_journal *journal, const struct bh_journal_entry *entry)
{
	char *now = NULL;
	struct bh_status_row *row = new_row(status, entry->path);
	row->detail = true;
	put(row->wanted, entry->want);
	put(row->booted, entry->before);
	int err = bh_change_read(journal->root, entry->kind, entry->path, &now);
	put(row->effective, err == 0 ? now : strerror(-err));
	bool holds = err == 0 && (bh_change_same(entry->kind, entry->path, now, entry->want) ||
	                          (entry->held != NULL && bh_change_same(entry->kind, entry->path, now, entry->held)));
	if (bh_change_is_slow(entry->kind) && !holds &&
	    (err == -ETIMEDOUT || bh_change_same(entry->kind, entry->path, now, entry->before))) {
		holds = true;
		put(row->effective, "at its next turn");
	}
	row->state = entry->state == BH_ENTRY_REFUSED ? BH_ROW_REFUSED
	             : holds                          ? BH_ROW_HOLDS
	             : status->rebooted               ? BH_ROW_REBOOT
	                                              : BH_ROW_DRIFTED;
	if (entry->kind == BH_CHANGE_FILE) { /* whole files */
		put(row->wanted, "(ours)");
		put(row->booted, entry->before != NULL ? "(another)" : "");
		put(row->effective, holds ? "(ours)" : now != NULL ? "(another)" : "");
	}
	free(now);
}

int
bh_status_read(const char *root, struct bh_status *out, struct bh_error *error)
{
	struct bh_journal journal;
	*out = (struct bh_status){0};
	int err = bh_journal_read(root, &journal, error);
	if (err == -EACCES)
		return bh_error_set(error, "E226", err, "the journal " BH_JOURNAL_PATH " is root's: run it as root");
	if (err != 0 && err != -ENOENT)
		return err;
	memcpy(out->config, journal.config, sizeof(out->config));
	out->level = journal.level;
	out->rebooted = err == 0 && bh_journal_rebooted(&journal);
	main_rows(out, &journal);
	for (uint32_t i = 0; i < journal.entry_cnt; i++) {
		if (journal.entry[i].state != BH_ENTRY_BACK) {
			detail_row(out, &journal, &journal.entry[i]);
			out->applied = true;
		}
	}
	for (uint32_t i = 0; i < out->row_cnt; i++)
		out->cnt[out->row[i].state]++;
	bh_journal_close(&journal);
	return 0;
}

void
bh_status_free(struct bh_status *status)
{
	free(status->row);
	status->row = NULL;
	status->row_cnt = status->row_room = 0;
}
