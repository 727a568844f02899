/* SPDX-License-Identifier: Apache-2.0
 *
 * Methods that choose where a weight rounds: against finite differences, every possible rounding, the update written
 * out naively, and integrals summed up numerically.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/ptq/adaround.h"
#include "core/ptq/bias_shift.h"
#include "core/ptq/gptq.h"
#include "core/ptq/output_scale.h"
#include "tests/unit/levels.h"

static void *need(size_t n, size_t size)
{
	void *p = calloc(n, size);

	assert_non_null(p);
	return p;
}

static float *normals(uint64_t stream, size_t n, double factor)
{
	float *x = need(n, sizeof(*x));

	for (size_t i = 0; i < n; i++) {
		x[i] = (float)(factor * qb_random_normal(7, stream, i));
	}
	return x;
}

/* Inputs [n, k] whose columns are strongly correlated, so that errors can make each other good. */
static float *correlated(uint64_t stream, int64_t n, int64_t k)
{
	float *x = normals(stream, (size_t)(n * k), 0.6);

	for (int64_t s = 0; s < n; s++) {
		double common = qb_random_normal(8, stream, (uint64_t)s);

		for (int64_t j = 0; j < k; j++) {
			x[s * k + j] += (float)(common * (0.5 + (double)(j % 3)));
		}
	}
	return x;
}

static void make_quantizer(struct qb_quantizer *q, const char *name, const float *w, int64_t rows, int64_t k)
{
	struct qb_format f;
	float *lo = need((size_t)rows, sizeof(*lo)), *hi = need((size_t)rows, sizeof(*hi));

	assert_int_equal(qb_format_parse(&f, name, NULL), QB_OK);
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t j = 0; j < k; j++) {
			lo[i] = fminf(lo[i], w[i * k + j]);
			hi[i] = fmaxf(hi[i], w[i * k + j]);
		}
	}
	if (f.block) {
		/* Blocks have their own scales; what they share is the tensor's. */
		for (int64_t i = 1; i < rows; i++) {
			lo[0] = fminf(lo[0], lo[i]);
			hi[0] = fmaxf(hi[0], hi[i]);
		}
		rows = 1;
	}
	assert_int_equal(qb_quantizer_init(q, &f, rows > 1 ? 0 : -1, rows, lo, hi, NULL), QB_OK);
	free(lo);
	free(hi);
}

/* ---- neighbours ---- */

static void neighbours__any_format__enclose_and_are_adjacent(void **state)
{
	static const char *const names[] = {"int4", "int8_asym", "uint4", "E4", "e4m3fn", "e2m1", "nf4", "log4"};
	enum { N = 4000 };
	float *x = normals(1, N, 1), down[N], up[N], near[N];

	(void)state;
	for (size_t f = 0; f < QB_COUNT(names); f++) {
		struct qb_quantizer q;
		double *value = need(65536, sizeof(*value));
		int count, apart = 0;

		make_quantizer(&q, names[f], x, 1, N / 2); /* half of the numbers may lie beyond the ends */
		count = qb_format_values(&q.format, value, 65536);
		qb_neighbours(&q, x, down, up, 1, 1, N);
		qb_qdq(&q, x, near, 1, 1, N);
		for (int i = 0; i < N; i++) {
			double zero = q.zero ? q.zero[0] : 0;
			int below = 0;

			assert_true(near[i] == down[i] || near[i] == up[i]);
			if (down[i] == up[i]) {
				continue;
			}
			apart++;
			assert_true(down[i] < x[i] && x[i] < up[i]);
			while (below + 1 < count && (float)(value[below + 1] - zero) * q.scale[0] <= x[i]) {
				below++;
			}
			assert_true(down[i] == (float)(value[below] - zero) * q.scale[0]);
			assert_true(up[i] == (float)(value[below + 1] - zero) * q.scale[0]);
		}
		assert_true(apart > N / 4);
		free(value);
		qb_quantizer_fini(&q);
	}
	free(x);
}

/* ---- AdaRound ---- */

struct layer {
	struct qb_adaround_rows r;
	struct qb_quantizer q;
	float *w, *down, *up, *near, *x, *y, *bias;
};

/* A layer whose target is its own float output. */
static void layer_init(struct layer *l, const char *format, int64_t rows, int64_t k, int64_t samples, enum qb_act_kind act)
{
	l->w = normals(20, (size_t)(rows * k), 0.3);
	l->bias = normals(21, (size_t)rows, 0.2);
	l->x = correlated(22, samples, k);
	l->y = need((size_t)(samples * rows), sizeof(float));
	l->down = need((size_t)(rows * k), sizeof(float));
	l->up = need((size_t)(rows * k), sizeof(float));
	l->near = need((size_t)(rows * k), sizeof(float));
	make_quantizer(&l->q, format, l->w, rows, k);
	qb_neighbours(&l->q, l->w, l->down, l->up, 1, rows, k);
	qb_qdq(&l->q, l->w, l->near, 1, rows, k);
	l->r = (struct qb_adaround_rows){.rows = rows, .k = k, .samples = samples, .w = l->w, .down = l->down,
		.up = l->up, .nearest = l->near, .bias = l->bias, .x = l->x, .y = l->y, .y_stride = rows,
		.act = {act, act == QB_ACT_NONE ? -INFINITY : 0, act == QB_ACT_CLIP ? 1 : INFINITY}};
	for (int64_t s = 0; s < samples; s++) {
		for (int64_t i = 0; i < rows; i++) {
			double sum = (double)l->bias[i];

			for (int64_t j = 0; j < k; j++) {
				sum += (double)l->w[i * k + j] * (double)l->x[s * k + j];
			}
			l->y[s * rows + i] = (float)fmin(fmax(sum, l->r.act.lo), l->r.act.hi);
		}
	}
}

static void layer_fini(struct layer *l)
{
	free(l->w);
	free(l->bias);
	free(l->x);
	free(l->y);
	free(l->down);
	free(l->up);
	free(l->near);
	qb_quantizer_fini(&l->q);
}

/* Mean over samples of row i's squared error, with a bias. */
static double biased_loss(const struct qb_adaround_rows *r, int64_t i, const float *weights, double bias)
{
	double sum = 0;

	for (int64_t s = 0; s < r->samples; s++) {
		double z = bias;

		for (int64_t j = 0; j < r->k; j++) {
			z += (double)weights[j] * (double)r->x[s * r->k + j];
		}
		z = fmin(fmax(z, r->act.lo), r->act.hi) - (double)r->y[s * r->y_stride + i];
		sum += z * z;
	}
	return sum / (double)r->samples;
}

static double row_loss(const struct qb_adaround_rows *r, int64_t i, const float *weights)
{
	return biased_loss(r, i, weights, (double)r->bias[i]);
}

static double objective(const struct layer *l, const struct qb_adaround_options *opt, const struct qb_adaround_point *at)
{
	double loss = NAN;

	assert_int_equal(qb_adaround_objective(&l->r, opt, at, &loss, NULL, NULL, NULL), QB_OK);
	return loss;
}

/* By how much the objective changes with x, one of the point's numbers. */
static double difference(const struct layer *l, const struct qb_adaround_options *opt, const struct qb_adaround_point *at,
	float *x, float step)
{
	const float before = *x;
	double above, below;

	*x = before + step;
	above = objective(l, opt, at);
	*x = before - step;
	below = objective(l, opt, at);
	*x = before;
	return (above - below) / (2 * (double)step);
}

/* Some of a point's numbers and the gradient that is claimed for them. */
struct slopes {
	const char *what;
	int64_t n;
	float *x; /* [n] */
	const float *gradient; /* [n] */
	float step;
};

static void check_slopes(const struct slopes *s, const struct layer *l, int act, const struct qb_adaround_options *opt,
	const struct qb_adaround_point *at)
{
	for (int64_t i = 0; i < s->n; i++) {
		double slope = difference(l, opt, at, &s->x[i], s->step);

		/* The clip has corners: a sample may cross one within the step. */
		if (fabs(slope - (double)s->gradient[i]) > 2e-2 * fmax(1, fabs(slope))) {
			fail_msg("%d rows, act %d, %s %d: gradient %g, differences %g", (int)l->r.rows, act, s->what,
				(int)i, (double)s->gradient[i], slope);
		}
	}
}

static void adaround__gradient__equals_finite_differences(void **state)
{
	static const enum qb_act_kind acts[] = {QB_ACT_NONE, QB_ACT_RELU, QB_ACT_CLIP};

	(void)state;
	for (int64_t rows = 1; rows <= 9; rows += 8) {
		for (size_t a = 0; a < QB_COUNT(acts); a++) {
			enum { K = 7, SAMPLES = 64 };
			const float norm[9] = {0.01f, 0.02f, 0.01f, 0.03f, 0.01f, 0.02f, 0.01f, 0.01f, 0.05f};
			const struct qb_adaround_options opt = {.lambda = 0.7, .shrinkage = 3};
			float *v = normals(30, (size_t)(9 * K), 1), *bias = normals(31, 9, 0.2), g[9 * K], gb[9];
			struct qb_adaround_point at = {v, bias, norm, 3.5, 8, 48};
			struct layer l;
			double loss;

			layer_init(&l, "int3", rows, K, SAMPLES, acts[a]);
			for (int learn = 0; learn < 2; learn++) {
				l.r.learn_bias = learn;
				assert_int_equal(qb_adaround_objective(&l.r, &opt, &at, &loss, g, gb, NULL), QB_OK);
				check_slopes(&(struct slopes){"weight", rows * K, v, g, 1e-2f}, &l, (int)acts[a], &opt, &at);
			}
			check_slopes(&(struct slopes){"bias", rows, bias, gb, 1e-3f}, &l, (int)acts[a], &opt, &at);
			layer_fini(&l);
			free(v);
			free(bias);
		}
	}
}

/* Of all 2^10 roundings AdaRound finds one close to the best, and never one worse than the nearest. */
static void adaround__small_layers__come_close_to_the_best_of_all_roundings(void **state)
{
	enum { ROWS = 12, K = 10, SAMPLES = 512 };
	struct qb_adaround_options opt = qb_adaround_defaults;
	double nearest = 0, best = 0, learned = 0;
	float out[ROWS * K], trial[K];
	struct qb_adaround_report report = {0};
	struct layer l;

	(void)state;
	layer_init(&l, "int3", ROWS, K, SAMPLES, QB_ACT_RELU);
	opt.shrinkage = 0;
	assert_int_equal(qb_adaround(&l.r, &opt, out, NULL, &report, NULL), QB_OK);
	for (int64_t i = 0; i < ROWS; i++) {
		const float *near = l.near + i * K;
		double row_best = INFINITY, own = row_loss(&l.r, i, out + i * K), base = row_loss(&l.r, i, near);

		for (int code = 0; code < 1 << K; code++) {
			for (int j = 0; j < K; j++) {
				trial[j] = code >> j & 1 ? l.up[i * K + j] : l.down[i * K + j];
			}
			row_best = fmin(row_best, row_loss(&l.r, i, trial));
		}
		for (int j = 0; j < K; j++) {
			float o = out[i * K + j];

			assert_true(o == l.up[i * K + j] || o == l.down[i * K + j]);
		}
		assert_true(own <= base * (1 + 1e-5));
		assert_true(own >= row_best * (1 - 1e-5));
		nearest += base;
		best += row_best;
		learned += own;
	}
	assert_true(fabs(report.nearest_loss - nearest) < 1e-4 * nearest);
	assert_true(fabs(report.loss - learned) < 1e-4 * learned);
	print_message("loss: nearest %.5f, learned %.5f, best of all %.5f\n", nearest, learned, best);
	assert_true(learned - best < 0.35 * (nearest - best));
	layer_fini(&l);
}

/* Rows [first, first + rows) of a layer, as a team's item has them. */
static struct qb_adaround_rows some_rows(const struct qb_adaround_rows *all, int64_t first, int64_t rows)
{
	struct qb_adaround_rows r = *all;

	r.rows = rows;
	r.w += first * r.k;
	r.down += first * r.k;
	r.up += first * r.k;
	r.nearest += first * r.k;
	r.bias += first;
	r.y += first;
	return r;
}

/* Rows do not know of each other: wherever a layer is cut, they learn the same. Pieces of few rows work by columns, which
 * adds in another order. */
static void adaround__rows_cut_up__give_the_same_numbers(void **state)
{
	enum { ROWS = 16, K = 24, SAMPLES = 300, FEW = 4 };
	static const int64_t sizes[] = {8, 5, 11, 4, 12, 1, 3};
	struct qb_adaround_options opt = qb_adaround_defaults;
	float whole[ROWS * K], cut[ROWS * K];
	struct qb_adaround_report report = {0};
	struct layer l;

	(void)state;
	opt.iterations = 200;
	layer_init(&l, "E2", ROWS, K, SAMPLES, QB_ACT_NONE);
	assert_int_equal(qb_adaround(&l.r, &opt, whole, NULL, &report, NULL), QB_OK);
	assert_true(report.loss < 0.8 * report.nearest_loss && report.changed > 0);
	for (size_t i = 0; i < QB_COUNT(sizes); i++) {
		struct qb_adaround_report parts = {0};

		for (int64_t first = 0; first < ROWS; first += sizes[i]) {
			struct qb_adaround_rows r = some_rows(&l.r, first, QB_MIN(sizes[i], ROWS - first));

			assert_int_equal(qb_adaround(&r, &opt, cut + first * K, NULL, &parts, NULL), QB_OK);
			for (int64_t row = first; row < first + r.rows; row++) {
				double a = row_loss(&l.r, row, whole + row * K), b = row_loss(&l.r, row, cut + row * K);

				assert_true(fabs(a - b) <= (r.rows < FEW ? 0.01 * a : 0));
			}
			if (r.rows >= FEW) {
				assert_memory_equal(cut + first * K, whole + first * K, (size_t)(r.rows * K) * sizeof(float));
			}
		}
		assert_true(fabs(parts.loss - report.loss) <= 0.01 * report.loss);
		assert_true(fabs(parts.nearest_loss - report.nearest_loss) <= 1e-5 * report.nearest_loss);
	}
	layer_fini(&l);
}

static void adaround__every_level__learns_the_same(void **state)
{
	enum { K = 24, SAMPLES = 300 };
	const enum qb_cpu_level level = qb_cpu_level();
	struct qb_adaround_options opt = qb_adaround_defaults;

	(void)state;
	opt.iterations = 100;
	for (int64_t rows = 1; rows <= 16; rows += 15) { /* by columns, and by products */
		float out[2][16 * K], bias[2][16];
		struct qb_adaround_report report[2] = {{0}};
		struct layer l;

		layer_init(&l, "E2", rows, K, SAMPLES, QB_ACT_RELU);
		l.r.learn_bias = true;
		for (int i = 0; i < 2; i++) {
			qb_cpu_mask(i ? QB_CPU_PLAIN : level);
			assert_int_equal(qb_adaround(&l.r, &opt, out[i], bias[i], &report[i], NULL), QB_OK);
		}
		qb_cpu_mask(level);
		assert_memory_equal(out[0], out[1], (size_t)(rows * K) * sizeof(float));
		assert_memory_equal(bias[0], bias[1], (size_t)rows * sizeof(float));
		assert_true(report[0].loss == report[1].loss);
		layer_fini(&l);
	}
}

/* What was learned from few inputs must hold for others. */
static void adaround__fewer_samples_than_weights__does_not_lose_on_other_inputs(void **state)
{
	enum { ROWS = 16, K = 120, SAMPLES = 40, OTHERS = 2000 };
	struct qb_adaround_options opt = qb_adaround_defaults;
	struct qb_adaround_report report = {0};
	double loss[3] = {0};
	float out[ROWS * K];
	struct layer l, others;

	(void)state;
	layer_init(&l, "int3", ROWS, K, SAMPLES, QB_ACT_NONE);
	layer_init(&others, "int3", ROWS, K, SAMPLES + OTHERS, QB_ACT_NONE);
	others.r.x += SAMPLES * K;
	others.r.y += SAMPLES * ROWS;
	others.r.samples = OTHERS;
	for (int i = 0; i < 3; i++) {
		opt.shrinkage = i - 1;
		if (i) {
			assert_int_equal(qb_adaround(&l.r, &opt, out, NULL, &report, NULL), QB_OK);
		}
		for (int64_t row = 0; row < ROWS; row++) {
			loss[i] += row_loss(&others.r, row, (i ? out : l.near) + row * K);
		}
	}
	print_message("loss on other inputs: nearest %.4f, without shrinkage %.4f, with it %.4f\n", loss[0], loss[1], loss[2]);
	assert_true(loss[2] < loss[0] && loss[2] < loss[1]);
	layer_fini(&l);
	layer_fini(&others);
}

/* The least of biased_loss over the bias, by golden section from lo to hi; the loss of a clipped output has one valley here
 * because the biases tried are near. */
static double best_bias_loss(const struct qb_adaround_rows *r, int64_t i, const float *weights, double lo, double hi)
{
	for (int t = 0; t < 60; t++) {
		double a = hi - 0.6180339887498949 * (hi - lo), b = lo + 0.6180339887498949 * (hi - lo);

		if (biased_loss(r, i, weights, a) < biased_loss(r, i, weights, b)) {
			hi = b;
		} else {
			lo = a;
		}
	}
	return biased_loss(r, i, weights, (lo + hi) / 2);
}

/* Inputs far from 0 make rounding move the mean of what comes out: a bias that may be learned takes that away. */
static void adaround__learned_biases__are_the_best_for_the_roundings(void **state)
{
	static const enum qb_act_kind acts[] = {QB_ACT_NONE, QB_ACT_RELU, QB_ACT_CLIP};
	enum { ROWS = 8, K = 12, SAMPLES = 400 };

	(void)state;
	for (size_t a = 0; a < QB_COUNT(acts); a++) {
		struct qb_adaround_options opt = qb_adaround_defaults;
		struct qb_adaround_report report = {0}, fixed = {0};
		float out[ROWS * K], bias[ROWS];
		double learned = 0, nearest = 0, best = 0;
		struct layer l;

		layer_init(&l, "int3", ROWS, K, SAMPLES, acts[a]);
		opt.shrinkage = 0;
		opt.iterations = 1000;
		for (int i = 0; i < SAMPLES * K; i++) {
			l.x[i] += 0.7f; /* as if the network before had moved them, too */
		}
		assert_int_equal(qb_adaround(&l.r, &opt, out, NULL, &fixed, NULL), QB_OK);
		l.r.learn_bias = true;
		assert_int_equal(qb_adaround(&l.r, &opt, out, bias, &report, NULL), QB_OK);
		for (int64_t i = 0; i < ROWS; i++) {
			double own = biased_loss(&l.r, i, out + i * K, (double)bias[i]);
			double least = best_bias_loss(&l.r, i, out + i * K, (double)bias[i] - 0.5, (double)bias[i] + 0.5);

			assert_true(acts[a] != QB_ACT_NONE || own <= least * (1 + 1e-4));
			best += least;
			learned += own;
			nearest += best_bias_loss(&l.r, i, l.near + i * K, -5, 5);
		}
		print_message("act %d: nearest %.5f, learned %.5f; by roundings alone %.5f\n", (int)acts[a], nearest, learned,
			fixed.loss);
		assert_true(fabs(report.loss - learned) < 1e-3 * learned);
		assert_true(report.nearest_loss > nearest * (1 - 1e-4) && report.nearest_loss < nearest * 1.1);
		assert_true(learned < 1.02 * best && learned < 0.7 * nearest && learned < fixed.loss);
		layer_fini(&l);
	}
}

/* ---- scales ---- */

/* e C e^T written out, for the scale given. */
static double scaled_loss(const struct qb_quantizer *q, int64_t row, float scale, const float *w, const float *x,
	int64_t n, int64_t k, bool centred)
{
	struct qb_quantizer one = {.format = q->format, .axis = -1, .channels = 1, .scale = &scale,
		.zero = q->zero ? q->zero + row : NULL};
	float y[64];
	double sum = 0, squares = 0;

	qb_qdq(&one, w, y, 1, 1, k);
	for (int64_t t = 0; t < n; t++) {
		double d = 0;

		for (int64_t j = 0; j < k; j++) {
			d += ((double)y[j] - (double)w[j]) * (double)x[t * k + j];
		}
		sum += d / (double)n;
		squares += d * d / (double)n;
	}
	return centred ? squares - sum * sum : squares;
}

static void output_scales__any_format__none_tried_loses_less(void **state)
{
	enum { ROWS = 6, K = 20, N = 300 };
	static const char *const formats[] = {"int4", "int3_asym", "E2", "e2m1"};
	float *w = normals(70, ROWS * K, 0.3), *x = correlated(71, N, K), c[K * K], scale[ROWS];
	double before = 0, after = 0;

	(void)state;
	for (int i = 0; i < N * K; i++) {
		x[i] += 1;
	}
	for (size_t f = 0; f < 2 * QB_COUNT(formats); f++) {
		bool centred = f % 2;
		struct qb_quantizer q;

		make_quantizer(&q, formats[f / 2], w, ROWS, K);
		assert_int_equal(qb_output_moments(c, x, N, K, centred, 0, NULL), QB_OK);
		/* All rows, and the last ones alone. */
		assert_int_equal(qb_output_scales(scale, &q, 0, w, 2, K, c, NULL), QB_OK);
		assert_int_equal(qb_output_scales(scale + 2, &q, 2, w + 2 * K, ROWS - 2, K, c, NULL), QB_OK);
		for (int64_t i = 0; i < ROWS; i++) {
			double own = scaled_loss(&q, i, scale[i], w + i * K, x, N, K, centred);

			for (int step = -8; step <= 4; step++) {
				float other = (float)((double)q.scale[i] * exp2(step / 8.0));
				double loss = scaled_loss(&q, i, other, w + i * K, x, N, K, centred);

				assert_true(own <= loss * (1 + 1e-4));
				before += step ? 0 : loss;
			}
			after += own;
		}
		qb_quantizer_fini(&q);
	}
	print_message("loss: %.4f by the range, %.4f by the output\n", before, after);
	assert_true(after < 0.8 * before);
	free(w);
	free(x);
}

static void output_moments__shrinkage__adds_variances_to_the_diagonal(void **state)
{
	enum { K = 9, N = 50 };
	float *x = correlated(72, N, K), plain[K * K], shrunk[K * K];

	(void)state;
	assert_int_equal(qb_output_moments(plain, x, N, K, true, 0, NULL), QB_OK);
	assert_int_equal(qb_output_moments(shrunk, x, N, K, true, 2, NULL), QB_OK);
	for (int i = 0; i < K * K; i++) {
		double expected = (double)plain[i] * (i % (K + 1) ? 1 : 1 + 2.0 * K / N);

		assert_true(fabs((double)shrunk[i] - expected) < 1e-5 * (1 + fabs(expected)));
	}
	free(x);
}

/* ---- GPTQ ---- */

/* Eq. 2 and 3 written out: after each column the inverse Hessian of those still free is computed afresh. */
static void naive_gptq(const double *h, int64_t k, const struct qb_quantizer *q, int64_t row, const float *w, float *out)
{
	double *rest = need((size_t)k, sizeof(*rest)), *a = need((size_t)(k * 2 * k), sizeof(*a));

	for (int64_t j = 0; j < k; j++) {
		rest[j] = (double)w[j];
	}
	for (int64_t j = 0; j < k; j++) {
		int64_t n = k - j;
		struct qb_quantizer one = {.format = q->format, .axis = -1, .channels = 1, .scale = q->scale + row,
			.zero = q->zero ? q->zero + row : NULL};
		float x = (float)rest[j];

		/* Gauss and Jordan on [H | I] of the columns from j on. */
		for (int64_t r = 0; r < n; r++) {
			for (int64_t c = 0; c < n; c++) {
				a[r * 2 * n + c] = h[(j + r) * k + j + c];
				a[r * 2 * n + n + c] = r == c;
			}
		}
		for (int64_t p = 0; p < n; p++) {
			double pivot = a[p * 2 * n + p];

			for (int64_t c = 0; c < 2 * n; c++) {
				a[p * 2 * n + c] /= pivot;
			}
			for (int64_t r = 0; r < n; r++) {
				double f = a[r * 2 * n + p];

				for (int64_t c = 0; r != p && c < 2 * n; c++) {
					a[r * 2 * n + c] -= f * a[p * 2 * n + c];
				}
			}
		}
		qb_qdq(&one, &x, &out[j], 1, 1, 1);
		for (int64_t l = 1; l < n; l++) {
			rest[j + l] -= (rest[j] - (double)out[j]) / a[n] * a[n + l];
		}
	}
	free(rest);
	free(a);
}

static void hessian_of(struct qb_hessian *h, const float *x, int64_t n, int64_t k)
{
	assert_int_equal(qb_hessian_init(h, k, NULL), QB_OK);
	/* In pieces of samples and of rows, as a team does. */
	for (int64_t s = 0; s < n; s += 100) {
		int64_t count = QB_MIN(100, n - s);

		assert_int_equal(qb_hessian_update(h, x + s * k, count, 0, k / 2, NULL), QB_OK);
		assert_int_equal(qb_hessian_update(h, x + s * k, count, k / 2, k, NULL), QB_OK);
	}
	assert_int_equal(h->samples, n);
}

static void gptq__small_matrices__equal_the_naive_update(void **state)
{
	enum { ROWS = 6, K = 40, SAMPLES = 260 };
	static const char *const formats[] = {"int4", "int3_asym", "E2"};
	float *w = normals(40, ROWS * K, 0.3), *x = correlated(41, SAMPLES, K), out[ROWS * K], expected[K];
	double h[K * K] = {0}, mean = 0, loss[2] = {0};
	struct qb_gptq_options opt = qb_gptq_defaults;
	struct qb_hessian sum;
	struct qb_gptq *g = NULL;

	(void)state;
	opt.block = 16;
	hessian_of(&sum, x, SAMPLES, K);
	for (int s = 0; s < SAMPLES; s++) {
		for (int i = 0; i < K * K; i++) {
			h[i] += (double)x[s * K + i / K] * (double)x[s * K + i % K];
		}
	}
	for (int i = 0; i < K; i++) {
		for (int j = 0; j <= i; j++) {
			assert_true(fabs(sum.sum[i * K + j] - h[i * K + j]) < 1e-4 * (1 + fabs(h[i * K + j])));
		}
		mean += h[i * K + i] / K;
	}
	for (int i = 0; i < K; i++) {
		h[i * K + i] += 0.01 * mean;
	}
	assert_int_equal(qb_gptq_create(&g, &sum, &opt, NULL), QB_OK);
	for (size_t f = 0; f < QB_COUNT(formats); f++) {
		struct qb_quantizer q;

		make_quantizer(&q, formats[f], w, ROWS, K);
		/* All rows, and the last ones alone. */
		assert_int_equal(qb_gptq_round(g, &(struct qb_gptq_rows){&q, 0, 2, w, out, NULL, NULL}, loss, NULL), QB_OK);
		assert_int_equal(qb_gptq_round(g, &(struct qb_gptq_rows){&q, 2, ROWS - 2, w + 2 * K, out + 2 * K, NULL, NULL},
			loss, NULL), QB_OK);
		for (int64_t i = 0; i < ROWS; i++) {
			naive_gptq(h, K, &q, i, w + i * K, expected);
			for (int j = 0; j < K; j++) {
				if (out[i * K + j] != expected[j]) {
					fail_msg("%s row %d column %d: %g, naively %g", formats[f], (int)i, j,
						(double)out[i * K + j], (double)expected[j]);
				}
			}
		}
		qb_quantizer_fini(&q);
	}
	qb_gptq_destroy(&g);
	qb_hessian_fini(&sum);
	free(w);
	free(x);
}

/* The mean squared error of the outputs, from the inputs themselves. */
static double output_error(const float *w, const float *q, const float *x, int64_t n, int64_t k)
{
	double sum = 0;

	for (int64_t s = 0; s < n; s++) {
		double d = 0;

		for (int64_t j = 0; j < k; j++) {
			d += ((double)w[j] - (double)q[j]) * (double)x[s * k + j];
		}
		sum += d * d;
	}
	return sum / (double)n;
}

static void gptq__any_format_and_order__never_loses_to_nearest(void **state)
{
	enum { ROWS = 24, K = 96, SAMPLES = 500 };
	static const char *const formats[] = {"int4", "int2", "int4_g32", "int4_asym_g32", "uint3_asym_g20", "mxfp4", "nvfp4", "E3", "nf4"};
	float *w = normals(50, ROWS * K, 0.3), *x = correlated(51, SAMPLES, K), out[ROWS * K], near[ROWS * K];
	struct qb_hessian h;

	(void)state;
	for (int s = 0; s < SAMPLES; s++) {
		x[s * K + 5] = 0; /* an input that nothing ever feeds */
	}
	hessian_of(&h, x, SAMPLES, K);
	for (size_t f = 0; f < QB_COUNT(formats) * 2; f++) {
		struct qb_gptq_options opt = {0.01, 40, f % 2};
		struct qb_gptq *g = NULL;
		struct qb_quantizer q;
		double loss[2] = {0}, before = 0, after = 0;

		make_quantizer(&q, formats[f / 2], w, ROWS, K);
		assert_int_equal(qb_gptq_create(&g, &h, &opt, NULL), QB_OK);
		assert_int_equal(qb_gptq_round(g, &(struct qb_gptq_rows){&q, 0, ROWS, w, out, &h, NULL}, loss, NULL), QB_OK);
		qb_qdq(&q, w, near, 1, ROWS, K);
		for (int64_t i = 0; i < ROWS; i++) {
			double a = output_error(w + i * K, out + i * K, x, SAMPLES, K);
			double b = output_error(w + i * K, near + i * K, x, SAMPLES, K);

			assert_true(a <= b * (1 + 1e-4));
			after += a;
			before += b;
		}
		assert_true(fabs(loss[0] - before) < 1e-4 * before && fabs(loss[1] - after) < 1e-4 * after);
		print_message("%s%s: nearest %.4f, GPTQ %.4f\n", formats[f / 2], f % 2 ? " by activation" : "", before,
			after);
		assert_true(after < 0.7 * before);
		qb_gptq_destroy(&g);
		qb_quantizer_fini(&q);
	}
	qb_hessian_fini(&h);
	free(w);
	free(x);
}

static void gptq__inputs_that_are_no_numbers__are_an_error(void **state)
{
	float x[4] = {1, NAN, 2, 3};
	struct qb_errbuf eb;
	struct qb_hessian h;
	struct qb_gptq *g = NULL;

	(void)state;
	assert_int_equal(qb_hessian_init(&h, 2, NULL), QB_OK);
	assert_int_equal(qb_hessian_update(&h, x, 2, 0, 2, NULL), QB_OK);
	assert_int_equal(qb_gptq_create(&g, &h, &qb_gptq_defaults, &eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "finite"));
	assert_null(g);
	qb_hessian_fini(&h);
}

/* ---- bias correction ---- */

static void clipped_normal__many_bounds__equals_the_integral(void **state)
{
	static const double bounds[][2] = {{0, INFINITY}, {0, 6}, {-INFINITY, INFINITY}, {-1, 1}, {2, 3}, {-INFINITY, 0.5}};
	static const double means[] = {-3, -0.4, 0, 1.3, 5};

	(void)state;
	for (size_t b = 0; b < QB_COUNT(bounds); b++) {
		for (size_t m = 0; m < QB_COUNT(means); m++) {
			for (double d = 0.1; d < 4; d *= 3) {
				double sum = 0, got = qb_clipped_normal_mean(means[m], d, bounds[b][0], bounds[b][1]);
				const int steps = 400000;

				/* Midpoints over 10 deviations to each side. */
				for (int i = 0; i < steps; i++) {
					double z = -10 + 20 * (i + 0.5) / steps, x = means[m] + d * z;

					x = fmin(fmax(x, bounds[b][0]), bounds[b][1]);
					sum += x * exp(-0.5 * z * z) / sqrt(2 * M_PI) * 20 / steps;
				}
				assert_true(fabs(sum - got) < 1e-7);
			}
		}
	}
	assert_true(qb_clipped_normal_mean(7, 0, 0, 6) == 6);
}

static void bias_shift__quantized_layer__has_the_float_layers_mean(void **state)
{
	enum { ROWS = 5, K = 30, SAMPLES = 400 };
	float *w = normals(60, ROWS * K, 0.3), *x = correlated(61, SAMPLES, K), *noise = normals(62, SAMPLES * K, 0.1);
	float q[ROWS * K];
	double mean[K] = {0}, noisy[K] = {0}, shift[ROWS];
	struct qb_quantizer quantizer;

	(void)state;
	make_quantizer(&quantizer, "int3", w, ROWS, K);
	qb_qdq(&quantizer, w, q, 1, ROWS, K);
	for (int i = 0; i < SAMPLES * K; i++) {
		noise[i] += x[i] + 0.05f;
		mean[i % K] += (double)x[i] / SAMPLES;
		noisy[i % K] += (double)noise[i] / SAMPLES;
	}
	qb_bias_shift(w, q, mean, noisy, ROWS, K, shift);
	for (int i = 0; i < ROWS; i++) {
		double before = 0, after = 0;

		for (int s = 0; s < SAMPLES; s++) {
			double y = 0, z = 0;

			for (int j = 0; j < K; j++) {
				y += (double)w[i * K + j] * (double)x[s * K + j];
				z += (double)q[i * K + j] * (double)noise[s * K + j];
			}
			before += (z - y) / SAMPLES;
			after += (z + shift[i] - y) / SAMPLES;
		}
		assert_true(fabs(before) > 1e-3);
		assert_true(fabs(after) < 1e-10);
	}
	qb_quantizer_fini(&quantizer);
	free(w);
	free(x);
	free(noise);
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours__any_format__enclose_and_are_adjacent),
		cmocka_unit_test(adaround__gradient__equals_finite_differences),
		cmocka_unit_test(adaround__small_layers__come_close_to_the_best_of_all_roundings),
		cmocka_unit_test(adaround__fewer_samples_than_weights__does_not_lose_on_other_inputs),
		cmocka_unit_test(adaround__rows_cut_up__give_the_same_numbers),
		cmocka_unit_test(adaround__every_level__learns_the_same),
		cmocka_unit_test(adaround__learned_biases__are_the_best_for_the_roundings),
		cmocka_unit_test(output_scales__any_format__none_tried_loses_less),
		cmocka_unit_test(output_moments__shrinkage__adds_variances_to_the_diagonal),
		cmocka_unit_test(gptq__small_matrices__equal_the_naive_update),
		cmocka_unit_test(gptq__any_format_and_order__never_loses_to_nearest),
		cmocka_unit_test(gptq__inputs_that_are_no_numbers__are_an_error),
		cmocka_unit_test(clipped_normal__many_bounds__equals_the_integral),
		cmocka_unit_test(bias_shift__quantized_layer__has_the_float_layers_mean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
