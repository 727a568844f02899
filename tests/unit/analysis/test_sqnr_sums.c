/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/analysis/sqnr_sums.h"
#include "core/analysis/student.h"
#include "core/base/random.h"

enum { PARTS = 64 };
static const double SIGNAL = 5, SPREAD = 0.8, TIED = 0.5;

/* Parts whose signal and noise are lognormal and go together: of mean exp(m + SPREAD^2 / 2). */
static struct qb_sqnr_part drawn(uint64_t seed, uint64_t i)
{
	double a = qb_random_normal(seed, 0, i), b = qb_random_normal(seed, 1, i);

	return (struct qb_sqnr_part){exp(SIGNAL + SPREAD * a), exp(SPREAD * (TIED * a + sqrt(1 - TIED * TIED) * b))};
}

static struct qb_sqnr_sums of(const struct qb_sqnr_part *part, int count)
{
	struct qb_sqnr_sums s = {0};

	for (int i = 0; i < count; i++) {
		qb_sqnr_sums_add(&s, &part[i]);
	}
	return s;
}

static void part_of__two_rows__sums_of_squares(void **state)
{
	const float ref[] = {3, -4, 0}, x[] = {3.5F, -4, 2};
	struct qb_sqnr_part part = qb_sqnr_part_of(ref, x, 3);

	(void)state;
	assert_true(part.signal == 25 && part.noise == 4.25);
	assert_true(qb_sqnr_part_of(ref, x, 0).noise == 0);
}

static void half__hundreds_of_experiments__holds_the_truth_in_95_of_100(void **state)
{
	enum { EXPERIMENTS = 2000 };
	double truth = 10 * log10(exp(SIGNAL));
	int held = 0;

	(void)state;
	for (uint64_t e = 0; e < EXPERIMENTS; e++) {
		struct qb_sqnr_part part[PARTS];
		struct qb_sqnr_sums s;

		for (int i = 0; i < PARTS; i++) {
			part[i] = drawn(100 + e, (uint64_t)i);
		}
		s = of(part, PARTS);
		held += fabs(qb_sqnr_sums_db(&s) - truth) <= qb_sqnr_sums_half_db(&s);
	}
	assert_true(held > 0.925 * EXPERIMENTS && held < 0.965 * EXPERIMENTS);
}

/* Batches of 16 samples, as a sweep has them of few samples. */
static void half__few_batches__holds_the_truth_in_95_of_100(void **state)
{
	enum { EXPERIMENTS = 2000, BATCH = 16 };
	static const int batches[] = {2, 3, 6};
	double truth = 10 * log10(exp(SIGNAL));

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		int held = 0;

		for (uint64_t e = 0; e < EXPERIMENTS; e++) {
			struct qb_sqnr_sums s = {0};

			for (int i = 0; i < batches[k]; i++) {
				struct qb_sqnr_part sum = {0};

				for (int j = 0; j < BATCH; j++) {
					struct qb_sqnr_part one = drawn(9000 + e, (uint64_t)(i * BATCH + j));

					sum.signal += one.signal;
					sum.noise += one.noise;
				}
				qb_sqnr_sums_add(&s, &sum);
			}
			held += fabs(qb_sqnr_sums_db(&s) - truth) <= qb_sqnr_sums_half_db(&s);
		}
		assert_true(held > 0.93 * EXPERIMENTS && held < 0.97 * EXPERIMENTS);
	}
}

/* The density's integral over [0, t], by Simpson's rule. */
static double student_half(double freedom, double t)
{
	enum { STEPS = 20000 };
	double scale = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(freedom * acos(-1)), sum = 0;

	for (int i = 0; i <= STEPS; i++) {
		double x = t * i / STEPS, density = scale * pow(1 + x * x / freedom, -(freedom + 1) / 2);

		sum += density * (i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2);
	}
	return sum * t / STEPS / 3;
}

static void student__each_freedom__leaves_a_fortieth_above(void **state)
{
	(void)state;
	for (int64_t v = 1; v < 400; v = v < 40 ? v + 1 : 2 * v) {
		assert_true(fabs(student_half((double)v, qb_student_quantile_975(v)) - 0.475) < 3e-8);
	}
	assert_true(fabs(qb_student_quantile_975(1000000000) - 1.959963984540054) < 1e-8);
}

static void half__against_a_bootstrap_over_parts__as_wide(void **state)
{
	enum { REPLICATES = 4000 };
	struct qb_sqnr_part part[PARTS];
	struct qb_sqnr_sums s;
	double sum = 0, squares = 0, deviation;

	(void)state;
	for (int i = 0; i < PARTS; i++) {
		part[i] = drawn(7, (uint64_t)i);
	}
	s = of(part, PARTS);
	for (uint64_t r = 0; r < REPLICATES; r++) {
		struct qb_sqnr_part again[PARTS];
		struct qb_sqnr_sums t;

		for (uint64_t i = 0; i < PARTS; i++) {
			again[i] = part[qb_random_u32(8, 0, r * PARTS + i) % PARTS];
		}
		t = of(again, PARTS);
		sum += qb_sqnr_sums_db(&t);
		squares += qb_sqnr_sums_db(&t) * qb_sqnr_sums_db(&t);
	}
	deviation = sqrt(squares / REPLICATES - sum / REPLICATES * sum / REPLICATES);
	assert_true(fabs(qb_sqnr_sums_half_db(&s) / (qb_student_quantile_975(PARTS - 1) * deviation) - 1) < 0.08);
}

static void half__noise_in_proportion__is_nothing(void **state)
{
	struct qb_sqnr_part part[PARTS];
	struct qb_sqnr_sums s;

	(void)state;
	for (int i = 0; i < PARTS; i++) {
		part[i] = (struct qb_sqnr_part){1 + i, (1 + i) * 1e-3};
	}
	s = of(part, PARTS);
	assert_true(fabs(qb_sqnr_sums_db(&s) - 30) < 1e-9);
	assert_true(qb_sqnr_sums_half_db(&s) >= 0 && qb_sqnr_sums_half_db(&s) < 1e-6);
}

static void half__one_part_or_no_error__is_unknown(void **state)
{
	const struct qb_sqnr_part exact[] = {{1, 0}, {2, 0}}, one[] = {{1, 1}};
	struct qb_sqnr_sums s = of(exact, 2);

	(void)state;
	assert_true(isnan(qb_sqnr_sums_half_db(&s)));
	s = of(one, 1);
	assert_true(isnan(qb_sqnr_sums_half_db(&s)));
	s = of(one, 0);
	assert_true(isnan(qb_sqnr_sums_half_db(&s)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(part_of__two_rows__sums_of_squares),
		cmocka_unit_test(half__hundreds_of_experiments__holds_the_truth_in_95_of_100),
		cmocka_unit_test(half__few_batches__holds_the_truth_in_95_of_100),
		cmocka_unit_test(student__each_freedom__leaves_a_fortieth_above),
		cmocka_unit_test(half__against_a_bootstrap_over_parts__as_wide),
		cmocka_unit_test(half__noise_in_proportion__is_nothing),
		cmocka_unit_test(half__one_part_or_no_error__is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
