/* SPDX-License-Identifier: Apache-2.0 */
#include "card.h"

#include "core/core.h"
#include "tests/hosted/include/bulkhead/hosted.h"
#include "tests/unit/net/only_32_bits.h"

#define CLOCK_STEP_TSC 2600u /* cycles that one look at the clock takes */
#define BMSR_AWAKE     (1u << 5)

struct card card;

static struct bh_core *core_self;
static uint64_t clock_tsc;
/* What a window's address stands for: only where it is matters. */
static uint8_t window[INTEL_REG_BYTES] BH_ALIGNED(4096);

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
	return clock_tsc += CLOCK_STEP_TSC;
}

void
sim_pause(void)
{
	(void)sim_clock_now();
}

void
card_clock_advance(uint64_t ns)
{
	clock_tsc += ns * (BH_HOSTED_TSC_HZ / 1000000) / 1000;
}

void
card_wait(uint64_t ns)
{
	bh_sleep_until(bh_clock_now_tsc() + bh_ns_to_tsc(ns));
}

static uint32_t *
reg(uint32_t offset)
{
	return &card.reg[offset / 4];
}

static uint32_t
base_of(uint32_t queue_idx, bool tx)
{
	if (card.is_82576)
		return (tx ? INTEL_TX_BASE_82576 : INTEL_RX_BASE_82576) + queue_idx * INTEL_QUEUE_STEP_82576;
	return (tx ? INTEL_TX_BASE_82574 : INTEL_RX_BASE_82574) + queue_idx * INTEL_QUEUE_STEP_82574;
}

struct card_ring
card_ring(uint32_t queue_idx, bool tx)
{
	uint32_t base = base_of(queue_idx, tx);
	uint64_t addr = *reg(base + INTEL_QUEUE_BAL) | (uint64_t)*reg(base + INTEL_QUEUE_BAH) << 32;
	return (struct card_ring){.desc = (struct intel_desc *)(uintptr_t)addr,
	                          .entries = *reg(base + INTEL_QUEUE_LEN) / 16,
	                          .head = *reg(base + INTEL_QUEUE_HEAD),
	                          .tail = *reg(base + INTEL_QUEUE_TAIL)};
}

static void
head_set(uint32_t queue_idx, bool tx, uint32_t head)
{
	*reg(base_of(queue_idx, tx) + INTEL_QUEUE_HEAD) = head;
}

/* The data of a descriptor joins the frame; what is in the arena may be read, nothing else. */
static void
take_data(const struct intel_desc *desc)
{
	uint32_t bytes = (uint32_t)(desc->word[1] & (card.is_82576 ? 0xffff : 0xfffff));
	const uint8_t *data = (const uint8_t *)(uintptr_t)desc->word[0];
	assert_true(bh_dma_contains(data, bytes));
	for (uint32_t i = 0; i < bytes && card.next.bytes + i < sizeof(card.next.head); i++)
		card.next.head[card.next.bytes + i] = data[i];
	card.next.bytes += bytes;
	if (card.next.desc_cnt++ == 0)
		card.next.word1 = desc->word[1];
}

static bool
is_context(const struct intel_desc *desc)
{
	return (desc->word[1] >> 20 & 0xf) == (card.is_82576 ? 2 : 0);
}

static void
send_one(uint32_t queue_idx, struct intel_desc *desc)
{
	assert_true(desc->word[1] & INTEL_TXD_DEXT);
	if (is_context(desc)) {
		assert_int_equal(card.next.desc_cnt, 0);
		memcpy(card.next.ctx, desc->word, sizeof(card.next.ctx));
	} else {
		take_data(desc);
	}
	bool ends = !is_context(desc) && (desc->word[1] & INTEL_TXD_EOP);
	if (desc->word[1] & INTEL_TXD_RS)
		desc->word[1] |= INTEL_TXD_DD;
	if (!ends)
		return;
	assert_true(card.sent_cnt < CARD_SENT_MAX);
	card.next.queue_idx = queue_idx;
	card.sent[card.sent_cnt++] = card.next;
	memset(&card.next, 0, sizeof(card.next));
}

static void
send(uint32_t queue_idx)
{
	struct card_ring ring = card_ring(queue_idx, true);
	if (card.hold_tx || !(*reg(INTEL_REG_TCTL) & INTEL_TCTL_EN))
		return;
	while (ring.head != ring.tail) {
		send_one(queue_idx, &ring.desc[ring.head]);
		ring.head = (ring.head + 1) % ring.entries;
	}
	head_set(queue_idx, true, ring.head);
}

void
card_send_held(void)
{
	card.hold_tx = false;
	send(0);
	send(1);
}

bool
card_write_back(uint32_t queue_idx, uint64_t word0, uint64_t word1)
{
	struct card_ring ring = card_ring(queue_idx, false);
	if (ring.head == ring.tail || !(*reg(INTEL_REG_RCTL) & INTEL_RCTL_EN))
		return false;
	ring.desc[ring.head].word[0] = word0;
	ring.desc[ring.head].word[1] = word1;
	head_set(queue_idx, false, (ring.head + 1) % ring.entries);
	return true;
}

bool
card_receive(uint32_t queue_idx, const void *frame, uint32_t bytes, uint32_t status, uint16_t vlan)
{
	struct card_ring ring = card_ring(queue_idx, false);
	uint32_t room = (ring.tail - ring.head + ring.entries) % ring.entries;
	if (room < (bytes + INTEL_RX_BUF_BYTES - 1) / INTEL_RX_BUF_BYTES) {
		*reg(INTEL_REG_MPC) += 1;
		return false;
	}
	for (uint32_t at = 0; at < bytes;) {
		uint32_t piece = bytes - at < INTEL_RX_BUF_BYTES ? bytes - at : INTEL_RX_BUF_BYTES;
		uint64_t last = at + piece == bytes;
		uint8_t *data = (uint8_t *)(uintptr_t)ring.desc[ring.head].word[0];
		assert_true(bh_dma_contains(data, INTEL_RX_BUF_BYTES));
		memcpy(data, (const uint8_t *)frame + at, piece);
		at += piece;
		assert_true(card_write_back(
		        queue_idx, UINT64_C(0xabcd1234) << 32 | (last ? 1 : 0),
		        (uint64_t)piece << INTEL_RXD_LENGTH_SHIFT | INTEL_RXD_DD |
		                (last ? INTEL_RXD_EOP | status | (uint64_t)vlan << INTEL_RXD_VLAN_SHIFT : 0)));
		ring.head = (ring.head + 1) % ring.entries;
	}
	return true;
}

static void
registers_reset(void)
{
	memset(card.reg, 0, sizeof(card.reg));
	memset(&card.next, 0, sizeof(card.next));
	*reg(INTEL_REG_EECD) = INTEL_EECD_AUTO_RD;
	*reg(INTEL_REG_RAL0) = card.mac[0] | card.mac[1] << 8 | card.mac[2] << 16 | (uint32_t)card.mac[3] << 24;
	*reg(INTEL_REG_RAH0) = card.mac[4] | card.mac[5] << 8;
}

static uint32_t
status_value(void)
{
	bool quiet = (*reg(INTEL_REG_CTRL) & INTEL_CTRL_GIO_MASTER_DISABLE) && !card.never_quiet;
	return INTEL_STATUS_FD | (card.link_down ? 0 : INTEL_STATUS_LU) | 2u << INTEL_STATUS_SPEED_SHIFT |
	       (card.paused ? INTEL_STATUS_TXOFF : 0) | (quiet ? 0 : INTEL_STATUS_GIO_MASTER_ENABLE);
}

static bool
clears_when_read(uint32_t offset)
{
	return (offset >= INTEL_REG_CRCERRS && offset <= INTEL_REG_RJC) || offset == INTEL_REG_ICR;
}

int
bh_reg_read32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t *out_value)
{
	assert_int_equal(bar, 0);
	assert_true(offset < INTEL_REG_BYTES);
	*out_value = *reg((uint32_t)offset);
	if (offset == INTEL_REG_STATUS)
		*out_value = status_value();
	if (clears_when_read((uint32_t)offset))
		*reg((uint32_t)offset) = 0;
	if (offset == INTEL_REG_SW_FW_SYNC && card.phy_busy)
		*out_value |= INTEL_SYNC_SW_PHY0 << INTEL_SYNC_FW_SHIFT;
	if (offset == INTEL_REG_SWSM)
		*reg(INTEL_REG_SWSM) |= INTEL_SWSM_SMBI;
	if (card.gone)
		*out_value = INTEL_ALL_ONES;
	return 0;
}

static void
mdic_write(uint32_t value)
{
	uint32_t phy_reg = value >> INTEL_MDIC_REG_SHIFT & 0x1f;
	uint32_t data = phy_reg == MII_BMCR ? card.bmcr : card.phy_asleep ? 0 : BMSR_AWAKE;
	if ((value & INTEL_MDIC_WRITE) && phy_reg == MII_BMCR) {
		card.bmcr = value & 0xffff & ~MII_BMCR_RESTART;
		card.phy_asleep = value & MII_BMCR_POWER_DOWN;
		card.negotiated_cnt += (value & MII_BMCR_RESTART) != 0;
	}
	*reg(INTEL_REG_MDIC) = INTEL_MDIC_READY | data;
}

static void
ctrl_write(uint32_t value)
{
	*reg(INTEL_REG_CTRL) = value;
	if (!(value & INTEL_CTRL_RST) || card.never_reset)
		return;
	registers_reset();
	card.reset_cnt++;
}

int
bh_reg_write32(const struct bh_device *device, uint32_t bar, uint64_t offset, uint32_t value)
{
	assert_int_equal(bar, 0);
	assert_true(offset < INTEL_REG_BYTES);
	bool dctl = offset >= INTEL_RX_BASE_82576 && (offset & 0x3f) == INTEL_QUEUE_DCTL && offset < 0xe400;
	if (card.gone)
		return 0;
	if (offset == INTEL_REG_CTRL)
		ctrl_write(value);
	else if (offset == INTEL_REG_MDIC)
		mdic_write(value);
	else if (offset == INTEL_REG_EXTCNF_CTRL && card.phy_busy)
		*reg(INTEL_REG_EXTCNF_CTRL) = value & ~INTEL_EXTCNF_MDIO_SW;
	else if (dctl && card.never_enabled)
		*reg((uint32_t)offset) = value & ~INTEL_DCTL_ENABLE_82576;
	else
		*reg((uint32_t)offset) = value;
	return 0;
}

/* Only tails are written so. */
void
sim_mmio_write(volatile void *addr, uint64_t value, unsigned width_bytes)
{
	uint32_t offset = (uint32_t)((uintptr_t)addr - (uintptr_t)window);
	assert_int_equal(width_bytes, 4);
	assert_true(offset < INTEL_REG_BYTES);
	if (card.gone)
		return;
	*reg(offset) = (uint32_t)value;
	card.tail_writes++;
	for (uint32_t i = 0; i < (card.is_82576 ? INTEL_QUEUES_82576 : INTEL_QUEUES_82574); i++) {
		struct card_ring rx = card_ring(i, false), tx = card_ring(i, true);
		assert_true(rx.tail < rx.entries || rx.entries == 0);
		assert_true(tx.tail < tx.entries || tx.entries == 0);
		if (offset == base_of(i, true) + INTEL_QUEUE_TAIL)
			send(i);
	}
}

int
bh_device_find(const char *name, struct bh_device *out_device)
{
	if (strcmp(name, "p0") != 0)
		return -BH_ENOENT;
	*out_device = (struct bh_device){.device_idx = 0, .info = &bh_hosted_page()->device[0]};
	return 0;
}

volatile void *
bh_device_window(const struct bh_device *device, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	if (bar != 0 || card.no_windows || offset + size_bytes > INTEL_REG_BYTES)
		return NULL;
	return window + offset;
}

int
bh_device_reset(const struct bh_device *device)
{
	card.function_reset_cnt++;
	registers_reset();
	return 0;
}

static int
start(bool is_82576)
{
	if (bh_hosted_map(1, 64u << 20, 16u << 20))
		return -1;
	struct bh_boot_page *page = bh_hosted_page();
	struct bh_boot_device *device = &page->device[0];
	page->device_cnt = 1;
	strcpy(device->name, "p0");
	strcpy(device->model, "pci"); /* as of a card behind VFIO: its identity tells what it is */
	device->pci_vendor = INTEL_VENDOR;
	device->pci_device = is_82576 ? INTEL_DEV_82576 : INTEL_DEV_82574L;
	device->pci_class = 0x020000;
	device->bar[0].size_bytes = INTEL_REG_BYTES;
	bh_hosted_page_seal();
	if (bh_hosted_cores_init())
		return -1;
	core_self = bh_hosted_core_get(0);
	memset(&card, 0, sizeof(card));
	card.is_82576 = is_82576;
	memcpy(card.mac, "\x52\x54\x00\x01\x02\x03", 6);
	card.bmcr = MII_BMCR_AUTONEG;
	registers_reset();
	return 0;
}

int
card_start_82574(void **state)
{
	return start(false);
}

int
card_start_82576(void **state)
{
	return start(true);
}

int
card_stop(void **state)
{
	bh_hosted_unmap();
	return 0;
}

void
card_run(bh_fiber_fn fn, void *arg)
{
	assert_int_equal(bh_core_run_fn(core_self, fn, arg), 0);
}

uint64_t
card_counter(const char *name)
{
	char full[48];
	snprintf(full, sizeof(full), "p0.%s", name);
	return *bh_counter_register(full, "");
}
