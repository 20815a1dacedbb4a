/* SPDX-License-Identifier: Apache-2.0 */
/* [fwd] and [fwd NAME]: what is refused and how, what is made of the rest, and what may change while it runs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/fwd/host/app.h"

#define CELL   "[cell]\napp = fwd\n"
#define PORTS  "[port a]\nbackend = pcap\nfile = /tmp/a\n[port b]\nbackend = pcap\nfile = /tmp/b\n"
#define ROUTER CELL PORTS "[fwd]\n"
#define SWITCH CELL PORTS "[fwd]\nmode = switch\n"

static struct bh_run_config *
load(const char *text)
{
	struct bh_run_config *config;
	struct bh_error error = {0};
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int err = bh_config_load(path, NULL, 0, bh_apps, bh_app_cnt, &config, &error);
	close(fd);
	if (err != 0)
		print_error("%s\n", error.text);
	assert_int_equal(err, 0);
	return config;
}

/* All that the host half reads of it, before anything is made. */
static int
read_all(const struct bh_run_config *config, struct bh_error *error)
{
	struct fwd_config compiled = {0};
	struct fwd_settings settings;
	char tap[FWD_PORTS_MAX][IF_NAMESIZE];
	uint32_t bytes;
	int err = fwd_compile(config, &compiled, &bytes, error);
	if (err == 0)
		err = fwd_settings_of(config, &settings, error);
	return err == 0 ? fwd_tap_names(config, tap, error) : err;
}

static void
what_makes_no_sense_is_refused(void **unused)
{
	static const struct {
		const char *text, *id, *part;
	} bad[] = {
	        {CELL "[fwd]\n", "E342", "2 to 8 [port NAME] sections, not 0"},
	        {CELL "[port a]\nbackend = pcap\nfile = /tmp/a\n[fwd]\n", "E342", "not 1"},
	        {ROUTER "[fwd c]\ntap = c\n", "E345", "[fwd c] has no port"},
	        {ROUTER "[fwd a]\ntap = a-name-of-16-byte\n", "E342", "'a-name-of-16-byte' cannot be the name"},
	        {ROUTER "[fwd a]\ntap = x/y\n", "E342", "set [fwd a] tap"},
	        {ROUTER "[fwd a]\ntap = b\n", "E342", "two ports cannot both be b"},
	        /* Keys of the other mode. */
	        {ROUTER "macs = 1000\n", "E018", "a key of mode = switch, and the mode is router"},
	        {ROUTER "[fwd b]\nvlans = 10\n", "E018", "[fwd b] vlans = 10: this is a key of mode = switch"},
	        {ROUTER "[fwd b]\nmac_max = 10\n", "E018", "a key of mode = switch"},
	        {SWITCH "punt_rate = 10\n", "E018", "a key of mode = router, and the mode is switch"},
	        {SWITCH "[fwd a]\ntap = x\n", "E018", "a key of mode = router"},
	        /* VLANs. */
	        {SWITCH "[fwd a]\nvlans = 0\n", "E018", "numbers from 1 to 4094"},
	        {SWITCH "[fwd a]\nvlans = 4095\n", "E018", "vlans = 4095"},
	        {SWITCH "[fwd a]\nvlans = 10-\n", "E018", "such as 10,20-29"},
	        {SWITCH "[fwd a]\nvlans = 20-10\n", "E018", "vlans = 20-10"},
	        {SWITCH "[fwd a]\nvlans = -5\n", "E018", "vlans = -5"},
	        {SWITCH "[fwd a]\nvlans = 1-2-3\n", "E018", "vlans = 1-2-3"},
	        {SWITCH "[fwd a]\nvlans = ten\n", "E018", "vlans = ten"},
	        {SWITCH "[fwd a]\nvlans = 10,\n", "E018", "vlans = 10,"},
	        {SWITCH "[fwd a]\nvlans = ,10\n", "E018", "vlans = ,10"},
	        {SWITCH "[fwd a]\nvlans = 10,,11\n", "E018", "vlans = 10,,11"},
	        {SWITCH "[fwd a]\nvlans = 1-99999999999999999999\n", "E018", "vlans = 1-9999"},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		struct bh_run_config *config = load(bad[i].text);
		struct bh_error error = {0};
		assert_int_equal(read_all(config, &error), -EINVAL);
		print_message("  %s %s\n", error.id, error.text);
		assert_string_equal(error.id, bad[i].id);
		assert_non_null(strstr(error.text, bad[i].part));
		bh_config_free(config);
	}
}

static void
nothing_said_is_a_router_with_limits(void **unused)
{
	struct bh_run_config *config = load(ROUTER);
	struct fwd_config compiled = {0};
	struct fwd_settings settings;
	struct bh_error error = {0};
	char tap[FWD_PORTS_MAX][IF_NAMESIZE] = {0};
	uint32_t bytes;
	assert_int_equal(fwd_compile(config, &compiled, &bytes, &error), 0);
	assert_int_equal(bytes, sizeof(compiled));
	assert_true(bytes <= BH_APP_CONFIG_BYTES);
	assert_int_equal(compiled.mode, FWD_MODE_ROUTER);
	assert_int_equal(compiled.port_cnt, 2);
	assert_string_equal(compiled.port[1], "b");
	assert_int_equal(fwd_settings_of(config, &settings, &error), 0);
	assert_int_equal(settings.punt_rate, 50000);
	assert_int_equal(settings.error_rate, 1000);
	assert_int_equal(fwd_tap_names(config, tap, &error), 0);
	assert_string_equal(tap[0], "a");
	bh_config_free(config);
}

static void
vlans_and_limits_of_each_port(void **unused)
{
	struct bh_run_config *config = load(SWITCH "ageing = 20s\n[fwd a]\nnative_vlan = 7\nvlans = 10, 20-22\n"
	                                           "storm_unicast = 9\nmac_max = 3\n[fwd b]\nnative_vlan = 0\n"
	                                           "vlans = 22\nstorm_broadcast = 5\nstorm_multicast = 6\n");
	struct fwd_settings settings;
	struct bh_error error = {0};
	assert_int_equal(fwd_settings_of(config, &settings, &error), 0);
	const struct fwd_switch_settings *switching = &settings.switching;
	assert_int_equal(switching->ageing_s, 20);
	assert_int_equal(switching->vlan_aware, 1);
	for (uint32_t vlan = 0; vlan < FWD_VLAN_CNT; vlan++) {
		bool in_a = vlan == 7 || vlan == 10 || (vlan >= 20 && vlan <= 22);
		assert_int_equal(switching->member[vlan], (in_a ? 1 : 0) | (vlan == 22 ? 2 : 0));
	}
	assert_int_equal(switching->port[0].native_vlan, 7);
	assert_int_equal(switching->port[1].native_vlan, FWD_NO_VLAN);
	assert_int_equal(switching->port[0].mac_max, 3);
	assert_int_equal(switching->port[0].storm_pps[FWD_STORM_UNICAST], 9);
	assert_int_equal(switching->port[1].storm_pps[FWD_STORM_BROADCAST], 5);
	assert_int_equal(switching->port[1].storm_pps[FWD_STORM_MULTICAST], 6);
	bh_config_free(config);
}

static void
without_vlans_tags_are_data(void **unused)
{
	struct bh_run_config *config = load(SWITCH);
	struct fwd_settings settings;
	struct bh_error error = {0};
	assert_int_equal(fwd_settings_of(config, &settings, &error), 0);
	assert_int_equal(settings.switching.vlan_aware, 0);
	bh_config_free(config);
}

static void
what_cannot_change_is_named(void **unused)
{
	static const struct {
		const char *old, *fresh, *named; /* "": it may change */
	} change[] = {
	        {ROUTER, SWITCH, "[fwd] mode"},
	        {ROUTER, ROUTER "burst = 8\n", "[fwd] burst"},
	        {ROUTER, ROUTER "tables = 64M\n", "[fwd] tables"},
	        {ROUTER, ROUTER "resync = 1s\n", "[fwd] resync"},
	        {ROUTER, ROUTER "[fwd a]\ntap = p0\n", "[fwd a] tap"},
	        {ROUTER, "[cell]\napp = fwd\narena = 128M\n" PORTS "[fwd]\n", "[cell] arena"},
	        {ROUTER, ROUTER "[port c]\nbackend = pcap\nfile = /tmp/c\n", "[port c] backend"},
	        {ROUTER,
	         CELL "[port b]\nbackend = pcap\nfile = /tmp/b\n[port a]\nbackend = pcap\nfile = /tmp/a\n[fwd]\n",
	         "the order of the [port NAME] sections"},
	        {SWITCH, SWITCH "macs = 100\n", "[fwd] macs"},
	        {SWITCH, SWITCH "ageing = 10s\n[fwd a]\nvlans = 2\n[partition]\n", ""},
	        {ROUTER, ROUTER "punt_rate = 1\nerror_rate = 0\n", ""},
	        {SWITCH "[fwd a]\nvlans = 2\nstorm_unicast = 3\n", SWITCH "[fwd b]\nnative_vlan = 0\nmac_max = 1\n",
	         ""},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(change); i++) {
		struct bh_run_config *old = load(change[i].old), *fresh = load(change[i].fresh);
		char named[128] = "";
		assert_int_equal(fwd_fixed_change(old, fresh, named, sizeof(named)), change[i].named[0] != '\0');
		assert_string_equal(named, change[i].named);
		bh_config_free(old);
		bh_config_free(fresh);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_makes_no_sense_is_refused),
	        cmocka_unit_test(nothing_said_is_a_router_with_limits),
	        cmocka_unit_test(vlans_and_limits_of_each_port),
	        cmocka_unit_test(without_vlans_tags_are_data),
	        cmocka_unit_test(what_cannot_change_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
