/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel does to a fake tree (fake_tree.h) when bind writes to its sysfs, and what it answers. Behaves as
 * Documentation/ABI/testing/sysfs-bus-pci says; told to, it refuses or lies at the n-th write.
 */
#ifndef TESTS_UNIT_HOST_FAKE_KERNEL_H
#define TESTS_UNIT_HOST_FAKE_KERNEL_H

#include "host/device/bind_private.h"
#include "tests/unit/host/fake_tree.h"

enum fake_fault {
	FAKE_REFUSE,     /* the write fails with EIO */
	FAKE_IGNORE,     /* the write succeeds and does nothing */
	FAKE_DIE,        /* nothing is written any more from here on: as after a kill -9 */
	FAKE_REFUSE_ALL, /* each write from here on fails */
};

/* libblkid looks for no members on anything as small as a floppy disk. */
#define FAKE_DISK_BYTES (2u << 20)

struct fake_kernel {
	char root[64];
	bool has_module;    /* modprobe finds vfio-pci */
	unsigned write_cnt; /* so far */
	unsigned fault_at;  /* 1: the first write; 0: none */
	enum fake_fault fault;
	bool group_busy;
	char busy[4][BH_SYS_NAME_BYTES]; /* disks that open only non-exclusively */
	char unreadable[BH_SYS_NAME_BYTES];
	struct bh_bind_if_address address[8];
	int address_cnt;
	char default_route[4][BH_SYS_NAME_BYTES];
	int default_cnt;               /* negative: an errno */
	char route[BH_SYS_NAME_BYTES]; /* to everywhere; "" unreachable */
};

extern struct fake_kernel fake;

/* fake_start - an empty machine with vfio-pci, nvme and e1000e; fake_stop removes it. For cmocka's setup and teardown. */
int fake_start(void **state);
int fake_stop(void **state);

/* fake_disk - a disk of a function, or "nvme0n1p1" of it; device number 259:minor; all zeros. */
void fake_disk(const char *address, const char *name, unsigned minor);
/* fake_stacked - dm-0, md0, ...: number 253:minor, held by it: on `below`. */
void fake_stacked(const char *name, unsigned minor, const char *below);
/* fake_interface - of a function, or "" for one without (a bond); master "" none. */
void fake_interface(const char *address, const char *name);
void fake_upper(const char *below, const char *above);
void fake_process(unsigned pid, unsigned parent, const char *comm);
void fake_add_address(const char *interface, const char *ip);

/* The address of the only NVMe drive and the only network card of the tests. */
#define NVME "0000:01:00.0"
#define NIC  "0000:02:00.0"

#endif
