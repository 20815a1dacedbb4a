/* SPDX-License-Identifier: Apache-2.0 */
/* Each criterion met, missed and not measured; what failed runs and missing pairs do to it. */
#include "tests/unit/compare/common.h"

#include "tests/unit/compare/session.h"

static struct bh_session *session;

static int
setup(void **state)
{
	(void)state;
	session = fake_open();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fake_close(session);
	return 0;
}

static enum bh_compare_verdict
judge(void)
{
	assert_int_equal(bh_summarize(session), 0);
	return bh_judge(session);
}

static const struct bh_verdict *
verdict(const char *key)
{
	for (uint32_t i = 0; i < session->verdict_cnt; i++) {
		if (strcmp(session->verdict[i].key, key) == 0)
			return &session->verdict[i];
	}
	return NULL;
}

static void
expect(const char *key, enum bh_compare_verdict state)
{
	const struct bh_verdict *one = verdict(key);
	assert_non_null(one);
	if (one->state != state)
		fail_msg("%s is %s (%s)", key, bh_verdict_name(one->state), one->value);
}

static void
prove(bool held)
{
	session->proof = (struct bh_proof){.ran = true, .held = held, .text = "prove-iommu ran"};
}

static void
without_runs_nothing_is_measured(void **state)
{
	(void)state;
	session->iommu[0] = '\0';
	assert_int_equal(judge(), BH_COMPARE_NOT_MEASURED);
	expect("throughput", BH_COMPARE_NOT_MEASURED);
	expect("p99", BH_COMPARE_NOT_MEASURED);
	expect("iommu", BH_COMPARE_NOT_MEASURED);
	expect("dma_escape", BH_COMPARE_NOT_MEASURED);
	assert_non_null(strstr(verdict("dma_escape")->value, "--prove"));
}

static void
all_met(void **state)
{
	(void)state;
	prove(true);
	fake_pairs(session, 2, 6);
	assert_int_equal(judge(), BH_COMPARE_MET);
	expect("throughput", BH_COMPARE_MET);
	expect("p99", BH_COMPARE_MET);
	expect("iommu", BH_COMPARE_MET);
	expect("dma_escape", BH_COMPARE_MET);
	assert_non_null(strstr(verdict("throughput")->threshold, "1.5"));
}

static void
too_slow_is_missed(void **state)
{
	(void)state;
	prove(true);
	fake_pairs(session, 1.4, 6);
	assert_int_equal(judge(), BH_COMPARE_MISSED);
	expect("throughput", BH_COMPARE_MISSED);
	expect("p99", BH_COMPARE_MET);
}

static void
too_late_is_missed(void **state)
{
	(void)state;
	prove(true);
	fake_pairs(session, 2, 4.5);
	assert_int_equal(judge(), BH_COMPARE_MISSED);
	expect("p99", BH_COMPARE_MISSED);
}

/* One depth is enough to miss it. */
static void
one_depth_misses(void **state)
{
	(void)state;
	fake_pairs(session, 2, 6);
	for (uint32_t i = 0; i < session->run_cnt; i++) {
		if (session->run[i].case_idx == 1 && session->run[i].side == BH_SIDE_CELL)
			session->run[i].figures.iops = 9000;
	}
	judge();
	expect("throughput", BH_COMPARE_MISSED);
}

static void
not_proved_is_not_decided(void **state)
{
	(void)state;
	fake_pairs(session, 2, 6);
	assert_int_equal(judge(), BH_COMPARE_NOT_MEASURED);
	expect("dma_escape", BH_COMPARE_NOT_MEASURED);
}

static void
escape_is_missed(void **state)
{
	(void)state;
	prove(false);
	fake_pairs(session, 2, 6);
	assert_int_equal(judge(), BH_COMPARE_MISSED);
	expect("dma_escape", BH_COMPARE_MISSED);
}

static void
no_iommu_is_missed(void **state)
{
	(void)state;
	prove(true);
	fake_pairs(session, 2, 6);
	session->iommu_enforced = false;
	assert_int_equal(judge(), BH_COMPARE_MISSED);
	expect("iommu", BH_COMPARE_MISSED);
}

/* A failed run takes its pair out; what is left cannot be `met`. */
static void
failed_run_is_never_met(void **state)
{
	(void)state;
	prove(true);
	fake_pairs(session, 2, 6);
	session->run[1].ok = false;
	assert_int_equal(judge(), BH_COMPARE_NOT_MEASURED);
	expect("throughput", BH_COMPARE_NOT_MEASURED);
	assert_int_equal(session->summary[0].pair_cnt, 2);
	assert_int_equal(session->summary[0].failed_cnt, 1);
	assert_non_null(strstr(verdict("throughput")->value, "2 of 3 pairs"));
}

/* What was missed in the pairs that are whole stays missed. */
static void
failed_run_can_be_missed(void **state)
{
	(void)state;
	fake_pairs(session, 1.1, 6);
	session->run[1].ok = false;
	judge();
	expect("throughput", BH_COMPARE_MISSED);
}

/* Half a pair counts for neither side. */
static void
half_a_pair_does_not_count(void **state)
{
	(void)state;
	fake_pairs(session, 2, 6);
	fake_run(session, 0, BH_SIDE_LINUX, 4, 1, 1);
	session->round_cnt = 4;
	assert_int_equal(bh_summarize(session), 0);
	assert_int_equal(session->summary[0].pair_cnt, 3);
	assert_true(session->summary[0].iops[BH_SIDE_LINUX].min == 10000);
}

/* Linux may win throughput with one way and latency with another: both count for it. */
static void
linux_takes_the_best_of_both_ways(void **state)
{
	(void)state;
	fake_pairs(session, 2, 6);
	session->best_p99[0] = 1;
	for (uint32_t round = 1; round <= 3; round++)
		fake_run(session, 0, BH_SIDE_LINUX, round, 5000, 20000)->variant_idx = 1;
	assert_int_equal(bh_summarize(session), 0);
	assert_true(session->summary[0].iops[BH_SIDE_LINUX].median == 10000);
	assert_true(session->summary[0].p99[BH_SIDE_LINUX].median == 20000);
	assert_true(session->summary[0].p99_ratio.median < 1.3);
}

static void
rehearsal_decides_nothing(void **state)
{
	(void)state;
	session->target.file = true;
	fake_pairs(session, 20, 60);
	assert_int_equal(judge(), BH_COMPARE_NOT_MEASURED);
	expect("throughput", BH_COMPARE_NOT_MEASURED);
	expect("p99", BH_COMPARE_NOT_MEASURED);
	expect("iommu", BH_COMPARE_NOT_MEASURED);
}

static void
goals_only_in_the_lab(void **state)
{
	(void)state;
	fake_pairs(session, 4, 6);
	judge();
	assert_null(verdict("lab_iops_d1"));
	session->machine.kind = BH_MACHINE_EMULATOR;
	judge();
	expect("lab_iops_d1", BH_COMPARE_MET);
	expect("lab_iops_d32", BH_COMPARE_MISSED);
	expect("lab_p99_d32", BH_COMPARE_MET);
	expect("reference_d1", BH_COMPARE_MET); /* 40,000 against 30,000 */
	expect("reference_d32", BH_COMPARE_MISSED);
}

/* A goal of the lab says nothing about go or no-go. */
static void
goals_do_not_decide(void **state)
{
	(void)state;
	prove(true);
	session->machine.kind = BH_MACHINE_EMULATOR;
	fake_pairs(session, 2, 6);
	assert_int_equal(judge(), BH_COMPARE_MET);
	expect("lab_iops_d1", BH_COMPARE_MISSED);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(without_runs_nothing_is_measured),
	        TEST(all_met),
	        TEST(too_slow_is_missed),
	        TEST(too_late_is_missed),
	        TEST(one_depth_misses),
	        TEST(not_proved_is_not_decided),
	        TEST(escape_is_missed),
	        TEST(no_iommu_is_missed),
	        TEST(failed_run_is_never_met),
	        TEST(failed_run_can_be_missed),
	        TEST(half_a_pair_does_not_count),
	        TEST(linux_takes_the_best_of_both_ways),
	        TEST(rehearsal_decides_nothing),
	        TEST(goals_only_in_the_lab),
	        TEST(goals_do_not_decide),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
