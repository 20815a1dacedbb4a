/* SPDX-License-Identifier: Apache-2.0 */
/* The configurations of a comparison on cards: what they must say, before anything is changed. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/compare/net_cards.h"
#include "host/errors/errors.h"
#include "host/run/config.h"

#define DUT       "E382"
#define GENERATOR "E383"

BH_PRINTF(4, 5)
static int
wrong(struct bh_error *error, const char *id, const char *path, const char *format, ...)
{
	char text[400];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return bh_error_set(error, id, -EINVAL, "%s: %s", path, text);
}

/* Two ports on cards, in the order of the file. */
static int
take_ports(const struct bh_run_config *config, const char *path, const char *id, struct bh_net_card *out,
           struct bh_error *error)
{
	if (config->device_cnt != 2)
		return wrong(error, id, path, "two [port NAME]s are compared, and it has %u ports and devices",
		             config->device_cnt);
	for (uint32_t i = 0; i < 2; i++) {
		const struct bh_device_config *device = &config->device[i];
		if (!device->is_port || device->backend != BH_BACKEND_VFIO)
			return wrong(error, id, path, "[%s] is no card: backend = vfio and address = were meant",
			             device->section);
		out[i] = (struct bh_net_card){.path = path};
		memcpy(out[i].port, device->name, sizeof(out[i].port));
		int err = bh_pci_address_parse(device->address, out[i].address);
		if (err != 0)
			return wrong(error, id, path, "[%s] address = %s is no PCI address", device->section,
			             device->address);
	}
	return 0;
}

static const struct bh_net_card *
same_card(const struct bh_net_card *card, const struct bh_net_card *among, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		if (strcmp(card->address, among[i].address) == 0)
			return &among[i];
	}
	return NULL;
}

/* Which kind of case it is side B of: 0 connect, 1 route. */
static int
kind_of(const struct bh_run_config *config, const char *path, struct bh_error *error)
{
	if (strcmp(config->app_name, "xconnect") == 0)
		return bh_config_enum(config, "xconnect", "mode") == 0 &&
		                       strcmp(bh_config_string(config, "xconnect", "a"),
		                              bh_config_string(config, "xconnect", "b")) != 0
		               ? 0
		               : wrong(error, DUT, path, "Linux is compared with mode = forward between two ports");
	if (strcmp(config->app_name, "fwd") == 0)
		return bh_config_enum(config, "fwd", "mode") == 0
		               ? 1
		               : wrong(error, DUT, path, "Linux is compared with mode = router");
	return wrong(error, DUT, path, "[cell] app = %s: xconnect or fwd are compared with Linux", config->app_name);
}

static void
take_taps(const struct bh_run_config *config, struct bh_net *net)
{
	for (uint32_t i = 0; i < 2; i++) {
		char section[BH_NAME_BYTES + 8];
		snprintf(section, sizeof(section), "fwd %s", config->device[i].name);
		const char *tap = bh_config_is_set(config, section, "tap") ? bh_config_string(config, section, "tap")
		                                                           : config->device[i].name;
		snprintf(net->tap[i], sizeof(net->tap[i]), "%.15s", tap);
	}
}

/* Both sides have one CPU: --cpu, or the file's. */
static int
take_cpu(const struct bh_run_config *config, const char *path, int *cpu, bool chosen, struct bh_error *error)
{
	if (chosen)
		return 0;
	if (config->cpu_cnt != 1)
		return wrong(error, DUT, path, "[cell] cpus has %u CPUs, and each side gets one", config->cpu_cnt);
	int own = config->cpus_auto ? bh_machine_choose_cpu(-1) : config->cpu[0];
	if (*cpu >= 0 && *cpu != own)
		return wrong(error, DUT, path, "[cell] cpus is %d, and %d in the other file; or give --cpu", own, *cpu);
	*cpu = own;
	return 0;
}

static int
take_config(const struct bh_run_config *config, const char *path, bool second, struct bh_net *net,
            struct bh_error *error)
{
	struct bh_net_card card[2];
	int kind = kind_of(config, path, error);
	int err = kind < 0 ? kind : take_ports(config, path, DUT, card, error);
	if (err != 0)
		return err;
	if (same_card(&card[0], &card[1], 1) != NULL)
		return wrong(error, DUT, path, "both ports are %s: two cards are compared", card[0].address);
	if (net->file[kind] != NULL)
		return wrong(error, DUT, path, "%s is of the same application", net->file[kind]);
	if (second &&
	    (strcmp(card[0].address, net->card[0].address) != 0 || strcmp(card[1].address, net->card[1].address) != 0))
		return wrong(error, DUT, path, "its ports are %s and %s, and the other file's are %s and %s",
		             card[0].address, card[1].address, net->card[0].address, net->card[1].address);
	net->file[kind] = path;
	memcpy(net->card, card, sizeof(card));
	if (kind == 1)
		take_taps(config, net);
	return 0;
}

static int
read_side_b(const struct bh_compare_options *options, struct bh_net *net, int *cpu, struct bh_error *error)
{
	bool chosen = *cpu >= 0;
	int err = 0;
	for (uint32_t i = 0; i < options->file_cnt && err == 0; i++) {
		struct bh_run_config *config = NULL;
		err = bh_config_load(options->file[i], NULL, 0, options->app, options->app_cnt, &config, error);
		if (err == 0)
			err = take_config(config, options->file[i], i > 0, net, error);
		if (err == 0)
			err = take_cpu(config, options->file[i], cpu, chosen, error);
		bh_config_free(config);
	}
	return err;
}

/* The last CPU, isolated ones first, that is neither. Return: -1 there is none. */
static int
spare_cpu(unsigned a, int b)
{
	for (int isolated = 1; isolated >= 0; isolated--) {
		for (int cpu = (int)sysconf(_SC_NPROCESSORS_CONF) - 1; cpu >= 0; cpu--) {
			if (cpu != (int)a && cpu != b && bh_machine_choose_cpu(cpu) == cpu &&
			    (!isolated || bh_machine_cpu_isolated((unsigned)cpu)))
				return cpu;
		}
	}
	return -1;
}

static int
take_generator(const struct bh_run_config *config, struct bh_net *net, unsigned cpu, struct bh_error *error)
{
	struct bh_net_card card[2];
	const struct bh_net_card *same;
	if (strcmp(config->app_name, "pktgen") != 0)
		return wrong(error, GENERATOR, net->generator, "[cell] app = %s: pktgen was meant", config->app_name);
	int err = take_ports(config, net->generator, GENERATOR, card, error);
	if (err != 0)
		return err;
	const char *tx = bh_config_string(config, "pktgen", "tx"), *rx = bh_config_string(config, "pktgen", "rx");
	bool turned = strcmp(rx, card[0].port) == 0;
	if (strcmp(tx, card[turned].port) != 0 || strcmp(rx, card[!turned].port) != 0)
		return wrong(error, GENERATOR, net->generator,
		             "[pktgen] tx and rx must be its two ports, one each; they are '%s' and '%s'", tx, rx);
	for (uint32_t i = 0; i < 2; i++) {
		same = same_card(&card[i], net->card, 2);
		if (same == NULL && i == 1)
			same = same_card(&card[1], card, 1);
		if (same != NULL)
			return wrong(error, GENERATOR, net->generator,
			             "[port %s] is %s, and so is [port %s] of %s: the generator needs two more cards",
			             card[i].port, card[i].address, same->port, same->path);
		net->card[BH_NET_CARD_TX + i] = card[turned ? 1 - i : i];
	}
	int own = config->cpus_auto ? spare_cpu(cpu, -1) : config->cpu[0];
	if (own < 0 || own == (int)cpu)
		return wrong(error, GENERATOR, net->generator,
		             "[cell] cpus: the generator needs a CPU of its own, and %u is that of both sides", cpu);
	net->generator_cpu = (unsigned)own;
	net->offered_pps = bh_config_uint(config, "pktgen", "rate");
	return 0;
}

static int
read_generator(const struct bh_compare_options *options, struct bh_net *net, unsigned cpu, struct bh_error *error)
{
	struct bh_run_config *config = NULL;
	if (options->generator == NULL)
		return wrong(error, GENERATOR, options->file[0],
		             "something must stand on the other ends of its wires: --generator FILE2, a pktgen cell "
		             "over two more cards");
	if (access(options->generator, R_OK) != 0)
		return wrong(error, GENERATOR, options->generator, "the generator's file cannot be read: %s",
		             strerror(errno));
	net->generator = options->generator;
	int err = bh_config_load(options->generator, NULL, 0, options->app, options->app_cnt, &config, error);
	if (err == 0)
		err = take_generator(config, net, cpu, error);
	bh_config_free(config);
	return err;
}

int
bh_net_files_read(const struct bh_compare_options *options, struct bh_net *net, int *cpu, struct bh_error *error)
{
	int err = read_side_b(options, net, cpu, error);
	if (err == 0)
		err = read_generator(options, net, (unsigned)*cpu, error);
	if (err != 0)
		return err;
	int other = spare_cpu((unsigned)*cpu, (int)net->generator_cpu);
	net->lane.other_cpu = other >= 0 ? (unsigned)other : net->generator_cpu;
	net->lane.cards = true;
	for (uint32_t i = 0; i < 2; i++)
		memcpy(net->lane.address[i], net->card[i].address, sizeof(net->lane.address[i]));
	return 0;
}
