/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What may change while the forwarder runs: memory that the host half writes and the cell maps read-only.
 */
#ifndef APPS_FWD_SETTINGS_H
#define APPS_FWD_SETTINGS_H

#include "apps/fwd/switch_settings.h"

struct fwd_settings {
	struct fwd_switch_settings switching;
	/* Of the router: frames a second to Linux, of each port, all cores together; 0: no limit. One load each. */
	uint32_t punt_rate, error_rate;
	uint64_t pad[7];
};

#endif
