/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reset ladder: which rung is taken when, and what counts as its proof. It knows no file descriptor: every access goes
 * through a table of operations, so that tests put a device of their own behind it, with a clock of their own.
 *
 *   quiesce      bus mastering off, read back; transactions pending in the PCIe device status: none      100 ms
 *   controller   NVMe: CC.EN = 0, then CSTS.RDY = 0                                                      CAP.TO, at most 10 s
 *   function     function level reset, where the device has one                                          1 s after it returned
 *   power        D3hot and back, unless the device keeps its state there                                 500 ms
 *   bus          secondary bus reset, if every function that it hits is ours                             1 s after it returned
 *   give up      bus mastering off, whatever else the device does
 *
 * An ordinary stop takes the first three. Power and bus are tried only when no earlier rung reset the function; where there is no
 * function level reset, a proven controller reset is enough. Each rung writes one line with what was read back.
 */
#ifndef HOST_DEVICE_VFIO_RESET_H
#define HOST_DEVICE_VFIO_RESET_H

#include <bulkhead/types.h>

#define BH_VFIO_QUIESCE_NS        UINT64_C(100000000)
#define BH_VFIO_CONTROLLER_NS_MAX UINT64_C(10000000000)
#define BH_VFIO_READY_NS          UINT64_C(1000000000)
#define BH_VFIO_POWER_NS          UINT64_C(500000000)

enum bh_vfio_rung {
	BH_RUNG_QUIESCE,
	BH_RUNG_CONTROLLER,
	BH_RUNG_FUNCTION,
	BH_RUNG_POWER,
	BH_RUNG_BUS,
	BH_RUNG_GIVE_UP,
	BH_RUNG_CNT,
};

enum bh_vfio_rung_result {
	BH_RUNG_NOT_TAKEN = 0,
	BH_RUNG_ABSENT, /* the device has no such thing */
	BH_RUNG_DONE,
	BH_RUNG_FAILED,
	BH_RUNG_GONE, /* all ones */
};

struct bh_vfio_reset_log {
	enum bh_vfio_rung_result result[BH_RUNG_CNT];
	bool master_off; /* proven by the last reading of the command register */
	uint32_t text_bytes;
	char text[1024];
};

struct bh_vfio_reset_facts {
	bool is_nvme;
	bool has_flr;
	bool no_soft_reset;
	uint8_t express, power; /* capability offsets; 0: none */
};

/* All but the clock return 0 or a negative errno. */
struct bh_vfio_reset_ops {
	uint64_t (*now_ns)(void *context);
	void (*sleep_ns)(void *context, uint64_t ns);
	int (*config_read)(void *context, uint32_t offset, uint32_t width_bytes, uint32_t *out_value);
	int (*config_write)(void *context, uint32_t offset, uint32_t width_bytes, uint32_t value);
	int (*reg_read)(void *context, uint64_t offset, uint32_t width_bytes, uint64_t *out_value); /* of BAR 0 */
	int (*reg_write)(void *context, uint64_t offset, uint32_t width_bytes, uint64_t value);
	int (*function_reset)(void *context);
	int (*bus_reset)(void *context); /* -EPERM: somebody else's functions are on that bus */
};

/**
 * bh_vfio_reset_run - climb until a rung proves that the device is reset
 *
 * The log is filled in any case. Afterwards bus mastering is off; who wants to go on with the device switches it on again.
 * Return: 0: reset, and quiet; -ENODEV: gone (all ones); -EIO: given up; log->master_off says whether it can still do DMA.
 */
BH_MUST_CHECK int bh_vfio_reset_run(const struct bh_vfio_reset_ops *ops, void *context,
                                    const struct bh_vfio_reset_facts *facts, struct bh_vfio_reset_log *log);

/* bh_vfio_rung_name - "quiesce", "controller", ... */
const char *bh_vfio_rung_name(enum bh_vfio_rung rung);

#endif
