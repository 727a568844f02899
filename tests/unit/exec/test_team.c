/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "core/exec/exec.h"

enum { ITEMS = 1000 };

struct work {
	_Atomic int done[ITEMS];
	int64_t fail_at;
};

static enum qb_err work(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct work *w = arg;

	if (thread < 0 || thread > 2) {
		return qb_fail(eb, QB_EINTERNAL, "thread %d", thread);
	}
	if (item == w->fail_at) {
		return qb_fail(eb, QB_EINVAL, "item %d is bad", (int)item);
	}
	atomic_fetch_add(&w->done[item], 1);
	return QB_OK;
}

static void team__many_items__each_done_once(void **state)
{
	static struct work w = {.fail_at = -1};

	(void)state;
	assert_int_equal(qb_team_run(3, ITEMS, work, &w, NULL), QB_OK);
	for (int i = 0; i < ITEMS; i++) {
		assert_int_equal(w.done[i], 1);
	}
}

static void team__one_fails__its_error_comes_back(void **state)
{
	static struct work w = {.fail_at = 17};
	struct qb_errbuf eb = {0};

	(void)state;
	assert_int_equal(qb_team_run(3, ITEMS, work, &w, &eb), QB_EINVAL);
	assert_string_equal(eb.text, "item 17 is bad");
}

enum { STAGES = 200, PARTS = 7 };

struct staged {
	int done[STAGES][PARTS]; /* each part's, of one thread at a time */
	int between;
	int64_t fail_stage;
};

/* Stages of 1 to PARTS parts. */
static int64_t parts_of(int stage)
{
	return stage == STAGES - 1 || stage == 150 ? PARTS : 1 + stage % PARTS;
}

static const int64_t *parts(void)
{
	static int64_t count[STAGES];

	for (int i = 0; i < STAGES; i++) {
		count[i] = parts_of(i);
	}
	return count;
}

/* What the stage before left is there, for all parts. */
static enum qb_err stage_part(void *arg, int thread, int stage, int64_t item, struct qb_errbuf *eb)
{
	struct staged *w = arg;

	(void)thread;
	if (w->between != stage) {
		return qb_fail(eb, QB_EINTERNAL, "stage %d begins after %d ends", stage, w->between);
	}
	for (int i = 0; stage && i < parts_of(stage - 1); i++) {
		if (w->done[stage - 1][i] != stage) {
			return qb_fail(eb, QB_EINTERNAL, "stage %d does not find part %d", stage, i);
		}
	}
	if (stage == w->fail_stage && item > 1) {
		return qb_fail(eb, QB_EINVAL, "part %d of stage %d is bad", (int)item, stage);
	}
	w->done[stage][item] += stage + 1;
	return QB_OK;
}

static void end_stage(void *arg, int stage)
{
	struct staged *w = arg;

	w->between = stage + 1;
}

static void stages__several_threads__each_begins_when_all_of_the_last_is_done(void **state)
{
	static struct staged w;

	(void)state;
	for (int threads = 1; threads <= 4; threads++) {
		struct qb_errbuf eb = {0};

		w = (struct staged){.fail_stage = -1};
		if (qb_team_run_stages(threads, STAGES, parts(), stage_part, end_stage, &w, &eb) != QB_OK) {
			fail_msg("%s", eb.text);
		}
		assert_int_equal(w.between, STAGES);
		for (int i = 0; i < PARTS; i++) {
			assert_int_equal(w.done[STAGES - 1][i], STAGES);
		}
	}
}

static void stages__one_part_fails__its_error_comes_back_and_no_stage_follows(void **state)
{
	static struct staged w;

	(void)state;
	for (int threads = 1; threads <= 4; threads++) {
		struct qb_errbuf eb = {0};

		w = (struct staged){.fail_stage = 150};
		assert_int_equal(qb_team_run_stages(threads, STAGES, parts(), stage_part, end_stage, &w, &eb), QB_EINVAL);
		assert_string_equal(eb.text, "part 2 of stage 150 is bad");
		assert_int_equal(w.between, 150);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(team__many_items__each_done_once),
		cmocka_unit_test(team__one_fails__its_error_comes_back),
		cmocka_unit_test(stages__several_threads__each_begins_when_all_of_the_last_is_done),
		cmocka_unit_test(stages__one_part_fails__its_error_comes_back_and_no_stage_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
