/* SPDX-License-Identifier: Apache-2.0 */
/* [fwd] and [fwd NAME]: the schema, and what it says. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/fwd/cell/mac_table.h"
#include "apps/fwd/cell/router.h"
#include "apps/fwd/host/app.h"
#include "host/errors/errors.h"

#define PORT_SECTION "fwd *"
#define RATE_MAX     100000000u

/* In the order of enum fwd_mode. */
static const char *const modes[] = {"router", "switch", NULL};

const struct bh_config_key fwd_keys[FWD_KEY_CNT] = {
        {FWD_SECTION, "mode", BH_VALUE_ENUM, "router", modes, 0, 0, "what the ports are joined by"},
        {FWD_SECTION, "burst", BH_VALUE_UINT, "32", NULL, 1, FWD_BURST_MAX, "most frames at a time, 1 to 64"},
        {FWD_SECTION, "packets", BH_VALUE_UINT, "8192", NULL, 1024, 1u << 20, "buffers of each core, from 1024 on"},
        {FWD_SECTION, "tables", BH_VALUE_SIZE, "32M", NULL, FWD_TABLE_BYTES_MIN, UINT64_C(16) << 30,
         "router: memory for routes, from 16M on; 128M holds the Internet's"},
        {FWD_SECTION, "resync", BH_VALUE_DURATION, "60s", NULL, 0, UINT64_C(86400000000000),
         "router: a time between comparisons with Linux's tables; 0: none"},
        {FWD_SECTION, "punt_rate", BH_VALUE_UINT, "50000", NULL, 0, RATE_MAX,
         "router: frames a second for Linux itself, of each port; 0: no limit"},
        {FWD_SECTION, "error_rate", BH_VALUE_UINT, "1000", NULL, 0, RATE_MAX,
         "router: frames a second that Linux shall answer or forward, of each port; 0: no limit"},
        {FWD_SECTION, "macs", BH_VALUE_UINT, "16384", NULL, 16, FWD_MAC_CNT_MAX, "switch: addresses to have room for"},
        {FWD_SECTION, "ageing", BH_VALUE_DURATION, "300s", NULL, UINT64_C(10000000000), UINT64_C(1000000000000000),
         "switch: a time from 10s on"},
        {PORT_SECTION, "tap", BH_VALUE_STRING, "", NULL, 0, 0, "router: the port's name in Linux, to 15 bytes"},
        {PORT_SECTION, "native_vlan", BH_VALUE_UINT, "1", NULL, 0, FWD_SWITCH_VLAN_MAX,
         "switch: the VLAN of untagged frames; 0: none"},
        {PORT_SECTION, "vlans", BH_VALUE_STRING, "", NULL, 0, 0, "switch: tagged ones, such as 10,20-29"},
        {PORT_SECTION, "mac_max", BH_VALUE_UINT, "0", NULL, 0, FWD_MAC_CNT_MAX,
         "switch: most addresses learned here; 0: no limit"},
        {PORT_SECTION, "storm_broadcast", BH_VALUE_UINT, "0", NULL, 0, FWD_SWITCH_STORM_PPS_MAX,
         "switch: frames a second; 0: no limit"},
        {PORT_SECTION, "storm_multicast", BH_VALUE_UINT, "0", NULL, 0, FWD_SWITCH_STORM_PPS_MAX,
         "switch: frames a second; 0: no limit"},
        {PORT_SECTION, "storm_unicast", BH_VALUE_UINT, "0", NULL, 0, FWD_SWITCH_STORM_PPS_MAX,
         "switch: frames a second to addresses not learned; 0: no limit"},
};

static uint32_t
port_cnt_of(const struct bh_run_config *config)
{
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < config->device_cnt; i++)
		cnt += config->device[i].is_port;
	return cnt;
}

static const char *
section_of(const struct bh_device_config *port, char *out, size_t out_bytes)
{
	snprintf(out, out_bytes, FWD_SECTION " %s", port->name);
	return out;
}

static const struct {
	const char *key; /* of [fwd] or [fwd NAME] */
	enum fwd_mode mode;
} key_mode[] = {
        {"tables", FWD_MODE_ROUTER},
        {"resync", FWD_MODE_ROUTER},
        {"punt_rate", FWD_MODE_ROUTER},
        {"error_rate", FWD_MODE_ROUTER},
        {"tap", FWD_MODE_ROUTER},
        {"macs", FWD_MODE_SWITCH},
        {"ageing", FWD_MODE_SWITCH},
        {"native_vlan", FWD_MODE_SWITCH},
        {"vlans", FWD_MODE_SWITCH},
        {"mac_max", FWD_MODE_SWITCH},
        {"storm_broadcast", FWD_MODE_SWITCH},
        {"storm_multicast", FWD_MODE_SWITCH},
        {"storm_unicast", FWD_MODE_SWITCH},
};

/* A key of the other mode would be read by nobody. */
static int
check_mode(const struct bh_run_config *config, const char *section, struct bh_error *error)
{
	unsigned mode = bh_config_enum(config, FWD_SECTION, "mode");
	for (size_t i = 0; i < BH_ARRAY_CNT(key_mode); i++) {
		if (key_mode[i].mode != mode && bh_config_is_set(config, section, key_mode[i].key))
			return bh_config_error(config, section, key_mode[i].key, error,
			                       "this is a key of mode = %s, and the mode is %s; take it out",
			                       modes[key_mode[i].mode], modes[mode]);
	}
	return 0;
}

/* [fwd NAME] without [port NAME] is a slip of the pen, or a key that the mode has no use for. */
static int
check_sections(const struct bh_run_config *config, struct bh_error *error)
{
	const char *name;
	int err = check_mode(config, FWD_SECTION, error);
	for (size_t i = 0; err == 0 && (name = bh_config_section(config, i)) != NULL; i++) {
		if (strncmp(name, FWD_SECTION " ", 4) != 0)
			continue;
		const struct bh_device_config *port = bh_config_device(config, name + 4);
		if (port == NULL || !port->is_port)
			return bh_error_set(error, "E345", -EINVAL,
			                    "%s: [%s] has no port; add [port %s], or name one that is there",
			                    config->path, name, name + 4);
		err = check_mode(config, name, error);
	}
	return err;
}

int
fwd_compile(const struct bh_run_config *config, void *opaque, uint32_t *out_bytes, struct bh_error *error)
{
	struct fwd_config *out = opaque;
	uint32_t cnt = port_cnt_of(config);
	if (cnt < 2 || cnt > FWD_PORTS_MAX)
		return bh_error_set(error, "E342", -EINVAL,
		                    "%s: the forwarder needs 2 to %u [port NAME] sections, not %u", config->path,
		                    FWD_PORTS_MAX, cnt);
	if (config->cpu_cnt > FWD_CHANNEL_CORES_MAX)
		return bh_config_error(config, "cell", "cpus", error, "the forwarder runs on at most %u cores",
		                       FWD_CHANNEL_CORES_MAX);
	for (uint32_t i = 0; i < config->device_cnt; i++) {
		if (config->device[i].is_port)
			memcpy(out->port[out->port_cnt++], config->device[i].name, BH_NAME_BYTES);
	}
	out->mode = bh_config_enum(config, FWD_SECTION, "mode");
	out->burst_cnt = (uint32_t)bh_config_uint(config, FWD_SECTION, "burst");
	out->pkt_cnt = (uint32_t)bh_config_uint(config, FWD_SECTION, "packets");
	out->mac_cnt = (uint32_t)bh_config_uint(config, FWD_SECTION, "macs");
	*out_bytes = sizeof(*out);
	return check_sections(config, error);
}

static int
take_vlan(const char **text, unsigned long *out)
{
	char *end;
	*text += strspn(*text, " ");
	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	*out = strtoul(*text, &end, 10);
	*text = end;
	return *out >= 1 && *out <= FWD_SWITCH_VLAN_MAX ? 0 : -EINVAL;
}

/* "10,20-29" */
static int
take_vlans(const char *text, uint32_t port_idx, struct fwd_switch_settings *out)
{
	unsigned long first, last;
	for (bool more = *text != '\0'; more; text += more) {
		int err = take_vlan(&text, &first);
		last = first;
		if (err == 0 && *text == '-') {
			text++;
			err = take_vlan(&text, &last);
		}
		if (err != 0 || first > last || (*text != ',' && *text != '\0'))
			return -EINVAL;
		for (unsigned long vlan = first; vlan <= last; vlan++)
			out->member[vlan] |= (uint8_t)(1u << port_idx);
		more = *text == ',';
	}
	return 0;
}

static int
take_port(const struct bh_run_config *config, const char *section, uint32_t port_idx, struct fwd_switch_settings *out,
          struct bh_error *error)
{
	struct fwd_switch_port *port = &out->port[port_idx];
	port->native_vlan = (uint16_t)bh_config_uint(config, section, "native_vlan");
	port->mac_max = (uint32_t)bh_config_uint(config, section, "mac_max");
	port->storm_pps[FWD_STORM_BROADCAST] = (uint32_t)bh_config_uint(config, section, "storm_broadcast");
	port->storm_pps[FWD_STORM_MULTICAST] = (uint32_t)bh_config_uint(config, section, "storm_multicast");
	port->storm_pps[FWD_STORM_UNICAST] = (uint32_t)bh_config_uint(config, section, "storm_unicast");
	if (port->native_vlan != FWD_NO_VLAN)
		out->member[port->native_vlan] |= (uint8_t)(1u << port_idx);
	if (take_vlans(bh_config_string(config, section, "vlans"), port_idx, out) != 0)
		return bh_config_error(config, section, "vlans", error,
		                       "numbers from 1 to %u and ranges of them were meant, such as 10,20-29",
		                       FWD_SWITCH_VLAN_MAX);
	out->vlan_aware |=
	        bh_config_is_set(config, section, "vlans") || bh_config_is_set(config, section, "native_vlan");
	return 0;
}

int
fwd_settings_of(const struct bh_run_config *config, struct fwd_settings *out, struct bh_error *error)
{
	char section[BH_NAME_BYTES + 8];
	uint32_t port_idx = 0;
	int err = 0;
	*out = (struct fwd_settings){0};
	out->punt_rate = (uint32_t)bh_config_uint(config, FWD_SECTION, "punt_rate");
	out->error_rate = (uint32_t)bh_config_uint(config, FWD_SECTION, "error_rate");
	out->switching.ageing_s = (uint32_t)(bh_config_uint(config, FWD_SECTION, "ageing") / UINT64_C(1000000000));
	for (uint32_t i = 0; i < config->device_cnt && err == 0; i++) {
		const struct bh_device_config *port = &config->device[i];
		if (port->is_port && port_idx < FWD_PORTS_MAX)
			err = take_port(config, section_of(port, section, sizeof(section)), port_idx++, &out->switching,
			                error);
	}
	if (err == 0 && fwd_switch_settings_check(&out->switching) != 0)
		return bh_error_set(error, "E344", -EINVAL, "%s: the settings of [fwd] contradict each other",
		                    config->path);
	return err == 0 ? check_sections(config, error) : err;
}

int
fwd_tap_names(const struct bh_run_config *config, char (*out)[IF_NAMESIZE], struct bh_error *error)
{
	char section[BH_NAME_BYTES + 8];
	uint32_t port_idx = 0;
	for (uint32_t i = 0; i < config->device_cnt; i++) {
		const struct bh_device_config *port = &config->device[i];
		if (!port->is_port)
			continue;
		const char *name = bh_config_string(config, section_of(port, section, sizeof(section)), "tap");
		name = name[0] != '\0' ? name : port->name;
		if (strlen(name) >= IF_NAMESIZE || strpbrk(name, "/ :%") != NULL)
			return bh_error_set(
			        error, "E342", -EINVAL,
			        "%s: port %s: '%s' cannot be the name of a network interface; set [fwd %s] tap",
			        config->path, port->name, name, port->name);
		for (uint32_t j = 0; j < port_idx; j++) {
			if (strcmp(out[j], name) == 0)
				return bh_error_set(error, "E342", -EINVAL, "%s: two ports cannot both be %s in Linux",
				                    config->path, name);
		}
		snprintf(out[port_idx++], IF_NAMESIZE, "%s", name);
	}
	return 0;
}

/* Ports are numbered as they come, in the cell and in its settings. */
static bool
same_ports(const struct bh_run_config *a, const struct bh_run_config *b)
{
	if (a->device_cnt != b->device_cnt)
		return false;
	for (uint32_t i = 0; i < a->device_cnt; i++) {
		if (strcmp(a->device[i].section, b->device[i].section) != 0)
			return false;
	}
	return true;
}

static bool
may_change(const char *section, const char *key)
{
	static const char *const of_all[] = {"punt_rate", "error_rate", "ageing"};
	if (strncmp(section, FWD_SECTION " ", sizeof(FWD_SECTION)) == 0)
		return strcmp(key, "tap") != 0;
	for (size_t i = 0; i < BH_ARRAY_CNT(of_all) && strcmp(section, FWD_SECTION) == 0; i++) {
		if (strcmp(key, of_all[i]) == 0)
			return true;
	}
	return false;
}

bool
fwd_fixed_change(const struct bh_run_config *old, const struct bh_run_config *fresh, char *out, size_t out_bytes)
{
	if (bh_config_changed(old, fresh, may_change, out, out_bytes))
		return true;
	if (same_ports(old, fresh))
		return false;
	snprintf(out, out_bytes, "the order of the [port NAME] sections");
	return true;
}
