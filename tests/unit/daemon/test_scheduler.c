/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/scheduler.h"

static const struct qb_sched_run JOB = {.inspection = false}, INSPECTION = {.inspection = true};

static struct qb_sched_run exclusive(enum qb_exclusive e, int64_t turn, double active)
{
	return (struct qb_sched_run){.exclusive = e, .turn = turn, .active = active};
}

static struct qb_sched_place places[] = {{.here = true, .slots = 3}, {.here = false, .slots = 2}, {.here = true, .slots = 1}};

/* This machine, with three slots. */
static struct qb_sched_state state(const struct qb_sched_run *runs, int count)
{
	return (struct qb_sched_state){.now = 100, .open = true, .places = places, .place_count = 1, .inspection_slots = 2,
		.stall_seconds = 60, .runs = runs, .count = count};
}

static void plan__nothing_runs__every_slot_is_free(void **unused)
{
	struct qb_sched_state s = state(NULL, 0);
	struct qb_sched_plan p = qb_sched_plan(&s);

	(void)unused;
	assert_int_equal(p.jobs[0], 3);
	assert_int_equal(p.inspections, 2);
	assert_int_equal(p.exclusive, -1);
	assert_true(p.again == 0);
}

static void plan__all_slots_taken__nothing_starts(void **unused)
{
	const struct qb_sched_run runs[] = {JOB, INSPECTION, JOB, JOB, INSPECTION, INSPECTION};
	struct qb_sched_state s = state(runs, 6);
	struct qb_sched_plan p = qb_sched_plan(&s);

	(void)unused;
	assert_int_equal(p.jobs[0], 0);
	assert_int_equal(p.inspections, 0);
}

static void plan__jobs_fill_their_slots__inspections_do_not_wait(void **unused)
{
	const struct qb_sched_run runs[] = {JOB, JOB, JOB, INSPECTION};
	struct qb_sched_state s = state(runs, 4);
	struct qb_sched_plan p = qb_sched_plan(&s);

	(void)unused;
	assert_int_equal(p.jobs[0], 0);
	assert_int_equal(p.inspections, 1);
}

static void plan__ends_not_stored__keep_their_slots(void **unused)
{
	const struct qb_sched_run runs[] = {{.ended = true}, {.ended = true}, {.ended = true}};
	struct qb_sched_state s = state(runs, 3);

	(void)unused;
	assert_int_equal(qb_sched_plan(&s).jobs[0], 0);
}

static void plan__closed__nothing_starts(void **unused)
{
	struct qb_sched_state s = state(NULL, 0);
	struct qb_sched_plan p;

	(void)unused;
	s.open = false;
	p = qb_sched_plan(&s);
	assert_int_equal(p.jobs[0] + p.inspections, 0);
}

static void plan__host_pauses__nothing_starts_until_it_is_over(void **unused)
{
	struct qb_sched_state s = state(NULL, 0);
	struct qb_sched_plan p;

	(void)unused;
	places[0].resume = 100.5;
	p = qb_sched_plan(&s);
	assert_int_equal(p.jobs[0] + p.inspections, 0);
	assert_true(p.again == 100.5);
	s.now = 100.5;
	assert_int_equal(qb_sched_plan(&s).jobs[0], 3);
	places[0].resume = 0;
}

static void plan__several_places__each_has_slots_of_its_own(void **unused)
{
	const struct qb_sched_run runs[] = {JOB, {.place = 1}, {.place = 1}, {.place = -1}};
	struct qb_sched_state s = state(runs, 4);
	struct qb_sched_plan p;

	(void)unused;
	s.place_count = 3;
	p = qb_sched_plan(&s);
	assert_int_equal(p.jobs[0], 2);
	assert_int_equal(p.jobs[1], 0);
	assert_int_equal(p.jobs[2], 1);
}

static void plan__exclusive_time_here__places_elsewhere_go_on(void **unused)
{
	const struct qb_sched_run runs[] = {exclusive(QB_EXCLUSIVE_GRANTED, 1, 99), {.place = 1, .exclusive = QB_EXCLUSIVE_GRANTED, .turn = 0}};
	struct qb_sched_state s = state(runs, 2);
	struct qb_sched_plan p;

	(void)unused;
	s.place_count = 3;
	p = qb_sched_plan(&s);
	assert_int_equal(p.exclusive, 0);
	assert_int_equal(p.jobs[0] + p.jobs[2] + p.inspections, 0);
	assert_int_equal(p.jobs[1], 1);
}

static void plan__one_place_pauses__others_start(void **unused)
{
	struct qb_sched_state s = state(NULL, 0);
	struct qb_sched_plan p;

	(void)unused;
	s.place_count = 3;
	places[1].resume = 107;
	p = qb_sched_plan(&s);
	places[1].resume = 0;
	assert_int_equal(p.jobs[0], 3);
	assert_int_equal(p.jobs[1], 0);
	assert_true(p.again == 107);
}

static void plan__two_ask_for_exclusive_time__the_first_gets_it_and_nothing_starts(void **unused)
{
	const struct qb_sched_run runs[] = {JOB, exclusive(QB_EXCLUSIVE_ASKED, 8, 0),
		exclusive(QB_EXCLUSIVE_ASKED, 7, 0)};
	struct qb_sched_state s = state(runs, 3);
	struct qb_sched_plan p;

	(void)unused;
	places[0].slots = 10;
	p = qb_sched_plan(&s);
	places[0].slots = 3;
	assert_int_equal(p.exclusive, 2);
	assert_true(p.grant);
	assert_int_equal(p.jobs[0] + p.inspections, 0);
}

static void plan__one_has_exclusive_time__those_who_asked_earlier_wait(void **unused)
{
	const struct qb_sched_run runs[] = {exclusive(QB_EXCLUSIVE_ASKED, 1, 0),
		exclusive(QB_EXCLUSIVE_GRANTED, 2, 90), JOB};
	struct qb_sched_state s = state(runs, 3);
	struct qb_sched_plan p = qb_sched_plan(&s);

	(void)unused;
	assert_int_equal(p.exclusive, 1);
	assert_false(p.grant);
	assert_false(p.stalled);
	assert_true(p.again == 101);
}

static void plan__exclusive_run_does_nothing__is_told_and_ended(void **unused)
{
	const struct qb_sched_run runs[] = {exclusive(QB_EXCLUSIVE_GRANTED, 1, 40)};
	struct qb_sched_state s = state(runs, 1);

	(void)unused;
	assert_true(qb_sched_plan(&s).stalled);
	s.now = 99.9;
	assert_false(qb_sched_plan(&s).stalled);
	assert_true(qb_sched_plan(&s).silent);
	s.now = 44;
	assert_false(qb_sched_plan(&s).silent);
	s.now = 1000;
	s.stall_seconds = 0;
	assert_false(qb_sched_plan(&s).stalled);
	assert_true(qb_sched_plan(&s).silent);
}

static void plan__exclusive_run_has_ended__others_go_on(void **unused)
{
	const struct qb_sched_run runs[] = {{.ended = true, .exclusive = QB_EXCLUSIVE_GRANTED}, JOB};
	struct qb_sched_state s = state(runs, 2);
	struct qb_sched_plan p = qb_sched_plan(&s);

	(void)unused;
	assert_int_equal(p.exclusive, -1);
	assert_int_equal(p.jobs[0], 1);
}

static void host_pause__fails_again_and_again__doubles_up_to_half_a_minute(void **unused)
{
	struct qb_host_pause p = {0};
	const double want[] = {0.25, 0.5, 1, 2, 4, 8, 16, 30, 30};

	(void)unused;
	for (int i = 0; i < 9; i++) {
		qb_host_pause_extend(&p, 7);
		assert_true(p.until == 7 + want[i]);
	}
	for (int i = 0; i < 2000; i++) {
		qb_host_pause_extend(&p, 7);
	}
	assert_true(p.until == 37);
}

static void fate__every_way_to_end__is_as_documented(void **unused)
{
	static const struct {
		enum qb_worker_run_stop stop;
		bool good, started;
		int attempts;
		enum qb_worker_run_fate fate;
		bool counts;
	} rows[] = {
		{QB_STOP_NONE, true, true, 1, QB_FATE_SUCCEEDED, true},
		{QB_STOP_NONE, false, true, 1, QB_FATE_FAILED, true},
		{QB_STOP_NONE, false, false, 1, QB_FATE_QUEUED, false},
		{QB_STOP_NONE, false, false, 99, QB_FATE_QUEUED, false},
		{QB_STOP_CANCELLED, false, true, 1, QB_FATE_CANCELLED, true},
		{QB_STOP_STOPPING, false, true, 3, QB_FATE_QUEUED, false},
		{QB_STOP_STOPPING, true, true, 1, QB_FATE_SUCCEEDED, false},
		{QB_STOP_OVERTIME, false, true, 1, QB_FATE_FAILED, true},
		{QB_STOP_STALLED, false, true, 1, QB_FATE_QUEUED, true},
		{QB_STOP_STALLED, false, true, 2, QB_FATE_QUEUED, true},
		{QB_STOP_STALLED, false, true, 3, QB_FATE_GAVE_UP, true},
		{QB_STOP_ABANDONED, false, true, 1, QB_FATE_NOTHING, true},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct qb_worker_run_end end = {.stop = rows[i].stop, .good = rows[i].good, .started = rows[i].started,
			.attempts = rows[i].attempts};
		bool counts;

		assert_int_equal(qb_sched_fate(&end, &counts), rows[i].fate);
		assert_int_equal(counts, rows[i].counts);
	}
}

static void fate__failed_on_a_full_disk__is_tried_again_some_times(void **unused)
{
	(void)unused;
	for (int attempt = 1; attempt <= QB_ATTEMPTS_MAX; attempt++) {
		struct qb_worker_run_end end = {.started = true, .host_suspected = true, .attempts = attempt};
		bool counts;

		assert_int_equal(qb_sched_fate(&end, &counts), attempt < QB_ATTEMPTS_MAX ? QB_FATE_QUEUED : QB_FATE_FAILED);
		assert_true(counts);
		end.good = true;
		assert_int_equal(qb_sched_fate(&end, &counts), QB_FATE_SUCCEEDED);
	}
}

static void fate__crashed_with_a_checkpoint__goes_on_as_long_as_it_comes_further(void **unused)
{
	static const struct {
		bool crashed, resumable, progressed;
		int attempts;
		enum qb_worker_run_fate fate;
		bool counts;
	} rows[] = {
		{true, true, true, 1, QB_FATE_QUEUED, false},
		{true, true, true, 99, QB_FATE_QUEUED, false},
		{true, true, false, 1, QB_FATE_QUEUED, true},
		{true, true, false, QB_ATTEMPTS_MAX, QB_FATE_FAILED, true},
		{true, false, false, 1, QB_FATE_FAILED, true},
		{false, true, true, 1, QB_FATE_FAILED, true}, /* it said itself what was wrong */
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct qb_worker_run_end end = {.started = true, .crashed = rows[i].crashed, .resumable = rows[i].resumable,
			.progressed = rows[i].progressed, .attempts = rows[i].attempts};
		bool counts;

		assert_int_equal(qb_sched_fate(&end, &counts), rows[i].fate);
		assert_int_equal(counts, rows[i].counts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan__nothing_runs__every_slot_is_free),
		cmocka_unit_test(plan__all_slots_taken__nothing_starts),
		cmocka_unit_test(plan__jobs_fill_their_slots__inspections_do_not_wait),
		cmocka_unit_test(plan__ends_not_stored__keep_their_slots),
		cmocka_unit_test(plan__closed__nothing_starts),
		cmocka_unit_test(plan__host_pauses__nothing_starts_until_it_is_over),
		cmocka_unit_test(plan__several_places__each_has_slots_of_its_own),
		cmocka_unit_test(plan__exclusive_time_here__places_elsewhere_go_on),
		cmocka_unit_test(plan__one_place_pauses__others_start),
		cmocka_unit_test(plan__two_ask_for_exclusive_time__the_first_gets_it_and_nothing_starts),
		cmocka_unit_test(plan__one_has_exclusive_time__those_who_asked_earlier_wait),
		cmocka_unit_test(plan__exclusive_run_does_nothing__is_told_and_ended),
		cmocka_unit_test(plan__exclusive_run_has_ended__others_go_on),
		cmocka_unit_test(host_pause__fails_again_and_again__doubles_up_to_half_a_minute),
		cmocka_unit_test(fate__every_way_to_end__is_as_documented),
		cmocka_unit_test(fate__failed_on_a_full_disk__is_tried_again_some_times),
		cmocka_unit_test(fate__crashed_with_a_checkpoint__goes_on_as_long_as_it_comes_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
