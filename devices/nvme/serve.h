/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The NVMe model as a process: a vfio-user server around devices/nvme/nvme_model.h.
 */
#ifndef DEVICES_NVME_SERVE_H
#define DEVICES_NVME_SERVE_H

#include <signal.h>

#include "devices/nvme/nvme_model.h"

struct nvme_serve_options {
	struct nvme_model_config config;
	const char *backing; /* see nvme_backing_open() */
	const char *socket;  /* path to listen on; NULL: conn_fd */
	int conn_fd;         /* a connected stream socket */
	bool yield;          /* give the CPU away when there is nothing to do: it is shared with the client */
};

struct nvme_serve;

/**
 * nvme_serve_open - open the backing, create the controller, and listen
 * @out_error: for a person, one line
 * Return: 0; -EINVAL configuration, backing or socket cannot be so; -EADDRINUSE; or another negative errno.
 */
BH_MUST_CHECK int nvme_serve_open(const struct nvme_serve_options *options, struct nvme_serve **out, char *out_error,
                                  size_t error_bytes);

/**
 * nvme_serve_run - serve until *stop is not 0, or until the client of conn_fd has gone
 *
 * While a controller is enabled, doorbells are polled without a pause and the socket is looked at every 30 us; otherwise
 * the thread sleeps in poll(2).
 */
void nvme_serve_run(struct nvme_serve *serve, const volatile sig_atomic_t *stop);

/* nvme_serve_bus_error - see vfu_server_dma_patch(). From a handler of SIGBUS. */
BH_MUST_CHECK bool nvme_serve_bus_error(struct nvme_serve *serve, const void *addr);

/* nvme_serve_stats - see nvme_model_stats_get(). */
void nvme_serve_stats(const struct nvme_serve *serve, struct nvme_model_stats *out);

/* nvme_serve_close - disconnect, remove the socket, give everything back. NULL is allowed. */
void nvme_serve_close(struct nvme_serve *serve);

#endif
