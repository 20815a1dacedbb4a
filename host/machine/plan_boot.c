/* SPDX-License-Identifier: Apache-2.0 */
/* The full level: what only the kernel's command line can set. Documentation/admin-guide/kernel-parameters.txt. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/machine/grub.h"
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

/* Drop-in, menu entry of before, and what grub-mkconfig makes of them: in this order. */
static int
plan_grub(struct bh_plan *plan)
{
	static const struct bh_step dropin = {BH_CHANGE_FILE, "boot", "the kernel's parameters, in a file of ours",
	                                      false};
	static const struct bh_step entry = {BH_CHANGE_FILE, "boot", "the menu keeps entries without them", false};
	static const struct bh_step cfg = {BH_CHANGE_FILE, "boot", "GRUB's menu, made by grub-mkconfig and checked",
	                                   false};
	const char *path = bh_grub_cfg_path(plan->root);
	char text[BH_GRUB_TEXT_BYTES];
	struct bh_error error = {0};
	int err = bh_grub_dropin_text(plan->parameters, text, sizeof(text), &error);
	if (err == 0)
		err = bh_plan_add(plan, &dropin, true, BH_GRUB_DROPIN_PATH, text);
	if (err == 0)
		err = bh_plan_add(plan, &entry, true, BH_GRUB_ENTRY_PATH, bh_grub_entry_text());
	if (err == 0)
		err = bh_plan_add(plan, &cfg, true, path, "");
	if (err != 0)
		return err;
	struct bh_change *change = &plan->change[plan->change_cnt - 1];
	change->generated = change->now == NULL || !bh_grub_has(plan->parameters, change->now);
	char *want = change->generated ? strdup("(made by grub-mkconfig)") : strdup(change->now);
	if (want == NULL)
		return -ENOMEM;
	free(change->want);
	change->want = want;
	return 0;
}

static int
plan_loader(struct bh_plan *plan)
{
	char name[BH_GRUB_NAME_BYTES], advice[BH_PLAN_TEXT_BYTES];
	if (bh_grub_kind(plan->root, name) == BH_BOOT_GRUB)
		return plan_grub(plan);
	if (plan->reboot)
		bh_plan_note(plan, "%s", bh_grub_advice(plan->root, plan->parameters, advice, sizeof(advice)));
	return 0;
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
	return plan_loader(plan);
}
