/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Initialization (82574 datasheet 4.6; 82576 datasheet 4.5), filters and addresses. Each register that matters is written whole, also
 * where the reset has done so: QEMU 7.2's 82574 keeps nearly all of what the driver before us wrote.
 */
#include "drivers/net/intel/intel.h"

bool
intel_matches(const struct bh_boot_device *device, const char *name, const uint16_t *ids, size_t id_cnt)
{
	size_t at = 0;
	while (at < BH_NAME_BYTES - 1 && name[at] != '\0' && device->model[at] == name[at])
		at++;
	if (name[at] == '\0' && device->model[at] == '\0')
		return true;
	for (size_t i = 0; i < id_cnt && device->pci_vendor == INTEL_VENDOR; i++) {
		if (device->pci_device == ids[i])
			return true;
	}
	return false;
}

/* From the EEPROM, by the reset. */
static int
mac_read(struct intel_port *ip)
{
	static const uint8_t zero[BH_MAC_BYTES];
	uint8_t *mac = ip->port.info.mac;
	uint32_t low = intel_read(ip, INTEL_REG_RAL0), high = intel_read(ip, INTEL_REG_RAH0);
	if (ip->err != 0)
		return ip->err;
	for (uint32_t i = 0; i < BH_MAC_BYTES; i++)
		mac[i] = (uint8_t)(i < 4 ? low >> (8 * i) : high >> (8 * (i - 4)));
	if ((mac[0] & 1) || memcmp(mac, zero, BH_MAC_BYTES) == 0) {
		bh_log_error("port %u: its EEPROM holds no address (%08x %08x)", ip->port.port_idx, low, high);
		return -BH_EPROTO;
	}
	return 0;
}

static void
info_set(struct intel_port *ip)
{
	struct bh_port_info *info = &ip->port.info;
	info->mode = ip->card->mode;
	info->queue_cnt_max = ip->card->queue_cnt_max;
	info->queue_cnt = BH_MIN(ip->port.options.queue_cnt, ip->card->queue_cnt_max);
	ip->port.rx_data_bytes_min = INTEL_RX_BUF_BYTES;
	info->features = BH_PORT_RX_CHAIN | BH_PORT_MULTICAST;
	if (info->queue_cnt > 1)
		info->features |= BH_PORT_RSS;
	if (!ip->port.options.no_offload)
		info->features |= BH_PORT_RX_CSUM | BH_PORT_TX_CSUM | BH_PORT_RX_VLAN | BH_PORT_TX_VLAN;
	ip->no_buffer = bh_port_drop_counter(info->name, BH_DROP_RX_NO_BUFFER);
	ip->rx_error = bh_port_drop_counter(info->name, BH_DROP_RX_ERROR);
	ip->tx_error = bh_port_drop_counter(info->name, BH_DROP_TX_ERROR);
}

int
intel_open(struct bh_port *port, const struct intel_card *card)
{
	struct intel_port *ip = intel_port_of(port);
	ip->card = card;
	if (port->device.info->bar[0].size_bytes < INTEL_REG_BYTES) {
		bh_log_error("port %u: BAR 0 has %lu bytes, the card's registers take %u", port->port_idx,
		             port->device.info->bar[0].size_bytes, INTEL_REG_BYTES);
		return -BH_EOPNOTSUPP;
	}
	int err = intel_quiesce(port);
	if (err == 0)
		err = mac_read(ip);
	if (err == 0)
		info_set(ip);
	return err;
}

static void
mac_write(struct intel_port *ip, const uint8_t *mac)
{
	uint32_t low = 0, high = 0;
	for (uint32_t i = 0; i < 4; i++)
		low |= (uint32_t)mac[i] << (8 * i);
	for (uint32_t i = 4; i < BH_MAC_BYTES; i++)
		high |= (uint32_t)mac[i] << (8 * (i - 4));
	intel_write(ip, INTEL_REG_RAL0, low);
	intel_write(ip, INTEL_REG_RAH0, high | INTEL_RAH_AV);
}

/* Bits 47:36 of the address, as it stands on the wire, choose one of 4096 bits (RCTL.MO = 0; 82574 datasheet 10.2.5.15). */
static void
multicast_bit(uint32_t *table, const uint8_t *mac)
{
	uint32_t hash = ((uint32_t)mac[4] >> 4 | (uint32_t)mac[5] << 4) & 0xfff;
	table[hash >> 5] |= 1u << (hash & 31);
}

int
intel_filter_set(struct bh_port *port)
{
	struct intel_port *ip = intel_port_of(port);
	uint32_t table[INTEL_MTA_CNT] = {0};
	for (uint32_t i = 0; i < port->filter.multicast_cnt; i++)
		multicast_bit(table, port->filter.multicast[i]);
	intel_begin(ip);
	for (uint32_t i = 0; i < INTEL_MTA_CNT; i++)
		intel_write(ip, INTEL_REG_MTA + 4 * i, table[i]);
	ip->card->family->filter(ip);
	return intel_end(ip);
}

int
intel_mac_set(struct bh_port *port, const uint8_t mac[BH_MAC_BYTES])
{
	struct intel_port *ip = intel_port_of(port);
	intel_begin(ip);
	mac_write(ip, mac);
	return intel_end(ip);
}

int
intel_start(struct bh_port *port)
{
	struct intel_port *ip = intel_port_of(port);
	const struct intel_family *family = ip->card->family;
	intel_begin(ip);
	ip->card->begin(ip);
	family->link_up(ip);
	mac_write(ip, port->info.mac);
	family->stats_take(ip);
	ip->card->rx_setup(ip);
	intel_rings_set(ip);
	family->filter(ip);
	family->go(ip);
	family->link_read(ip);
	return intel_end(ip);
}
