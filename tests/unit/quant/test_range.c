/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/quant/quantizer.h"
#include "core/quant/range.h"

enum { SEED = 7 };

static float *normals(size_t n, double scale, double shift)
{
	float *x = malloc(n * sizeof(*x));

	assert_non_null(x);
	for (size_t i = 0; i < n; i++) {
		x[i] = (float)(scale * qb_random_normal(SEED, 1, i) + shift);
	}
	return x;
}

static struct qb_format format(const char *name)
{
	struct qb_format f;

	assert_int_equal(qb_format_parse(&f, name, NULL), QB_OK);
	return f;
}

static void assert_same(const struct qb_observer *a, const struct qb_observer *b)
{
	static uint64_t ca[8192], cb[8192];
	int fa, fb, na, nb;
	double wa, wb;
	float la, ha, lb, hb;

	na = qb_observer_histogram(a, &fa, &wa, ca, 8192);
	nb = qb_observer_histogram(b, &fb, &wb, cb, 8192);
	assert_int_equal(na, nb);
	assert_int_equal(fa, fb);
	assert_true(wa == wb);
	assert_memory_equal(ca, cb, (size_t)na * sizeof(*ca));
	qb_observer_minmax(a, &la, &ha);
	qb_observer_minmax(b, &lb, &hb);
	assert_true(la == lb && ha == hb);
	assert_int_equal(qb_observer_count(a), qb_observer_count(b));
}

static void observer__order_and_split__same_histogram(void **state)
{
	size_t n = 50000;
	float *x = normals(n, 1, 0.3);
	struct qb_observer *whole = qb_observer_create(), *back = qb_observer_create();
	struct qb_observer *part[3] = {qb_observer_create(), qb_observer_create(),
		qb_observer_create()};

	(void)state;
	for (size_t i = 0; i < n; i++) {
		/* magnitudes grow as the data goes on, zeros and exact powers of two among them */
		x[i] *= ldexpf(1, (int)(i / 5000) * 3 - 15);
		x[i] = i % 7 == 0 ? 0 : i % 101 == 0 ? -ldexpf(1, (int)(i % 20) - 10) : x[i];
	}
	qb_observer_update(whole, x, n);
	for (size_t i = n; i > 0;) {
		size_t k = i % 1234 ? i % 1234 : 1234;

		i -= k;
		qb_observer_update(back, x + i, k);
	}
	assert_same(whole, back);
	for (size_t i = 0; i < n; i++) {
		qb_observer_update(part[i % 3], x + i, 1);
	}
	qb_observer_merge(part[2], part[0]);
	qb_observer_merge(part[2], part[1]);
	assert_same(whole, part[2]);
	for (int i = 0; i < 3; i++) {
		qb_observer_destroy(&part[i]);
	}
	qb_observer_destroy(&whole);
	qb_observer_destroy(&back);
	free(x);
}

static void observer__histogram__matches_plain_loop(void **state)
{
	size_t n = 30000;
	float *x = normals(n, 3, -1);
	struct qb_observer *o = qb_observer_create();
	static uint64_t count[8192], want[8192];
	int first, bins;
	double width;

	(void)state;
	qb_observer_update(o, x, n);
	bins = qb_observer_histogram(o, &first, &width, count, 8192);
	assert_in_range(bins, 2048, 8192);
	for (size_t i = 0; i < n; i++) {
		want[(int)floor(x[i] / width) - first]++;
	}
	assert_memory_equal(count, want, (size_t)bins * sizeof(*want));
	qb_observer_destroy(&o);
	free(x);
}

static void observer__nan_and_infinity__left_out_and_counted(void **state)
{
	float x[100] = {0};
	struct qb_observer *o = qb_observer_create();
	float lo, hi;

	(void)state;
	x[3] = NAN;
	x[50] = INFINITY;
	x[99] = -INFINITY;
	x[7] = -2;
	x[8] = 5;
	qb_observer_update(o, x, 100);
	qb_observer_minmax(o, &lo, &hi);
	assert_true(lo == -2 && hi == 5);
	assert_int_equal(qb_observer_count(o), 97);
	assert_int_equal(qb_observer_nonfinite(o), 3);
	qb_observer_destroy(&o);
}

static void observer__extreme_magnitudes__no_fault(void **state)
{
	const float x[] = {1e-45f, -1e-40f, 3.4e38f, -3.4e38f, 0, -0.0f, 1};
	struct qb_observer *o = qb_observer_create();
	struct qb_format f = format("int8");
	struct qb_range_options opt = {QB_RANGE_MSE, 99.99};
	float lo, hi;

	(void)state;
	for (size_t i = 0; i < QB_COUNT(x); i++) {
		qb_observer_update(o, &x[i], 1);
	}
	assert_int_equal(qb_observer_count(o), QB_COUNT(x));
	qb_range_from_observer(o, &f, &opt, &lo, &hi);
	assert_true(isfinite(lo) && isfinite(hi) && lo < hi);
	qb_observer_destroy(&o);
}

static double error_of(const struct qb_format *f, const float *x, size_t n, float lo, float hi)
{
	struct qb_quantizer q;
	struct qb_qdq_sums s = {0};
	float *y = malloc(n * sizeof(*y));

	assert_int_equal(qb_quantizer_init(&q, f, -1, 1, &lo, &hi, NULL), QB_OK);
	qb_qdq_measure(&q, x, NULL, y, 1, 1, (int64_t)n, &s);
	qb_quantizer_fini(&q);
	free(y);
	return s.noise;
}

static const char *const formats[] = {"int8", "int4", "uint8_asym", "uint4_asym", "int2", "E2", "E3",
	"E4", "E5", "e4m3fn", "e2m1", "nf4", "log4"};

/* The range that a fine scan over symmetric ranges finds. */
static double scanned_error(const struct qb_format *f, const float *x, size_t n, float c)
{
	double best = INFINITY;

	for (int i = 1; i <= 400; i++) {
		float t = c * (float)i / 200;

		best = fmin(best, error_of(f, x, n, -t, t));
	}
	return best;
}

static void range_mse__from_data__as_good_as_a_fine_scan(void **state)
{
	size_t n = 5000;
	float *x = normals(n, 0.1, 0), c = 0;
	struct qb_range_options opt = {QB_RANGE_MSE, 99.99};

	(void)state;
	for (size_t i = 0; i < n; i++) {
		c = fmaxf(c, fabsf(x[i]));
	}
	for (size_t k = 0; k < QB_COUNT(formats); k++) {
		struct qb_format f = format(formats[k]);
		double found, scanned = scanned_error(&f, x, n, c);
		float lo, hi;

		qb_range_from_data(x, n, &f, &opt, &lo, &hi);
		found = error_of(&f, x, n, lo, hi);
		if (found > scanned * 1.02) {
			fail_msg("%s: error %g in [%g, %g], a scan finds %g", formats[k], found, lo, hi,
				scanned);
		}
	}
	free(x);
}

static void range_mse__from_observer__close_to_from_data(void **state)
{
	size_t n = 60000;
	struct qb_range_options opt = {QB_RANGE_MSE, 99.99};

	(void)state;
	for (int relu = 0; relu < 2; relu++) {
		float *x = normals(n, 2, 0.5);
		struct qb_observer *o = qb_observer_create();

		for (size_t i = 0; relu && i < n; i++) {
			x[i] = fminf(fmaxf(x[i], 0), 6);
		}
		qb_observer_update(o, x, n);
		for (size_t k = 0; k < QB_COUNT(formats); k++) {
			struct qb_format f = format(formats[k]);
			float lo, hi, lo2, hi2;

			f = relu && !f.asymmetric ? qb_format_unsigned(&f) : f;
			qb_range_from_observer(o, &f, &opt, &lo, &hi);
			qb_range_from_data(x, n, &f, &opt, &lo2, &hi2);
			if (error_of(&f, x, n, lo, hi) > 1.03 * error_of(&f, x, n, lo2, hi2)) {
				fail_msg("%s relu %d: [%g, %g] %g against [%g, %g] %g", formats[k], relu, lo, hi,
					error_of(&f, x, n, lo, hi), lo2, hi2, error_of(&f, x, n, lo2, hi2));
			}
		}
		qb_observer_destroy(&o);
		free(x);
	}
}

static void range_percentile__both_sources__agree(void **state)
{
	size_t n = 40001;
	float *x = normals(n, 1, 0.2);
	struct qb_observer *o = qb_observer_create();
	struct qb_range_options opt = {QB_RANGE_PERCENTILE, 99};
	const char *const names[] = {"int8", "uint8_asym"};

	(void)state;
	qb_observer_update(o, x, n);
	for (size_t k = 0; k < 2; k++) {
		struct qb_format f = format(names[k]);
		float lo, hi, lo2, hi2;

		qb_range_from_observer(o, &f, &opt, &lo, &hi);
		qb_range_from_data(x, n, &f, &opt, &lo2, &hi2);
		assert_true(fabsf(lo - lo2) < 0.01f && fabsf(hi - hi2) < 0.01f);
		/* 0.5 % and 99.5 % of a normal distribution are 2.576 sigma away. */
		assert_true(fabsf(hi2 - (k ? 2.776f : 2.64f)) < 0.1f);
	}
	qb_observer_destroy(&o);
	free(x);
}

static void range_minmax__asymmetric__holds_zero(void **state)
{
	const float x[] = {3, 5, 4};
	struct qb_format f = format("uint8_asym"), g = format("int8");
	struct qb_range_options opt = {QB_RANGE_MINMAX, 0};
	float lo, hi;

	(void)state;
	qb_range_from_data(x, 3, &f, &opt, &lo, &hi);
	assert_true(lo == 0 && hi == 5);
	qb_range_from_data(x, 3, &g, &opt, &lo, &hi);
	assert_true(lo == -5 && hi == 5);
	qb_range_from_data(x, 0, &g, &opt, &lo, &hi);
	assert_true(lo == 0 && hi == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(observer__order_and_split__same_histogram),
		cmocka_unit_test(observer__histogram__matches_plain_loop),
		cmocka_unit_test(observer__nan_and_infinity__left_out_and_counted),
		cmocka_unit_test(observer__extreme_magnitudes__no_fault),
		cmocka_unit_test(range_mse__from_data__as_good_as_a_fine_scan),
		cmocka_unit_test(range_mse__from_observer__close_to_from_data),
		cmocka_unit_test(range_percentile__both_sources__agree),
		cmocka_unit_test(range_minmax__asymmetric__holds_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
