/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says about the cell's process: evidence that the cell cannot forge.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/run/internal.h"

static void
read_status_line(const char *line, struct bh_proc_status *out)
{
	static const struct {
		const char *format;
		size_t offset;
		bool wide;
	} field[] = {
	        {"Seccomp: %lu", offsetof(struct bh_proc_status, seccomp), false},
	        {"Seccomp_filters: %lu", offsetof(struct bh_proc_status, seccomp_filters), false},
	        {"NoNewPrivs: %lu", offsetof(struct bh_proc_status, no_new_privs), false},
	        {"Uid: %lu", offsetof(struct bh_proc_status, uid), false},
	        {"Gid: %lu", offsetof(struct bh_proc_status, gid), false},
	        {"CapEff: %lx", offsetof(struct bh_proc_status, cap_eff), true},
	        {"CapPrm: %lx", offsetof(struct bh_proc_status, cap_prm), true},
	        {"CapInh: %lx", offsetof(struct bh_proc_status, cap_inh), true},
	        {"CapBnd: %lx", offsetof(struct bh_proc_status, cap_bnd), true},
	        {"CapAmb: %lx", offsetof(struct bh_proc_status, cap_amb), true},
	        {"voluntary_ctxt_switches: %lu", offsetof(struct bh_proc_status, voluntary_switches), true},
	        {"nonvoluntary_ctxt_switches: %lu", offsetof(struct bh_proc_status, involuntary_switches), true},
	};
	for (size_t i = 0; i < BH_ARRAY_CNT(field); i++) {
		uint64_t value;
		uint8_t *at = (uint8_t *)out + field[i].offset;
		if (sscanf(line, field[i].format, &value) != 1)
			continue;
		uint32_t narrow = (uint32_t)value;
		memcpy(at, field[i].wide ? (void *)&value : (void *)&narrow, field[i].wide ? 8 : 4);
		return;
	}
}

int
bh_proc_status(pid_t pid, pid_t tid, struct bh_proc_status *out)
{
	char path[64], line[256];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return -errno;
	*out = (struct bh_proc_status){.seccomp_filters = BH_FILTERS_UNKNOWN};
	while (fgets(line, sizeof(line), file) != NULL)
		read_status_line(line, out);
	fclose(file);
	return 0;
}

int
bh_proc_cpu_ns(pid_t pid, pid_t tid, uint64_t *out_ns)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	FILE *file = fopen(path, "re");
	unsigned long user = 0, kernel = 0;
	int got = 0;
	if (file != NULL) {
		got = fscanf(file, "%lu", out_ns);
		fclose(file);
	}
	if (got == 1)
		return 0;
	/* A kernel without schedstat: clock ticks of utime and stime, fields 14 and 15. */
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "re");
	if (file == NULL)
		return -errno;
	got = fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
	fclose(file);
	*out_ns = (user + kernel) * (BH_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
	return got == 2 ? 0 : -EIO;
}

int
bh_proc_fd_cnt(pid_t pid)
{
	char path[64];
	int cnt = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return -errno;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		cnt += entry->d_name[0] != '.';
	closedir(dir);
	return cnt;
}

uint64_t
bh_proc_entry(pid_t pid)
{
	char path[64];
	Elf64_auxv_t word;
	uint64_t entry = 0;
	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (entry == 0 && fread(&word, sizeof(word), 1, file) == 1 && word.a_type != AT_NULL) {
		if (word.a_type == AT_ENTRY)
			entry = word.a_un.a_val;
	}
	fclose(file);
	return entry;
}
