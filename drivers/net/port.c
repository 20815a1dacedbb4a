/* SPDX-License-Identifier: Apache-2.0 */
/* The generic half of a port: from its name to a driver, options, filters, and its end. */
#include "drivers/net/internal.h"

#include <bulkhead/arch.h>

#define MTU_DEFAULT      1500u
#define MTU_MIN          68u /* RFC 791 */
#define ENTRIES_DEFAULT  256u
#define ENTRIES_MIN      32u
#define ENTRIES_MAX      4096u
#define WATCH_DEFAULT_NS UINT64_C(100000000)
#define BUSY_TIMEOUT_NS  UINT64_C(20000000000)

/* Names that a core opened and nobody closed: one flag per device of the boot page. */
static uint8_t open_flag[BH_DEVICES_MAX];

static const char *const reason_name[BH_DROP_CNT] = BH_DROP_NAMES;

const char *
bh_drop_reason_name(enum bh_drop_reason reason)
{
	return (unsigned)reason < BH_DROP_CNT ? reason_name[reason] : "unknown";
}

static size_t
append(char *out, size_t at, size_t out_bytes, const char *text)
{
	for (; *text != '\0' && at + 1 < out_bytes; text++)
		out[at++] = *text;
	out[at] = '\0';
	return at;
}

static uint64_t *
metric(const char *port_name, const char *prefix, const char *name, const char *unit, bool gauge)
{
	char text[48];
	size_t at = append(text, 0, sizeof(text), port_name);
	at = append(text, at, sizeof(text), ".");
	at = append(text, at, sizeof(text), prefix);
	append(text, at, sizeof(text), name);
	return gauge ? bh_gauge_register(text, unit) : bh_counter_register(text, unit);
}

uint64_t *
bh_port_counter(const char *port_name, const char *name, const char *unit)
{
	return metric(port_name, "", name, unit, false);
}

uint64_t *
bh_port_drop_counter(const char *port_name, enum bh_drop_reason reason)
{
	return metric(port_name, "drop_", bh_drop_reason_name(reason), "", false);
}

static bool
entries_ok(uint32_t entries)
{
	return entries >= ENTRIES_MIN && entries <= ENTRIES_MAX && BH_IS_POW2(entries);
}

static int
options_fill(struct bh_port_options *options, const struct bh_boot_device *device)
{
	if (options->queue_cnt == 0)
		options->queue_cnt = BH_MAX(device->queue_cnt, 1u);
	if (options->mtu_bytes == 0)
		options->mtu_bytes = device->mtu_bytes != 0 ? device->mtu_bytes : MTU_DEFAULT;
	options->no_offload |= device->no_offload != 0;
	if (options->data_bytes == 0)
		options->data_bytes = BH_PKT_DATA_BYTES;
	if (options->rx_entries == 0)
		options->rx_entries = ENTRIES_DEFAULT;
	if (options->tx_entries == 0)
		options->tx_entries = ENTRIES_DEFAULT;
	if (options->watch_interval_ns == 0)
		options->watch_interval_ns = WATCH_DEFAULT_NS;
	bool ok = options->queue_cnt <= BH_PORT_QUEUES_MAX && options->mtu_bytes >= MTU_MIN &&
	          options->mtu_bytes <= BH_PORT_MTU_MAX && entries_ok(options->rx_entries) &&
	          entries_ok(options->tx_entries);
	return ok ? 0 : -BH_EINVAL;
}

static const struct bh_port_driver *
driver_find(const struct bh_boot_device *device)
{
	for (size_t i = 0; bh_port_drivers[i] != NULL; i++) {
		if (bh_port_drivers[i]->matches(device))
			return bh_port_drivers[i];
	}
	return NULL;
}

static struct bh_port *
port_new(const struct bh_device *device, const struct bh_port_driver *driver, const struct bh_port_options *options)
{
	struct bh_port *port = bh_heap_alloc_aligned(driver->port_bytes, BH_CACHE_LINE_BYTES);
	if (port == NULL)
		return NULL;
	port->driver = driver;
	port->device = *device;
	port->options = *options;
	port->filter.promiscuous = options->promiscuous;
	port->port_idx = (uint16_t)device->device_idx;
	port->owner_core = bh_core_idx();
	append(port->info.name, 0, sizeof(port->info.name), device->info->name);
	port->info.driver = driver->name;
	port->info.mode = "";
	port->info.queue_cnt = options->queue_cnt;
	port->info.queue_cnt_max = 1;
	port->info.mtu_bytes = options->mtu_bytes;
	port->info.rx_entries = options->rx_entries;
	port->info.tx_entries = options->tx_entries;
	return port;
}

static void
port_free(struct bh_port *port)
{
	if (port->driver->close != NULL)
		port->driver->close(port);
	for (uint32_t i = 0; i < BH_PORT_QUEUES_MAX; i++)
		bh_heap_free(port->queue[i]);
	__atomic_store_n(&open_flag[port->port_idx], 0, __ATOMIC_RELEASE);
	bh_heap_free(port);
}

static int
bring_up(struct bh_port *port)
{
	int err = port->driver->open(port);
	if (err == 0 && (port->info.queue_cnt == 0 || port->info.queue_cnt > port->options.queue_cnt))
		err = -BH_EPROTO;
	for (uint32_t i = 0; err == 0 && i < port->info.queue_cnt; i++)
		err = bh_queue_create(port, i);
	if (err == 0)
		err = port->driver->start(port);
	if (err == 0 && port->driver->filter_set != NULL)
		err = port->driver->filter_set(port);
	return err;
}

static void
owner_counters(struct bh_port *port)
{
	port->link_changes = bh_port_counter(port->info.name, "link_changes", "");
	port->resets = bh_port_counter(port->info.name, "resets", "");
	port->link_up = metric(port->info.name, "", "link_up", "", true);
	*port->link_up = port->link.up;
	port->link.change_cnt = 0;
}

int
bh_port_open(const char *name, const struct bh_port_options *given, struct bh_port **out_port)
{
	struct bh_port_options options = given != NULL ? *given : (struct bh_port_options){0};
	struct bh_device device;
	int err = bh_device_find(name, &device);
	if (err != 0)
		return err;
	const struct bh_port_driver *driver = driver_find(device.info);
	if (driver == NULL) {
		bh_log_error("port %u: no driver for device %04x:%04x, class %06x", device.device_idx,
		             device.info->pci_vendor, device.info->pci_device, device.info->pci_class);
		return -BH_EOPNOTSUPP;
	}
	err = options_fill(&options, device.info);
	if (err != 0)
		return err;
	if (__atomic_exchange_n(&open_flag[device.device_idx], 1, __ATOMIC_ACQ_REL) != 0)
		return -BH_EBUSY;
	struct bh_port *port = port_new(&device, driver, &options);
	if (port == NULL) {
		open_flag[device.device_idx] = 0;
		return -BH_ENOMEM;
	}
	err = bring_up(port);
	if (err == 0) {
		owner_counters(port);
		err = bh_fiber_spawn(bh_port_keeper_main, port);
	}
	if (err != 0) {
		bh_log_error("port %u: cannot be opened: %d", port->port_idx, err);
		port_free(port);
		return err;
	}
	bh_log_info("port %u: open: %u queues, MTU %u, link up %u", port->port_idx, port->info.queue_cnt,
	            port->info.mtu_bytes, port->link.up);
	*out_port = port;
	return 0;
}

static bool
others_run(const struct bh_port *port)
{
	for (uint32_t i = 0; i < port->info.queue_cnt; i++) {
		uint32_t state = bh_queue_state(port, i);
		if (state != BH_QUEUE_OFF && state != BH_QUEUE_LEFT && port->queue_core[i] != bh_core_idx())
			return true;
	}
	return false;
}

/* The keeper, or a control function: one at a time. */
static int
busy_take(struct bh_port *port)
{
	uint64_t deadline_tsc = bh_clock_now_tsc() + bh_ns_to_tsc(BUSY_TIMEOUT_NS);
	while (port->busy) {
		if (bh_clock_now_tsc() > deadline_tsc)
			return -BH_ETIMEDOUT;
		bh_yield();
	}
	port->busy = true;
	return 0;
}

int
bh_port_close(struct bh_port *port)
{
	if (others_run(port))
		return -BH_EBUSY;
	int err = busy_take(port);
	if (err != 0)
		return err;
	bool removed = bh_port_state(port) == BH_PORT_REMOVED;
	port->closing = true;
	bh_event_signal(&port->keeper_event);
	while (!port->keeper_done)
		bh_yield();
	err = removed ? -BH_ENODEV : port->driver->quiesce(port);
	if (err == 0) {
		bh_queues_stop(port);
		bool all = bh_queues_stopped(port);
		bh_assert(all);
	}
	port_free(port);
	return err;
}

const struct bh_port_info *
bh_port_info(const struct bh_port *port)
{
	return &port->info;
}

uint16_t
bh_port_idx(const struct bh_port *port)
{
	return port->port_idx;
}

struct bh_port_link
bh_port_link(const struct bh_port *port)
{
	return port->link;
}

int
bh_port_reset(struct bh_port *port)
{
	int err = busy_take(port);
	if (err != 0)
		return err;
	err = bh_port_reset_run(port);
	port->busy = false;
	return err;
}

/* filter as asked for; on failure as it was. */
static int
filter_apply(struct bh_port *port, const struct bh_port_filter *wanted)
{
	if (port->driver->filter_set == NULL)
		return -BH_EOPNOTSUPP;
	int err = busy_take(port);
	if (err != 0)
		return err;
	struct bh_port_filter before = port->filter;
	port->filter = *wanted;
	err = bh_port_state(port) == BH_PORT_REMOVED ? -BH_ENODEV : port->driver->filter_set(port);
	if (err != 0)
		port->filter = before;
	port->busy = false;
	return err;
}

int
bh_port_promiscuous_set(struct bh_port *port, bool on)
{
	struct bh_port_filter wanted = port->filter;
	wanted.promiscuous = on;
	return filter_apply(port, &wanted);
}

int
bh_port_all_multicast_set(struct bh_port *port, bool on)
{
	struct bh_port_filter wanted = port->filter;
	wanted.all_multicast = on;
	return filter_apply(port, &wanted);
}

int
bh_port_multicast_set(struct bh_port *port, const uint8_t (*macs)[BH_MAC_BYTES], uint32_t mac_cnt)
{
	struct bh_port_filter wanted = port->filter;
	if (mac_cnt > BH_PORT_MULTICAST_MAX)
		return -BH_EINVAL;
	for (uint32_t i = 0; i < mac_cnt; i++) {
		if (!(macs[i][0] & 1))
			return -BH_EINVAL;
		memcpy(wanted.multicast[i], macs[i], BH_MAC_BYTES);
	}
	wanted.multicast_cnt = mac_cnt;
	return filter_apply(port, &wanted);
}

int
bh_port_mac_set(struct bh_port *port, const uint8_t mac[BH_MAC_BYTES])
{
	static const uint8_t zero[BH_MAC_BYTES];
	if ((mac[0] & 1) || memcmp(mac, zero, BH_MAC_BYTES) == 0)
		return -BH_EINVAL;
	if (port->driver->mac_set == NULL)
		return -BH_EOPNOTSUPP;
	int err = busy_take(port);
	if (err != 0)
		return err;
	err = bh_port_state(port) == BH_PORT_REMOVED ? -BH_ENODEV : port->driver->mac_set(port, mac);
	if (err == 0)
		memcpy(port->info.mac, mac, BH_MAC_BYTES);
	port->busy = false;
	return err;
}
