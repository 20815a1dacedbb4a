/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead bind, bulkhead unbind: take devices from their Linux drivers, and give them back. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "host/device/bind.h"
#include "host/errors/errors.h"

#define OVERRIDES_MAX 32

static void
usage_bind(FILE *stream)
{
	fputs("usage: bulkhead bind ADDRESS... [OPTIONS]\n\n"
	      "Takes PCI functions from their Linux drivers and gives them to vfio-pci, so that a cell can use them: "
	      "all of them, or\n"
	      "none. What this machine uses (a mounted disk, the card of the default route, ...) is refused with the "
	      "evidence: exit\n"
	      "code 4, nothing was changed. 'bulkhead unbind' gives a device back to the driver that was there.\n\n"
	      "  --override REASON  take a device in spite of a finding (mounted, swap, holder, ...), for one ADDRESS; "
	      "each\n"
	      "                     finding must be named; may be repeated\n"
	      "  --dry-run          check, and say what would be done\n"
	      "  --json             the result as JSON on standard output\n"
	      "exit codes: 0 ok, 1 failed (and undone), 2 usage, 4 refused for safety, 6 needs root\n",
	      stream);
}

static void
usage_unbind(FILE *stream)
{
	fputs("usage: bulkhead unbind ADDRESS... [--json]\n\n"
	      "Gives PCI functions back to the drivers that 'bulkhead bind' took them from, and waits until their disk "
	      "or interface is\n"
	      "there again. A device that is not taken is left alone. Refused while somebody has the device open.\n",
	      stream);
}

struct arguments {
	const char *override[OVERRIDES_MAX + 1];
	size_t override_cnt;
	bool dry_run, json;
};

/* Return: an exit code; -1: go on, with the addresses from optind. */
static int
parse(int argc, char **argv, bool unbind, struct arguments *out)
{
	static const struct option known[] = {{"json", no_argument, NULL, 'j'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {"dry-run", no_argument, NULL, 'n'},
	                                      {"override", required_argument, NULL, 'o'},
	                                      {NULL, 0, NULL, 0}};
	/* unbind knows the first two only */
	static const struct option known_unbind[] = {
	        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int key;
	while ((key = getopt_long(argc, argv, "h", unbind ? known_unbind : known, NULL)) != -1) {
		if (key == 'h') {
			(unbind ? usage_unbind : usage_bind)(stdout);
			return BH_EXIT_OK;
		}
		if (key == '?' || (key == 'o' && out->override_cnt == OVERRIDES_MAX))
			return BH_EXIT_USAGE;
		out->json = out->json || key == 'j';
		out->dry_run = out->dry_run || key == 'n';
		if (key == 'o')
			out->override[out->override_cnt++] = optarg;
	}
	if (optind == argc || argc - optind > BH_BIND_DEVICES_MAX) {
		(unbind ? usage_unbind : usage_bind)(stderr);
		return BH_EXIT_USAGE;
	}
	return -1;
}

static json_t *
json_outcome(const struct bh_bind_outcome *out)
{
	json_t *overridden = json_array();
	for (int i = 0; i < out->overridden_cnt; i++)
		json_array_append_new(overridden, json_pack("{s:s, s:s}", "reason", out->overridden[i].reason,
		                                            "evidence", out->overridden[i].evidence));
	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:o}", "address", out->address, "driver_before", out->driver_before,
	                 "driver", out->driver_now, "changed", out->changed, "back", out->back, "overridden",
	                 overridden);
}

static void
print_json(const struct bh_bind_outcome *out, size_t cnt, const struct bh_error *error, int exit_code, bool dry_run)
{
	json_t *devices = json_array();
	for (size_t i = 0; i < cnt; i++) {
		if (out[i].address[0] != '\0')
			json_array_append_new(devices, json_outcome(&out[i]));
	}
	json_t *object = json_pack("{s:i, s:b, s:o}", "exit_code", exit_code, "dry_run", dry_run, "devices", devices);
	if (error != NULL)
		json_object_set_new(object, "error", json_pack("{s:s, s:s}", "id", error->id, "text", error->text));
	json_dumpf(object, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(object);
}

static const char *
driver_text(const char *driver)
{
	return driver[0] != '\0' ? driver : "no driver";
}

/* The commands that it equals. */
static void
print_plan(const struct bh_bind_outcome *out)
{
	const char *address = out->address;
	if (strcmp(out->driver_before, "vfio-pci") == 0) {
		printf("%s: has vfio-pci already; nothing to do\n", address);
		return;
	}
	printf("%s: would be taken from %s:\n", address, driver_text(out->driver_before));
	printf("  echo vfio-pci > /sys/bus/pci/devices/%s/driver_override\n", address);
	if (out->driver_before[0] != '\0')
		printf("  echo %s > /sys/bus/pci/drivers/%s/unbind\n", address, out->driver_before);
	printf("  echo %s > /sys/bus/pci/drivers_probe\n", address);
}

static void
print_bound(const struct bh_bind_outcome *out)
{
	struct bh_bind_finding note[BH_BIND_FINDINGS_MAX];
	struct bh_error ignored;
	for (int i = 0; i < out->overridden_cnt; i++)
		printf("%s: overrode %s: %s\n", out->address, out->overridden[i].reason, out->overridden[i].evidence);
	if (out->changed)
		printf("%s: taken from %s by vfio-pci; 'bulkhead unbind %s' gives it back\n", out->address,
		       driver_text(out->driver_before), out->address);
	else
		printf("%s: had vfio-pci already; nothing was changed\n", out->address);
	int cnt = bh_bind_notes("", out->address, note, &ignored);
	for (int i = 0; i < cnt; i++)
		printf("%s: note: %s\n", out->address, note[i].evidence);
}

int
cmd_bind(int argc, char **argv)
{
	static char own_name[] = "bulkhead bind";
	struct arguments arguments = {.override_cnt = 0};
	struct bh_bind_outcome out[BH_BIND_DEVICES_MAX];
	struct bh_error error;
	argv[0] = own_name;
	int code = parse(argc, argv, false, &arguments);
	if (code >= 0)
		return code;
	memset(out, 0, sizeof(out));
	const struct bh_bind_request request = {.root = "",
	                                        .address = (const char *const *)argv + optind,
	                                        .cnt = (size_t)(argc - optind),
	                                        .override = arguments.override,
	                                        .dry_run = arguments.dry_run};
	int err = bh_bind_all(&request, out, &error);
	code = err == 0 ? BH_EXIT_OK : bh_error_exit_code(&error);
	if (err != 0)
		fprintf(stderr, "bulkhead bind: %s (BH-%s)\n", error.text, error.id);
	if (arguments.json)
		print_json(out, request.cnt, err != 0 ? &error : NULL, code, arguments.dry_run);
	for (size_t i = 0; err == 0 && !arguments.json && i < request.cnt; i++)
		(arguments.dry_run ? print_plan : print_bound)(&out[i]);
	return code;
}

static void
print_unbound(const struct bh_bind_outcome *out)
{
	if (!out->changed)
		printf("%s: not taken; it has %s, and nothing was changed\n", out->address,
		       driver_text(out->driver_now));
	else if (out->back[0] != '\0')
		printf("%s: back with %s: %s is there again\n", out->address, driver_text(out->driver_now), out->back);
	else
		printf("%s: back with %s\n", out->address, driver_text(out->driver_now));
}

/* Each is given back, also after one that could not be: they have nothing to do with each other. */
int
cmd_unbind(int argc, char **argv)
{
	static char own_name[] = "bulkhead unbind";
	struct arguments arguments = {.override_cnt = 0};
	struct bh_bind_outcome out[BH_BIND_DEVICES_MAX];
	struct bh_error error, first;
	argv[0] = own_name;
	int code = parse(argc, argv, true, &arguments);
	if (code >= 0)
		return code;
	code = BH_EXIT_OK;
	memset(out, 0, sizeof(out));
	for (int i = optind; i < argc; i++) {
		struct bh_bind_outcome *one = &out[i - optind];
		if (bh_unbind_device("", argv[i], one, &error) == 0) {
			if (!arguments.json)
				print_unbound(one);
			continue;
		}
		fprintf(stderr, "bulkhead unbind: %s (BH-%s)\n", error.text, error.id);
		if (code == BH_EXIT_OK) {
			first = error;
			code = bh_error_exit_code(&error);
		}
	}
	if (arguments.json)
		print_json(out, (size_t)(argc - optind), code != BH_EXIT_OK ? &first : NULL, code, false);
	return code;
}
