/* SPDX-License-Identifier: Apache-2.0
 *
 * Which samples of the data a stream has: for every small number of samples, those that calibrate and the rest.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/ptq/stream.h"
#include "tests/unit/levels.h"

enum { MOST = 40 };

static void stream_sample__taken_and_rest__are_all_samples_once_in_order(void **state)
{
	(void)state;
	for (int64_t count = 1; count <= MOST; count++) {
		for (int64_t taken = 1; taken <= count; taken++) {
			for (int64_t of = taken; of <= count; of++) {
				const struct qb_stream_order order = {.of = of, .taken = taken}, rest = {.of = of, .taken = taken, .rest = true};
				int seen[MOST] = {0};
				int64_t last = -1;

				for (int64_t i = 0; i < taken; i++) {
					int64_t at = qb_stream_sample(&order, i);

					assert_true(fabs((double)at - (double)(i * of) / (double)taken) < 1);
					seen[at]++;
				}
				for (int64_t i = 0; i < count - taken; i++) {
					int64_t at = qb_stream_sample(&rest, i);

					assert_true(at > last && at < count);
					seen[last = at]++;
				}
				for (int64_t i = 0; i < count; i++) {
					assert_int_equal(seen[i], 1);
				}
			}
		}
	}
}

static void stream_sample__nothing_said__is_the_same_sample(void **state)
{
	const struct qb_stream_order order = {0};

	(void)state;
	for (int64_t i = 0; i < MOST; i++) {
		assert_int_equal(qb_stream_sample(&order, i), i);
	}
}

static void stream_sample__drawn__lies_in_its_stretch_and_differs_by_seed(void **state)
{
	int differ = 0;

	(void)state;
	for (int64_t of = 1; of <= 300; of++) {
		for (int64_t taken = 1; taken <= QB_MIN(of, (int64_t)20); taken++) {
			const struct qb_stream_order one = {.of = of, .taken = taken, .draw = 1}, two = {.of = of, .taken = taken, .draw = 2};

			for (int64_t i = 0; i < taken; i++) {
				int64_t at = qb_stream_sample(&one, i);

				assert_in_range(at, i * of / taken, (i + 1) * of / taken - 1);
				differ += at != qb_stream_sample(&two, i);
			}
		}
	}
	assert_in_range(differ, 40000, 60000); /* of some 57,000, most in stretches of more than ten */
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_sample__taken_and_rest__are_all_samples_once_in_order),
		cmocka_unit_test(stream_sample__nothing_said__is_the_same_sample),
		cmocka_unit_test(stream_sample__drawn__lies_in_its_stretch_and_differs_by_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
