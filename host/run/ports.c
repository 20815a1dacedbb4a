/* SPDX-License-Identifier: Apache-2.0 */
/* From the keys of [port NAME] to a back end's options. */
#include <stdio.h>
#include <string.h>

#include <bulkhead/abi/af_xdp.h>

#include "host/device/af_xdp.h"
#include "host/device/pcap_file.h"
#include "host/device/vhost_user.h"
#include "host/run/internal.h"

#define QUEUE_SIZE_DEFAULT 256u
#define MTU_DEFAULT        1500u

/* A local address that tells cell and port apart, unless the file says one. */
static int
port_mac(const struct bh_run_config *config, const struct bh_device_config *port, uint32_t device_idx, uint8_t out[6],
         struct bh_error *error)
{
	unsigned part[6];
	char rest;
	const char *text = bh_config_string(config, port->section, "mac");
	const uint8_t preset[6] = {0x02, 0xbb, 0, 0, 0, (uint8_t)device_idx};
	memcpy(out, preset, sizeof(preset));
	if (text[0] == '\0')
		return 0;
	if (strlen(text) != 17 ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5],
	           &rest) != 6 ||
	    part[0] & 1)
		return bh_config_error_id(config, port->section, "mac", "E016", error,
		                          "no MAC address of a station; one looks like 02:00:00:00:00:01");
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)part[i];
	return 0;
}

int
bh_port_vhost_user_open(const struct bh_run_config *config, const struct bh_device_config *port, uint32_t device_idx,
                        struct bh_backend **out, struct bh_error *error)
{
	uint64_t queue_size = bh_config_uint(config, port->section, "queue_size");
	struct bh_vhost_user_options options = {
	        .socket = port->socket,
	        .server = bh_config_enum(config, port->section, "server") != 0,
	        .queue_cnt = BH_MAX(port->queue_cnt, 1u),
	        .queue_size = queue_size != 0 ? (uint32_t)queue_size : QUEUE_SIZE_DEFAULT,
	        .packed = bh_config_enum(config, port->section, "ring") == 0,
	        .mtu_bytes = (uint16_t)(port->mtu_bytes != 0 ? port->mtu_bytes : MTU_DEFAULT),
	};
	if (options.queue_cnt > BH_VHOST_USER_PAIRS_MAX)
		return bh_config_error_id(config, port->section, "queues", "E016", error, "vhost-user: at most %u",
		                          BH_VHOST_USER_PAIRS_MAX);
	int err = port_mac(config, port, device_idx, options.mac, error);
	return err == 0 ? bh_vhost_user_open(port->name, &options, out, error) : err;
}

int
bh_port_pcap_open(const struct bh_run_config *config, const struct bh_device_config *port, struct bh_backend **out,
                  struct bh_error *error)
{
	const struct bh_pcap_options options = {
	        .in = bh_config_string(config, port->section, "file"),
	        .out = bh_config_string(config, port->section, "write"),
	        .paced = bh_config_enum(config, port->section, "timing") != 0,
	        .loop_cnt = (uint32_t)bh_config_uint(config, port->section, "loop"),
	};
	return bh_pcap_file_open(port->name, &options, out, error);
}

int
bh_port_af_xdp_open(const struct bh_run_config *config, const struct bh_device_config *port, struct bh_backend **out,
                    struct bh_error *error)
{
	const struct bh_af_xdp_options options = {
	        .interface = bh_config_string(config, port->section, "interface"),
	        .queue_cnt = BH_MAX(port->queue_cnt, 1u),
	        .mode = (enum bh_af_xdp_mode)bh_config_enum(config, port->section, "xdp"),
	};
	if (options.queue_cnt > BH_XDP_QUEUES_MAX)
		return bh_config_error_id(config, port->section, "queues", "E016", error, "af_xdp: at most %u",
		                          BH_XDP_QUEUES_MAX);
	return bh_af_xdp_open(port->name, &options, out, error);
}
