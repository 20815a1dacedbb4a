/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another process, which is another cell's supervisor: a page of its own memory and a page of its cell's arena are
 * canaries. It is forked before anything else exists.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/prove/internal.h"

#define START_MS 20000
#define END_MS   30000

struct hello {
	int32_t err;
	uint32_t pad;
	uint64_t memory_physical, memory_virtual, arena_physical, arena_iova;
	struct bh_error error;
};

struct life {
	int fd;
	bool told;
	struct prove_cell cell;
	struct canary memory, arena;
};

/* A page that the cell itself does not use: it takes its memory from the start of the arena. */
static int
set_canaries(struct life *life, struct bh_cell *cell, struct hello *hello)
{
	uint64_t bytes;
	uint8_t *arena = bh_cell_arena(cell, &bytes);
	int err = canary_make(&life->memory);
	if (err == 0)
		err = canary_set(&life->arena, arena + bytes / 2);
	*hello = (struct hello){.err = err,
	                        .memory_physical = life->memory.physical,
	                        .memory_virtual = (uintptr_t)life->memory.page,
	                        .arena_physical = life->arena.physical,
	                        .arena_iova = BH_ADDR_ARENA + bytes / 2};
	return err;
}

static struct life life; /* of the forked process: the tick's context is the cell's own */

static void
tick(void *context, struct bh_cell *cell)
{
	struct hello hello;
	char byte;
	if (!life.told) {
		int err = set_canaries(&life, cell, &hello);
		life.told = true;
		if (err != 0)
			bh_error_set(&hello.error, "E171", err, "no canary page: %s", strerror(-err));
		if (write(life.fd, &hello, sizeof(hello)) != (ssize_t)sizeof(hello) || err != 0)
			bh_cell_request_stop(cell);
	}
	/* A byte, or the end: our maker wants to know, or is gone. */
	if (recv(life.fd, &byte, 1, MSG_DONTWAIT) >= 0) {
		const struct other_result result = {canary_changed(&life.memory), canary_moved(&life.memory),
		                                    canary_changed(&life.arena), canary_moved(&life.arena)};
		(void)!write(life.fd, &result, sizeof(result));
		bh_cell_request_stop(cell);
	}
}

/* The first CPU that we may use: the hostile cell takes the last. */
static unsigned
first_cpu(void)
{
	cpu_set_t set;
	unsigned cpu = 0;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

BH_NORETURN static void
run(int fd, const char *second)
{
	char cpus[16], device[256] = "";
	struct bh_cell_result result;
	struct hello hello = {0};
	struct bh_cell_options options = {.tick = tick, .tick_ns = 10000000};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	life.fd = fd;
	snprintf(cpus, sizeof(cpus), "%u", first_cpu());
	if (second != NULL) {
		snprintf(device, sizeof(device), "[device d]\nbackend = vfio\naddress = %s\n", second);
		snprintf(life.cell.orders.device, sizeof(life.cell.orders.device), "d");
	}
	hello.err = prove_cell_start(&life.cell, device, cpus, &options, &hello.error);
	if (hello.err != 0) {
		(void)!write(fd, &hello, sizeof(hello));
		_exit(1);
	}
	bh_cell_wait(life.cell.cell, &result);
	if (!life.told) {
		hello.err = -EIO;
		hello.error = result.error;
		(void)!write(fd, &hello, sizeof(hello));
	}
	bh_cell_free(life.cell.cell);
	_exit(0);
}

static int
receive(int fd, void *out, size_t bytes, int timeout_ms)
{
	struct pollfd polled = {.fd = fd, .events = POLLIN};
	if (poll(&polled, 1, timeout_ms) != 1)
		return -ETIMEDOUT;
	return recv(fd, out, bytes, 0) == (ssize_t)bytes ? 0 : -EPIPE;
}

int
other_start(struct other *other, const char *second, struct bh_error *error)
{
	int ends[2];
	struct hello hello;
	*other = (struct other){.fd = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return bh_error_set(error, "E171", -errno, "no other process: %s", strerror(errno));
	other->pid = fork();
	if (other->pid == 0) {
		close(ends[0]);
		run(ends[1], second);
	}
	close(ends[1]);
	other->fd = ends[0];
	int err = other->pid < 0 ? -errno : receive(other->fd, &hello, sizeof(hello), START_MS);
	if (err != 0)
		return bh_error_set(error, "E171", err, "the other cell's process told nothing: %s", strerror(-err));
	if (hello.err != 0) {
		*error = hello.error;
		return hello.err;
	}
	other->memory_physical = hello.memory_physical;
	other->memory_virtual = hello.memory_virtual;
	other->arena_physical = hello.arena_physical;
	other->arena_iova = hello.arena_iova;
	other->ready = true;
	return 0;
}

int
other_finish(struct other *other, struct other_result *out)
{
	int err = -ESRCH, waited_ms = 0;
	if (other->ready)
		err = send(other->fd, "?", 1, MSG_NOSIGNAL) == 1 ? receive(other->fd, out, sizeof(*out), END_MS)
		                                                 : -EPIPE;
	if (other->fd >= 0)
		close(other->fd);
	while (other->pid > 0 && waitpid(other->pid, NULL, WNOHANG) == 0) {
		if (waited_ms++ > END_MS)
			kill(other->pid, SIGKILL);
		usleep(1000);
	}
	*other = (struct other){.fd = -1};
	return err;
}
