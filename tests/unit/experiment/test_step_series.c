/* SPDX-License-Identifier: Apache-2.0
 *
 * Series of steps and snapshots: points are means of their steps, and a job that was interrupted anywhere has those of one that
 * was not.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/experiment/jobs/snapshots.h"
#include "core/experiment/jobs/step_series.h"

static const char *const names[] = {"loss", "rate", "frozen"};
enum { NAMES = 3 };
static char folder[] = "/tmp/test_step_series-XXXXXX";

static void ok(enum qb_err err, const struct qb_errbuf *eb)
{
	if (err != QB_OK) {
		fail_msg("%s", eb->text);
	}
}

struct heard {
	int points;
	int64_t last;
};

static void hear(void *arg, int64_t step, const char *const *name, const double *value, int count)
{
	struct heard *h = arg;

	(void)value;
	assert_int_equal(count, NAMES);
	assert_string_equal(name[1], "rate");
	h->points++;
	h->last = step;
}

/* The third is known from the middle on. */
static void values_of(int64_t step, int64_t steps, double value[NAMES])
{
	value[0] = 1 / (double)(step + 1);
	value[1] = sin((double)step);
	value[2] = step < steps / 2 ? NAN : (double)step;
}

/* Steps [from, to) of a training; to before `crash` are kept by a checkpoint, those up to `to` were in the journal only. */
static struct qb_step_series *play(int64_t steps, const char *where, int64_t from, int64_t to, struct heard *h)
{
	struct qb_errbuf eb = {0};
	struct qb_step_series *s;
	double value[NAMES];

	ok(qb_step_series_create(&s, steps, where, &eb), &eb);
	ok(qb_step_series_begin(s, names, NAMES, from, hear, h, &eb), &eb);
	for (int64_t i = from; i < to; i++) {
		values_of(i, steps, value);
		ok(qb_step_series_add(s, i, value, &eb), &eb);
	}
	return s;
}

static char *text_of(const struct qb_step_series *s)
{
	json_t *v = qb_step_series_json(s);
	char *text = json_dumps(v, JSON_COMPACT);

	json_decref(v);
	return text;
}

static void points__of_any_number_of_steps__are_means_and_some_hundreds(void **state)
{
	static const int64_t counts[] = {1, 2, 399, 400, 401, 799, 800, 801, 2503};

	(void)state;
	for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
		int64_t n = counts[k], stride = (n + QB_SERIES_POINTS - 1) / QB_SERIES_POINTS, before = 0;
		struct heard h = {0};
		struct qb_step_series *s = play(n, NULL, 0, n, &h);
		json_t *points = qb_step_series_json(s), *p;
		size_t i;

		assert_true(json_array_size(points) <= QB_SERIES_POINTS && json_array_size(points) >= (size_t)(n < 200 ? n : 200));
		assert_int_equal(h.points, json_array_size(points));
		assert_int_equal(h.last, n - 1);
		json_array_foreach(points, i, p) {
			int64_t end = json_integer_value(json_object_get(p, "step")); /* from 1 */
			double sum = 0;

			assert_true(end - before == stride || end == n);
			for (int64_t step = before; step < end; step++) {
				sum += 1 / (double)(step + 1);
			}
			assert_float_equal(json_real_value(json_object_get(p, "loss")), sum / (double)(end - before), 1e-12);
			assert_true(end <= n / 2 ? json_is_null(json_object_get(p, "frozen")) : json_is_real(json_object_get(p, "frozen")));
			before = end;
		}
		assert_int_equal(before, n);
		json_decref(points);
		qb_step_series_destroy(&s);
	}
}

static void series__interrupted_anywhere__is_that_of_one_that_was_not(void **state)
{
	enum { STEPS = 903 };
	struct heard h = {0};
	struct qb_step_series *s = play(STEPS, NULL, 0, STEPS, &h);
	char *whole = text_of(s), *resumed;

	(void)state;
	qb_step_series_destroy(&s);
	for (int64_t checkpoint = 0; checkpoint <= STEPS; checkpoint += 43) {
		for (int64_t more = 0; more < 30; more += 13) { /* steps behind the checkpoint, which are taken again */
			int64_t died = checkpoint + more < STEPS ? checkpoint + more : STEPS;

			s = play(STEPS, folder, 0, died, &h);
			qb_step_series_destroy(&s);
			s = play(STEPS, folder, checkpoint, STEPS, &h);
			resumed = text_of(s);
			assert_string_equal(resumed, whole);
			free(resumed);
			qb_step_series_destroy(&s);
		}
	}
	free(whole);
}

static void series__of_a_training_that_is_over__takes_names_from_the_journal(void **state)
{
	struct qb_errbuf eb = {0};
	struct heard h = {0};
	struct qb_step_series *s = play(500, folder, 0, 500, &h);
	char *whole = text_of(s), *again;

	(void)state;
	qb_step_series_destroy(&s);
	ok(qb_step_series_create(&s, 500, folder, &eb), &eb);
	ok(qb_step_series_begin(s, NULL, 0, 500, hear, &h, &eb), &eb);
	again = text_of(s);
	assert_string_equal(again, whole);
	qb_step_series_destroy(&s);
	free(again);
	free(whole);
}

static void add_snapshot(struct qb_snapshots *s, int64_t step, int mark)
{
	struct qb_errbuf eb = {0};

	ok(qb_snapshots_add(s, json_pack("{s:I, s:i, s:f}", "step", (json_int_t)step, "mark", mark, "x", 1. / 3), &eb), &eb);
}

static char *snapshots_text(const struct qb_snapshots *s)
{
	json_t *v = qb_snapshots_json(s);
	char *text = json_dumps(v, JSON_COMPACT);

	json_decref(v);
	return text;
}

static void snapshots__read_again__are_those_up_to_the_checkpoint(void **state)
{
	struct qb_errbuf eb = {0};
	struct qb_snapshots *s, *again;
	char *whole, *other;

	(void)state;
	ok(qb_snapshots_create(&s, folder, &eb), &eb);
	ok(qb_snapshots_begin(s, 0, &eb), &eb);
	add_snapshot(s, 10, 1);
	add_snapshot(s, 20, 2);
	add_snapshot(s, 30, 3); /* is lost with the steps behind the checkpoint */
	ok(qb_snapshots_create(&again, folder, &eb), &eb);
	ok(qb_snapshots_begin(again, 20, &eb), &eb);
	add_snapshot(again, 20, 2); /* the evaluation that the checkpoint lay before */
	add_snapshot(again, 30, 3);
	whole = snapshots_text(s);
	other = snapshots_text(again);
	assert_string_equal(other, whole);
	qb_snapshots_destroy(&again);
	ok(qb_snapshots_create(&again, folder, &eb), &eb);
	ok(qb_snapshots_begin(again, 30, &eb), &eb);
	free(other);
	other = snapshots_text(again);
	assert_string_equal(other, whole);
	qb_snapshots_destroy(&again);
	qb_snapshots_destroy(&s);
	free(other);
	free(whole);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/steps", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/snapshots", folder);
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points__of_any_number_of_steps__are_means_and_some_hundreds),
		cmocka_unit_test(series__interrupted_anywhere__is_that_of_one_that_was_not),
		cmocka_unit_test(series__of_a_training_that_is_over__takes_names_from_the_journal),
		cmocka_unit_test(snapshots__read_again__are_those_up_to_the_checkpoint),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
