/* SPDX-License-Identifier: Apache-2.0 */
#include "pair.h"

#include "core/core.h"
#include "devices/virtio_net/capabilities.h"
#include "tests/hosted/include/bulkhead/hosted.h"

#define CLOCK_STEP_NS 100u

struct bh_core *sim_core_self(void);
uint64_t sim_clock_now(void);
void sim_pause(void);
void sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes);

struct pair pair;
static struct bh_core *core_self;
static struct vfu_config pci_config;
static struct bh_pkt_pool *pool[2];

struct bh_core *
sim_core_self(void)
{
	return core_self;
}

uint64_t
sim_clock_now(void)
{
	pair.now_ns += CLOCK_STEP_NS;
	return pair.now_ns * (BH_HOSTED_TSC_HZ / 1000000) / 1000;
}

void
sim_pause(void)
{
	pair.now_ns += CLOCK_STEP_NS;
}

void
sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes)
{
	fail_msg("nothing is mapped here");
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
	return NULL;
}

static int
reg_read(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t *out_value)
{
	*out_value = UINT64_MAX;
	if (pair.gone)
		return 0;
	if (bar == BH_BAR_CONFIG) {
		*out_value = 0;
		if (offset + width_bytes > sizeof(pci_config.initial))
			return -BH_EINVAL;
		memcpy(out_value, pci_config.initial + offset, width_bytes);
		return 0;
	}
	assert_int_equal(bar, 0);
	*out_value = vnet_model_reg_read(pair.model[device->device_idx], offset, width_bytes);
	return 0;
}

static int
reg_write(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	assert_int_equal(bar, 0);
	if (!pair.gone)
		vnet_model_reg_write(pair.model[device->device_idx], offset, width_bytes, value);
	return 0;
}

#define REG_FUNCTIONS(bits)                                                                                            \
	int bh_reg_read##bits(const struct bh_device *device, uint32_t bar, uint64_t offset,                           \
	                      uint##bits##_t *out_value)                                                               \
	{                                                                                                              \
		uint64_t value;                                                                                        \
		int err = reg_read(device, bar, offset, bits / 8, &value);                                             \
		*out_value = (uint##bits##_t)value;                                                                    \
		return err;                                                                                            \
	}                                                                                                              \
	int bh_reg_write##bits(const struct bh_device *device, uint32_t bar, uint64_t offset, uint##bits##_t value)    \
	{                                                                                                              \
		return reg_write(device, bar, offset, bits / 8, value);                                                \
	}

REG_FUNCTIONS(8)
REG_FUNCTIONS(16)
REG_FUNCTIONS(32)
REG_FUNCTIONS(64)

int
bh_device_reset(const struct bh_device *device)
{
	vnet_model_reset(pair.model[device->device_idx]);
	return 0;
}

uint32_t
bh_device_reset_cnt(const struct bh_device *device, bool *out_under_way)
{
	*out_under_way = false;
	return 0;
}

static bool
window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct vnet_window *out)
{
	if (!bh_dma_contains((void *)(uintptr_t)iova, size_bytes))
		return false;
	*out = (struct vnet_window){iova, size_bytes, (uint8_t *)(uintptr_t)iova, prot};
	return true;
}

static void
devices_poll(void *arg)
{
	pair.now_ns += CLOCK_STEP_NS;
	if (pair.gone)
		return;
	vnet_model_control(pair.model[0]);
	vnet_model_control(pair.model[1]);
	if (!pair.frozen)
		vnet_wire_poll(pair.wire, pair.now_ns);
}

void
pair_defaults(void)
{
	pair = (struct pair){.model_config = VNET_MODEL_CONFIG_DEFAULT, .wire_config = {.seed = 1}};
}

static void
page_fill(void)
{
	struct bh_boot_page *page = bh_hosted_page();
	page->device_cnt = 2;
	for (uint32_t i = 0; i < 2; i++) {
		struct bh_boot_device *device = &page->device[i];
		snprintf(device->name, sizeof(device->name), "p%u", i);
		strcpy(device->model, "virtio-net");
		device->pci_vendor = VIRTIO_PCI_VENDOR;
		device->pci_device = VIRTIO_PCI_DEVICE_NET;
		device->pci_class = 0x020000;
		device->bar[0].size_bytes = VNET_BAR_BYTES;
	}
}

static void (*run_body)(void *);

static void
run_main(void *arg)
{
	struct bh_poller poller = {.fn = devices_poll};
	bh_poller_add(&poller);
	run_body(arg);
	bh_poller_remove(&poller);
}

void
pair_run(void (*body)(void *))
{
	const struct vnet_host host = {.dma_window = window};
	assert_int_equal(bh_hosted_map(1, 64u << 20, 32u << 20), 0);
	page_fill();
	assert_int_equal(bh_hosted_cores_init(), 0);
	core_self = bh_hosted_core_get(0);
	vfu_config_type0(&pci_config, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_NET, 0x020000, 1);
	assert_int_equal(vnet_config_capabilities(&pci_config), 0);
	pool[0] = pool[1] = NULL;
	assert_int_equal(vnet_model_create(&pair.model_config, &host, &pair.model[0]), 0);
	pair.model_config.mac[5]++;
	assert_int_equal(vnet_model_create(&pair.model_config, &host, &pair.model[1]), 0);
	assert_int_equal(vnet_wire_create(&pair.wire_config, pair.model[0], pair.model[1], &pair.wire), 0);
	run_body = body;
	assert_int_equal(bh_core_run_fn(core_self, run_main, NULL), 0);
	vnet_wire_destroy(pair.wire);
	vnet_model_destroy(pair.model[0]);
	vnet_model_destroy(pair.model[1]);
	bh_hosted_unmap();
	memset(&pci_config, 0, sizeof(pci_config));
}

void
pair_open(const struct bh_port_options *options, struct bh_port *out_port[2], struct bh_port_queue *out_queue[2])
{
	static const char *const name[2] = {"p0", "p1"};
	struct bh_port_options with = {.promiscuous = true};
	if (options != NULL)
		with = *options;
	if (with.data_bytes == 0)
		with.data_bytes = 1024; /* fewer than the pools have: chains wherever the card has them */
	for (uint32_t i = 0; i < 2; i++) {
		if (pool[i] == NULL)
			assert_int_equal(bh_pkt_pool_create(NULL, &pool[i]), 0);
		assert_int_equal(bh_port_open(name[i], &with, &out_port[i]), 0);
		assert_int_equal(bh_port_queue_start(out_port[i], 0, pool[i], &out_queue[i]), 0);
	}
}

void
pair_pass(unsigned turn_cnt)
{
	while (turn_cnt-- > 0)
		bh_yield();
}

uint64_t
pair_counter(const char *name)
{
	return *bh_counter_register(name, "");
}
