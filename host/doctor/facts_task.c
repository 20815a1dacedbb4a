/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: who may run where. /proc/PID/stat and status; threads of a process are not looked at one by one. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/private.h"

/* include/linux/sched.h; the 9th field of /proc/PID/stat (proc(5)). */
#define PF_KTHREAD        0x00200000u
#define PF_NO_SETAFFINITY 0x04000000u

static bool
is_number(const char *name)
{
	while (isdigit((unsigned char)*name))
		name++;
	return *name == '\0';
}

/* "12 (a name) S 1 2 3 4 5 FLAGS": the name may hold anything, so its end is the last ')'. */
static bool
read_stat(struct doctor_task *task, const char *text)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned flags;
	char state;
	if (open == NULL || close == NULL || close < open ||
	    sscanf(close + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return false;
	snprintf(task->name, sizeof(task->name), "%.*s", (int)(close - open - 1), open + 1);
	task->kernel = (flags & PF_KTHREAD) != 0;
	task->bound = (flags & PF_NO_SETAFFINITY) != 0;
	return state != 'Z';
}

static bool
read_allowed(struct doctor_task *task, const char *root)
{
	char *text, *line;
	if (bh_sys_load(&text, root, "/proc/%u/status", task->pid) < 0)
		return false;
	line = strstr(text, "\nCpus_allowed_list:");
	bool good = line != NULL;
	if (good) {
		line += strlen("\nCpus_allowed_list:");
		line += strspn(line, " \t");
		line[strcspn(line, "\n")] = '\0';
		good = bh_cpus_parse_list(line, &task->allowed) == 0;
	}
	free(text);
	return good;
}

/* A line "0::/bulkhead..." of cgroup v2. */
static bool
is_ours(const char *root, unsigned pid)
{
	static const char group[] = "0::/bulkhead";
	char *text;
	if (bh_sys_load(&text, root, "/proc/%u/cgroup", pid) < 0)
		return false;
	const char *line = strstr(text, group);
	bool ours = line != NULL && (line[strlen(group)] == '\n' || line[strlen(group)] == '/');
	free(text);
	return ours;
}

static bool
read_task(const struct bh_doctor *doctor, const char *name, struct doctor_task *out)
{
	char text[512];
	*out = (struct doctor_task){.pid = (unsigned)strtoul(name, NULL, 10)};
	if (bh_sys_read(text, sizeof(text), doctor->root, "/proc/%s/stat", name) != 0 || !read_stat(out, text) ||
	    !read_allowed(out, doctor->root))
		return false;
	if (!out->kernel && bh_cpus_meet(&out->allowed, &doctor->cpus))
		out->ours = is_ours(doctor->root, out->pid);
	return true;
}

void
doctor_facts_tasks(struct bh_doctor *doctor)
{
	struct bh_sys_names names;
	doctor->task_err = bh_sys_list(&names, doctor->root, "/proc");
	if (doctor->task_err != 0)
		return;
	doctor->task = calloc(names.cnt + 1, sizeof(*doctor->task));
	for (size_t i = 0; i < names.cnt && doctor->task != NULL; i++) {
		if (is_number(names.name[i]) && read_task(doctor, names.name[i], &doctor->task[doctor->task_cnt]))
			doctor->task_cnt++;
	}
	doctor->task_err = doctor->task == NULL ? -ENOMEM : doctor->task_cnt == 0 ? -ENOENT : 0;
	bh_sys_names_free(&names);
}

const struct doctor_task *
doctor_task_find(const struct bh_doctor *doctor, const char *name)
{
	for (uint32_t i = 0; i < doctor->task_cnt; i++) {
		if (!doctor->task[i].kernel && strcmp(doctor->task[i].name, name) == 0)
			return &doctor->task[i];
	}
	return NULL;
}
