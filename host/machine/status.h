/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What was wanted, what the kernel was booted with, and what is in effect now, side by side. Reads only; root sees the journal.
 */
#ifndef HOST_MACHINE_STATUS_H
#define HOST_MACHINE_STATUS_H

#include "host/machine/journal.h"

#define BH_STATUS_TEXT_BYTES 96

enum bh_row_state {
	BH_ROW_HOLDS = 0,
	BH_ROW_DRIFTED = 1, /* it was set, and is another value now */
	BH_ROW_REBOOT = 2,  /* a reboot away: or taken away by one */
	BH_ROW_FREE = 3,    /* nobody asked for it */
	BH_ROW_REFUSED = 4, /* the kernel does not let it be changed */
	BH_ROW_STATES = 5,
};

struct bh_status_row {
	char name[BH_SYS_PATH_BYTES];
	char wanted[BH_STATUS_TEXT_BYTES], booted[BH_STATUS_TEXT_BYTES], effective[BH_STATUS_TEXT_BYTES]; /* "" none */
	enum bh_row_state state;
	bool detail; /* one of the journal's settings; the others are the machine's main facts */
};

struct bh_status {
	bool applied; /* there is a journal with something of ours in it */
	bool rebooted;
	char config[PATH_MAX];
	enum bh_level level;
	struct bh_status_row *row;
	uint32_t row_cnt, row_room;
	uint32_t cnt[BH_ROW_STATES];
};

/* "holds", "drifted", ...: stable words for JSON. */
const char *bh_row_state_name(enum bh_row_state state);

/* bh_status_read - Return: 0; -EACCES the journal is root's (E226); those of bh_journal_open; -ENOMEM. */
BH_MUST_CHECK int bh_status_read(const char *root, struct bh_status *out, struct bh_error *error);
void bh_status_free(struct bh_status *status);

#endif
