/* SPDX-License-Identifier: Apache-2.0 */
/* Binding's inside, shared by its .c files and its tests. */
#ifndef HOST_DEVICE_BIND_PRIVATE_H
#define HOST_DEVICE_BIND_PRIVATE_H

#include <limits.h>
#include <signal.h>

#include "host/device/bind.h"
#include "host/device/signals.h"
#include "host/device/sysfs.h"
#include "host/errors/errors.h"

#define BH_BIND_DRIVER     "vfio-pci"
#define BH_BIND_FOLDER     "/run/bulkhead/bind"
#define BH_BIND_BLOCKS_MAX 1024u
#define BH_BIND_NETS_MAX   256u
#define BH_BIND_HELD_MAX   64u
#define BH_BIND_STEP_NS    UINT64_C(10000000)
#define BH_BIND_REASON_MAX 3 /* findings of one reason: it is named already */

/* ---- what the machine is asked and told; tests put a kernel of their own here ---- */

/* An IPv6 address, or an IPv4 one mapped into it. */
struct bh_bind_ip {
	uint8_t byte[16];
};

struct bh_bind_if_address {
	char interface[BH_SYS_NAME_BYTES];
	struct bh_bind_ip ip;
};

struct bh_bind_ops {
	/* Write to a file of sysfs. 0; -ETIMEDOUT the kernel did not come back from it. */
	int (*write)(const char *path, const char *text);
	int (*load_module)(const char *name);
	/* A descriptor to read the disk, or a negative errno: -EBUSY somebody holds it exclusively. */
	int (*open_disk)(const char *path, uint32_t major, uint32_t minor, bool exclusive);
	/* 0, or -EBUSY: somebody has /dev/vfio/GROUP open. */
	int (*try_group)(const char *path);
	/* Each returns how many there are (at most max), or a negative errno. */
	int (*addresses)(struct bh_bind_if_address *out, size_t max);
	int (*default_routes)(char (*out_interface)[BH_SYS_NAME_BYTES], size_t max);
	/* The interface that packets to `ip` leave by. 0 or a negative errno. */
	int (*route)(const struct bh_bind_ip *ip, char out_interface[BH_SYS_NAME_BYTES]);
	void (*pause)(uint64_t ns); /* between two looks */
	uint64_t (*now_ns)(void);
};

extern const struct bh_bind_ops *bh_bind_ops;
extern const struct bh_bind_ops bh_bind_ops_linux;

int bh_bind_netlink_defaults(char (*out_interface)[BH_SYS_NAME_BYTES], size_t max);
int bh_bind_netlink_route(const struct bh_bind_ip *ip, char out_interface[BH_SYS_NAME_BYTES]);

/* ---- the device and what Linux made of it ---- */

/* A disk or partition of the device, or something that lies on one. */
struct bh_bind_block {
	char name[BH_SYS_NAME_BYTES]; /* as in /sys/class/block */
	char via[BH_SYS_NAME_BYTES];  /* the device's own one below it; its own name if `own` */
	uint32_t major, minor;
	bool own, partition;
};

/* An interface of the device, or one above it: bond, bridge, VLAN, ... */
struct bh_bind_net {
	char name[BH_SYS_NAME_BYTES];
	char via[BH_SYS_NAME_BYTES];
	bool own;
};

struct bh_bind_list {
	struct bh_bind_finding *entry;
	int cnt;
};

struct bh_bind_scope {
	const char *root;
	struct bh_pci_device device;
	struct bh_bind_block block[BH_BIND_BLOCKS_MAX];
	size_t block_cnt;
	struct bh_bind_net net[BH_BIND_NETS_MAX];
	size_t net_cnt;
	struct bh_bind_finding finding[BH_BIND_FINDINGS_MAX], note[BH_BIND_FINDINGS_MAX];
	struct bh_bind_list findings, notes;
	int built_cnt;              /* findings of bh_bind_scope_new */
	int held[BH_BIND_HELD_MAX]; /* exclusive opens of its disks: nothing can be mounted while they last */
	size_t held_cnt;
	bool hold; /* else each is closed again at once: looking should not be in anybody's way */
};

/* bh_bind_scope_new - the function, its disks and interfaces and what lies on them. Return: 0 or a negative errno. */
BH_MUST_CHECK int bh_bind_scope_new(const char *root, const char *address, struct bh_bind_scope **out,
                                    struct bh_error *error);
/* bh_bind_scope_guard - run every guard; fills findings and notes and, with scope->hold, keeps the disks. Once or again. */
void bh_bind_scope_guard(struct bh_bind_scope *scope);
void bh_bind_scope_release(struct bh_bind_scope *scope);
void bh_bind_scope_free(struct bh_bind_scope *scope);

/* The same one twice, or more than BH_BIND_REASON_MAX of a reason, is left out. */
BH_PRINTF(3, 4) void bh_bind_add(struct bh_bind_list *list, const char *reason, const char *format, ...);
bool bh_bind_has(const struct bh_bind_list *list, const char *reason);

/* The entry, or NULL. A path is followed below root; a name with '!' stands for '/' in /dev. */
const struct bh_bind_block *bh_bind_block_at(const struct bh_bind_scope *scope, uint32_t major, uint32_t minor);
const struct bh_bind_block *bh_bind_block_path(const struct bh_bind_scope *scope, const char *path);
const struct bh_bind_net *bh_bind_net_name(const struct bh_bind_scope *scope, const char *name);
/* "/dev/dm-0, which lies on /dev/nvme0n1p1," or "/dev/nvme0n1p1". */
const char *bh_bind_block_text(const struct bh_bind_block *block, char out[2 * BH_SYS_NAME_BYTES + 40]);
const char *bh_bind_net_text(const struct bh_bind_net *net, char out[2 * BH_SYS_NAME_BYTES + 40]);

/* ---- guards, by subject ---- */

void bh_bind_guard_mounts(struct bh_bind_scope *scope); /* mounted, boot-disk */
void bh_bind_guard_disk(struct bh_bind_scope *scope);   /* swap, holder, loop, exported, boot-disk */
void bh_bind_guard_open(struct bh_bind_scope *scope);   /* in-use, open, member, unreadable */
void bh_bind_guard_net(struct bh_bind_scope *scope);    /* default-route, no-interface */
void bh_bind_guard_ssh(struct bh_bind_scope *scope);    /* ssh-session */

/* Undo \040 and the like in place, as in mountinfo and swaps. */
void bh_bind_unescape(char *text);
/* The next field of a line, terminated in place; NULL at its end. */
char *bh_bind_field(char **line);
/* Running processes as names of /proc. */
int bh_bind_pids(const char *root, struct bh_sys_names *out);

/* ---- journal and steps ---- */

struct bh_bind_journal {
	char address[BH_PCI_ADDRESS_BYTES];
	uint16_t vendor, device;
	char driver[32];
	char driver_override[32];
	char made[64]; /* a disk or interface that the driver had made, "" none: what to wait for */
};

/* Return: 0; -ENOENT none; -EBADMSG damaged. */
int bh_bind_journal_read(const char *root, const char *address, struct bh_bind_journal *out);
/* On the disk when it returns 0. */
int bh_bind_journal_write(const char *root, const struct bh_bind_journal *journal);
int bh_bind_journal_remove(const char *root, const char *address);
/* A descriptor to close, or -EBUSY after ten seconds. */
int bh_bind_lock(const char *root);
/* The same, and `error` says why not. */
int bh_bind_need_lock(const char *root, struct bh_error *error);

/* Each reads back what it did. `error` says which step failed. */
int bh_bind_take(const char *root, const struct bh_bind_journal *journal, struct bh_error *error);
int bh_bind_restore(const char *root, const struct bh_bind_journal *journal, struct bh_error *error);
/* Wait until the disk or interface is there; its name. */
void bh_bind_wait_back(const char *root, const struct bh_bind_journal *journal, char *out, size_t out_bytes);
/* The first disk, else interface, that a function's driver made; "" none. */
void bh_bind_made(const char *root, const char *address, char *out, size_t out_bytes);

#endif
