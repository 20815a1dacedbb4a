/* SPDX-License-Identifier: Apache-2.0 */
/* The NVMe model as the cell's device. */
#include <string.h>
#include <sys/mman.h>

#include "tests/sim/device.h"
#include <bulkhead/abi/boot.h>

static struct {
	struct nvme_model *model;
	uint8_t *media;
	uint64_t media_bytes, ns_bytes;
	struct nvme_model_stats seen; /* as last traced */
} nvme;

static bool
dma_window(void *context, uint64_t iova, uint64_t size_bytes, uint32_t prot, struct nvme_model_window *out)
{
	uint64_t low, window_bytes;

	if (!sim_device_dma(iova, size_bytes, &low, &window_bytes))
		return false;
	*out = (struct nvme_model_window){.iova = low,
	                                  .size_bytes = window_bytes,
	                                  .addr = (uint8_t *)(uintptr_t)low,
	                                  .prot = NVME_MODEL_DMA_READ | NVME_MODEL_DMA_WRITE};
	return true;
}

static uint64_t
doorbells_at(const struct sim_plan *plan)
{
	return NVME_REG_DOORBELLS;
}

static uint64_t
bar_bytes(const struct sim_plan *plan)
{
	return NVME_REG_DOORBELLS + nvme_model_doorbell_bytes(&plan->device);
}

static void
init(const struct sim_plan *plan, unsigned idx, uint8_t *bar)
{
	struct nvme_model_config config = plan->device;
	struct nvme_model_host host = {.dma_window = dma_window,
	                               .doorbells = (volatile uint32_t *)(void *)(bar + NVME_REG_DOORBELLS)};

	memset(&nvme, 0, sizeof(nvme));
	config.rules = plan->rule;
	config.rule_cnt = plan->rule_cnt;
	nvme.ns_bytes = config.size_bytes;
	nvme.media_bytes = config.size_bytes * config.namespace_cnt;
	nvme.media = sim_device_map(0, nvme.media_bytes);
	struct nvme_model_backing backing = {.memory = nvme.media};
	if (nvme_model_create(&config, &host, &backing, &nvme.model) != 0)
		sim_fail("the plan has a device that cannot be: %s", nvme_model_config_error(&config));
}

static void
describe(unsigned idx, struct bh_boot_device *out)
{
	memcpy(out->name, "nvme0", sizeof("nvme0"));
	memcpy(out->model, "nvme", sizeof("nvme"));
	out->pci_class = 0x010802;
}

static void
end(void)
{
	nvme_model_destroy(nvme.model);
	munmap(nvme.media, nvme.media_bytes);
	nvme.model = NULL;
}

uint8_t *
sim_device_media(uint32_t nsid)
{
	return nvme.media + (nsid - 1) * nvme.ns_bytes;
}

void
sim_device_stats(struct nvme_model_stats *out)
{
	nvme_model_stats_get(nvme.model, out);
}

static uint64_t
io_cnt(void)
{
	struct nvme_model_stats stats;

	nvme_model_stats_get(nvme.model, &stats);
	return stats.io_cnt;
}

static void
faults_trace(const struct nvme_model_stats *stats)
{
	for (uint64_t i = 0; i < NVME_FAULT_ACTION_CNT; i++) {
		if (stats->fault_cnt[i] != nvme.seen.fault_cnt[i])
			sim_trace(SIM_EVENT_FAULT, i, stats->fault_cnt[i], 0);
	}
}

static void
changes_trace(uint32_t step_cnt)
{
	struct nvme_model_stats stats;

	nvme_model_stats_get(nvme.model, &stats);
	faults_trace(&stats);
	if (step_cnt > 0)
		sim_trace(SIM_EVENT_DEVICE, step_cnt, stats.admin_cnt, stats.io_cnt);
	nvme.seen = stats;
}

static bool
poll(void)
{
	uint32_t step_cnt = nvme_model_poll(nvme.model, sim_now_ns());
	if (step_cnt != 0)
		changes_trace(step_cnt);
	return step_cnt != 0;
}

/* Registers. A read changes nothing, so idle time may go on being skipped: drivers read CSTS to wait. */
static uint64_t
reg_read(unsigned idx, uint32_t bar, uint64_t offset, uint32_t width_bytes)
{
	sim_require(bar == 0);
	uint64_t value = nvme_model_reg_read(nvme.model, offset, width_bytes, sim_now_ns());
	sim_trace(SIM_EVENT_REG_READ, offset, value, 0);
	return value;
}

static void
reg_write(unsigned idx, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	nvme_model_reg_write(nvme.model, offset, width_bytes, value, sim_now_ns());
	sim_trace(offset >= NVME_REG_DOORBELLS ? SIM_EVENT_DOORBELL : SIM_EVENT_REG_WRITE, offset, value, 0);
	changes_trace(0);
}

static void
function_reset(unsigned idx)
{
	nvme_model_reset(nvme.model, sim_now_ns());
}

static uint64_t
next_ns(void)
{
	return nvme_model_next_event_ns(nvme.model);
}

const struct sim_device_ops sim_device_nvme = {
        .device_cnt = 1,
        .doorbells_at = doorbells_at,
        .bar_bytes = bar_bytes,
        .init = init,
        .describe = describe,
        .end = end,
        .read = reg_read,
        .write = reg_write,
        .function_reset = function_reset,
        .poll = poll,
        .next_ns = next_ns,
        .io_cnt = io_cnt,
};
