/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/analysis/distribution.h"
#include "core/analysis/spread.h"
#include "core/base/random.h"
#include "core/base/cpu.h"
#include "core/base/size.h"
#include "tests/unit/levels.h"

enum { N = 20001, SEED = 11 };

static void fill(float *x, float mean)
{
	for (int i = 0; i < N; i++) {
		double z = qb_random_normal(SEED, 0, (uint64_t)i);

		x[i] = mean + (float)(z * z * z);
	}
}

/* Two passes in long double. */
static void plain(const float *x, int n, double *mean, double *std, double *kurtosis)
{
	long double m = 0, m2 = 0, m4 = 0;

	for (int i = 0; i < n; i++) {
		m += x[i];
	}
	m /= n;
	for (int i = 0; i < n; i++) {
		long double d = x[i] - m;

		m2 += d * d;
		m4 += d * d * d * d;
	}
	*mean = (double)m;
	*std = (double)sqrtl(m2 / n);
	*kurtosis = (double)(n * m4 / (m2 * m2));
}

static void spread__mean_far_from_0__equals_two_passes(void **state)
{
	static const float means[] = {0, -3, 1000};
	static float x[N];

	(void)state;
	for (size_t i = 0; i < QB_COUNT(means); i++) {
		struct qb_spread s = {0};
		double mean, std, kurtosis;

		fill(x, means[i]);
		qb_spread_add(&s, x, N);
		plain(x, N, &mean, &std, &kurtosis);
		assert_true(fabs(s.mean - mean) < 1e-12 * fmax(1, fabs(mean)));
		assert_true(fabs(qb_spread_std(&s) / std - 1) < 1e-12);
		assert_true(fabs(qb_spread_kurtosis(&s) / kurtosis - 1) < 1e-10);
	}
}

static void spread__merged_parts__equal_the_whole(void **state)
{
	static float x[N];
	struct qb_spread whole = {0}, parts = {0};
	int at = 0;

	(void)state;
	fill(x, 2);
	qb_spread_add(&whole, x, N);
	for (int n = 1; at < N; n = n * 3 + 1) {
		struct qb_spread part = {0};
		int count = QB_MIN(n, N - at);

		qb_spread_add(&part, x + at, (size_t)count);
		qb_spread_merge(&parts, &part);
		at += count;
	}
	assert_true(parts.n == whole.n);
	assert_true(fabs(parts.mean - whole.mean) < 1e-12);
	assert_true(fabs(qb_spread_std(&parts) / qb_spread_std(&whole) - 1) < 1e-12);
	assert_true(fabs(qb_spread_kurtosis(&parts) / qb_spread_kurtosis(&whole) - 1) < 1e-10);
}

static void spread__every_level__equals_plain_c(void **state)
{
	const enum qb_cpu_level level = qb_cpu_level();
	static float x[N];

	(void)state;
	fill(x, 2);
	for (size_t n = 1; n <= N; n = n * 2 + 1) {
		struct qb_spread s = {0}, plain = {0};

		qb_spread_add(&s, x, n);
		qb_cpu_mask(QB_CPU_PLAIN);
		qb_spread_add(&plain, x, n);
		qb_cpu_mask(level);
		assert_memory_equal(&s, &plain, sizeof(s));
	}
}

static void spread__nothing_or_one_value__is_undefined_or_0(void **state)
{
	const float x[3] = {5, 5, 5};
	struct qb_spread s = {0};

	(void)state;
	assert_true(isnan(qb_spread_std(&s)) && isnan(qb_spread_kurtosis(&s)));
	qb_spread_add(&s, x, 3);
	assert_true(qb_spread_std(&s) == 0 && isnan(qb_spread_kurtosis(&s)) && s.mean == 5);
}

/* The largest distance between the draws' distribution and the one that they are drawn from, over 100 cells: below the
 * 0.1 % quantile of Kolmogorov's distribution. */
static void draw__every_kind__passes_kolmogorovs_test(void **state)
{
	static const struct qb_distribution parts[] = {{.kind = QB_DIST_GAUSSIAN, .scale = 1},
		{.kind = QB_DIST_UNIFORM, .low = 2, .high = 3}};
	static const double weights[] = {3, 1};
	static const struct qb_distribution kinds[] = {
		{.kind = QB_DIST_UNIFORM, .low = -1, .high = 2},
		{.kind = QB_DIST_GAUSSIAN, .mean = 1, .scale = 2},
		{.kind = QB_DIST_LAPLACE, .scale = 0.5},
		{.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = 2.5},
		{.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = 30, .clip = 1.5},
		{.kind = QB_DIST_LOGISTIC, .mean = -1, .scale = 1},
		{.kind = QB_DIST_MIXTURE, .parts = 2, .part = parts, .weight = weights},
	};
	enum { DRAWS = 40000, CELLS = 100 };

	(void)state;
	for (size_t i = 0; i < QB_COUNT(kinds); i++) {
		double edge[CELLS], want = 0;
		struct qb_moments m[CELLS + 1];
		int below[CELLS] = {0};

		for (int c = 0; c < CELLS; c++) {
			edge[c] = -4.013 + 8.1 * c / CELLS;
		}
		for (int k = 0; k < DRAWS; k++) {
			double x = qb_distribution_draw(&kinds[i], SEED, (uint64_t)k);

			assert_true(isfinite(x));
			for (int c = 0; c < CELLS; c++) {
				below[c] += x <= edge[c];
			}
		}
		qb_distribution_cells(&kinds[i], edge, CELLS, m);
		for (int c = 0; c < CELLS; c++) {
			want += m[c].m0;
			if (fabs((double)below[c] / DRAWS - want) > 1.95 / sqrt(DRAWS)) {
				fail_msg("kind %zu, seed %d: %g of the draws are below %g, expected %g", i, SEED,
					(double)below[c] / DRAWS, edge[c], want);
			}
		}
	}
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spread__mean_far_from_0__equals_two_passes),
		cmocka_unit_test(spread__merged_parts__equal_the_whole),
		cmocka_unit_test(spread__every_level__equals_plain_c),
		cmocka_unit_test(spread__nothing_or_one_value__is_undefined_or_0),
		cmocka_unit_test(draw__every_kind__passes_kolmogorovs_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
