/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/pktgen/host/app.h"

#include <stdio.h>
#include <string.h>

#include "apps/pktgen/config.h"

#define SECTION     "pktgen"
#define RATE_MAX    UINT64_C(1000000000)
#define TIME_MAX_NS UINT64_C(3600000000000)

const struct bh_config_key pktgen_keys[PKTGEN_KEY_CNT] = {
        {SECTION, "tx", BH_VALUE_STRING, NULL, NULL, 0, 0, "the NAME of the [port NAME] that sends"},
        {SECTION, "rx", BH_VALUE_STRING, NULL, NULL, 0, 0, "the NAME of the [port NAME] that receives"},
        {SECTION, "rate", BH_VALUE_UINT, "0", NULL, 0, RATE_MAX, "frames a second; 0: as fast as it goes"},
        {SECTION, "count", BH_VALUE_UINT, "0", NULL, 0, 0, "frames to send; 0: until it is stopped"},
        {SECTION, "time", BH_VALUE_DURATION, "0", NULL, 0, TIME_MAX_NS,
         "how long to send, to 1h; 0: until it is stopped"},
        {SECTION, "warm_up", BH_VALUE_DURATION, "0", NULL, 0, TIME_MAX_NS, "how long to send before counting begins"},
        {SECTION, "link_wait", BH_VALUE_DURATION, "0", NULL, 0, UINT64_C(60000000000),
         "a time to 60s: how long to wait for the links; 0: no wait"},
        {SECTION, "catch_up", BH_VALUE_UINT, "1024", NULL, 1, 65536,
         "from 1 to 65536 frames: a schedule that is further behind moves on"},
        {SECTION, "burst", BH_VALUE_UINT, "32", NULL, 1, PKTGEN_BURST_MAX, "most frames at a time, 1 to 256"},
        {SECTION, "size", BH_VALUE_STRING, "64", NULL, 0, 0, "bytes with FCS, 64 to 9216, or imix"},
        {SECTION, "flows", BH_VALUE_UINT, "1", NULL, 1, PKTGEN_FLOWS_MAX, "from 1 to 4096"},
        {SECTION, "dst_mac", BH_VALUE_STRING, "ff:ff:ff:ff:ff:ff", NULL, 0, 0,
         "such as 52:54:00:00:00:01, or rx: the receiving port's own"},
        {SECTION, "drain", BH_VALUE_DURATION, "100ms", NULL, 0, UINT64_C(10000000000),
         "a time to 10s: how long nothing must come after the last frame was sent"},
        {SECTION, "connect_a", BH_VALUE_STRING, "", NULL, 0, 0,
         "two more ports, which the same core connects: for machines without a core for xconnect"},
        {SECTION, "connect_b", BH_VALUE_STRING, "", NULL, 0, 0, "see connect_a"},
        {SECTION, "connect_burst", BH_VALUE_UINT, "32", NULL, 1, XCONNECT_BURST_MAX, "from 1 to 256"},
};

static int
port_name(const struct bh_run_config *config, const char *key, char *out, struct bh_error *error)
{
	const struct bh_device_config *port = bh_config_device(config, bh_config_string(config, SECTION, key));
	if (port == NULL || !port->is_port)
		return bh_config_error(config, SECTION, key, error,
		                       "no such port; name one that has a [port NAME] section");
	memcpy(out, port->name, sizeof(port->name));
	return 0;
}

/* The simple mix: 7 of 64, 4 of 570 (with FCS), 1 of 1518; spread so that no size comes in a row for long. */
static void
imix(struct pktgen_config *out)
{
	static const uint8_t pattern[12] = {0, 1, 0, 0, 1, 0, 2, 0, 1, 0, 1, 0};
	out->size_cnt = 3;
	out->bytes[0] = 64;
	out->bytes[1] = 570;
	out->bytes[2] = 1518;
	out->pattern_cnt = sizeof(pattern);
	memcpy(out->pattern, pattern, sizeof(pattern));
}

static int
sizes(const struct bh_run_config *config, struct pktgen_config *out, struct bh_error *error)
{
	const char *text = bh_config_string(config, SECTION, "size");
	uint64_t bytes;
	if (strcmp(text, "imix") == 0) {
		imix(out);
		return 0;
	}
	if (bh_parse_size(text, &bytes) != 0 || bytes < PKTGEN_BYTES_MIN || bytes > PKTGEN_BYTES_MAX)
		return bh_config_error(config, SECTION, "size", error, "64 to 9216 bytes, or imix, was meant");
	out->size_cnt = out->pattern_cnt = 1;
	out->bytes[0] = (uint16_t)bytes;
	return 0;
}

static int
mac(const struct bh_run_config *config, struct pktgen_config *out, struct bh_error *error)
{
	unsigned part[6];
	char rest;
	const char *text = bh_config_string(config, SECTION, "dst_mac");
	out->dst_is_rx = strcmp(text, "rx") == 0;
	if (out->dst_is_rx)
		return 0;
	if (strlen(text) != 17 || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &part[0], &part[1], &part[2], &part[3],
	                                 &part[4], &part[5], &rest) != 6)
		return bh_config_error(config, SECTION, "dst_mac", error, "no MAC address, and not rx");
	for (int i = 0; i < 6; i++)
		out->dst_mac[i] = (uint8_t)part[i];
	return 0;
}

static int
connection(const struct bh_run_config *config, struct pktgen_config *out, struct bh_error *error)
{
	bool a = bh_config_string(config, SECTION, "connect_a")[0] != '\0';
	bool b = bh_config_string(config, SECTION, "connect_b")[0] != '\0';
	if (!a && !b)
		return 0;
	int err = port_name(config, "connect_a", out->xconnect.port[0], error);
	if (err == 0)
		err = port_name(config, "connect_b", out->xconnect.port[1], error);
	out->connect = 1;
	out->xconnect.mode = XCONNECT_FORWARD;
	out->xconnect.burst_cnt = (uint32_t)bh_config_uint(config, SECTION, "connect_burst");
	return err;
}

int
pktgen_compile(const struct bh_run_config *config, void *opaque, uint32_t *out_bytes, struct bh_error *error)
{
	struct pktgen_config *out = opaque;
	int err = port_name(config, "tx", out->tx, error);
	if (err == 0)
		err = port_name(config, "rx", out->rx, error);
	if (err == 0)
		err = sizes(config, out, error);
	if (err == 0)
		err = mac(config, out, error);
	if (err == 0)
		err = connection(config, out, error);
	if (err == 0 && config->cpu_cnt != 1)
		return bh_config_error(config, "cell", "cpus", error, "pktgen runs on one core");
	out->rate_pps = bh_config_uint(config, SECTION, "rate");
	out->frame_cnt = bh_config_uint(config, SECTION, "count");
	out->time_ns = bh_config_uint(config, SECTION, "time");
	out->warm_up_ns = bh_config_uint(config, SECTION, "warm_up");
	out->link_wait_ns = bh_config_uint(config, SECTION, "link_wait");
	out->catch_up_cnt = (uint32_t)bh_config_uint(config, SECTION, "catch_up");
	out->drain_ns = bh_config_uint(config, SECTION, "drain");
	out->burst_cnt = (uint32_t)bh_config_uint(config, SECTION, "burst");
	out->flow_cnt = (uint32_t)bh_config_uint(config, SECTION, "flows");
	*out_bytes = sizeof(*out);
	return err;
}
