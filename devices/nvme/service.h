/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Service time: how long the device takes for an I/O command, as a distribution.
 *
 *	0                       completed in the poll that fetches it
 *	80000                   always 80 us
 *	uniform:A:B             anything from A to B
 *	exp:MEAN                exponential
 *	lognormal:MEDIAN:SIGMA  its logarithm is normal with standard deviation SIGMA (0 .. 4)
 *	bimodal:A:B:P           B with probability P, else A
 *
 * Times are nanoseconds, or carry a unit: 80us, 5ms, 1s. None is above NVME_SERVICE_NS_MAX; draws are cut there.
 */
#ifndef DEVICES_NVME_SERVICE_H
#define DEVICES_NVME_SERVICE_H

#include <bulkhead/types.h>

#define NVME_SERVICE_NS_MAX UINT64_C(60000000000) /* one minute */

enum nvme_service_kind {
	NVME_SERVICE_FIXED = 0,
	NVME_SERVICE_UNIFORM = 1,
	NVME_SERVICE_EXP = 2,
	NVME_SERVICE_LOGNORMAL = 3,
	NVME_SERVICE_BIMODAL = 4,
};

/* All zero: no time at all. */
struct nvme_service {
	enum nvme_service_kind kind;
	uint64_t a_ns;    /* the time; A; the mean; the median; A */
	uint64_t b_ns;    /* uniform and bimodal: B */
	double parameter; /* lognormal: SIGMA; bimodal: P */
};

/* xoshiro256**: a generator of one's own, so that a seed is a run. */
struct nvme_random {
	uint64_t state[4];
};

/* nvme_random_seed - any seed, 0 as well. */
void nvme_random_seed(struct nvme_random *random, uint64_t seed);

/* nvme_random_next - 64 random bits; nvme_random_unit - at least 0, below 1; nvme_random_below - below limit (not 0). */
uint64_t nvme_random_next(struct nvme_random *random);
double nvme_random_unit(struct nvme_random *random);
uint64_t nvme_random_below(struct nvme_random *random, uint64_t limit);

/* nvme_service_draw - one service time; the same on every machine for the same state of `random`. */
uint64_t nvme_service_draw(const struct nvme_service *service, struct nvme_random *random);

/**
 * nvme_service_parse - read a distribution
 * @out_error: what is wrong and what was meant, for a person; untouched on success
 * Return: 0; -BH_EINVAL, and *out is untouched.
 */
BH_MUST_CHECK int nvme_service_parse(const char *text, struct nvme_service *out, char *out_error, size_t error_bytes);

/* nvme_time_parse - "80us" and the like, in full, to nanoseconds. Return: 0; -BH_EINVAL; -BH_ERANGE above the maximum. */
BH_MUST_CHECK int nvme_time_parse(const char *text, uint64_t max_ns, uint64_t *out_ns);

#endif
