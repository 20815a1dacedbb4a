/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A cell's configuration: an INI file, read and checked against a schema before anything starts.
 *
 *   [cell]          name, app, cpus, arena, pages
 *   [device NAME]   backend; softdev: model, size, backing, block_size, service_ns, seed, fault; vfio-user: socket;
 *                   vfio: address
 *   [port NAME]     backend; vfio: address; vfio-user: socket; queues, mtu. A packet interface: docs/ports.md
 *   [partition]     what bulkhead doctor, plan and apply shall make of the machine: host/machine/wants.h
 *   [APP...]        what the application's own schema lists
 *
 * Comments begin with # or ; at the start of a line or after a blank. Sizes take K, M, G (powers of 1024), durations ns,
 * us, ms, s, percentages an optional %. Each error names `file:line: what, and what was meant`.
 *
 * One thread. All strings belong to the configuration and live until bh_config_free().
 */
#ifndef HOST_RUN_CONFIG_H
#define HOST_RUN_CONFIG_H

#include <bulkhead/abi/boot.h>
#include <bulkhead/types.h>

#include "host/device/device.h"

#define BH_CONFIG_DEVICES_MAX (BH_DEVICES_MAX - 1) /* one is left for the application's own */

enum bh_value_type {
	BH_VALUE_STRING = 0,
	BH_VALUE_UINT = 1,     /* 42 or 0x2a */
	BH_VALUE_SIZE = 2,     /* 4096, 64K, 1M, 1G; in bytes */
	BH_VALUE_DURATION = 3, /* 10s, 500ms, 20us, 100ns; in nanoseconds; a unit is required, but for 0 */
	BH_VALUE_ENUM = 4,     /* one of `words`; its index */
	BH_VALUE_PERCENT = 5,  /* 70 or 70% */
	BH_VALUE_CPUS = 6,     /* 2,3 or 2-5 or auto */
};

/* One line of a schema. */
struct bh_config_key {
	const char *section; /* "cell"; "device *" stands for every [device NAME] */
	const char *key;
	enum bh_value_type type;
	const char *preset;       /* used when the key is missing; NULL: it must be there; "": it may be missing */
	const char *const *words; /* BH_VALUE_ENUM: NULL-terminated */
	uint64_t min, max;        /* of numbers; max 0: no limit */
	const char *help;         /* what is meant, in a few words: appended to errors */
};

struct bh_run_config;

struct bh_backend;

/**
 * What an application's host half does beside its cell, in the supervisor's process. It may have threads of its own;
 * what it shares with the cell is windows of a device that it adds, named after the application.
 */
struct bh_app_host {
	/**
	 * open - when the devices are open, before the boot page is made
	 * @out_state: for the calls below; @out_channel: a back end whose windows the cell gets, or NULL
	 * The windows' descriptors stay the host half's; the back end is closed before `close`.
	 * Return: 0, or a negative errno with `error` filled, and nothing left behind.
	 */
	BH_MUST_CHECK int (*open)(const struct bh_run_config *config, uint32_t core_cnt, void **out_state,
	                          struct bh_backend **out_channel, struct bh_error *error);
	/* start - the cell's process runs: threads may be started. Return: as open; then `close` follows. */
	BH_MUST_CHECK int (*start)(void *state, struct bh_error *error);
	/**
	 * reload - the configuration was read anew (SIGHUP); NULL: SIGHUP ends the cell
	 * `fresh` is gone afterwards. Return: 0; a negative errno with `error` filled: nothing was changed.
	 */
	BH_MUST_CHECK int (*reload)(void *state, const struct bh_run_config *fresh, struct bh_error *error);
	/* close - the cell is gone, whatever became of it; ends everything that open and start made */
	void (*close)(void *state);
};

/* An application: its cell and its host half. One without a host half needs no such entry (see bh_cell_find_file). */
struct bh_app {
	const char *name; /* of `[cell] app` */
	const struct bh_config_key *key;
	size_t key_cnt;
	uint64_t heap_bytes; /* private memory that the cell needs; 0: BH_HEAP_BYTES_DEFAULT */
	/**
	 * compile - lay the application's configuration out for the boot page
	 * @out: room for BH_APP_CONFIG_BYTES, zeroed; out_bytes: how much is used
	 * Return: 0, or a negative errno with `error` filled (see bh_config_error).
	 */
	BH_MUST_CHECK int (*compile)(const struct bh_run_config *config, void *out, uint32_t *out_bytes,
	                             struct bh_error *error);
	const struct bh_app_host *host; /* NULL: nothing runs beside the cell */
};

enum bh_pages {
	BH_PAGES_AUTO = 0, /* hugepages where enough are free, else ordinary ones with a warning */
	BH_PAGES_HUGE = 1, /* hugepages or an error */
	BH_PAGES_NORMAL = 2,
};

enum bh_backend_kind {
	BH_BACKEND_SOFTDEV = 0,
	BH_BACKEND_VFIO_USER = 1,
	BH_BACKEND_VFIO = 2,
	BH_BACKEND_NULL = 3,
	BH_BACKEND_VHOST_USER = 4,
	BH_BACKEND_PCAP = 5,
	BH_BACKEND_AF_XDP = 6,
};

/* One [device NAME] or [port NAME]. Strings are "" where the key is missing. */
struct bh_device_config {
	char name[BH_NAME_BYTES];
	char section[BH_NAME_BYTES + 8]; /* "device nvme0", "port p0": for its other keys, bh_config_string() */
	bool is_port;
	enum bh_backend_kind backend;
	const char *model;
	uint64_t size_bytes;
	const char *backing; /* "memory", "null", or a file's path */
	uint32_t block_size_bytes;
	const char *service_ns;
	uint64_t seed;
	const char *fault;             /* a file's path */
	const char *socket;            /* vfio-user */
	const char *address;           /* vfio */
	uint32_t queue_cnt, mtu_bytes; /* of a port; 0: not said */
	bool no_offload;               /* of a port: checksums and tags are left to the cell */
};

struct bh_config_file; /* entries with their lines; private to host/run */

struct bh_run_config {
	const char *path; /* of the file */
	bool has_cell;    /* false: bh_config_load_partition, and the file has [partition] only */
	char name[BH_NAME_BYTES];
	const char *app_name;
	const struct bh_app *app; /* NULL: an application without a host half */
	bool cpus_auto;
	uint32_t cpu_cnt; /* with cpus_auto: 1, and cpu[] is chosen when the cell starts */
	uint16_t cpu[BH_CORES_MAX];
	uint64_t arena_bytes;
	enum bh_pages pages;
	uint32_t device_cnt;
	struct bh_device_config device[BH_CONFIG_DEVICES_MAX];
	struct bh_config_file *file;
};

/**
 * bh_config_load - read, override and check a configuration
 * @path:   the INI file
 * @set:    set_cnt texts `section.key=value` (a section may hold blanks: device.nvme0.backend is [device nvme0] backend)
 * @app:    app_cnt applications with host halves; the one that `[cell] app` names brings its schema
 *
 * Return: 0; -ENOENT, -EACCES, ... about the file; -EINVAL for what it says; -ENOMEM. `error` says where and what.
 */
BH_MUST_CHECK int bh_config_load(const char *path, const char *const *set, size_t set_cnt, const struct bh_app *app,
                                 size_t app_cnt, struct bh_run_config **out, struct bh_error *error);

/* bh_config_load_partition - the same, and a file that has [partition] and no [cell] is one, too. */
BH_MUST_CHECK int bh_config_load_partition(const char *path, const struct bh_app *app, size_t app_cnt,
                                           struct bh_run_config **out, struct bh_error *error);
void bh_config_free(struct bh_run_config *config);

/**
 * bh_config_string, bh_config_uint, bh_config_enum - a value of a schema's key, or its preset
 *
 * bh_config_uint is for UINT, SIZE (bytes), DURATION (ns) and PERCENT. The key must be in the schema and of that type:
 * anything else is a mistake of the program and aborts. An optional key ("" as preset) that is missing gives "" or 0.
 */
const char *bh_config_string(const struct bh_run_config *config, const char *section, const char *key);
uint64_t bh_config_uint(const struct bh_run_config *config, const char *section, const char *key);
unsigned bh_config_enum(const struct bh_run_config *config, const char *section, const char *key);

/* bh_config_is_set - whether the file or an override has the key. */
bool bh_config_is_set(const struct bh_run_config *config, const char *section, const char *key);

/* bh_config_section - the name of the section at `idx` in the file, without its brackets; NULL: there are no more. */
const char *bh_config_section(const struct bh_run_config *config, size_t idx);

/**
 * bh_config_changed - whether two readings of one file differ, and by which key
 * @may: keys that may; NULL: none
 *
 * Values count as their schema reads them, and a preset that is written out is no change.
 * Return: whether; then `out` is "[section] key", the first in `a`, or else in `b`.
 */
typedef bool bh_config_may_change_fn(const char *section, const char *key);
bool bh_config_changed(const struct bh_run_config *a, const struct bh_run_config *b, bh_config_may_change_fn *may,
                       char *out, size_t out_bytes);

/* bh_config_device - the device of that name, or NULL. */
const struct bh_device_config *bh_config_device(const struct bh_run_config *config, const char *name);

/**
 * bh_config_error - fill `error` with "file:line: [section] key = value: TEXT", the line being where the key is
 * Return: -EINVAL, so that compile can return it.
 */
BH_PRINTF(5, 6)
int bh_config_error(const struct bh_run_config *config, const char *section, const char *key, struct bh_error *error,
                    const char *format, ...);

/**
 * bh_parse_size, bh_parse_duration_ns - the same units for command line options: "1G", "10s"
 * Return: 0; -EINVAL not a number or no such unit; -ERANGE more than 64 bits.
 */
BH_MUST_CHECK int bh_parse_size(const char *text, uint64_t *out_bytes);
BH_MUST_CHECK int bh_parse_duration_ns(const char *text, uint64_t *out_ns);

#endif
