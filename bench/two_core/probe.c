/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "bench/two_core/probe.h"

#define TRIPS_PER_SAMPLE 100
#define SAMPLES          400
#define NEAR_NS          150.0
#define FAR_NS           300.0

struct probe {
	_Alignas(128) atomic_uint ball; /* odd: the far side's turn */
	_Alignas(128) atomic_int far_error;
	atomic_int far_ready;
	atomic_int stop;
	int cpu_far;
};

static double
now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int
pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

static void *
far_side(void *arg)
{
	struct probe *probe = arg;
	atomic_store(&probe->far_error, pin(probe->cpu_far));
	atomic_store(&probe->far_ready, 1);
	while (!atomic_load_explicit(&probe->stop, memory_order_relaxed)) {
		unsigned ball = atomic_load_explicit(&probe->ball, memory_order_acquire);
		if (ball & 1)
			atomic_store_explicit(&probe->ball, ball + 1, memory_order_release);
	}
	return NULL;
}

/* One sample; gives up after 100 ms, when the other side does not run. */
static double
sample_ns(struct probe *probe)
{
	double start = now_ns();
	for (int i = 0; i < TRIPS_PER_SAMPLE; i++) {
		unsigned ball = atomic_load_explicit(&probe->ball, memory_order_relaxed);
		atomic_store_explicit(&probe->ball, ball + 1, memory_order_release);
		for (unsigned spins = 1; atomic_load_explicit(&probe->ball, memory_order_acquire) != ball + 2;
		     spins++) {
			if (spins % 65536 == 0 && now_ns() - start > 1e8)
				return 1e8;
		}
	}
	return (now_ns() - start) / TRIPS_PER_SAMPLE;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double
measure(struct probe *probe)
{
	double sample[SAMPLES];
	int cnt = 0;
	double end = now_ns() + 20e6;
	while (cnt < SAMPLES && (cnt < 3 || now_ns() < end))
		sample[cnt++] = sample_ns(probe);
	qsort(sample, (size_t)cnt, sizeof(sample[0]), compare);
	return sample[cnt / 2];
}

double
probe_round_trip_ns(int cpu_a, int cpu_b)
{
	struct probe probe = {.cpu_far = cpu_b};
	cpu_set_t before;
	pthread_t thread;

	sched_getaffinity(0, sizeof(before), &before);
	int err = pthread_create(&thread, NULL, far_side, &probe);
	if (err != 0)
		return -err;
	err = pin(cpu_a);
	while (!atomic_load(&probe.far_ready))
		sched_yield();
	if (err == 0)
		err = atomic_load(&probe.far_error);
	double result = err != 0 ? err : measure(&probe);
	atomic_store(&probe.stop, 1);
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(before), &before);
	return result;
}

enum probe_label
probe_label_of(double before_ns, double after_ns)
{
	if (before_ns < NEAR_NS && after_ns < NEAR_NS)
		return PROBE_NEAR;
	if (before_ns > FAR_NS && after_ns > FAR_NS)
		return PROBE_FAR;
	return PROBE_MIXED;
}

const char *
probe_label_name(enum probe_label label)
{
	static const char *const name[] = {"near", "mixed", "far"};
	return name[label];
}
