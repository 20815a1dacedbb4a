/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two cores, two threads: the second core's queue pair is created, used, reset and deleted while the first owns the controller.
 * What is checked is counts and states, so the threads may interleave as they like.
 */
#include "fake.h"

#include <pthread.h>
#include <sched.h>

static struct {
	struct rig owner;
	uint32_t other_ready, stop, other_done;
	uint64_t completed_cnt, reset_cnt, error_cnt;
	struct done held;
} shared;

static bool
flag(uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void
raise(uint32_t *word)
{
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
}

static void
pass(void)
{
	bh_yield();
	sched_yield();
}

static void
count_done(void *arg, uint16_t status)
{
	shared.completed_cnt++;
	if (status == BH_NVME_STATUS_RESET)
		shared.reset_cnt++;
	else if (status)
		shared.error_cnt++;
}

/* Core 1: keeps eight reads outstanding until told to stop. */
static void
other_body(void *arg)
{
	struct bh_nvme *ctrl = shared.owner.ctrl;
	struct bh_nvme_qpair *qp;
	const struct bh_nvme_ns *ns;
	uint64_t submitted_cnt = 0;

	assert_int_equal(bh_nvme_ns_find(ctrl, 1, &ns), 0);
	assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp), 0);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	raise(&shared.other_ready);
	while (!flag(&shared.stop)) {
		int err = bh_nvme_read(qp, ns, 0, 8, buf, count_done, NULL);
		assert_true(err == 0 || err == -BH_EAGAIN);
		submitted_cnt += !err;
		bh_nvme_poll(qp, 8);
		pass();
	}
	assert_int_equal(bh_nvme_qpair_delete(qp), 0);
	assert_int_equal(shared.completed_cnt, submitted_cnt);
	assert_int_equal(shared.error_cnt, 0);
	raise(&shared.other_done);
}

static void *
other_main(void *arg)
{
	fake_run_on(1, arg, NULL);
	return NULL;
}

static void
owner_body(void *arg)
{
	pthread_t thread;
	struct bh_nvme_options options = {.command_timeout_ns = UINT64_C(1000000000000)};
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	memset(&shared, 0, sizeof(shared));
	rig_open(&shared.owner, &options, 8);
	assert_int_equal(bh_nvme_info(shared.owner.ctrl)->io_queue_cnt, 2);
	assert_int_equal(pthread_create(&thread, NULL, other_main, other_body), 0);
	while (!flag(&shared.other_ready))
		pass();
	/* Not while another core has a pair. */
	assert_int_equal(bh_nvme_close(shared.owner.ctrl), -BH_EBUSY);
	for (int i = 0; i < 20; i++) {
		for (int j = 0; j < 50; j++) {
			assert_int_equal(bh_nvme_read_wait(shared.owner.qp, shared.owner.ns, 0, 8, buf, NULL), 0);
			pass();
		}
		assert_int_equal(bh_nvme_reset(shared.owner.ctrl), 0);
	}
	raise(&shared.stop);
	while (!flag(&shared.other_done))
		pass();
	pthread_join(thread, NULL);
	rig_close(&shared.owner);
}

static void
test_resets_under_load(void **state)
{
	fake_run(owner_body, NULL);
	assert_int_equal(fake_counter("reset"), 20);
}

static void
requests_body(void *arg)
{
	struct bh_nvme *ctrl = shared.owner.ctrl;
	struct bh_nvme_qpair *qp;
	struct nvme_health_log log;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(bh_nvme_qpair_create(ctrl, 8, &qp), 0);
		assert_int_equal(bh_nvme_health_log(ctrl, &log), 0);
		assert_int_equal(bh_nvme_qpair_delete(qp), 0);
	}
	raise(&shared.other_done);
}

static void
serve_body(void *arg)
{
	pthread_t thread;
	memset(&shared, 0, sizeof(shared));
	rig_open(&shared.owner, NULL, 8);
	size_t free_bytes = bh_dma_free_bytes();
	assert_int_equal(pthread_create(&thread, NULL, other_main, requests_body), 0);
	while (!flag(&shared.other_done))
		pass();
	pthread_join(thread, NULL);
	/* A pair's arena memory is used again by the next one. */
	assert_true(free_bytes - bh_dma_free_bytes() < 100 << 10);
	rig_close(&shared.owner);
}

static void
test_requests_of_another_core(void **state)
{
	fake_run(serve_body, NULL);
}

static void
removal_other_body(void *arg)
{
	struct bh_nvme_qpair *qp;
	assert_int_equal(bh_nvme_qpair_create(shared.owner.ctrl, 8, &qp), 0);
	uint8_t *buf = bh_dma_alloc(4096, 4096);
	assert_int_equal(bh_nvme_read(qp, shared.owner.ns, 0, 8, buf, done_fn, &shared.held), 0);
	bh_nvme_ring(qp);
	raise(&shared.other_ready);
	while (!shared.held.cnt) {
		bh_nvme_poll(qp, 8);
		pass();
	}
	assert_int_equal(shared.held.status, BH_NVME_STATUS_REMOVED);
	assert_int_equal(bh_nvme_read(qp, shared.owner.ns, 0, 8, buf, done_fn, &shared.held), -BH_ENODEV);
	assert_int_equal(bh_nvme_qpair_delete(qp), 0);
	raise(&shared.other_done);
}

static void
removal_body(void *arg)
{
	pthread_t thread;
	struct bh_nvme_options options = {.watch_interval_ns = 1000000};
	memset(&shared, 0, sizeof(shared));
	rig_open(&shared.owner, &options, 8);
	fake.hold_opcode_mask = 1u << 2;
	assert_int_equal(pthread_create(&thread, NULL, other_main, removal_other_body), 0);
	while (!flag(&shared.other_ready))
		pass();
	fake.gone = true;
	while (!flag(&shared.other_done))
		pass();
	pthread_join(thread, NULL);
	assert_int_equal(bh_nvme_qpair_delete(shared.owner.qp), 0);
	assert_int_equal(bh_nvme_close(shared.owner.ctrl), -BH_ENODEV);
}

static void
test_removal_with_two_cores(void **state)
{
	fake_run(removal_body, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_resets_under_load, fake_start_two_cores, fake_stop),
	        cmocka_unit_test_setup_teardown(test_requests_of_another_core, fake_start_two_cores, fake_stop),
	        cmocka_unit_test_setup_teardown(test_removal_with_two_cores, fake_start_two_cores, fake_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
