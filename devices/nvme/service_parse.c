/* SPDX-License-Identifier: Apache-2.0 */
/* "lognormal:80us:0.4" and the like. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/nvme/service.h"

static const struct {
	const char *name;
	enum nvme_service_kind kind;
	int field_cnt;    /* after the name */
	bool number_last; /* the last one is a number, not a time */
	double number_max;
	const char *form;
} forms[] = {
        {"fixed", NVME_SERVICE_FIXED, 1, false, 0, "fixed:TIME"},
        {"uniform", NVME_SERVICE_UNIFORM, 2, false, 0, "uniform:FROM:TO"},
        {"exp", NVME_SERVICE_EXP, 1, false, 0, "exp:MEAN"},
        {"lognormal", NVME_SERVICE_LOGNORMAL, 2, true, 4, "lognormal:MEDIAN:SIGMA, SIGMA 0 to 4"},
        {"bimodal", NVME_SERVICE_BIMODAL, 3, true, 1, "bimodal:USUAL:OTHER:PROBABILITY, PROBABILITY 0 to 1"},
};

int
nvme_time_parse(const char *text, uint64_t max_ns, uint64_t *out_ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"", 1}, {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (value > UINT64_C(100000000000000000))
			return -BH_ERANGE;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	if (at == text)
		return -BH_EINVAL;
	for (size_t i = 0; i < BH_ARRAY_CNT(units); i++) {
		if (strcmp(at, units[i].unit) != 0)
			continue;
		if (value > max_ns / units[i].ns)
			return -BH_ERANGE;
		*out_ns = value * units[i].ns;
		return 0;
	}
	return -BH_EINVAL;
}

static bool
number_parse(const char *text, double max, double *out)
{
	char *end;
	if ((*text < '0' || *text > '9') && *text != '.')
		return false;
	*out = strtod(text, &end);
	return *end == '\0' && *out >= 0 && *out <= max;
}

/* Cuts at ':'; more fields than fit are an error of the caller's count. */
static int
split(char *text, char *field[], int max)
{
	int cnt = 0;
	for (char *at = text; at && cnt < max; cnt++) {
		field[cnt] = at;
		at = strchr(at, ':');
		if (at)
			*at++ = '\0';
		else
			return cnt + 1;
	}
	return max + 1;
}

static int
fields_parse(size_t form, char *field[], struct nvme_service *service)
{
	uint64_t *times[] = {&service->a_ns, &service->b_ns};
	int time_cnt = forms[form].field_cnt - forms[form].number_last;

	for (int i = 0; i < time_cnt; i++) {
		if (nvme_time_parse(field[i], NVME_SERVICE_NS_MAX, times[i]) != 0)
			return -BH_EINVAL;
	}
	if (forms[form].number_last && !number_parse(field[time_cnt], forms[form].number_max, &service->parameter))
		return -BH_EINVAL;
	return service->kind == NVME_SERVICE_UNIFORM && service->b_ns < service->a_ns ? -BH_EINVAL : 0;
}

int
nvme_service_parse(const char *text, struct nvme_service *out, char *out_error, size_t error_bytes)
{
	char copy[128], *field[4];
	struct nvme_service service = {.kind = NVME_SERVICE_FIXED};

	if (strlen(text) >= sizeof(copy))
		goto unknown;
	if (nvme_time_parse(text, NVME_SERVICE_NS_MAX, &service.a_ns) == 0) {
		*out = service;
		return 0;
	}
	memcpy(copy, text, strlen(text) + 1);
	int cnt = split(copy, field, 4);
	for (size_t i = 0; i < BH_ARRAY_CNT(forms); i++) {
		if (strcmp(field[0], forms[i].name) != 0)
			continue;
		service.kind = forms[i].kind;
		if (cnt == forms[i].field_cnt + 1 && fields_parse(i, field + 1, &service) == 0) {
			*out = service;
			return 0;
		}
		snprintf(out_error, error_bytes, "'%s' is not %s; times are at most 60s", text, forms[i].form);
		return -BH_EINVAL;
	}
unknown:
	snprintf(out_error, error_bytes,
	         "'%s' is no service time: give nanoseconds, a time such as 80us, or uniform:FROM:TO, exp:MEAN, "
	         "lognormal:MEDIAN:SIGMA, bimodal:USUAL:OTHER:PROBABILITY",
	         text);
	return -BH_EINVAL;
}
