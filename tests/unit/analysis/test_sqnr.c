/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/analysis/sqnr.h"
#include "core/base/random.h"
#include "core/base/size.h"
#include "core/quant/quantizer.h"
#include "tests/unit/levels.h"

static struct qb_format format(const char *name)
{
	struct qb_format f;

	assert_int_equal(qb_format_parse(&f, name, NULL), QB_OK);
	return f;
}

/* Densities written out once more, for a plain numerical integration. */
static double density(const struct qb_distribution *d, double x)
{
	double z = (x - d->mean) / (d->scale > 0 ? d->scale : 1);

	switch (d->kind) {
	case QB_DIST_UNIFORM:
		return x >= d->low && x <= d->high ? 1 / (d->high - d->low) : 0;
	case QB_DIST_GAUSSIAN:
		return exp(-z * z / 2) / sqrt(2 * M_PI) / d->scale;
	case QB_DIST_LAPLACE:
		return exp(-fabs(z)) / 2 / d->scale;
	case QB_DIST_LOGISTIC:
		return 1 / (4 * cosh(z / 2) * cosh(z / 2)) / d->scale;
	case QB_DIST_STUDENT_T:
		return tgamma((d->nu + 1) / 2) / tgamma(d->nu / 2) / sqrt(d->nu * M_PI) *
			pow(1 + z * z / d->nu, -(d->nu + 1) / 2) / d->scale;
	default:
		return d->weight[0] / (d->weight[0] + d->weight[1]) * density(&d->part[0], x) +
			d->weight[1] / (d->weight[0] + d->weight[1]) * density(&d->part[1], x);
	}
}

static double nearest(const double *g, int n, double x)
{
	int i = 0;

	while (i + 1 < n && fabs(g[i + 1] - x) <= fabs(g[i] - x)) {
		i++;
	}
	return g[i];
}

/* Simpson's rule between the breaks of (x - Q(x))^2 p(x), tails cut at +-reach. */
static double brute_mse(const struct qb_distribution *d, const double *g, int n, double reach)
{
	double sum = 0, breaks[1200];
	int count = 0;

	breaks[count++] = d->kind == QB_DIST_UNIFORM ? d->low : -reach;
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < 2; k++) {
			double b = k ? (i + 1 < n ? (g[i] + g[i + 1]) / 2 : reach) : g[i];

			if (b > breaks[count - 1] && b < reach) {
				breaks[count++] = b;
			}
		}
	}
	breaks[count++] = reach;
	for (int i = 0; i + 1 < count; i++) {
		int steps = breaks[i + 1] - breaks[i] > 1 ? 8000 : 400;
		double h = (breaks[i + 1] - breaks[i]) / steps;
		double q = nearest(g, n, (breaks[i] + breaks[i + 1]) / 2);

		for (int k = 0; k <= steps; k++) {
			double x = breaks[i] + k * h, w = k == 0 || k == steps ? 1 : k % 2 ? 4 : 2;

			sum += w * h / 3 * (x - q) * (x - q) * density(d, x);
		}
	}
	return sum;
}

static void sqnr_expected__every_kind__equals_numerical_integration(void **state)
{
	const struct qb_distribution two[] = {{.kind = QB_DIST_GAUSSIAN, .scale = 1},
		{.kind = QB_DIST_LAPLACE, .mean = 1, .scale = 3}};
	const double weight[] = {3, 1};
	const struct {
		struct qb_distribution d;
		double reach;
	} cases[] = {
		{{.kind = QB_DIST_UNIFORM, .low = -1, .high = 1}, 1},
		{{.kind = QB_DIST_UNIFORM, .low = -0.3, .high = 1.7}, 1.7},
		{{.kind = QB_DIST_GAUSSIAN, .scale = 1}, 12},
		{{.kind = QB_DIST_GAUSSIAN, .mean = 0.4, .scale = 0.7}, 12},
		{{.kind = QB_DIST_LAPLACE, .scale = 1}, 45},
		{{.kind = QB_DIST_LOGISTIC, .scale = 0.5, .mean = -0.2}, 25},
		{{.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = 20.5}, 60},
		{{.kind = QB_DIST_MIXTURE, .parts = 2, .part = two, .weight = weight}, 120},
	};
	const char *const formats[] = {"int4", "E2", "E4", "e2m1"};
	double g[512];

	(void)state;
	for (size_t i = 0; i < QB_COUNT(cases); i++) {
		for (size_t k = 0; k < QB_COUNT(formats); k++) {
			struct qb_format f = format(formats[k]);
			struct qb_sqnr r;
			double brute;
			int n;

			assert_int_equal(qb_sqnr_expected(&f, 2.3, &cases[i].d, &r, NULL), QB_OK);
			n = qb_format_values(&f, g, 512);
			for (int v = 0; v < n; v++) {
				g[v] *= r.scale;
			}
			brute = brute_mse(&cases[i].d, g, n, cases[i].reach);
			if (fabs(r.mse - brute) > 1e-6 * brute) {
				fail_msg("case %zu %s: %.12g, integrated %.12g", i, formats[k], r.mse, brute);
			}
		}
	}
}

static void sqnr_expected__heavy_tails__clip_is_a_point_mass(void **state)
{
	const double nus[] = {0.5, 1, 1.7, 2, 2.5, 8};
	struct qb_format f = format("E3");
	double g[512];

	(void)state;
	for (size_t i = 0; i < QB_COUNT(nus); i++) {
		struct qb_distribution d = {.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = nus[i],
			.clip = 5};
		const double ends[] = {-5, 5};
		struct qb_distribution free_d = d;
		struct qb_moments m[3];
		struct qb_sqnr r;
		double brute, q;
		int n;

		free_d.clip = 0;
		qb_distribution_cells(&free_d, ends, 2, m);
		assert_int_equal(qb_sqnr_expected(&f, 4.2, &d, &r, NULL), QB_OK);
		n = qb_format_values(&f, g, 512);
		for (int v = 0; v < n; v++) {
			g[v] *= r.scale;
		}
		q = nearest(g, n, 5);
		brute = brute_mse(&d, g, n, 5) + 2 * m[2].m0 * (5 - q) * (5 - q);
		if (fabs(r.mse - brute) > 1e-7 * brute) {
			fail_msg("nu %g: %.12g, integrated %.12g", nus[i], r.mse, brute);
		}
	}
}

static const struct qb_distribution slide[] = {
	{.kind = QB_DIST_UNIFORM, .low = -1, .high = 1},
	{.kind = QB_DIST_GAUSSIAN, .scale = 1, .clip = 10},
	{.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = 8, .clip = 100},
};
static const char *const slide_formats[] = {"E5", "E4", "E3", "E2", "int8"};

/* What happens in a block whose numbers are all equal can be said by hand. */
static void sqnr_expected__blocks_of_equal_numbers__each_at_its_own_scale(void **state)
{
	const float x[] = {0.75f, 0.75f, 0.75f};
	struct qb_distribution d = {.kind = QB_DIST_EMPIRICAL};
	struct qb_empirical *e = NULL;
	struct qb_format f = format("mxfp4");
	struct qb_sqnr r;

	(void)state;
	assert_int_equal(qb_empirical_create(&e, x, 3, NULL), QB_OK);
	d.empirical = e;
	/* 0.75 lies in [2^-1, 1): the scale is 2^(-1 - 2), and 6 is on e2m1's grid. */
	assert_int_equal(qb_sqnr_expected(&f, 1, &d, &r, NULL), QB_OK);
	assert_true(r.mse < 1e-15);
	assert_true(fabs(r.power_q - 0.5625) < 1e-12 && fabs(r.mean_q - 0.75) < 1e-12);
	qb_empirical_destroy(&e);
}

/* -10 log10(MSE) as published with a sampled range search; the exact optimum is no worse. */
static void sqnr_optimal__published_table__at_least_as_good(void **state)
{
	static const double published[2][5] = {{31.685, 37.507, 43.425, 49.217, 52.839},
		{25.575, 31.555, 37.560, 42.599, 40.570}};

	(void)state;
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 5; k++) {
			struct qb_format f = format(slide_formats[k]);
			struct qb_sqnr r;

			assert_int_equal(qb_sqnr_optimal(&f, &slide[i], &r, NULL), QB_OK);
			print_message("%d %s: %.4f dB, published %.3f, range %.9g\n", i, slide_formats[k],
				r.mse_db, published[i][k], r.range);
			assert_true(r.mse_db > published[i][k] - 0.0006);
			assert_true(r.mse_db < published[i][k] + 0.1);
		}
	}
}

static void sqnr_optimal__fine_scan__finds_nothing_better(void **state)
{
	(void)state;
	for (size_t i = 0; i < QB_COUNT(slide); i++) {
		for (int k = 0; k < 5; k++) {
			struct qb_format f = format(slide_formats[k]);
			struct qb_sqnr best, r;

			assert_int_equal(qb_sqnr_optimal(&f, &slide[i], &best, NULL), QB_OK);
			assert_int_equal(qb_sqnr_expected(&f, best.range, &slide[i], &r, NULL), QB_OK);
			assert_true(r.mse == best.mse && r.range == best.range);
			for (int s = 0; s < 1500; s++) {
				double c = best.range * pow(2, (s - 750) / 250.0);

				assert_int_equal(qb_sqnr_expected(&f, c, &slide[i], &r, NULL), QB_OK);
				if (r.mse < best.mse * (1 - 2e-8)) {
					fail_msg("%zu %s: %.12g at %.9g, optimum %.12g at %.9g", i,
						slide_formats[k], r.mse, c, best.mse, best.range);
				}
			}
		}
	}
}

/* The error of a grid wherever it lies, from the cells' moments. */
static double error_of_grid(const struct qb_format *f, const struct qb_distribution *d, double scale, double zero)
{
	static double v[256], edge[256];
	static struct qb_moments m[256];
	int n = qb_format_values(f, v, 256);
	double e = 0;

	for (int i = 0; i < n; i++) {
		v[i] = scale * (v[i] - zero);
		edge[i] = i ? (v[i - 1] + v[i]) / 2 : 0;
	}
	qb_distribution_cells(d, edge + 1, n - 1, m);
	for (int i = 0; i < n; i++) {
		e += m[i].m2 - 2 * v[i] * m[i].m1 + v[i] * v[i] * m[i].m0;
	}
	return e;
}

/* The least error over ranges [lo, hi] with both ends free, of an integer with a zero point. */
static double scanned_both_ends(const struct qb_format *f, const struct qb_distribution *d, double from, double to,
	int points)
{
	double best = INFINITY, steps = qb_format_max(f) - qb_format_min(f), width = to - from;

	for (int i = 0; i <= points; i++) {
		for (int k = 0; k <= points; k++) {
			double lo = from + 0.7 * width * i / points - 0.2 * width, hi = to - 0.7 * width * k / points + 0.2 * width;
			double scale = (hi - lo) / steps;

			if (hi - lo > width / 8) {
				best = fmin(best, error_of_grid(f, d, scale, nearbyint(qb_format_min(f) - lo / scale)));
			}
		}
	}
	return best;
}

enum { DRAWS = 3000 };

/* |x| of a normal, exponential and shifted numbers, by their quantiles; sign -1 mirrors them. */
static struct qb_distribution one_sided(struct qb_empirical **e, int kind, float sign)
{
	static float x[DRAWS];
	struct qb_distribution d = {.kind = QB_DIST_EMPIRICAL};

	for (int i = 0; i < DRAWS; i++) {
		double u = (i + 0.5) / DRAWS, n = fabs(qb_random_normal(9, 1, (uint64_t)i));

		x[i] = sign * (float)(kind == 0 ? n : kind == 1 ? -log(u) : 100 + n);
	}
	assert_int_equal(qb_empirical_create(e, x, DRAWS, NULL), QB_OK);
	d.empirical = *e;
	return d;
}

static void assert_no_range_is_better(const struct qb_distribution *d, const char *name, double from, double to)
{
	struct qb_format f = format(name);
	double scanned;
	struct qb_sqnr r;

	assert_int_equal(qb_sqnr_optimal(&f, d, &r, NULL), QB_OK);
	assert_true(fabs(error_of_grid(&f, d, r.scale, r.zero) - r.mse) <= 1e-9 * r.power);
	assert_true(r.low == r.scale * (qb_format_min(&f) - r.zero) && r.high == r.scale * (qb_format_max(&f) - r.zero));
	scanned = scanned_both_ends(&f, d, from, to, f.bits == 8 ? 60 : 200);
	if (r.mse > scanned * (1 + 1e-4)) {
		fail_msg("%s: %.9g in [%g, %g], a scan finds %.9g", name, r.mse, r.low, r.high, scanned);
	}
}

static void sqnr_optimal__asymmetric__both_ends_of_least_error(void **state)
{
	static const char *const names[] = {"int8_asym", "uint8_asym", "int4_asym", "uint3_asym", "int2_asym"};
	const struct qb_distribution apart[] = {{.kind = QB_DIST_GAUSSIAN, .scale = 1},
		{.kind = QB_DIST_LAPLACE, .mean = 3, .scale = 1}};
	const double weight[] = {5, 1};
	const struct qb_distribution smooth[] = {
		{.kind = QB_DIST_UNIFORM, .low = 2, .high = 5},
		{.kind = QB_DIST_GAUSSIAN, .mean = -7, .scale = 0.5},
		{.kind = QB_DIST_LAPLACE, .mean = 1, .scale = 2, .clip = 4},
		{.kind = QB_DIST_MIXTURE, .parts = 2, .part = apart, .weight = weight},
	};
	const double ends[][2] = {{2, 5}, {-10, -4}, {-4, 4}, {-7, 14}};

	(void)state;
	for (size_t k = 0; k < QB_COUNT(names); k++) {
		for (size_t i = 0; i < QB_COUNT(smooth); i++) {
			assert_no_range_is_better(&smooth[i], names[k], ends[i][0], ends[i][1]);
		}
		for (int i = 0; i < 6; i++) {
			struct qb_empirical *e = NULL;
			struct qb_distribution d = one_sided(&e, i / 2, i % 2 ? -1 : 1);
			double from = i / 2 == 2 ? 100 : 0, to = i / 2 == 2 ? 104 : i / 2 == 1 ? 9 : 4;

			assert_no_range_is_better(&d, names[k], i % 2 ? -to : from, i % 2 ? -from : to);
			qb_empirical_destroy(&e);
		}
	}
}

static void sqnr_optimal__every_format_and_distribution__no_scanned_range_is_better(void **state)
{
	static const char *const names[] = {"int8", "int4", "int2", "uint8", "E2", "E3", "E4", "E5", "e4m3fn", "e5m2", "e4m3fnuz",
		"e2m1", "fp6_e3m2", "nf4", "log4", "values(-1,0,0.1,0.9,1)"};
	const struct qb_distribution two[] = {{.kind = QB_DIST_GAUSSIAN, .scale = 1},
		{.kind = QB_DIST_UNIFORM, .low = 2, .high = 30}};
	const double weight[] = {99, 1};
	const struct qb_distribution many[] = {
		{.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = 4, .clip = 20},
		{.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = 2.1},
		{.kind = QB_DIST_GAUSSIAN, .scale = 1, .clip = 1},
		{.kind = QB_DIST_GAUSSIAN, .scale = 3, .mean = 1},
		{.kind = QB_DIST_LAPLACE, .scale = 1, .clip = 6},
		{.kind = QB_DIST_UNIFORM, .low = -0.3, .high = 1.7},
		{.kind = QB_DIST_MIXTURE, .parts = 2, .part = two, .weight = weight},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(many); i++) {
		for (size_t k = 0; k < QB_COUNT(names); k++) {
			struct qb_format f = format(names[k]);
			double most, at = 0, least = INFINITY;
			struct qb_sqnr r;

			assert_int_equal(qb_sqnr_optimal(&f, &many[i], &r, NULL), QB_OK);
			most = fmax(fabs(r.low), fabs(r.high));
			for (int s = -1500; s < 1500; s++) {
				double scale = r.scale * exp2(s / 500.0), e = error_of_grid(&f, &many[i], scale, 0);

				at = e < least ? scale / r.scale : at;
				least = fmin(least, e);
			}
			if (r.mse > least * (1 + 1e-5)) {
				fail_msg("%zu %s: %.9g at %g, a scan finds %.9g at %g times that", i, names[k], r.mse, most, least, at);
			}
		}
	}
}

static void sqnr_optimal__fifteen_cells__in_time(void **state)
{
	struct timespec a, b;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (size_t i = 0; i < QB_COUNT(slide); i++) {
		for (int k = 0; k < 5; k++) {
			struct qb_format f = format(slide_formats[k]);
			struct qb_sqnr r;

			assert_int_equal(qb_sqnr_optimal(&f, &slide[i], &r, NULL), QB_OK);
		}
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	print_message("fifteen cells: %.1f ms\n",
		1e3 * (double)(b.tv_sec - a.tv_sec) + 1e-6 * (double)(b.tv_nsec - a.tv_nsec));
}

static void sqnr_expected__empirical__equals_the_quantizer(void **state)
{
	enum { N = 20000 };
	float *x = malloc(N * sizeof(*x)), *y = malloc(N * sizeof(*y)), lo = -2, hi = 2;
	struct qb_empirical *e;
	struct qb_distribution d = {.kind = QB_DIST_EMPIRICAL};
	struct qb_format f = format("E4");
	struct qb_quantizer q;
	struct qb_qdq_sums s = {0};
	struct qb_sqnr r;

	(void)state;
	for (int i = 0; i < N; i++) {
		x[i] = (float)qb_random_normal(3, 4, (uint64_t)i);
	}
	assert_int_equal(qb_empirical_create(&e, x, N, NULL), QB_OK);
	d.empirical = e;
	assert_int_equal(qb_sqnr_expected(&f, 2, &d, &r, NULL), QB_OK);
	assert_int_equal(qb_quantizer_init(&q, &f, -1, 1, &lo, &hi, NULL), QB_OK);
	qb_qdq_measure(&q, x, NULL, y, 1, 1, N, &s);
	assert_true(fabs(r.mse - s.noise / N) < 1e-5 * r.mse);
	assert_true(fabs(r.power - s.signal / N) < 1e-6);
	qb_quantizer_fini(&q);
	qb_empirical_destroy(&e);
	free(x);
	free(y);
}

static void sqnr_dot_mse__monte_carlo__agrees(void **state)
{
	enum { N = 400000 };
	struct qb_distribution d = {.kind = QB_DIST_GAUSSIAN, .scale = 1};
	struct qb_format f = format("int4");
	struct qb_quantizer q;
	struct qb_sqnr r;
	float lo, hi, *x = malloc(2 * N * sizeof(*x)), *y = malloc(2 * N * sizeof(*y));
	double sum = 0;

	(void)state;
	assert_int_equal(qb_sqnr_optimal(&f, &d, &r, NULL), QB_OK);
	hi = (float)(r.scale * 7);
	lo = -hi;
	assert_int_equal(qb_quantizer_init(&q, &f, -1, 1, &lo, &hi, NULL), QB_OK);
	for (int i = 0; i < 2 * N; i++) {
		x[i] = (float)qb_random_normal(5, 6, (uint64_t)i);
	}
	qb_qdq(&q, x, y, 1, 1, 2 * N);
	for (int i = 0; i < N; i++) {
		double e = (double)x[2 * i] * x[2 * i + 1] - (double)y[2 * i] * y[2 * i + 1];

		sum += e * e;
	}
	assert_true(fabs(sum / N - r.dot_mse) < 0.02 * r.dot_mse);
	qb_quantizer_fini(&q);
	free(x);
	free(y);
}

static void sqnr__bad_parameters__clear_errors(void **state)
{
	struct qb_format f = format("int8"), mx = format("nvfp4");
	struct qb_distribution d = {.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = 2};
	struct qb_errbuf eb;
	struct qb_sqnr r;

	(void)state;
	assert_int_equal(qb_sqnr_optimal(&f, &d, &r, &eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "clip"));
	d.clip = 10;
	assert_int_equal(qb_sqnr_optimal(&f, &d, &r, &eb), QB_OK);
	assert_int_equal(qb_sqnr_optimal(&mx, &d, &r, &eb), QB_EUNSUPPORTED);
	assert_int_equal(qb_sqnr_expected(&f, -1, &d, &r, &eb), QB_EINVAL);
	d.nu = NAN;
	assert_int_equal(qb_sqnr_optimal(&f, &d, &r, &eb), QB_EINVAL);
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sqnr_expected__every_kind__equals_numerical_integration),
		cmocka_unit_test(sqnr_expected__heavy_tails__clip_is_a_point_mass),
		cmocka_unit_test(sqnr_expected__blocks_of_equal_numbers__each_at_its_own_scale),
		cmocka_unit_test(sqnr_optimal__published_table__at_least_as_good),
		cmocka_unit_test(sqnr_optimal__fine_scan__finds_nothing_better),
		cmocka_unit_test(sqnr_optimal__asymmetric__both_ends_of_least_error),
		cmocka_unit_test(sqnr_optimal__every_format_and_distribution__no_scanned_range_is_better),
		cmocka_unit_test(sqnr_optimal__fifteen_cells__in_time),
		cmocka_unit_test(sqnr_expected__empirical__equals_the_quantizer),
		cmocka_unit_test(sqnr_dot_mse__monte_carlo__agrees),
		cmocka_unit_test(sqnr__bad_parameters__clear_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
