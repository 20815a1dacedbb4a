/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The device under the driver benchmark. Bring-up and admin commands go to the NVMe model; the I/O queues are answered by
 * an ideal device: it reads an entry's identifier, writes a completion, and does nothing else.
 */
#ifndef BENCH_NVME_DRIVER_DEVICE_H
#define BENCH_NVME_DRIVER_DEVICE_H

#include <bulkhead/types.h>

/* device_start - make the model. To be called as core 0, before bh_nvme_open. Return: 0 or negative. */
BH_MUST_CHECK int device_start(void);

/* device_attach - after bh_nvme_qpair_create: the ideal device takes I/O queue 1 over. */
void device_attach(void);

/* device_step - let the ideal device complete up to cnt commands of I/O queue 1, oldest first. Return: how many. */
uint32_t device_step(uint32_t cnt);

#endif
