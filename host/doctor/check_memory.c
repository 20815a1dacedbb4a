/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for cells: hugepages by size and node, and the limit of locked memory. */
#include <string.h>

#include "host/doctor/private.h"

#define NODE_DIR "/sys/devices/system/node"
#define POOL_DIR "/sys/kernel/mm/hugepages"

struct pool {
	uint64_t all, free;
	char path[BH_SYS_PATH_BYTES]; /* of free_hugepages */
	int node;                     /* -1: of the whole machine */
	bool there;
};

static struct pool
read_pool(const struct bh_doctor *doctor, int node, unsigned size_kib)
{
	struct pool pool = {.node = node};
	char folder[BH_SYS_PATH_BYTES];
	if (node >= 0)
		snprintf(folder, sizeof(folder), NODE_DIR "/node%d/hugepages/hugepages-%ukB", node, size_kib);
	else
		snprintf(folder, sizeof(folder), POOL_DIR "/hugepages-%ukB", size_kib);
	snprintf(pool.path, sizeof(pool.path), "%.400s/free_hugepages", folder);
	pool.there = bh_sys_read_number(&pool.all, UINT32_MAX, doctor->root, "%s/nr_hugepages", folder) == 0 &&
	             bh_sys_read_number(&pool.free, UINT32_MAX, doctor->root, "%s", pool.path) == 0;
	return pool;
}

/* Of the node that most of the CPUs are on, as plan does; without CPUs or nodes, of the machine. Others are details. */
static struct pool
find_pool(const struct bh_doctor *doctor, struct bh_finding *out, unsigned size_kib)
{
	struct pool best = read_pool(doctor, -1, size_kib);
	unsigned best_cnt = 0;
	struct bh_sys_names names;
	if (bh_sys_list(&names, doctor->root, NODE_DIR) != 0)
		return best;
	for (size_t i = 0; i < names.cnt; i++) {
		struct bh_cpus cpus;
		unsigned node;
		char rest;
		if (sscanf(names.name[i], "node%4u%c", &node, &rest) != 1)
			continue;
		const struct pool pool = read_pool(doctor, (int)node, size_kib);
		if (pool.there)
			doctor_detail(out, "node %u: %llu of %llu free", node, (unsigned long long)pool.free,
			              (unsigned long long)pool.all);
		if (!pool.there || bh_cpus_read(&cpus, doctor->root, NODE_DIR "/%s/cpulist", names.name[i]) != 0)
			continue;
		cpus = bh_cpus_and(&cpus, &doctor->cpus);
		if (bh_cpus_cnt(&cpus) > best_cnt) {
			best_cnt = bh_cpus_cnt(&cpus);
			best = pool;
		}
	}
	bh_sys_names_free(&names);
	return best;
}

static bool
cells_run(const struct bh_doctor *doctor)
{
	char text[32];
	return bh_sys_read(text, sizeof(text), doctor->root, BH_PARTITION_GROUP "/cgroup.procs") == 0 &&
	       text[0] != '\0';
}

static void
judge_pool(const struct bh_doctor *doctor, struct bh_finding *out, const struct pool *pool, uint64_t want)
{
	const unsigned long long free_cnt = pool->free, all_cnt = pool->all;
	char where[32] = "on this machine";
	if (pool->node >= 0)
		snprintf(where, sizeof(where), "on node %d", pool->node);
	doctor_evidence(out, "%s: %llu", pool->path, free_cnt);
	if (want == 0 && doctor->configured) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "none are asked for; %llu of %llu are free %s", free_cnt,
		           all_cnt, where);
	} else if (pool->free >= want) {
		doctor_say(out, BH_FINDING_OK, "%llu of %llu are free %s, %llu are needed", free_cnt, all_cnt, where,
		           (unsigned long long)want);
	} else if (pool->all >= want && cells_run(doctor)) {
		doctor_say(out, BH_FINDING_OK, "%llu of %llu are free %s: cells run", free_cnt, all_cnt, where);
	} else {
		doctor_say(out, BH_FINDING_FAIL, "%llu of %llu are free %s, %llu are needed", free_cnt, all_cnt, where,
		           (unsigned long long)want);
		if (!bh_cpus_empty(&doctor->wants->cpus))
			doctor_fix_apply(doctor, out);
		else
			doctor_fix(out, "echo %llu > %.*snr_hugepages",
			           (unsigned long long)(pool->all + want - pool->free),
			           (int)(strlen(pool->path) - strlen("free_hugepages")), pool->path);
	}
}

struct rule {
	unsigned size_kib;
};

static void
check_pages(const struct bh_doctor *doctor, struct bh_finding *out)
{
	const struct rule *rule = out->check->rule;
	const bool big = rule->size_kib > 2048;
	const uint64_t want = big ? doctor->wants->hugepage_1g_cnt : doctor->wants->hugepage_cnt;
	const struct pool pool = find_pool(doctor, out, rule->size_kib);
	if (pool.there) {
		judge_pool(doctor, out, &pool, want);
		return;
	}
	doctor_evidence(out, "%s: not there", pool.path);
	if (want > 0) {
		doctor_say(out, BH_FINDING_FAIL, "this kernel or processor has no such pages, and %llu are needed",
		           (unsigned long long)want);
		doctor_fix(out, big ? "hugepages = N (of 2 MiB) in [partition], in place of hugepages_1g"
		                    : "pages = normal in [cell]");
	} else if (bh_sys_exists(doctor->root, "/sys/kernel/mm")) {
		doctor_say(out, BH_FINDING_NOT_NEEDED, "this kernel or processor has no such pages");
	} else {
		doctor_say(out, BH_FINDING_UNKNOWN, "this machine does not show it");
	}
}

static void
check_memlock(const struct bh_doctor *doctor, struct bh_finding *out)
{
	const struct bh_doctor_machine *machine = &doctor->machine;
	const unsigned long long limit = machine->memlock_bytes;
	const uint64_t need = doctor->wants->memory_bytes;
	if (!machine->memlock_known) {
		doctor_say(out, BH_FINDING_UNKNOWN, "it cannot be read");
		doctor_evidence(out, "getrlimit(RLIMIT_MEMLOCK)");
		return;
	}
	if (machine->memlock_bytes == UINT64_MAX)
		doctor_evidence(out, "getrlimit(RLIMIT_MEMLOCK): unlimited");
	else
		doctor_evidence(out, "getrlimit(RLIMIT_MEMLOCK): %llu bytes", limit);
	if (machine->memlock_free)
		doctor_evidence(out, "/proc/self/status: CapEff has CAP_IPC_LOCK");
	if (machine->memlock_free || machine->memlock_bytes >= need) {
		doctor_say(out, BH_FINDING_OK,
		           machine->memlock_free ? "it does not count for this user" : "it is large enough");
		return;
	}
	doctor_say(out, doctor->wants->device_cnt > 0 ? BH_FINDING_FAIL : BH_FINDING_WARN,
	           "%llu KiB may be locked, and the cell locks %llu", limit / 1024, (unsigned long long)(need / 1024));
	doctor_fix(out, "ulimit -l unlimited (in the shell that starts it; LimitMEMLOCK=infinity in a systemd unit)");
}

static const struct rule small = {2048}, large = {1048576};

const struct bh_check bh_checks_memory[] = {
        {"memory.hugepages", "hugepages of 2 MiB, on the CPUs' node",
         "With ordinary pages each touch of new memory may miss the TLB, and the IOMMU's, too.",
         "Free ones are counted on the node that most of the CPUs are on: memory of another node is 1.5 to 2 times "
         "slower. "
         "'bulkhead apply' raises nr_hugepages of that node by what is missing; a machine that runs for long may have "
         "too few "
         "whole ones, so apply early after boot. Cost: Linux cannot use that memory for anything else. "
         "Documentation/admin-guide/mm/hugetlbpage.rst.",
         check_pages, &small},
        {"memory.hugepages_1g", "hugepages of 1 GiB",
         "There is seldom a whole GiB in one piece once Linux has run for a while.",
         "Only [partition] hugepages_1g asks for them. Level full reserves them at boot (hugepagesz=1G hugepages=N), "
         "which "
         "nearly always works; level live tries. Cost: Linux cannot use that memory.",
         check_pages, &large},
        {"memory.memlock", "so much memory may be locked",
         "VFIO locks the whole arena, and a cell its heap: beyond the limit the start fails.",
         "RLIMIT_MEMLOCK of who starts the cell, unless it has CAP_IPC_LOCK (root usually does). Cost of raising it: a "
         "program "
         "can then keep memory from everyone else.",
         check_memlock, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
