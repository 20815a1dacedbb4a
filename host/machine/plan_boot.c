/* SPDX-License-Identifier: Apache-2.0 */
/* The full level: what only the kernel's command line can set. Documentation/admin-guide/kernel-parameters.txt. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/machine/plan_private.h"

BH_PRINTF(2, 3) static void add_parameter(struct bh_plan *plan, const char *format, ...)
{
	size_t used = strlen(plan->parameters);
	va_list args;
	if (used > 0 && used + 1 < sizeof(plan->parameters))
		plan->parameters[used++] = ' ';
	va_start(args, format);
	vsnprintf(plan->parameters + used, sizeof(plan->parameters) - used, format, args);
	va_end(args);
}

static bool
has_iommu_groups(const char *root)
{
	struct bh_sys_names names;
	if (bh_sys_list(&names, root, "/sys/kernel/iommu_groups") != 0)
		return false;
	bool any = names.cnt > 0;
	bh_sys_names_free(&names);
	return any;
}

static bool
is_amd(const char *root)
{
	char *text;
	if (bh_sys_load(&text, root, "/proc/cpuinfo") < 0)
		return false;
	bool amd = strstr(text, "AuthenticAMD") != NULL;
	free(text);
	return amd;
}

static void
make_parameters(struct bh_plan *plan)
{
	char cpus[BH_CPUS_TEXT_BYTES], host[BH_CPUS_TEXT_BYTES];
	bh_cpus_list(&plan->wants.cpus, cpus);
	add_parameter(plan, "isolcpus=managed_irq,domain,%s", cpus);
	add_parameter(plan, "nohz_full=%s", cpus);
	add_parameter(plan, "rcu_nocbs=%s", cpus);
	add_parameter(plan, "irqaffinity=%s", bh_cpus_list(&plan->host, host));
	if (plan->wants.device_cnt > 0 && !has_iommu_groups(plan->root) && !is_amd(plan->root))
		add_parameter(plan, "intel_iommu=on");
	if (plan->wants.hugepage_1g_cnt > 0) /* late, there is seldom a whole GiB in one piece */
		add_parameter(plan, "hugepagesz=1G hugepages=%llu", (unsigned long long)plan->wants.hugepage_1g_cnt);
}

/* A parameter counts where it stands as a word of its own. */
static bool
has_word(const char *line, const char *word, size_t len)
{
	for (const char *at = line; (at = strstr(at, word)) != NULL; at++) {
		if ((at == line || at[-1] == ' ') && strncmp(at, word, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
			return true;
	}
	return false;
}

static bool
booted_with(const char *line, const char *parameters)
{
	char copy[BH_PLAN_TEXT_BYTES], *at = copy;
	memcpy(copy, parameters, sizeof(copy));
	for (char *word = strtok_r(copy, " ", &at); word != NULL; word = strtok_r(NULL, " ", &at)) {
		if (!has_word(line, word, strlen(word)))
			return false;
	}
	return true;
}

int
bh_plan_boot(struct bh_plan *plan)
{
	char line[4096];
	if (plan->wants.level != BH_LEVEL_FULL)
		return 0;
	make_parameters(plan);
	int err = bh_sys_read(line, sizeof(line), plan->root, "/proc/cmdline");
	plan->reboot = err != 0 || !booted_with(line, plan->parameters);
	if (plan->reboot)
		bh_plan_note(plan, "add to the kernel's command line: %s", plan->parameters);
	return 0;
}
