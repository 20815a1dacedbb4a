/* SPDX-License-Identifier: Apache-2.0 */
/* The software network cards of a cell: one process for all of its ports, because a wire joins two of them. */
#include <errno.h>
#include <string.h>

#include "host/errors/errors.h"
#include "host/run/softdev_args.h"

/* Keys of [port NAME] that say what the process and its wires are like, and the options that they become. */
static const struct {
	const char *key, *option;
} shared_keys[] = {
        {"rate", "--rate"},
        {"delay", "--delay"},
        {"loss", "--loss"},
        {"duplicate", "--duplicate"},
        {"reorder", "--reorder"},
        {"corrupt", "--corrupt"},
        {"seed", "--seed"},
        {"full", "--full"},
        {"ring", "--ring"},
        {"fault", "--fault"},
        {"queue_size", "--queue-size"},
};

/* Keys that an 82599 has no use for. */
static const char *const virtio_keys[] = {"ring", "queue_size"};

static bool
is_soft_port(const struct bh_device_config *config)
{
	return config->is_port && config->backend == BH_BACKEND_SOFTDEV;
}

/* What any of the ports says of it; two that contradict each other are an error. Return: "" if none says anything. */
static int
shared_value(const struct bh_run_config *config, const char *key, const char **out, struct bh_error *error)
{
	*out = "";
	for (uint32_t i = 0; i < config->device_cnt; i++) {
		const struct bh_device_config *device = &config->device[i];
		if (!is_soft_port(device) || !bh_config_is_set(config, device->section, key))
			continue;
		const char *value = bh_config_string(config, device->section, key);
		if ((*out)[0] != '\0' && strcmp(*out, value) != 0)
			return bh_config_error_id(
			        config, device->section, key, "E330", error,
			        "another port says %s; one process plays all cards and wires of a cell", *out);
		*out = value;
	}
	return 0;
}

/* The models of all soft ports: whether there is an 82599, and whether there is a virtio card. */
static void
models_find(const struct bh_run_config *config, bool *out_ixgbe, bool *out_virtio)
{
	*out_ixgbe = *out_virtio = false;
	for (uint32_t i = 0; i < config->device_cnt; i++) {
		if (!is_soft_port(&config->device[i]))
			continue;
		bool ixgbe = strcmp(config->device[i].model, "ixgbe") == 0;
		*out_ixgbe |= ixgbe;
		*out_virtio |= !ixgbe;
	}
}

/* What the keys of an 82599 may not say, and what all may not say if there are cards of both kinds. */
static int
models_check(const struct bh_run_config *config, bool mixed, struct bh_error *error)
{
	for (uint32_t i = 0; i < config->device_cnt; i++) {
		const struct bh_device_config *device = &config->device[i];
		if (!is_soft_port(device))
			continue;
		if (mixed && bh_config_is_set(config, device->section, "fault"))
			return bh_config_error_id(
			        config, device->section, "fault", "E392", error,
			        "the cell's software cards are of two models, whose lies have different names");
		for (size_t j = 0; j < BH_ARRAY_CNT(virtio_keys) && strcmp(device->model, "ixgbe") == 0; j++) {
			if (bh_config_is_set(config, device->section, virtio_keys[j]))
				return bh_config_error_id(config, device->section, virtio_keys[j], "E391", error,
				                          "an 82599 (model = ixgbe) has no such choice");
		}
	}
	return 0;
}

static int
make_args(const struct bh_run_config *config, struct bh_softdev_args *args, unsigned *out_fd_cnt,
          struct bh_error *error)
{
	uint32_t queue_cnt = 1;
	unsigned fd_cnt = 0;
	bool ixgbe, virtio;
	models_find(config, &ixgbe, &virtio);
	int bad = models_check(config, ixgbe && virtio, error);
	if (bad != 0)
		return bad;
	args->arg[args->cnt++] = "bulkhead";
	bh_softdev_add(args, "softdev", virtio ? "virtio-net" : "ixgbe");
	for (uint32_t i = 0; i < config->device_cnt; i++) {
		const struct bh_device_config *device = &config->device[i];
		if (!is_soft_port(device))
			continue;
		const char *wire = bh_config_string(config, device->section, "wire");
		char *text = args->text[fd_cnt];
		snprintf(text, sizeof(args->text[0]), "%u,model=%s,wire=%s", BH_SOFTDEV_FD + fd_cnt, device->model,
		         wire[0] != '\0' ? wire : device->name);
		bh_softdev_add(args, "--fd", text);
		queue_cnt = BH_MAX(queue_cnt, device->queue_cnt);
		fd_cnt++;
	}
	if (virtio)
		bh_softdev_add_number(args, "--queues", queue_cnt);
	for (size_t i = 0; i < BH_ARRAY_CNT(shared_keys); i++) {
		const char *value;
		int err = shared_value(config, shared_keys[i].key, &value, error);
		if (err != 0)
			return err;
		if (value[0] != '\0')
			bh_softdev_add(args, shared_keys[i].option, value);
	}
	*out_fd_cnt = fd_cnt;
	return 0;
}

int
bh_softdev_net_start(struct bh_cell *cell, struct bh_cell_device *first, unsigned cpu, struct bh_error *error)
{
	struct bh_softdev_args args = {0};
	const char *program = cell->options.program != NULL ? cell->options.program : "/proc/self/exe";
	int fds[BH_DEVICES_MAX];
	unsigned fd_cnt, next = 0;
	int err = make_args(cell->config, &args, &fd_cnt, error);
	if (err != 0)
		return err;
	bh_softdev_add_number(&args, "--cpu", cpu);
	if (cell->cpus.shared)
		args.arg[args.cnt++] = "--yield";
	err = bh_softdev_spawn(first->config->name, &args, program, fds, fd_cnt, &first->softdev_pid, error);
	for (uint32_t i = 0; i < cell->config->device_cnt && err == 0; i++) {
		if (is_soft_port(&cell->config->device[i]))
			cell->soft_port_fd[i] = fds[next++];
	}
	cell->soft_ports_started = err == 0;
	return err;
}
