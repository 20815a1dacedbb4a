/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers and service times. Logarithm and exponential are our own, so that a seed gives the same run everywhere. */
#include <string.h>

#include "devices/nvme/service.h"

#define LN2 0.69314718055994530942

static uint64_t
split_mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void
nvme_random_seed(struct nvme_random *random, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		random->state[i] = split_mix(&seed);
}

static uint64_t
rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

uint64_t
nvme_random_next(struct nvme_random *random)
{
	uint64_t *s = random->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double
nvme_random_unit(struct nvme_random *random)
{
	return (double)(nvme_random_next(random) >> 11) * 0x1p-53;
}

uint64_t
nvme_random_below(struct nvme_random *random, uint64_t limit)
{
	return (uint64_t)((__extension__(unsigned __int128) nvme_random_next(random) * limit) >> 64);
}

/* x above 0: x = 2^e * f with f in [1/sqrt 2, sqrt 2); ln f = 2 atanh((f - 1) / (f + 1)). */
static double
ln_of(double x)
{
	uint64_t bits;
	memcpy(&bits, &x, sizeof(bits));
	int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
	bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52;
	memcpy(&x, &bits, sizeof(x));
	if (x > 1.41421356237309504880) {
		x /= 2;
		exponent++;
	}
	double t = (x - 1) / (x + 1), square = t * t, sum = 0;
	for (int n = 21; n >= 1; n -= 2)
		sum = sum * square + 1.0 / n;
	return 2 * t * sum + exponent * LN2;
}

/* e^x for -700 .. 700: 2^k * e^r with |r| at most ln 2 / 2. */
static double
exp_of(double x)
{
	int k = (int)(x / LN2 + (x < 0 ? -0.5 : 0.5));
	double r = x - k * LN2, sum = 1, power;

	for (int n = 18; n >= 1; n--)
		sum = 1 + r / n * sum;
	uint64_t bits = (uint64_t)(1023 + k) << 52;
	memcpy(&power, &bits, sizeof(power));
	return sum * power;
}

/* Standard normal: Marsaglia's polar method; the square root is exp(ln / 2). */
static double
normal(struct nvme_random *random)
{
	double u, v, s;
	do {
		u = 2 * nvme_random_unit(random) - 1;
		v = 2 * nvme_random_unit(random) - 1;
		s = u * u + v * v;
	} while (s >= 1 || s < 1e-300);
	return u * exp_of(ln_of(-2 * ln_of(s) / s) / 2);
}

static uint64_t
cut(double ns)
{
	return ns >= (double)NVME_SERVICE_NS_MAX ? NVME_SERVICE_NS_MAX : (uint64_t)ns;
}

uint64_t
nvme_service_draw(const struct nvme_service *service, struct nvme_random *random)
{
	switch (service->kind) {
	case NVME_SERVICE_UNIFORM:
		return service->a_ns + nvme_random_below(random, service->b_ns - service->a_ns + 1);
	case NVME_SERVICE_EXP:
		return cut(-ln_of(1 - nvme_random_unit(random)) * (double)service->a_ns);
	case NVME_SERVICE_LOGNORMAL:
		return cut(exp_of(normal(random) * service->parameter) * (double)service->a_ns);
	case NVME_SERVICE_BIMODAL:
		return nvme_random_unit(random) < service->parameter ? service->b_ns : service->a_ns;
	default:
		return service->a_ns;
	}
}
