/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "core/core.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/unit/net/only_32_bits.h"

#define CLOCK_STEP_NS 100u
#define IDLE_STEP_NS  5000u /* while nothing moves */

struct bh_core *sim_core_self(void);
uint64_t sim_clock_now(void);
void sim_pause(void);
void sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes);

struct rig rig;
static struct bh_core *core_self;
/* What a window's address stands for: only where it is matters. */
static uint8_t window[2][IXGBE_BAR_BYTES] BH_ALIGNED(4096);

struct bh_core *
sim_core_self(void)
{
	return core_self;
}

uint64_t
sim_clock_now(void)
{
	rig.now_ns += CLOCK_STEP_NS;
	return rig.now_ns * (BH_HOSTED_TSC_HZ / 1000000) / 1000;
}

void
sim_pause(void)
{
	rig.now_ns += CLOCK_STEP_NS;
}

void
sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes)
{
	uint64_t offset = (uintptr_t)addr - (uintptr_t)window;
	assert_int_equal(width_bytes, 4);
	assert_true(offset < sizeof(window));
	if (!rig.gone)
		ixgbe_model_reg_write(rig.model[offset / IXGBE_BAR_BYTES], offset % IXGBE_BAR_BYTES, 4, value);
}

int
bh_device_find(const char *name, struct bh_device *out_device)
{
	uint32_t idx = name[1] == '1';
	if (strcmp(name, "p0") != 0 && strcmp(name, "p1") != 0)
		return -BH_ENOENT;
	*out_device = (struct bh_device){.device_idx = idx, .info = &bh_hosted_page()->device[idx]};
	return 0;
}

volatile void *
bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	if (bar != 0 || offset + size_bytes > IXGBE_BAR_BYTES)
		return NULL;
	return window[device->device_idx] + offset;
}

int
bh_reg_read32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t *out_value)
{
	assert_int_equal(bar, 0);
	*out_value = (uint32_t)ixgbe_model_reg_read(rig.model[device->device_idx], offset, 4);
	if (offset == rig.lie_at)
		*out_value = rig.lie_value;
	if (rig.gone)
		*out_value = UINT32_MAX;
	return 0;
}

int
bh_reg_write32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t value)
{
	assert_int_equal(bar, 0);
	if (!rig.gone)
		ixgbe_model_reg_write(rig.model[device->device_idx], offset, 4, value);
	return 0;
}

int
bh_device_reset(const struct bh_device *device)
{
	rig.function_reset_cnt++;
	ixgbe_model_reset(rig.model[device->device_idx]);
	return 0;
}

static bool
dma_window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	if (!bh_dma_contains((void *)(uintptr_t)iova, size_bytes))
		return false;
	*out = (struct vnet_window){iova, size_bytes, (uint8_t *)(uintptr_t)iova, prot};
	return true;
}

static void
cards_poll(void *arg)
{
	rig.now_ns += CLOCK_STEP_NS;
	if (rig.gone || rig.frozen || vnet_wire_poll(rig.wire, rig.now_ns) == 0)
		rig.now_ns += IDLE_STEP_NS;
}

void
rig_defaults(void)
{
	rig = (struct rig){.config = IXGBE_MODEL_CONFIG_DEFAULT,
	                   .wire_config = {.seed = 1},
	                   .lie_at = RIG_NO_LIE,
	                   .pci_device = IXGBE_DEV_82599_SFP};
}

static void
page_fill(void)
{
	struct bh_boot_page *page = bh_hosted_page();
	page->device_cnt = 2;
	for (uint32_t i = 0; i < 2; i++) {
		struct bh_boot_device *device = &page->device[i];
		snprintf(device->name, sizeof(device->name), "p%u", i);
		strcpy(device->model, "pci"); /* as of a card behind VFIO: its identity tells what it is */
		device->pci_vendor = INTEL_VENDOR;
		device->pci_device = rig.pci_device;
		device->pci_class = 0x020000;
		device->bar[0].size_bytes = IXGBE_BAR_BYTES;
	}
}

static void
cards_make(void)
{
	const struct vnet_host host = {.dma_window = dma_window};
	for (uint32_t i = 0; i < 2; i++) {
		struct ixgbe_model_config config = rig.config;
		config.mac[5] = (uint8_t)(config.mac[5] + i);
		config.rule_cnt = i == rig.liar ? config.rule_cnt : 0;
		assert_int_equal(ixgbe_model_create(&config, &host, &rig.model[i]), 0);
	}
	struct vnet_wire_end first = {rig.model[0], &ixgbe_wire_ops}, second = {rig.model[1], &ixgbe_wire_ops};
	assert_int_equal(vnet_wire_join(&rig.wire_config, first, rig.loop ? first : second, &rig.wire), 0);
}

static void (*run_body)(void *);

static void
run_main(void *arg)
{
	struct bh_poller poller = {.fn = cards_poll};
	bh_poller_add(&poller);
	run_body(arg);
	bh_poller_remove(&poller);
}

void
rig_run(void (*body)(void *))
{
	assert_int_equal(bh_hosted_map(1, 64u << 20, 32u << 20), 0);
	page_fill();
	assert_int_equal(bh_hosted_cores_init(), 0);
	core_self = bh_hosted_core_get(0);
	cards_make();
	run_body = body;
	assert_int_equal(bh_core_run_fn(core_self, run_main, NULL), 0);
	vnet_wire_destroy(rig.wire);
	ixgbe_model_destroy(rig.model[0]);
	ixgbe_model_destroy(rig.model[1]);
	bh_hosted_unmap();
}

void
rig_open(const struct bh_port_options *options)
{
	static const char *const name[2] = {"p0", "p1"};
	static const struct bh_port_options preset = {.promiscuous = true};
	const struct bh_pkt_pool_options pool = {.pkt_cnt = RIG_PKTS};
	for (uint32_t i = 0; i < (rig.loop ? 1 : 2); i++) {
		assert_int_equal(bh_pkt_pool_create(&pool, &rig.pool[i]), 0);
		assert_int_equal(bh_port_open(name[i], options != NULL ? options : &preset, &rig.port[i]), 0);
		assert_int_equal(bh_port_queue_start(rig.port[i], 0, rig.pool[i], &rig.queue[i]), 0);
	}
}

void
rig_close(void)
{
	for (uint32_t i = 0; i < (rig.loop ? 1 : 2); i++) {
		assert_int_equal(bh_port_close(rig.port[i]), 0);
		bh_pkt_pool_reclaim(rig.pool[i]);
		assert_int_equal(rig.pool[i]->free_cnt, RIG_PKTS);
	}
}

void
rig_pass(uint64_t ns)
{
	bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(ns));
}

struct bh_pkt *
rig_pkt(uint32_t from, uint32_t bytes)
{
	struct bh_pkt *pkt;
	assert_int_equal(bh_pkt_get(rig.pool[from], &pkt, 1), 1);
	for (uint32_t i = 0; i < bytes; i++)
		pkt->data[i] = (uint8_t)i;
	memcpy(pkt->data, "\x02\0\0\0\0", 5);
	pkt->data[5] = (uint8_t)(rig.loop ? 1 : 2 - from);
	pkt->len_bytes = bytes;
	return pkt;
}

void
rig_send(uint32_t from, struct bh_pkt *pkt)
{
	assert_int_equal(bh_port_tx(rig.queue[from], &pkt, 1), 1);
}

struct bh_pkt *
rig_receive(uint32_t at)
{
	struct bh_pkt *pkt;
	for (unsigned turn = 0; turn < 20; turn++) {
		if (bh_port_rx(rig.queue[at], &pkt, 1) == 1)
			return pkt;
		bh_yield();
	}
	return NULL;
}

uint64_t
rig_counter(const char *name)
{
	return *bh_counter_register(name, "");
}

struct ixgbe_stats
rig_stats(uint32_t idx)
{
	struct ixgbe_stats stats;
	ixgbe_model_stats_get(rig.model[idx], &stats);
	return stats;
}
