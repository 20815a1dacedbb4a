/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a namespace with a pattern, or reads and compares it, through the NVMe driver; the lab's tests do the other half with
 * Linux's driver. Requests are larger than a page and their buffers begin anywhere, so that lists of PRPs and split requests are
 * part of it. A request that a reset ended is sent again: the pattern makes that harmless.
 */
#include <bulkhead/cell.h>
#include <bulkhead/device.h>
#include <bulkhead/log.h>
#include <bulkhead/mem.h>
#include <bulkhead/metrics.h>
#include <bulkhead/nvme.h>
#include <bulkhead/sched.h>

#include "tests/cells/disk.h"

#define LOGGED_MAX 4u

struct slot {
	uint8_t *buf;
	uint64_t offset;
	uint32_t bytes;
	bool busy, again;
};

static struct {
	const struct disk_config *config;
	struct bh_nvme *ctrl;
	struct bh_nvme_qpair *qp;
	const struct bh_nvme_ns *ns;
	struct slot *slot;
	uint64_t next, end; /* bytes */
	uint64_t request_cnt;
	uint32_t busy_cnt;
	bool troubling, trouble_over;
	bool held; /* nothing is sent */
	int error;
	uint64_t *written, *checked, *mismatched, *again, *troubles, *fatal;
} disk;

static bool
is_read(void)
{
	return disk.config->what == DISK_check;
}

static void
pattern_fill(const struct slot *slot)
{
	for (uint64_t i = 0; i < slot->bytes; i += 8) {
		uint64_t word = disk_word(disk.config->seed, slot->offset + i);
		memcpy(slot->buf + i, &word, sizeof(word));
	}
}

static bool
block_matches(const struct slot *slot, uint64_t from)
{
	for (uint64_t i = from; i < from + disk.ns->lba_bytes; i += 8) {
		uint64_t word;
		memcpy(&word, slot->buf + i, sizeof(word));
		if (word == disk_word(disk.config->seed, slot->offset + i))
			continue;
		if (*disk.mismatched < LOGGED_MAX)
			bh_log_error("byte %lu of the namespace: %lx, want %lx", slot->offset + i, word,
			             disk_word(disk.config->seed, slot->offset + i));
		return false;
	}
	return true;
}

static void
pattern_check(const struct slot *slot)
{
	for (uint64_t from = 0; from < slot->bytes; from += disk.ns->lba_bytes) {
		bh_counter_add(disk.checked, 1);
		if (!block_matches(slot, from))
			bh_counter_add(disk.mismatched, 1);
	}
}

static void
request_done(void *arg, uint16_t status)
{
	struct slot *slot = arg;
	disk.busy_cnt--;
	slot->busy = false;
	if (status == BH_NVME_STATUS_RESET || status == BH_NVME_STATUS_TIMED_OUT) {
		slot->again = true;
		bh_counter_add(disk.again, 1);
	} else if (status != 0) {
		bh_log_error("request at byte %lu: status %x", slot->offset, status);
		disk.error = bh_nvme_status_error(status);
	} else if (is_read()) {
		pattern_check(slot);
	} else {
		bh_counter_add(disk.written, slot->bytes >> disk.ns->lba_shift);
	}
}

/* Return: whether the slot has something to do that is not under way. */
static bool
slot_take(struct slot *slot)
{
	if (slot->again)
		return true;
	if (disk.next == disk.end && disk.config->what == DISK_load && !bh_stop_requested())
		disk.next = disk.config->first_bytes;
	if (disk.next == disk.end)
		return false;
	slot->offset = disk.next;
	slot->bytes = (uint32_t)BH_MIN((uint64_t)disk.config->io_bytes, disk.end - disk.next);
	disk.next += slot->bytes;
	slot->again = true; /* until it is sent */
	if (!is_read())
		pattern_fill(slot);
	return true;
}

static void
slot_send(struct slot *slot)
{
	uint64_t lba = slot->offset >> disk.ns->lba_shift;
	uint32_t lba_cnt = slot->bytes >> disk.ns->lba_shift;
	if (is_read())
		memset(slot->buf, 0, slot->bytes);
	int err = is_read() ? bh_nvme_read(disk.qp, disk.ns, lba, lba_cnt, slot->buf, request_done, slot)
	                    : bh_nvme_write(disk.qp, disk.ns, lba, lba_cnt, slot->buf, request_done, slot);
	if (err == -BH_EAGAIN)
		return;
	if (err != 0) {
		disk.error = err;
		return;
	}
	slot->again = false;
	slot->busy = true;
	disk.busy_cnt++;
	disk.request_cnt++;
}

/* Whether anything is left to do, or under way. */
static bool
unfinished(void)
{
	if (disk.next < disk.end || disk.busy_cnt > 0 || (disk.troubling && !disk.trouble_over) ||
	    (disk.config->what == DISK_load && !bh_stop_requested()))
		return true;
	for (uint32_t i = 0; i < disk.config->depth; i++) {
		if (disk.slot[i].again)
			return true;
	}
	return false;
}

static void
move(void)
{
	while (disk.error == 0 && unfinished()) {
		for (uint32_t i = 0; i < disk.config->depth && disk.error == 0; i++) {
			if (!disk.held && !disk.slot[i].busy && slot_take(&disk.slot[i]))
				slot_send(&disk.slot[i]);
		}
		bh_nvme_poll(disk.qp, disk.config->depth);
		bh_yield();
	}
	while (disk.busy_cnt > 0) {
		bh_nvme_poll(disk.qp, disk.config->depth);
		bh_yield();
	}
}

/* Enabled with an admin submission queue of one entry, which must not be (Base 2.0, 3.1.3.8): QEMU's controller fails. */
static int
make_fatal(const struct bh_device *device)
{
	uint32_t cc = 0, csts = 0;
	int err = bh_reg_read32(device, 0, NVME_REG_CC, &cc);
	if (err == 0)
		err = bh_reg_write32(device, 0, NVME_REG_CC, cc & ~NVME_CC_EN);
	if (err == 0)
		err = bh_reg_write32(device, 0, NVME_REG_AQA, 0);
	if (err == 0)
		err = bh_reg_write32(device, 0, NVME_REG_CC, cc | NVME_CC_EN);
	if (err == 0)
		err = bh_reg_read32(device, 0, NVME_REG_CSTS, &csts);
	if (err == 0 && csts & NVME_CSTS_CFS)
		bh_counter_add(disk.fatal, 1);
	return err;
}

static int
trouble_once(const struct bh_device *device)
{
	int err;
	switch (disk.config->trouble) {
	case DISK_TROUBLE_reset:
		return bh_nvme_reset(disk.ctrl);
	case DISK_TROUBLE_function:
		err = bh_device_reset(device);
		return err == 0 ? bh_nvme_reset(disk.ctrl) : err;
	default:
		return make_fatal(device);
	}
}

/*
 * Wait until requests are under way and all of them are fetched, and send no more. QEMU 7.2 dies when CC.EN is cleared between a
 * doorbell and its look at the queue: it starts the commands after it has freed the queues. Where its EventIdx stands, it has looked.
 */
static void
hold(void)
{
	const struct bh_nvme_qpair *qp = disk.qp;
	for (;;) {
		uint64_t request_cnt = disk.request_cnt + disk.config->depth;
		disk.held = false;
		while ((disk.request_cnt < request_cnt || disk.busy_cnt == 0) && disk.error == 0)
			bh_yield();
		disk.held = true;
		while (qp->sq_event != NULL && *qp->sq_event != (qp->sq_tail & qp->sq_mask) && disk.busy_cnt > 0 &&
		       disk.error == 0)
			bh_yield();
		if (disk.busy_cnt > 0 || disk.error != 0)
			return;
	}
}

/* A fiber: makes trouble while requests are under way, and lets the driver come back before it does so again. */
static void
trouble_main(void *arg)
{
	struct bh_device device;
	uint64_t *resets = bh_counter_register("nvme0.reset", "");
	int err = bh_device_find(disk.config->device, &device);
	for (uint32_t i = 0; i < disk.config->trouble_cnt && err == 0 && disk.error == 0; i++) {
		hold();
		uint64_t reset_cnt = *resets;
		err = trouble_once(&device);
		disk.held = false;
		while ((*resets == reset_cnt || bh_nvme_state(disk.ctrl) == BH_NVME_RESETTING) && err == 0 &&
		       disk.error == 0)
			bh_yield();
		bh_counter_add(disk.troubles, 1);
	}
	if (err != 0)
		disk.error = err;
	disk.held = false;
	disk.trouble_over = true;
}

static int
erase(void)
{
	uint64_t lba = disk.next >> disk.ns->lba_shift;
	uint32_t lba_cnt = (uint32_t)((disk.end - disk.next) >> disk.ns->lba_shift);
	return disk.config->what == DISK_zero ? bh_nvme_write_zeroes_wait(disk.qp, disk.ns, lba, lba_cnt, NULL)
	                                      : bh_nvme_deallocate_wait(disk.qp, disk.ns, lba, lba_cnt, NULL);
}

static void
gauge(const char *name, uint64_t value)
{
	*bh_gauge_register(name, "") = value;
}

static int
cache_set(void)
{
	uint32_t on = 0;
	int err = 0;
	if (disk.config->write_cache != 0)
		err = bh_nvme_feature_set(disk.ctrl, NVME_FEATURE_VOLATILE_WRITE_CACHE, 0,
		                          disk.config->write_cache == 1);
	if (err == 0)
		err = bh_nvme_feature_get(disk.ctrl, NVME_FEATURE_VOLATILE_WRITE_CACHE, 0, &on);
	gauge(DISK_GAUGE_CACHE_ON, on & 1);
	return err;
}

static int
open_disk(void)
{
	/* A reset of the function takes its time, and a driver that finds it half-way would only be in its way. */
	const uint64_t watch_ns = disk.config->trouble == DISK_TROUBLE_function ? UINT64_C(3600000000000) : 0;
	const struct bh_nvme_options options = {.no_shadow_doorbells = disk.config->no_shadow_doorbells,
	                                        .watch_interval_ns = watch_ns,
	                                        .admin_timeout_ns = disk.config->admin_timeout_ns};
	int err = bh_nvme_open(disk.config->device, &options, &disk.ctrl);
	if (err == 0)
		err = bh_nvme_ns_find(disk.ctrl, disk.config->namespace_id, &disk.ns);
	if (err == 0)
		err = bh_nvme_qpair_create(disk.ctrl, disk.config->depth, &disk.qp);
	if (err == 0)
		err = cache_set();
	if (err != 0)
		return err;
	const struct bh_nvme_info *info = bh_nvme_info(disk.ctrl);
	gauge(DISK_GAUGE_LBA_BYTES, disk.ns->lba_bytes);
	gauge(DISK_GAUGE_LBA_CNT, disk.ns->lba_cnt);
	gauge(DISK_GAUGE_NS_CNT, info->ns_cnt);
	gauge(DISK_GAUGE_TRANSFER_MAX, info->transfer_bytes_max);
	gauge(DISK_GAUGE_SHADOW, info->shadow_doorbells);
	gauge(DISK_GAUGE_VWC, info->volatile_write_cache);
	gauge(DISK_GAUGE_READS_ZERO, disk.ns->deallocated_reads_zero);
	disk.next = disk.config->first_bytes;
	disk.end = disk.ns->lba_cnt << disk.ns->lba_shift;
	if (disk.config->size_bytes != 0)
		disk.end = disk.next + disk.config->size_bytes;
	return 0;
}

/* Buffers begin at another 4-byte boundary each, and so in the middle of a page. */
static int
make_slots(void)
{
	uint32_t cnt = disk.config->depth;
	size_t stride = disk.config->io_bytes + BH_PAGE_BYTES;
	uint8_t *memory = bh_dma_alloc(cnt * stride, BH_PAGE_BYTES);
	disk.slot = bh_heap_alloc(cnt * sizeof(*disk.slot));
	if (memory == NULL || disk.slot == NULL)
		return -BH_ENOMEM;
	for (uint32_t i = 0; i < cnt; i++)
		disk.slot[i].buf = memory + i * stride + (i * 516 & (BH_PAGE_BYTES - 4));
	disk.written = bh_counter_register(DISK_COUNTER_WRITTEN, "blocks");
	disk.checked = bh_counter_register(DISK_COUNTER_CHECKED, "blocks");
	disk.mismatched = bh_counter_register(DISK_COUNTER_MISMATCHED, "blocks");
	disk.again = bh_counter_register(DISK_COUNTER_AGAIN, "requests");
	disk.troubles = bh_counter_register(DISK_COUNTER_TROUBLES, "");
	disk.fatal = bh_counter_register(DISK_COUNTER_FATAL, "");
	return 0;
}

static int
commands_count(uint64_t *out_cnt)
{
	struct nvme_health_log log;
	uint64_t reads, writes;
	int err = bh_nvme_health_log(disk.ctrl, &log);
	if (err != 0)
		return err;
	memcpy(&reads, log.host_reads, sizeof(reads));
	memcpy(&writes, log.host_writes, sizeof(writes));
	*out_cnt = reads + writes;
	return 0;
}

static int
work(void)
{
	uint64_t before_cnt = 0, after_cnt = 0;
	int err = commands_count(&before_cnt);
	disk.troubling = disk.config->trouble != DISK_TROUBLE_none;
	if (err == 0 && disk.troubling)
		err = bh_fiber_spawn(trouble_main, NULL);
	if (err != 0)
		return err;
	if (disk.config->what == DISK_zero || disk.config->what == DISK_deallocate)
		err = erase();
	else
		move();
	while (disk.troubling && !disk.trouble_over)
		bh_yield();
	if (err == 0)
		err = disk.error;
	if (err == 0 && !is_read())
		err = bh_nvme_flush_wait(disk.qp, disk.ns, NULL);
	if (err == 0)
		err = commands_count(&after_cnt);
	if (err == 0)
		gauge(DISK_GAUGE_COMMANDS, after_cnt - before_cnt);
	return err;
}

int
cell_main(unsigned core_idx)
{
	if (core_idx != 0)
		return 0;
	disk.config = bh_app_config(sizeof(*disk.config));
	int err = disk.config == NULL ? -BH_EINVAL : make_slots();
	if (err == 0)
		err = open_disk();
	if (err == 0)
		err = work();
	if (disk.qp != NULL && bh_nvme_qpair_delete(disk.qp) != 0)
		bh_log_warn("the queue pair could not be deleted");
	if (disk.ctrl != NULL && bh_nvme_close(disk.ctrl) != 0)
		bh_log_warn("the controller did not confirm its shutdown");
	return err != 0 || *disk.mismatched == 0 ? err : -BH_EILSEQ;
}
