/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Core-to-core probe: how long a cache line takes from one CPU to another and back. A virtual machine moves its CPUs
 * about, so a two-core figure means nothing without it (design.md, "Measuring on small shared machines").
 */
#ifndef BENCH_TWO_CORE_PROBE_H
#define BENCH_TWO_CORE_PROBE_H

/* How near the two CPUs were: below 150 ns there and back, above 300 ns, or between (or changing). */
enum probe_label {
	PROBE_NEAR,
	PROBE_MIXED,
	PROBE_FAR,
};

/**
 * probe_round_trip_ns - median of the round trips within about 20 ms between two CPUs
 * Return: nanoseconds, or a negative errno when a thread could not be pinned there.
 */
double probe_round_trip_ns(int cpu_a, int cpu_b);

enum probe_label probe_label_of(double before_ns, double after_ns);
const char *probe_label_name(enum probe_label label);

#endif
