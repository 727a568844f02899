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

#include "core/ptq/stream.h"
#include "tests/unit/levels.h"

enum { MOST = 40 };

static void stream_sample__taken_and_rest__are_all_samples_once_in_order(void **state)
{
	(void)state;
	for (int64_t count = 1; count <= MOST; count++) {
		for (int64_t taken = 1; taken <= count; taken++) {
			for (int64_t of = taken; of <= count; of++) {
				const struct qb_stream_order order = {of, taken, false}, rest = {of, taken, true};
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

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_sample__taken_and_rest__are_all_samples_once_in_order),
		cmocka_unit_test(stream_sample__nothing_said__is_the_same_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
