/* SPDX-License-Identifier: Apache-2.0 */
/* The world under the driver: the functions behind tests/sim/arch's <bulkhead/arch.h>, and the device's registers. */
#include "fake.h"

#include "core/core.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include <pthread.h>

/* Cycles that one look at the clock takes. */
#define CLOCK_STEP_TSC 2600u
/* With two threads the clock of one goes on while the machine runs neither: slowly, so that no deadline passes by that. */
#define CLOCK_STEP_TWO_TSC 26u
#define BAR_BYTES          0x4000u

struct fake fake;

static __thread struct bh_core *core_self;
static uint64_t clock_tsc, clock_step_tsc;
static uint8_t doorbells[BAR_BYTES - NVME_REG_DOORBELLS] BH_ALIGNED(4096);
static uint8_t disk[FAKE_DISK_BYTES];
/* Two cores may use the controller at once. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void fake_cc_write(uint32_t value);
void fake_csts_read(void);
void fake_doorbell(uint32_t qid, uint32_t is_cq, uint32_t value);
void fake_defaults(void);
void fake_controller_stop(void);

struct bh_core *sim_core_self(void);
uint64_t sim_clock_now(void);
void sim_pause(void);
void sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes);

struct bh_core *
sim_core_self(void)
{
	return core_self;
}

uint64_t
sim_clock_now(void)
{
	return __atomic_add_fetch(&clock_tsc, clock_step_tsc, __ATOMIC_RELAXED);
}

void
sim_pause(void)
{
	(void)sim_clock_now();
}

void
fake_clock_advance(uint64_t ns)
{
	__atomic_add_fetch(&clock_tsc, ns * (BH_HOSTED_TSC_HZ / 1000000) / 1000, __ATOMIC_RELAXED);
}

void
sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes)
{
	size_t at = (size_t)((uintptr_t)addr - (uintptr_t)doorbells);
	uint32_t stride = 4u << NVME_GET(fake.cap, NVME_CAP_DSTRD);

	assert_int_equal(width_bytes, 4);
	assert_true(at < sizeof(doorbells) && at % stride == 0);
	pthread_mutex_lock(&lock);
	fake_doorbell((uint32_t)(at / stride / 2), (uint32_t)(at / stride % 2), (uint32_t)value);
	pthread_mutex_unlock(&lock);
}

int
bh_device_find(const char *name, struct bh_device *out_device)
{
	if (strcmp(name, "nvme0") != 0)
		return -BH_ENOENT;
	*out_device = (struct bh_device){.device_idx = 0, .info = &bh_hosted_page()->device[0]};
	return 0;
}

volatile void *
bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	if (bar != 0 || fake.no_windows || offset < NVME_REG_DOORBELLS || offset + size_bytes > BAR_BYTES)
		return NULL;
	return doorbells + (offset - NVME_REG_DOORBELLS);
}

static uint64_t
reg_value(uint64_t offset)
{
	switch (offset) {
	case NVME_REG_CAP:
		return fake.cap;
	case NVME_REG_VS:
		return fake.vs;
	case NVME_REG_CC:
		return fake.cc;
	case NVME_REG_CSTS:
		fake_csts_read();
		return fake.csts;
	case NVME_REG_CRTO:
		return fake.crto;
	default:
		return 0;
	}
}

static int
reg_read(uint64_t offset, uint64_t all_ones, uint64_t *out_value)
{
	pthread_mutex_lock(&lock);
	fake.accesses_beside += fake.foreign_under_way;
	*out_value = fake.gone ? all_ones : reg_value(offset);
	int err = fake.reg_error;
	pthread_mutex_unlock(&lock);
	return err;
}

static int
reg_write(uint64_t offset, uint64_t value)
{
	pthread_mutex_lock(&lock);
	fake.accesses_beside += fake.foreign_under_way;
	int err = fake.reg_error;
	if (!err && !fake.gone) {
		if (offset == NVME_REG_AQA)
			fake.aqa = (uint32_t)value;
		if (offset == NVME_REG_ASQ)
			fake.asq = value;
		if (offset == NVME_REG_ACQ)
			fake.acq = value;
		if (offset == NVME_REG_CC)
			fake_cc_write((uint32_t)value);
	}
	pthread_mutex_unlock(&lock);
	return err;
}

int
bh_reg_read32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t *out_value)
{
	uint64_t value = 0;
	int err = reg_read(offset, NVME_ALL_ONES32, &value);
	*out_value = (uint32_t)value;
	return err;
}

int
bh_reg_read64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t *out_value)
{
	return reg_read(offset, NVME_ALL_ONES64, out_value);
}

int
bh_reg_write32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t value)
{
	return reg_write(offset, value);
}

int
bh_reg_write64(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t value)
{
	return reg_write(offset, value);
}

int
bh_device_reset(const struct bh_device *device)
{
	pthread_mutex_lock(&lock);
	fake.reset_cnt++;
	if (!fake.reset_error) {
		fake_controller_stop();
		fake.cc = 0;
		fake.csts = 0;
	}
	int err = fake.reset_error;
	pthread_mutex_unlock(&lock);
	return err;
}

uint32_t
bh_device_reset_cnt(const struct bh_device *device, bool *out_under_way)
{
	*out_under_way = fake.foreign_under_way;
	return fake.reset_cnt + fake.foreign_cnt;
}

void
fake_foreign_reset_begin(void)
{
	fake.foreign_cnt++;
	fake.foreign_under_way = true;
	fake_controller_stop();
	fake.cc = 0;
	fake.csts = 0;
	fake.gone = true;
}

void
fake_foreign_reset_end(void)
{
	fake.gone = false;
	fake.foreign_under_way = false;
}

static int
start(unsigned core_cnt)
{
	if (bh_hosted_map(core_cnt, 64u << 20, 16u << 20))
		return -1;
	struct bh_boot_page *page = bh_hosted_page();
	struct bh_boot_device *device = &page->device[0];
	page->device_cnt = 1;
	strcpy(device->name, "nvme0");
	strcpy(device->model, "nvme");
	device->pci_class = 0x010802;
	bh_hosted_page_seal();
	if (bh_hosted_cores_init())
		return -1;
	core_self = bh_hosted_core_get(0);
	clock_step_tsc = core_cnt == 1 ? CLOCK_STEP_TSC : CLOCK_STEP_TWO_TSC;
	memset(&fake, 0, sizeof(fake));
	memset(disk, 0, sizeof(disk));
	fake.disk = disk;
	fake_defaults();
	return 0;
}

int
fake_start(void **state)
{
	return start(1);
}

int
fake_start_two_cores(void **state)
{
	return start(2);
}

int
fake_stop(void **state)
{
	bh_hosted_unmap();
	return 0;
}

void
fake_run_on(unsigned core_idx, bh_fiber_fn fn, void *arg)
{
	core_self = bh_hosted_core_get(core_idx);
	assert_int_equal(bh_core_run_fn(core_self, fn, arg), 0);
}

void
fake_run(bh_fiber_fn fn, void *arg)
{
	fake_run_on(0, fn, arg);
}

uint64_t
fake_counter(const char *name)
{
	char full[48];
	snprintf(full, sizeof(full), "nvme0.%s", name);
	return *bh_counter_register(full, "");
}

void
done_fn(void *arg, uint16_t status)
{
	struct done *done = arg;
	done->cnt++;
	done->status = status;
}

void
rig_open(struct rig *rig, const struct bh_nvme_options *options, uint32_t depth)
{
	assert_int_equal(bh_nvme_open("nvme0", options, &rig->ctrl), 0);
	assert_int_equal(bh_nvme_ns_find(rig->ctrl, 1, &rig->ns), 0);
	assert_int_equal(bh_nvme_qpair_create(rig->ctrl, depth, &rig->qp), 0);
}

void
rig_close(struct rig *rig)
{
	assert_int_equal(bh_nvme_qpair_delete(rig->qp), 0);
	assert_int_equal(bh_nvme_close(rig->ctrl), 0);
}

void
rig_until(struct rig *rig, const uint32_t *cnt, uint32_t want)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + 100 * BH_HOSTED_TSC_HZ;
	while (*cnt < want) {
		assert_true(bh_clock_now_tsc() < deadline_tsc);
		bh_nvme_poll(rig->qp, 64);
		bh_yield();
	}
}
