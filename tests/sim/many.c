/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/many.h"
#include "tests/sim/net.h"

#define JOBS_MAX 16u
/* Processor time, not real time: a loaded machine fails nobody. Reached only by a loop without a single point. */
#define CPU_SECONDS_MAX 120

struct job {
	pid_t pid; /* 0: free */
	uint64_t seed;
	struct sim_result *result; /* shared with the child */
};

static struct sim_result *
results_map(size_t cnt)
{
	void *ptr =
	        mmap(NULL, cnt * sizeof(struct sim_result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ptr == MAP_FAILED) {
		perror("sim: mmap");
		exit(1);
	}
	return ptr;
}

static void
child(const struct sim_choice *choice, uint64_t seed, struct sim_result *result)
{
	static struct sim_plan plan;
	struct rlimit limit = {.rlim_cur = CPU_SECONDS_MAX, .rlim_max = CPU_SECONDS_MAX};

	setrlimit(RLIMIT_CPU, &limit);
	sim_choice_plan(choice, seed, &plan);
	sim_trace_init(false);
	sim_run(&plan, result);
	fflush(stdout);
	_exit(0);
}

static void
job_start(struct job *job, const struct sim_choice *choice, uint64_t seed)
{
	memset(job->result, 0, sizeof(*job->result));
	job->seed = seed;
	fflush(stdout);
	job->pid = fork();
	if (job->pid < 0) {
		perror("sim: fork");
		exit(1);
	}
	if (job->pid == 0)
		child(choice, seed, job->result);
}

static void
crash_print(const struct sim_choice *choice, const struct job *job)
{
	static struct sim_plan plan;
	sim_choice_plan(choice, job->seed, &plan);
	fprintf(stderr, "seed %" PRIu64 " failed: %s; replay: build/tests/sim %s --trace\n", job->seed,
	        job->result->failure, plan.replay);
}

/* Return: whether it passed. */
static bool
job_finish(struct job *job, const struct sim_choice *choice, int status)
{
	job->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (job->result->failure[0] == '\0') {
		snprintf(job->result->failure, sizeof(job->result->failure), "ended by signal %d, status %d",
		         WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
		if (choice->mutation == SIM_MUTATION_NONE)
			crash_print(choice, job);
	}
	return false;
}

bool
sim_spawn(const struct sim_choice *choice, uint64_t seed, struct sim_result *out)
{
	static struct sim_result *shared;
	int status;

	if (shared == NULL)
		shared = results_map(1);
	struct job job = {.result = shared};
	job_start(&job, choice, seed);
	while (waitpid(job.pid, &status, 0) < 0) {
		if (errno != EINTR) {
			perror("sim: waitpid");
			exit(1);
		}
	}
	bool passed = job_finish(&job, choice, status);
	*out = *shared;
	return passed;
}

/* What many runs covered: a simulator that tests nothing should be seen to. */
struct total {
	uint64_t passed_cnt, failed_cnt;
	uint64_t io_cnt, checked_cnt, reset_cnt, removed_cnt, now_ns;
	uint64_t fault_cnt[NVME_FAULT_ACTION_CNT], fault_run_cnt[NVME_FAULT_ACTION_CNT];
	uint64_t net_fault_cnt[SIM_CARD_FAULTS_MAX], net_fault_run_cnt[SIM_CARD_FAULTS_MAX];
	uint64_t hash;
};

static void
total_add(struct total *total, const struct sim_result *result, bool passed)
{
	total->passed_cnt += passed;
	total->failed_cnt += !passed;
	total->io_cnt += result->io_cnt;
	total->checked_cnt += result->checked_cnt;
	total->reset_cnt += result->reset_cnt;
	total->removed_cnt += result->removed_cnt;
	total->now_ns += result->now_ns;
	total->hash ^= result->hash * (2 * result->seed + 1);
	for (unsigned i = 0; i < NVME_FAULT_ACTION_CNT; i++) {
		total->fault_cnt[i] += result->fault_cnt[i];
		total->fault_run_cnt[i] += result->fault_cnt[i] != 0;
	}
	for (unsigned i = 0; i < SIM_CARD_FAULTS_MAX; i++) {
		total->net_fault_cnt[i] += result->net_fault_cnt[i];
		total->net_fault_run_cnt[i] += result->net_fault_cnt[i] != 0;
	}
}

static void
total_print(const struct total *total, enum sim_kind kind)
{
	printf("%" PRIu64 " seeds passed, %" PRIu64 " failed: %" PRIu64 " commands or frames, %" PRIu64
	       " checked, %" PRIu64 " resets, %" PRIu64 " devices given up, %" PRIu64
	       " s of virtual time, all traces %016" PRIx64 "\n",
	       total->passed_cnt, total->failed_cnt, total->io_cnt, total->checked_cnt, total->reset_cnt,
	       total->removed_cnt, total->now_ns / 1000000000, total->hash);
	printf("faults (fired, in runs):");
	for (unsigned i = 0; i < NVME_FAULT_ACTION_CNT; i++) {
		if (total->fault_cnt[i] != 0)
			printf(" %s %" PRIu64 "/%" PRIu64, nvme_fault_action_name((enum nvme_fault_action)i),
			       total->fault_cnt[i], total->fault_run_cnt[i]);
	}
	for (unsigned i = 0; i < SIM_CARD_FAULTS_MAX; i++) {
		if (total->net_fault_cnt[i] != 0)
			printf(" %s %" PRIu64 "/%" PRIu64, sim_net_fault_name(kind, i), total->net_fault_cnt[i],
			       total->net_fault_run_cnt[i]);
	}
	printf("\n");
}

static struct job *
job_of(struct job *jobs, uint64_t cnt, pid_t pid)
{
	for (uint64_t i = 0; i < cnt; i++) {
		if (jobs[i].pid == pid)
			return &jobs[i];
	}
	return NULL;
}

int
sim_many(const struct sim_choice *choice, uint64_t first, uint64_t cnt, uint64_t jobs)
{
	struct job job[JOBS_MAX] = {{.pid = 0}};
	struct total total = {.passed_cnt = 0};
	struct sim_result *results;
	uint64_t next = 0, running_cnt = 0;
	int status;

	jobs = BH_MIN(BH_MAX(jobs, UINT64_C(1)), (uint64_t)JOBS_MAX);
	results = results_map(jobs);
	for (uint64_t i = 0; i < jobs; i++)
		job[i].result = &results[i];
	while (next < cnt || running_cnt > 0) {
		struct job *free_job = next < cnt ? job_of(job, jobs, 0) : NULL;
		if (free_job != NULL) {
			job_start(free_job, choice, first + next++);
			running_cnt++;
			continue;
		}
		pid_t pid = waitpid(-1, &status, 0);
		struct job *done = pid > 0 ? job_of(job, jobs, pid) : NULL;
		if (done == NULL)
			continue;
		running_cnt--;
		bool passed = job_finish(done, choice, status);
		total_add(&total, done->result, passed);
	}
	total_print(&total, choice->kind < 0 ? SIM_KIND_WORK : (enum sim_kind)choice->kind);
	return total.failed_cnt != 0;
}
