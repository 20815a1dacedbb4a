/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/cell.h>
#include <bulkhead/log.h>
#include <bulkhead/sched.h>

int
cell_main(unsigned core_idx)
{
	bh_log_info("core %u of %u is up", core_idx, bh_core_cnt());
	while (!bh_stop_requested())
		bh_yield();
	bh_log_info("core %u stops", core_idx);
	return 0;
}
