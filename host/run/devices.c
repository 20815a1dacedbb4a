/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/device/null_device.h"
#include "host/device/pci.h"
#include "host/device/vfio.h"
#include "host/device/vfio_user.h"
#include "host/errors/errors.h"
#include "host/run/internal.h"

#define ENDED_WAIT_NS (UINT64_C(200) * BH_NS_PER_MS)

/* A software device that refused its options has said so itself, on our standard error. */
static int
explain_softdev(struct bh_cell_device *device, int err, struct bh_error *error)
{
	int status;
	if (!bh_softdev_ended(&device->softdev_pid, ENDED_WAIT_NS, &status))
		return err;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return bh_error_set(error, "E034", err, "device %s: its program cannot be executed",
		                    device->config->name);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		return bh_error_set(error, "E036", err,
		                    "device %s: the software device refuses its options; its message stands above",
		                    device->config->name);
	if (WIFEXITED(status))
		return bh_error_set(error, "E034", err,
		                    "device %s: the software device ended with exit code %d; its message stands above",
		                    device->config->name, WEXITSTATUS(status));
	return bh_error_set(error, "E034", err, "device %s: the software device was killed: %s", device->config->name,
	                    strsignal(WTERMSIG(status)));
}

static int
map_arena(struct bh_cell *cell, struct bh_cell_device *device, struct bh_error *error)
{
	int err = device->backend->ops->dma_map(device->backend, BH_ADDR_ARENA, cell->arena.size_bytes, cell->arena.fd,
	                                        0, error);
	device->dma_mapped = err == 0;
	return err;
}

/* What the device is, its class says; a configuration that means something else means another device. */
static int
open_vfio(struct bh_cell *cell, struct bh_cell_device *device, struct bh_error *error)
{
	const struct bh_device_config *config = device->config;
	int err = bh_vfio_open(config->name, config->address, &device->backend, error);
	if (err != 0)
		return err;
	if (config->is_port)
		return map_arena(cell, device,
		                 error); /* whether it is a network card, and which, the cell's driver tells */
	const char *model = bh_pci_class_name(device->backend->pci_class);
	if (bh_config_is_set(cell->config, config->section, "model") && strcmp(config->model, model) != 0)
		return bh_config_error_id(cell->config, config->section, "model", "E135", error,
		                          "the device at %s is of another kind: %s (class %06x)", config->address,
		                          model, device->backend->pci_class);
	return map_arena(cell, device, error);
}

/* This end of the socket pair, which the back end owns from now on. */
static int
soft_port_fd(struct bh_cell *cell, struct bh_cell_device *device, uint32_t device_idx, int *out_fd,
             struct bh_error *error)
{
	int err = 0;
	if (!cell->soft_ports_started)
		err = bh_softdev_net_start(cell, device, cell->cpus.rest[0], error);
	*out_fd = cell->soft_port_fd[device_idx];
	cell->soft_port_fd[device_idx] = 0;
	return err;
}

static int
open_device(struct bh_cell *cell, struct bh_cell_device *device, uint32_t device_idx, struct bh_error *error)
{
	const struct bh_device_config *config = device->config;
	const char *program = cell->options.program != NULL ? cell->options.program : "/proc/self/exe";
	int fd = -1, err = 0;
	if (config->backend == BH_BACKEND_VFIO)
		return open_vfio(cell, device, error);
	if (config->backend == BH_BACKEND_NULL)
		return bh_null_device_open(config->name, &device->backend, error);
	if (config->backend == BH_BACKEND_PCAP)
		return bh_port_pcap_open(cell->config, config, &device->backend, error);
	if (config->backend == BH_BACKEND_AF_XDP) {
		err = bh_port_af_xdp_open(cell->config, config, &device->backend, error);
		return err == 0 ? map_arena(cell, device, error) : err;
	}
	if (config->backend == BH_BACKEND_VHOST_USER) {
		err = bh_port_vhost_user_open(cell->config, config, device_idx, &device->backend, error);
		return err == 0 ? map_arena(cell, device, error) : err;
	}
	if (config->backend == BH_BACKEND_SOFTDEV && config->is_port)
		err = soft_port_fd(cell, device, device_idx, &fd, error);
	else if (config->backend == BH_BACKEND_SOFTDEV)
		err = bh_softdev_start(config, program, cell->cpus.rest[device_idx % cell->cpus.rest_cnt],
		                       cell->cpus.shared, &fd, &device->softdev_pid, error);
	if (err != 0)
		return err;
	err = bh_vfio_user_open(config->name, fd, fd >= 0 ? "its socket pair" : config->socket, &device->backend,
	                        error);
	if (err != 0)
		return explain_softdev(device, err, error);
	return map_arena(cell, device, error);
}

int
bh_devices_open(struct bh_cell *cell, struct bh_error *error)
{
	int err = 0;
	for (uint32_t i = 0; i < cell->config->device_cnt && err == 0; i++) {
		cell->device[i].config = &cell->config->device[i];
		cell->device_cnt++;
		err = open_device(cell, &cell->device[i], i, error);
	}
	return err;
}

bool
bh_devices_alive(struct bh_cell *cell, struct bh_error *error)
{
	for (uint32_t i = 0; i < cell->device_cnt; i++) {
		struct bh_cell_device *device = &cell->device[i];
		int status;
		if (!device->gone && device->backend->ops->service(device->backend, error) == -ENODEV)
			device->gone = true;
		if (!device->gone && bh_softdev_ended(&device->softdev_pid, 0, &status)) {
			device->gone = true;
			bh_error_set(error, "E047", 0, "the software device ended by itself (wait status 0x%x)",
			             status);
		}
		if (device->gone)
			return false;
	}
	return true;
}

/* For the report: what each rung of the ladder did, a line each, with the device's name before it. */
static void
keep_reset_log(struct bh_cell *cell, const struct bh_cell_device *device)
{
	char *text = cell->result.reset_log;
	size_t used = strlen(text), room = sizeof(cell->result.reset_log);
	const char *line = bh_vfio_is(device->backend) ? bh_vfio_reset_log(device->backend) : "";
	while (*line != '\0' && used < room) {
		size_t len = strcspn(line, "\n");
		used += (size_t)snprintf(text + used, room - used, "%s: %.*s\n", device->config->name, (int)len, line);
		line += len + (line[len] == '\n');
	}
}

/* Quiesce the device, see its proof, unmap, free: in this order always, whatever the cell did. */
static void
release_device(struct bh_cell *cell, struct bh_cell_device *device)
{
	struct bh_error error = {0};
	struct bh_backend *backend = device->backend;
	if (backend != NULL && !device->gone && backend->ops->reset(backend, &error) != 0)
		bh_warn(cell, "E094", "device %s: the reset failed: %s", device->config->name, error.text);
	if (backend != NULL)
		keep_reset_log(cell, device);
	if (backend != NULL && device->dma_mapped && !device->gone &&
	    backend->ops->dma_unmap(backend, BH_ADDR_ARENA, cell->arena.size_bytes, &error) != 0)
		bh_warn(cell, "E094", "device %s: the memory could not be unmapped: %s", device->config->name,
		        error.text);
	if (backend != NULL)
		backend->ops->close(backend);
	bh_softdev_end(&device->softdev_pid);
	*device = (struct bh_cell_device){0};
}

void
bh_devices_release(struct bh_cell *cell)
{
	for (uint32_t i = 0; i < BH_DEVICES_MAX; i++) {
		if (cell->soft_port_fd[i] > 0)
			close(cell->soft_port_fd[i]);
		cell->soft_port_fd[i] = 0;
	}
	while (cell->device_cnt > 0)
		release_device(cell, &cell->device[--cell->device_cnt]);
}
