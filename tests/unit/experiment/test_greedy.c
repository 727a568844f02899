/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/mixed/greedy.h"

enum { LAYERS = 6, CHOICES = 3 };

/* The least noise of all 3^6 mixtures that cost at most budget. */
static double exhaustive(const double *noise, const double *cost, double budget)
{
	double best = INFINITY;

	for (int m = 0; m < 729; m++) {
		double n = 0, c = 0;

		for (int l = 0, k = m; l < LAYERS; l++, k /= CHOICES) {
			n += noise[l * CHOICES + k % CHOICES];
			c += cost[l * CHOICES + k % CHOICES];
		}
		best = c <= budget && n < best ? n : best;
	}
	return best;
}

/* Steps of equal cost and falling gain: greedy is optimal. */
static void greedy__equal_concave_steps__equals_exhaustive_search(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		double noise[LAYERS * CHOICES], cost[LAYERS * CHOICES];
		struct qb_greedy_problem p = {LAYERS, CHOICES, noise, cost};
		struct qb_greedy_step steps[LAYERS * CHOICES + 1];
		int choice[LAYERS], count;

		for (int l = 0; l < LAYERS; l++) {
			double a = 1 + qb_random_uniform(seed, 0, (uint64_t)l);

			for (int c = 0; c < CHOICES; c++) {
				noise[l * CHOICES + c] = a * pow(16, -c);
				cost[l * CHOICES + c] = 10 * (c + 1);
			}
		}
		for (double budget = 60; budget <= 190; budget += 5) {
			double n = 0;

			assert_int_equal(qb_greedy_run(&p, budget, choice, steps, &count, NULL), QB_OK);
			for (int l = 0; l < LAYERS; l++) {
				n += noise[l * CHOICES + choice[l]];
			}
			assert_true(fabs(n - exhaustive(noise, cost, budget)) < 1e-12);
			assert_true(fabs(n - steps[count - 1].noise) < 1e-12);
		}
	}
}

static void greedy__random_problems__path_falls_within_budget(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		double noise[LAYERS * CHOICES], cost[LAYERS * CHOICES], most = 0;
		struct qb_greedy_problem p = {LAYERS, CHOICES, noise, cost};
		struct qb_greedy_step steps[LAYERS * CHOICES + 1];
		int choice[LAYERS], count;

		for (int i = 0; i < LAYERS * CHOICES; i++) {
			noise[i] = qb_random_uniform(seed, 1, (uint64_t)i);
			cost[i] = floor(10 * qb_random_uniform(seed, 2, (uint64_t)i));
			most += cost[i];
		}
		assert_int_equal(qb_greedy_run(&p, most, choice, steps, &count, NULL), QB_OK);
		/* With room for all, every layer has its least noise. */
		assert_true(fabs(steps[count - 1].noise - exhaustive(noise, cost, INFINITY)) < 1e-12);
		for (int k = 1; k < count; k++) {
			assert_true(steps[k].noise < steps[k - 1].noise);
		}
		assert_int_equal(qb_greedy_run(&p, steps[0].cost + 5, choice, steps, &count, NULL), QB_OK);
		assert_true(steps[count - 1].cost <= steps[0].cost + 5);
		assert_true(steps[count - 1].noise >= exhaustive(noise, cost, steps[0].cost + 5) - 1e-12);
	}
}

static void greedy__budget_below_the_cheapest__is_an_error(void **state)
{
	const double noise[] = {1, 2}, cost[] = {10, 5};
	const struct qb_greedy_problem p = {1, 2, noise, cost};
	struct qb_greedy_step steps[3];
	struct qb_errbuf eb;
	int choice[1], count;

	(void)state;
	assert_int_equal(qb_greedy_run(&p, 4, choice, steps, &count, &eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "costs 5"));
	assert_int_equal(qb_greedy_run(&p, 5, choice, steps, &count, NULL), QB_OK);
	assert_int_equal(choice[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greedy__equal_concave_steps__equals_exhaustive_search),
		cmocka_unit_test(greedy__random_problems__path_falls_within_budget),
		cmocka_unit_test(greedy__budget_below_the_cheapest__is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
