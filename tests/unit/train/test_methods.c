/* SPDX-License-Identifier: Apache-2.0
 *
 * Methods of quantization-aware training: quantizers of weights and penalties against finite differences, oscillations and
 * freezing against a trace by hand, schedules against their formula, lists against what a job may say.
 */
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
#include "core/train/bin_penalty.h"
#include "core/train/methods/method.h"
#include "core/train/oscillation.h"
#include "core/train/weight_quantizer.h"

static void near(double got, double want, double tolerance, const char *what, size_t i)
{
	if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want)))) {
		fail_msg("%s %zu is %.9g, not %.9g", what, i, got, want);
	}
}

static struct qb_format format_of(const char *name)
{
	struct qb_format f;

	assert_int_equal(qb_format_parse(&f, name, NULL), QB_OK);
	return f;
}

static void normals(float *x, size_t n, uint64_t stream, double deviation)
{
	for (size_t i = 0; i < n; i++) {
		x[i] = (float)(deviation * qb_random_normal(21, stream, i));
	}
}

/* ---- quantizers of weights ---- */

enum { OUTER = 1, WIDTH = 6, INNER = 18, SIZE = OUTER * WIDTH * INNER };

static struct qb_weight_quantizer weight_quantizer(const char *format, enum qb_estimator e, bool dorefa, bool per_channel)
{
	struct qb_format f = format_of(format);
	struct qb_weight_quantizer q;

	assert_int_equal(qb_weight_quantizer_init(&q, &f, e, dorefa, per_channel, OUTER, WIDTH, INNER, NULL), QB_OK);
	return q;
}

static void begin__lsq_range__is_twice_the_mean_over_the_root(void **state)
{
	struct qb_weight_quantizer q = weight_quantizer("int4", QB_ESTIMATOR_LSQ, false, true);
	float w[SIZE], scale[WIDTH];

	(void)state;
	normals(w, SIZE, 1, 0.3);
	assert_int_equal(qb_weight_quantizer_begin(&q, QB_WEIGHT_RANGE_LSQ, w, NULL, scale, NULL), QB_OK);
	for (size_t c = 0; c < WIDTH; c++) {
		double mean = 0;

		for (size_t i = 0; i < INNER; i++) {
			mean += fabs((double)w[c * INNER + i]) / INNER;
		}
		near((double)scale[c], 2 * mean / sqrt(7), 1e-6, "scale", c);
	}
	qb_weight_quantizer_fini(&q);
}

static void begin__lsq_plus_range__is_three_deviations(void **state)
{
	struct qb_weight_quantizer q = weight_quantizer("int4", QB_ESTIMATOR_LSQ, false, false);
	double mean = 0, squares = 0;
	float w[SIZE], scale;

	(void)state;
	normals(w, SIZE, 2, 0.3);
	for (size_t i = 0; i < SIZE; i++) {
		w[i] += 0.1f;
		mean += (double)w[i] / SIZE;
	}
	for (size_t i = 0; i < SIZE; i++) {
		squares += ((double)w[i] - mean) * ((double)w[i] - mean) / SIZE;
	}
	assert_int_equal(qb_weight_quantizer_begin(&q, QB_WEIGHT_RANGE_LSQ_PLUS, w, NULL, &scale, NULL), QB_OK);
	near((double)scale, fmax(fabs(mean - 3 * sqrt(squares)), fabs(mean + 3 * sqrt(squares))) / 8, 1e-6, "scale", 0);
	qb_weight_quantizer_fini(&q);
}

static double error_at(const struct qb_format *f, const float *w, double scale)
{
	double sum = 0;

	for (size_t i = 0; i < SIZE; i++) {
		double v = fmin(fmax(nearbyint((double)w[i] / scale), qb_format_min(f)), qb_format_max(f)) * scale - (double)w[i];

		sum += v * v;
	}
	return sum;
}

static void begin__mse_range__is_the_best_of_the_candidates(void **state)
{
	struct qb_weight_quantizer q = weight_quantizer("int3", QB_ESTIMATOR_LSQ, false, false);
	float w[SIZE], scale, most = 0;

	(void)state;
	normals(w, SIZE, 3, 0.3);
	for (size_t i = 0; i < SIZE; i++) {
		most = fmaxf(most, fabsf(w[i]));
	}
	assert_int_equal(qb_weight_quantizer_begin(&q, QB_WEIGHT_RANGE_MSE, w, NULL, &scale, NULL), QB_OK);
	for (int k = 1; k <= 100; k++) {
		assert_true(error_at(&q.format, w, (double)scale) <= error_at(&q.format, w, (double)most / 3 * k / 100) * (1 + 1e-6));
	}
	assert_true(scale < most / 3); /* something is worth clipping */
	qb_weight_quantizer_fini(&q);
}

static void begin__scheme__takes_scales_and_zero_points(void **state)
{
	struct qb_weight_quantizer q = weight_quantizer("int4_asym", QB_ESTIMATOR_LSQ, false, true);
	float lo[WIDTH], hi[WIDTH], w[SIZE], y[SIZE], want[SIZE], scale[WIDTH];
	struct qb_quantizer start = {0};

	(void)state;
	normals(w, SIZE, 4, 0.3);
	for (int c = 0; c < WIDTH; c++) {
		lo[c] = -0.1f * (float)(c + 1);
		hi[c] = 0.5f;
	}
	assert_int_equal(qb_quantizer_init(&start, &q.format, 0, WIDTH, lo, hi, NULL), QB_OK);
	assert_int_equal(qb_weight_quantizer_begin(&q, QB_WEIGHT_RANGE_MSE, w, &start, scale, NULL), QB_OK);
	qb_weight_quantize(&q, scale, w, y);
	qb_qdq(&start, w, want, OUTER, WIDTH, INNER);
	assert_memory_equal(y, want, sizeof(y));
	assert_int_equal(qb_weight_quantizer_begin(&q, QB_WEIGHT_RANGE_SCHEME, w, NULL, scale, NULL), QB_EINVAL);
	qb_quantizer_fini(&start);
	qb_weight_quantizer_fini(&q);
}

static void codes__any_integer__give_the_weight_back(void **state)
{
	const char *const names[] = {"int2", "int4", "int8"};

	(void)state;
	for (size_t k = 0; k < QB_COUNT(names); k++) {
		struct qb_weight_quantizer q = weight_quantizer(names[k], QB_ESTIMATOR_LSQ, false, true);
		float w[SIZE], y[SIZE], scale[WIDTH];
		int16_t code[SIZE];

		normals(w, SIZE, 5, 0.3);
		assert_int_equal(qb_weight_quantizer_begin(&q, QB_WEIGHT_RANGE_MSE, w, NULL, scale, NULL), QB_OK);
		qb_weight_quantize(&q, scale, w, y);
		qb_weight_codes(&q, scale, y, code);
		for (size_t i = 0; i < SIZE; i++) {
			assert_true((float)code[i] * scale[i / INNER] == y[i]);
			assert_true(code[i] >= qb_format_min(&q.format) && code[i] <= qb_format_max(&q.format));
		}
		qb_weight_quantizer_fini(&q);
	}
}

/* DoReFa with the remainder of round() held: q = R t, t = tanh(w) / max|tanh(w)|, R the range. */
static double dorefa_loss(const double *w, const float *g, double range)
{
	double most = 0, sum = 0;

	for (size_t i = 0; i < SIZE; i++) {
		most = fmax(most, fabs(tanh(w[i])));
	}
	for (size_t i = 0; i < SIZE; i++) {
		sum += (double)g[i] * range * tanh(w[i]) / most;
	}
	return sum;
}

static void dorefa__weights__gradient_is_that_through_tanh_and_the_maximum(void **state)
{
	struct qb_weight_quantizer q = weight_quantizer("int4", QB_ESTIMATOR_LSQ, true, false);
	float w[SIZE], g[SIZE], dw[SIZE], y[SIZE], scale, dscale;
	double at[SIZE], most = 0;

	(void)state;
	normals(w, SIZE, 6, 0.8);
	normals(g, SIZE, 7, 1);
	memcpy(dw, g, sizeof(g));
	assert_int_equal(qb_weight_quantizer_begin(&q, QB_WEIGHT_RANGE_MSE, w, NULL, &scale, NULL), QB_OK);
	qb_weight_quantize(&q, &scale, w, y);
	for (size_t i = 0; i < SIZE; i++) {
		at[i] = (double)w[i];
		most = fmax(most, fabs(tanh(at[i])));
	}
	for (size_t i = 0; i < SIZE; i++) {
		near((double)y[i] / (double)scale, nearbyint(tanh(at[i]) / most * 7), 1e-5, "code", i);
	}
	near((double)scale * 7, most, 1e-6, "range", 0);
	qb_weight_quantizer_backward(&q, &scale, 0, w, dw, &dscale, NULL);
	for (size_t i = 0; i < SIZE; i++) {
		const double h = 1e-5, v = at[i];
		double up, down;

		at[i] = v + h;
		up = dorefa_loss(at, g, (double)scale * 7);
		at[i] = v - h;
		down = dorefa_loss(at, g, (double)scale * 7);
		at[i] = v;
		near((double)dw[i], (up - down) / (2 * h), 2e-5, "gradient", i);
	}
	assert_true(dscale == 0);
	qb_weight_quantizer_fini(&q);
}

static void backward__per_channel__equals_the_kernel(void **state)
{
	struct qb_weight_quantizer q = weight_quantizer("int4", QB_ESTIMATOR_DSQ, false, true);
	struct qb_fake_quantizer f = {.format = q.format, .estimator = QB_ESTIMATOR_DSQ, .factor = 0.3f, .channels = WIDTH};
	float w[SIZE], g[SIZE], dw[SIZE], want[SIZE], scale[WIDTH], dscale[WIDTH], dalpha;
	double ds[WIDTH];
	struct qb_fake_quantizer_gradient sums = {ds, NULL, 0};

	(void)state;
	normals(w, SIZE, 8, 0.3);
	normals(g, SIZE, 9, 1);
	memcpy(dw, g, sizeof(g));
	assert_int_equal(qb_weight_quantizer_begin(&q, QB_WEIGHT_RANGE_LSQ, w, NULL, scale, NULL), QB_OK);
	f.scale = scale;
	qb_fake_quantize_gradient(&f, w, g, want, OUTER, INNER, &sums);
	qb_weight_quantizer_backward(&q, scale, 0.3f, w, dw, dscale, &dalpha);
	assert_memory_equal(dw, want, sizeof(dw));
	for (int c = 0; c < WIDTH; c++) {
		assert_true(dscale[c] == (float)ds[c] && ds[c] != 0);
	}
	assert_true(dalpha == (float)sums.factor && dalpha != 0);
	qb_weight_quantizer_fini(&q);
}

static void gradient_scale__formula__is_one_over_the_root(void **state)
{
	struct qb_format f = format_of("int4"), e = format_of("E4");

	(void)state;
	near((double)qb_lsq_gradient_scale(&f, 432), 1 / sqrt(432 * 7), 1e-6, "scale", 0);
	near((double)qb_lsq_gradient_scale(&e, 100), 0.1, 1e-6, "scale", 0);
}

/* ---- penalties ---- */

/* sum over rows of mean (q - clip(w))^2, and sum over bins of (mean - s i)^2 + variance, as the papers write them. */
static double dampening(const double *w, const float *q, double lo, double hi)
{
	double sum = 0;

	for (size_t i = 0; i < SIZE; i++) {
		double d = (double)q[i] - fmin(fmax(w[i], lo), hi);

		sum += d * d / INNER;
	}
	return sum;
}

static double bins(const double *w, const int16_t *code, double scale)
{
	double sum = 0;

	for (int b = -8; b < 8; b++) {
		double mean = 0, variance = 0, n = 0;

		for (size_t i = 0; i < SIZE; i++) {
			mean += code[i] == b ? w[i] : 0;
			n += code[i] == b;
		}
		if (n == 0) {
			continue;
		}
		mean /= n;
		for (size_t i = 0; i < SIZE; i++) {
			variance += code[i] == b ? (w[i] - mean) * (w[i] - mean) / n : 0;
		}
		sum += (mean - scale * b) * (mean - scale * b) + variance;
	}
	return sum;
}

static void penalties__finite_differences__are_the_gradients(void **state)
{
	const double h = 1e-5, lambda = 0.7;
	struct qb_weight_quantizer q = weight_quantizer("int4", QB_ESTIMATOR_LSQ, false, false);
	float w[SIZE], y[SIZE], dampen[SIZE] = {0}, br[SIZE] = {0}, scale = 0.09f, lo = scale * -8, hi = scale * 7;
	double at[SIZE], share = 1.0 / INNER, shares[16], loss;
	int16_t code[SIZE];
	int outside = 0;

	(void)state;
	normals(w, SIZE, 11, 0.4);
	qb_weight_quantize(&q, &scale, w, y);
	qb_weight_codes(&q, &scale, y, code);
	for (size_t i = 0; i < SIZE; i++) {
		at[i] = (double)w[i];
		outside += w[i] > hi || w[i] < lo;
	}
	assert_true(outside > 3);
	loss = qb_bin_penalty(&(struct qb_bin_penalty){.w = w, .q = y, .lo = &lo, .hi = &hi, .outer = 1, .channels = 1, .inner = SIZE,
		.share = &share, .lambda = lambda, .gradient = dampen});
	near(loss, lambda * dampening(at, y, (double)lo, (double)hi), 1e-5, "dampening", 0);
	qb_bin_shares(code, SIZE, -8, 16, shares);
	loss = qb_bin_penalty(&(struct qb_bin_penalty){.w = w, .q = y, .outer = 1, .channels = 1, .inner = SIZE, .code = code,
		.first = -8, .share = shares, .lambda = lambda, .gradient = br});
	near(loss, lambda * bins(at, code, (double)scale), 1e-5, "bin regularization", 0);
	for (size_t i = 0; i < SIZE; i++) {
		double v = at[i], d[2], b[2];

		for (int k = 0; k < 2; k++) {
			at[i] = v + (k ? h : -h);
			d[k] = lambda * dampening(at, y, (double)lo, (double)hi);
			b[k] = lambda * bins(at, code, (double)scale);
		}
		at[i] = v;
		near((double)dampen[i], (d[1] - d[0]) / (2 * h), 1e-6, "dampening's gradient", i);
		near((double)br[i], (b[1] - b[0]) / (2 * h), 1e-6, "bin regularization's gradient", i);
	}
	qb_weight_quantizer_fini(&q);
}

/* A layer as the hooks make it. */
struct a_layer {
	struct qb_parameter weight;
	float w[SIZE], gradient[SIZE], fed[SIZE], scale;
	int16_t code[SIZE];
	struct qb_train_layer layer;
};

static void make_layer(struct a_layer *a)
{
	*a = (struct a_layer){.scale = 0.09f};
	normals(a->w, SIZE, 11, 0.4);
	a->weight = (struct qb_parameter){.name = "w", .size = SIZE, .value = a->w, .gradient = a->gradient};
	a->layer = (struct qb_train_layer){.weight = &a->weight, .scales = &a->scale, .fed = a->fed, .code = a->code, .first = -8,
		.codes = 16, .tracked = true, .q = weight_quantizer("int4", QB_ESTIMATOR_LSQ, false, false)};
	qb_weight_quantize(&a->layer.q, &a->scale, a->w, a->fed);
	qb_weight_codes(&a->layer.q, &a->scale, a->fed, a->code);
}

static void method__dampen_and_br__add_their_penalty_by_the_schedule(void **state)
{
	const char *const names[] = {"dampen", "br"};

	(void)state;
	for (int m = 0; m < 2; m++) {
		const struct qb_train_method *method = qb_train_method_find(names[m]);
		struct qb_train_position at = {.step = 10, .steps = 100};
		double at64[SIZE], penalty = 0, lambda;
		struct a_layer a;
		struct qb_train_layers l = {.at = &at, .count = 1, .layer = &a.layer};
		void *params = calloc(1, method->named.params_bytes);

		make_layer(&a);
		method->named.defaults(params);
		assert_int_equal(method->penalise(params, &l, &penalty, NULL), QB_OK);
		assert_true(penalty == 0 && a.gradient[0] == 0);
		at.step = 70;
		assert_int_equal(method->penalise(params, &l, &penalty, NULL), QB_OK);
		for (size_t i = 0; i < SIZE; i++) {
			at64[i] = (double)a.w[i];
		}
		lambda = m ? 1 : 0.1 - 0.1 * (1 + cos(acos(-1) * (70.0 - 25) / 75)) / 2;
		near(penalty, lambda * (m ? bins(at64, a.code, (double)a.scale) :
			dampening(at64, a.fed, (double)a.scale * -8, (double)a.scale * 7)), 1e-5, names[m], 0);
		assert_true(a.gradient[0] != 0);
		a.layer.tracked = false;
		penalty = 0;
		assert_int_equal(method->penalise(params, &l, &penalty, NULL), QB_OK);
		assert_true(penalty == 0);
		qb_weight_quantizer_fini(&a.layer.q);
		free(params);
	}
}

/* A loss of known curvature, a / 2 sum w^2 of what is fed: its Hessian's trace over N is a. */
static enum qb_err run_quadratic(void *arg, struct qb_errbuf *eb)
{
	struct a_layer *a = arg;

	(void)eb;
	for (size_t i = 0; i < SIZE; i++) {
		a->gradient[i] = 3 * a->fed[i];
	}
	return QB_OK;
}

static void method__ewgs_by_curvature__is_the_trace_over_three_deviations(void **state)
{
	const struct qb_train_method *method = qb_train_method_find("ewgs");
	struct qb_train_position at = {.step = 0, .steps = 1000, .epoch = 0, .epochs = 100};
	json_t *list = json_pack("[{s:s, s:b}]", "name", "ewgs", "curvature", 1);
	struct qb_train_method_list use;
	float fed[SIZE], gradient[SIZE];
	double mean = 0, squares = 0;
	struct a_layer a;
	struct qb_parameter *all[] = {&a.weight};
	struct qb_train_layers l = {.at = &at, .count = 1, .layer = &a.layer, .run = run_quadratic, .arg = &a, .parameters = 1,
		.parameter = all, .seed = 3};

	(void)state;
	assert_non_null(method);
	assert_int_equal(qb_train_method_list_parse(&use, list, "methods", NULL), QB_OK);
	make_layer(&a);
	a.layer.factor = 0.2f;
	assert_int_equal(qb_train_methods_observe(&use, &l, NULL), QB_OK);
	assert_true(a.layer.factor == 0); /* begins at 0 */
	for (at.epoch = 10, at.step = 100; at.step < 104; at.step++) {
		run_quadratic(&a, NULL);
		memcpy(fed, a.fed, sizeof(fed));
		memcpy(gradient, a.gradient, sizeof(gradient));
		assert_int_equal(qb_train_methods_observe(&use, &l, NULL), QB_OK);
		assert_memory_equal(a.fed, fed, sizeof(fed));
		assert_memory_equal(a.gradient, gradient, sizeof(gradient));
	}
	for (size_t i = 0; i < SIZE; i++) {
		mean += (double)gradient[i] / SIZE;
	}
	for (size_t i = 0; i < SIZE; i++) {
		squares += ((double)gradient[i] - mean) * ((double)gradient[i] - mean) / SIZE;
	}
	near((double)a.layer.factor, 3 / (3 * sqrt(squares)) * (double)a.scale, 1e-3, "delta", 0);
	qb_weight_quantizer_fini(&a.layer.q);
	qb_train_method_list_fini(&use);
	json_decref(list);
}

/* ---- oscillations ---- */

/* One weight, m = 1/2, threshold 0.3, from step 3 on. The table is algorithm 1 worked out by hand. */
static void step__a_weight__follows_the_trace_by_hand(void **state)
{
	static const struct {
		int integer;
		double threshold, frequency, average;
		int direction, pinned, now;
	} trace[] = {
		/* integer, threshold, f, EMA, direction, pinned, integer in force */
		{2, INFINITY, 0, 0, 0, 0, 2},
		{3, INFINITY, 0, 0, 1, 0, 3},          /* the first change has none before it */
		{3, INFINITY, 0, 0, 1, 0, 3},          /* rests: the direction is remembered */
		{2, 0.9, 0.5, 2, -1, 0, 2},            /* back: o = 1; EMA begins here */
		{3, 0.9, 0.75, 2.5, 1, 0, 3},          /* o = 1; 0.5 * 3 + 0.5 * 2 */
		{3, 0.9, 0.375, 2.75, 1, 0, 3},
		{4, 0.9, 0.1875, 3.375, 1, 0, 4},      /* on in the same direction: no oscillation */
		{3, 0.3, 0.59375, 3.1875, -1, 1, 3},   /* o = 1, f > 0.3: pinned at round(3.375), EMA of before; then EMA moves */
		{5, 0.3, 0.296875, 4.09375, -1, 1, 3}, /* pinned: what the latent weight does counts no more */
		{5, 0.2, 0.1484375, 4.546875, -1, 1, 3},
		{-7, 0.1, 0.07421875, -1.2265625, -1, 1, 3}, /* nothing thaws */
	};
	struct qb_oscillation o;

	(void)state;
	assert_int_equal(qb_oscillation_init(&o, 1, 0.5, NULL), QB_OK);
	for (size_t i = 0; i < QB_COUNT(trace); i++) {
		int16_t integer = (int16_t)trace[i].integer;

		qb_oscillation_step(&o, &integer, trace[i].threshold);
		near((double)o.frequency[0], trace[i].frequency, 0, "frequency of step", i);
		near((double)o.average[0], trace[i].average, 0, "average of step", i);
		assert_int_equal(o.direction[0], trace[i].direction);
		assert_int_equal(o.pinned[0], trace[i].pinned);
		assert_int_equal(o.integer[0], trace[i].now);
		assert_int_equal(o.frozen, trace[i].pinned);
	}
	qb_oscillation_fini(&o);
}

/* Section 2's frequencies, weight by weight, in plain code of their own. */
static void step__many_weights__equal_the_definition(void **state)
{
	enum { N = 333, STEPS = 60 };
	struct qb_oscillation o;
	double f[N] = {0};
	int last[N], change[N] = {0};
	struct qb_oscillation_summary s;
	int64_t oscillating = 0, histogram[10] = {0}, all = 0;

	(void)state;
	assert_int_equal(qb_oscillation_init(&o, N, 0.05, NULL), QB_OK);
	for (int t = 0; t < STEPS; t++) {
		int16_t now[N];

		for (int i = 0; i < N; i++) {
			now[i] = (int16_t)nearbyint(1.5 * qb_random_normal(4, (uint64_t)(i % 7 ? t : 0), (uint64_t)i));
			if (t > 0) {
				int d = now[i] - last[i];

				f[i] = 0.05 * (d * change[i] < 0) + 0.95 * f[i];
				change[i] = d ? d : change[i];
			}
			last[i] = now[i];
		}
		qb_oscillation_step(&o, now, INFINITY);
	}
	for (int i = 0; i < N; i++) {
		near((double)o.frequency[i], f[i], 1e-5, "frequency", (size_t)i);
		oscillating += f[i] > 0.3;
	}
	s = qb_oscillation_summary(&o, 0.3);
	assert_int_equal(s.oscillating, oscillating);
	assert_true(oscillating > 10 && oscillating < N);
	assert_int_equal(s.weights, N);
	assert_int_equal(s.frozen, 0);
	qb_oscillation_frequencies(&o, 0.5, 10, histogram);
	for (int i = 0; i < 10; i++) {
		all += histogram[i];
	}
	assert_int_equal(all, N);
	assert_true(histogram[0] >= N / 7); /* those that stay */
	qb_oscillation_fini(&o);
}

static void state__saved_and_loaded__goes_on_as_before(void **state)
{
	enum { N = 97 };
	struct qb_oscillation a, b;
	struct qb_errbuf eb;
	unsigned char *bytes;

	(void)state;
	assert_int_equal(qb_oscillation_init(&a, N, 0.2, NULL), QB_OK);
	assert_int_equal(qb_oscillation_init(&b, N, 0.2, NULL), QB_OK);
	bytes = calloc(1, qb_oscillation_bytes(&a));
	for (int t = 0; t < 40; t++) {
		int16_t now[N];

		for (int i = 0; i < N; i++) {
			now[i] = (int16_t)nearbyint(qb_random_normal(5, (uint64_t)(i % 3 ? t : 0), (uint64_t)i));
		}
		if (t == 20) {
			qb_oscillation_save(&a, bytes);
			assert_int_equal(qb_oscillation_load(&b, bytes, &eb), QB_OK);
		}
		qb_oscillation_step(&a, now, t < 10 ? INFINITY : 0.3);
		if (t >= 20) {
			qb_oscillation_step(&b, now, 0.3);
		}
	}
	assert_true(a.frozen > 5 && a.frozen < N);
	assert_int_equal(a.frozen, b.frozen);
	assert_memory_equal(a.integer, b.integer, N * sizeof(*a.integer));
	assert_memory_equal(a.frequency, b.frequency, N * sizeof(*a.frequency));
	assert_memory_equal(a.average, b.average, N * sizeof(*a.average));
	bytes[0] ^= 1;
	assert_int_equal(qb_oscillation_load(&b, bytes, &eb), QB_EFORMAT);
	bytes[0] ^= 1;
	bytes[8] ^= 1; /* how many are frozen */
	assert_int_equal(qb_oscillation_load(&b, bytes, &eb), QB_EFORMAT);
	free(bytes);
	qb_oscillation_fini(&a);
	qb_oscillation_fini(&b);
}

static void histogram__latent_weights__count_around_the_grid(void **state)
{
	const float w[] = {0, 0.1f, 0.24f, 0.26f, -0.5f, 1.9f, -9}, scale = 0.5f;
	const struct qb_latent l = {w, &scale, 1, 1, 7, -2, 3};
	int64_t count[4] = {0};

	(void)state;
	/* v: 0, 0.2, 0.48, 0.52, -1, 3.8 (outside), -18 (outside) */
	qb_latent_histogram(&l, 4, count);
	assert_int_equal(count[0], 1); /* 0.52: a hundredth beyond the threshold to 1 */
	assert_int_equal(count[1], 0);
	assert_int_equal(count[2], 3); /* 0, 0.2, -1 */
	assert_int_equal(count[3], 1); /* 0.48 */
}

/* ---- schedules and lists ---- */

static void anneal__cosine__is_the_formula(void **state)
{
	struct qb_train_position at = {.steps = 400};
	double v = -1;

	(void)state;
	at.step = 99;
	assert_false(qb_train_anneal(&at, 0.25, 0.1, 0.01, &v));
	at.step = 100;
	assert_true(qb_train_anneal(&at, 0.25, 0.1, 0.01, &v));
	near(v, 0.1, 1e-12, "v", 100);
	at.step = 250;
	assert_true(qb_train_anneal(&at, 0.25, 0.1, 0.01, &v));
	near(v, 0.055, 1e-12, "v", 250);
	at.step = 400;
	assert_true(qb_train_anneal(&at, 0.25, 0.1, 0.01, &v));
	near(v, 0.01, 1e-12, "v", 400);
}

static enum qb_err parse(const char *text, struct qb_train_method_list *l, struct qb_errbuf *eb)
{
	json_t *list = json_loads(text, 0, NULL);
	enum qb_err err;

	assert_non_null(list);
	err = qb_train_method_list_parse(l, list, "methods", eb);
	json_decref(list);
	return err;
}

static void list__combinations__are_taken_or_refused_with_the_reason(void **state)
{
	static const struct {
		const char *list, *first, *error; /* error NULL: taken, with this method in front */
	} lists[] = {
		{"[]", "lsq", NULL},
		{"[\"freeze\"]", "lsq", NULL},
		{"[\"dampen\", \"ewgs\"]", "ewgs", NULL},
		{"[{\"name\": \"dsq\", \"alpha\": 0.2, \"learned\": true}, {\"name\": \"br\", \"lambda\": 2}]", "dsq", NULL},
		{"[\"freeze\", \"lsq_plus\", \"dampen\"]", "lsq_plus", NULL},
		{"[\"pact\"]", "pact", NULL},
		{"[\"lsq\", \"lsq\"]", NULL, "twice"},
		{"[\"lsq\", \"dsq\"]", NULL, "take one of them"},
		{"[\"pact\", \"freeze\"]", NULL, "do not go together"},
		{"[\"frieze\"]", NULL, "there is no method"},
		{"[{\"name\": \"freeze\", \"threshold\": 0.5}]", NULL, "must not rise"},
		{"[{\"name\": \"dampen\", \"lambada\": 1}]", NULL, "lambada"},
		{"[5]", NULL, "must be the name"},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(lists); i++) {
		struct qb_train_method_list l = {0};
		struct qb_errbuf eb = {0};
		enum qb_err err = parse(lists[i].list, &l, &eb);

		if (lists[i].error) {
			assert_int_equal(err, QB_EJOB);
			if (!strstr(eb.text, lists[i].error)) {
				fail_msg("%s: \"%s\" does not say \"%s\"", lists[i].list, eb.text, lists[i].error);
			}
			continue;
		}
		assert_int_equal(err, QB_OK);
		assert_string_equal(l.use[0].method->named.name, lists[i].first);
		assert_int_equal(qb_train_methods_regularise(&l), l.count > 1);
		qb_train_method_list_fini(&l);
	}
}

static void list__parameters__reach_quantizers_and_thresholds(void **state)
{
	struct qb_train_position at = {.step = 0, .steps = 100};
	struct qb_train_method_list l;
	struct qb_train_quantizers q;

	(void)state;
	assert_int_equal(parse("[{\"name\": \"dsq\", \"alpha\": 0.2, \"learned\": true}, {\"name\": \"freeze\", \"threshold\": 0.02}]", &l,
		NULL), QB_OK);
	qb_train_quantizers_of(&l, &q);
	assert_int_equal(q.weights, QB_ESTIMATOR_DSQ);
	assert_true(q.factor == 0.2 && q.learns_factor && q.factor_most == 0.5);
	assert_true(isinf(qb_train_methods_threshold(&l, &at)));
	at.step = 25;
	near(qb_train_methods_threshold(&l, &at), 0.1, 1e-12, "threshold", 0);
	at.step = 100;
	near(qb_train_methods_threshold(&l, &at), 0.02, 1e-12, "threshold", 1);
	qb_train_method_list_fini(&l);
	assert_int_equal(parse("[{\"name\": \"lsq\", \"clip_first\": true, \"range\": \"lsq\"}]", &l, NULL), QB_OK);
	qb_train_quantizers_of(&l, &q);
	assert_int_equal(q.weights, QB_ESTIMATOR_LSQ);
	assert_int_equal(q.range, QB_WEIGHT_RANGE_LSQ);
	qb_train_method_list_fini(&l);
}

static void table__every_method__is_found_and_described(void **state)
{
	json_t *all = qb_train_method_descriptions(), *schema = qb_train_method_schema();
	int count = 0;

	(void)state;
	for (const struct qb_train_method *m; (m = qb_train_method_at(count)); count++) {
		assert_ptr_equal(qb_train_method_find(m->named.name), m);
		assert_string_equal(json_string_value(json_object_get(json_array_get(all, (size_t)count), "name")), m->named.name);
	}
	assert_int_equal(count, 8);
	assert_int_equal(json_array_size(json_object_get(schema, "anyOf")), 9);
	json_decref(all);
	json_decref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begin__lsq_range__is_twice_the_mean_over_the_root),
		cmocka_unit_test(begin__lsq_plus_range__is_three_deviations),
		cmocka_unit_test(begin__mse_range__is_the_best_of_the_candidates),
		cmocka_unit_test(begin__scheme__takes_scales_and_zero_points),
		cmocka_unit_test(codes__any_integer__give_the_weight_back),
		cmocka_unit_test(dorefa__weights__gradient_is_that_through_tanh_and_the_maximum),
		cmocka_unit_test(backward__per_channel__equals_the_kernel),
		cmocka_unit_test(gradient_scale__formula__is_one_over_the_root),
		cmocka_unit_test(penalties__finite_differences__are_the_gradients),
		cmocka_unit_test(method__dampen_and_br__add_their_penalty_by_the_schedule),
		cmocka_unit_test(method__ewgs_by_curvature__is_the_trace_over_three_deviations),
		cmocka_unit_test(step__a_weight__follows_the_trace_by_hand),
		cmocka_unit_test(step__many_weights__equal_the_definition),
		cmocka_unit_test(state__saved_and_loaded__goes_on_as_before),
		cmocka_unit_test(histogram__latent_weights__count_around_the_grid),
		cmocka_unit_test(anneal__cosine__is_the_formula),
		cmocka_unit_test(list__combinations__are_taken_or_refused_with_the_reason),
		cmocka_unit_test(list__parameters__reach_quantizers_and_thresholds),
		cmocka_unit_test(table__every_method__is_found_and_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
