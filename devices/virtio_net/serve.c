/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio_net/serve.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bulkhead/arch_x86_64.h>

#include "devices/vfio_user/server.h"
#include "devices/virtio_net/card.h"

#define STEPS_MAX    64u
#define SOCKET_TSC   80000u /* cycles between two looks at the sockets while rings are polled: 20 to 40 us */
#define SLEEP_MS_MAX 100

struct vnet_serve {
	struct vnet_card end[VNET_SERVE_ENDS_MAX];
	uint32_t end_cnt;
	struct vnet_wire *wire[VNET_SERVE_ENDS_MAX];
	uint32_t wire_cnt;
	bool yield, timed;
};

static uint64_t
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int
end_open(struct vnet_serve *serve, const struct vnet_serve_options *options, uint32_t idx, char *out_error,
         size_t error_bytes)
{
	const struct vnet_serve_end *wanted = &options->end[idx];
	int err = vnet_card_open(&serve->end[idx], options, idx);
	if (err != 0)
		snprintf(out_error, error_bytes, "cannot serve on %s: %s",
		         wanted->socket != NULL ? wanted->socket : "the inherited descriptor", strerror(-err));
	return err;
}

/* The other end of this one's wire; itself if there is none; UINT32_MAX if an earlier end has made the wire. */
static uint32_t
partner_of(const struct vnet_serve_options *options, uint32_t idx)
{
	for (uint32_t i = 0; i < options->end_cnt; i++) {
		if (i != idx && strcmp(options->end[i].wire, options->end[idx].wire) == 0)
			return i < idx ? UINT32_MAX : i;
	}
	return idx;
}

static int
wires_open(struct vnet_serve *serve, const struct vnet_serve_options *options, char *out_error, size_t error_bytes)
{
	int err = 0;
	for (uint32_t i = 0; i < options->end_cnt && err == 0; i++) {
		uint32_t partner = partner_of(options, i);
		struct vnet_wire_config config = options->wire;
		config.seed += i;
		if (partner == UINT32_MAX)
			continue;
		err = vnet_wire_join(&config, vnet_card_wire_end(&serve->end[i]),
		                     vnet_card_wire_end(&serve->end[partner]), &serve->wire[serve->wire_cnt]);
		if (err == 0)
			serve->timed |= vnet_wire_timed(serve->wire[serve->wire_cnt++]);
	}
	if (err != 0)
		snprintf(out_error, error_bytes, "cannot make the wire: %s", strerror(-err));
	return err;
}

/* A wire has two ends at most. */
static bool
wires_are_good(const struct vnet_serve_options *options)
{
	for (uint32_t i = 0; i < options->end_cnt; i++) {
		uint32_t cnt = 0;
		for (uint32_t j = 0; j < options->end_cnt; j++)
			cnt += strcmp(options->end[i].wire, options->end[j].wire) == 0;
		if (cnt > 2)
			return false;
	}
	return true;
}

int
vnet_serve_open(const struct vnet_serve_options *options, struct vnet_serve **out, char *out_error, size_t error_bytes)
{
	const char *wrong = vnet_model_config_error(&options->config);
	if (wrong == NULL && (options->end_cnt == 0 || options->end_cnt > VNET_SERVE_ENDS_MAX))
		wrong = "1 to 8 devices were meant";
	if (wrong == NULL && !wires_are_good(options))
		wrong = "a wire has two ends: more devices name it";
	if (wrong != NULL) {
		snprintf(out_error, error_bytes, "%s", wrong);
		return -EINVAL;
	}
	struct vnet_serve *serve = calloc(1, sizeof(*serve));
	if (serve == NULL)
		return -ENOMEM;
	serve->yield = options->yield;
	int err = 0;
	for (uint32_t i = 0; i < options->end_cnt && err == 0; i++, serve->end_cnt++)
		err = end_open(serve, options, i, out_error, error_bytes);
	if (err == 0)
		err = wires_open(serve, options, out_error, error_bytes);
	if (err != 0) {
		vnet_serve_close(serve);
		return err;
	}
	*out = serve;
	return 0;
}

/* Return: false when no client will ever come again. */
static bool
sockets_serve(struct vnet_serve *serve)
{
	uint32_t gone_cnt = 0;
	for (uint32_t i = 0; i < serve->end_cnt; i++) {
		struct vnet_card *end = &serve->end[i];
		int did = end->gone ? -ENOTCONN : 1;
		for (uint32_t j = 0; j < STEPS_MAX && did == 1; j++)
			did = vfu_server_step(end->server);
		end->gone = did == -ENOTCONN && end->connected_fd;
		gone_cnt += end->gone;
		end->kind->control(end->model);
	}
	return gone_cnt < serve->end_cnt;
}

static bool
any_running(const struct vnet_serve *serve)
{
	for (uint32_t i = 0; i < serve->end_cnt; i++) {
		if (serve->end[i].kind->running(serve->end[i].model))
			return true;
	}
	return false;
}

static void
sleep_until_event(struct vnet_serve *serve)
{
	struct pollfd wait[VNET_SERVE_ENDS_MAX];
	for (uint32_t i = 0; i < serve->end_cnt; i++)
		wait[i] = (struct pollfd){.fd = serve->end[i].gone ? -1 : vfu_server_fd(serve->end[i].server),
		                          .events = POLLIN};
	(void)poll(wait, serve->end_cnt, SLEEP_MS_MAX); /* interrupted by a signal: the caller looks at *stop */
}

/* Rings, hot, until it is time for the sockets again. The time of day is read only where a wire needs it. */
static void
poll_wires(struct vnet_serve *serve)
{
	uint64_t from_tsc = bh_clock_now_tsc(), at_ns = serve->timed ? now_ns() : 0;
	while (bh_clock_now_tsc() - from_tsc < SOCKET_TSC) {
		uint32_t moved = 0;
		for (uint32_t i = 0; i < serve->wire_cnt; i++)
			moved += vnet_wire_poll(serve->wire[i], at_ns);
		if (serve->timed)
			at_ns = now_ns();
		if (moved != 0)
			continue;
		bh_cpu_pause();
		if (serve->yield) {
			sched_yield();
			return;
		}
	}
}

void
vnet_serve_run(struct vnet_serve *serve, const volatile sig_atomic_t *stop)
{
	while (!*stop) {
		if (any_running(serve))
			poll_wires(serve);
		else
			sleep_until_event(serve);
		if (!sockets_serve(serve))
			return;
	}
}

bool
vnet_serve_bus_error(struct vnet_serve *serve, const void *addr)
{
	for (uint32_t i = 0; i < serve->end_cnt; i++) {
		if (vfu_server_dma_patch(serve->end[i].server, addr))
			return true;
	}
	return false;
}

void
vnet_serve_stats(const struct vnet_serve *serve, uint32_t end_idx, struct vnet_stats *out)
{
	serve->end[end_idx].kind->stats(serve->end[end_idx].model, out);
}

void
vnet_serve_wire_stats(const struct vnet_serve *serve, struct vnet_wire_stats *out)
{
	*out = (struct vnet_wire_stats){0};
	for (uint32_t i = 0; i < serve->wire_cnt; i++) {
		struct vnet_wire_stats one;
		vnet_wire_stats_get(serve->wire[i], &one);
		out->carried_cnt += one.carried_cnt;
		out->lost_cnt += one.lost_cnt;
		out->duplicated_cnt += one.duplicated_cnt;
		out->reordered_cnt += one.reordered_cnt;
		out->corrupted_cnt += one.corrupted_cnt;
		out->full_cnt += one.full_cnt;
		out->undeliverable_cnt += one.undeliverable_cnt;
	}
}

void
vnet_serve_close(struct vnet_serve *serve)
{
	if (serve == NULL)
		return;
	for (uint32_t i = 0; i < serve->wire_cnt; i++)
		vnet_wire_destroy(serve->wire[i]);
	for (uint32_t i = 0; i < VNET_SERVE_ENDS_MAX; i++)
		vnet_card_close(&serve->end[i]);
	free(serve);
}
