/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/adaround.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/exec/onednn.h"

const struct qb_adaround_options qb_adaround_defaults = {2000, 256, 0.01, 10, 20, 2, 0.2, 4};

/* Fewer rows than this (a depthwise convolution has one) are no work for a matrix product. */
enum { FEW_ROWS = 4 };
/* Towards the best bias behind an activation function. */
enum { BIAS_STEPS = 3 };

struct kernels {
	void (*soften)(const float *v, const float *down, const float *up, float *soft, size_t n,
		float lo, float hi);
	void (*chain)(const float *v, const float *down, const float *up, float *g, size_t n, float lambda,
		float beta, float lo, float hi);
	void (*adam)(float *v, const float *g, float *m1, float *m2, size_t n, float rate, float epsilon);
	void (*axpy)(float w, const float *x, float *y, size_t n);
	float (*dot)(const float *x, const float *y, size_t n);
};

#define QB_TARGET
#define QB_NAME(x) c_##x
#include "core/ptq/adaround_body.h"
#undef QB_TARGET
#undef QB_NAME
static const struct kernels c_kernels = {c_soften, c_chain, c_adam, c_axpy, c_dot};

#if defined(__x86_64__)
#define QB_TARGET __attribute__((target("avx2,fma")))
#define QB_NAME(x) avx2_##x
#include "core/ptq/adaround_body.h"
#undef QB_TARGET
#undef QB_NAME
static const struct kernels avx2_kernels = {avx2_soften, avx2_chain, avx2_adam, avx2_axpy, avx2_dot};
#endif

static const struct kernels *kernels(void)
{
#if defined(__x86_64__)
	if (qb_cpu_has(QB_FLAG_AVX2)) {
		return &avx2_kernels;
	}
#endif
	return &c_kernels;
}

/* A dense matrix, read as its transpose where that is said. */
struct operand {
	const float *data;
	bool transposed;
};

/* c [m, n] = a [m, k] b [k, n] */
static enum qb_err product(int64_t m, int64_t n, int64_t k, struct operand a, struct operand b, float *c,
	struct qb_errbuf *eb)
{
	return qb_sgemm(&(struct qb_sgemm){.a_transposed = a.transposed, .b_transposed = b.transposed, .m = m, .n = n, .k = k,
		.alpha = 1, .a = a.data, .a_row = a.transposed ? m : k, .b = b.data, .b_row = b.transposed ? k : n,
		.c = c, .c_row = n}, eb);
}

static inline float activate(float z, const struct qb_act *act)
{
	if (act->kind != QB_ACT_NONE) {
		z = z < act->lo ? act->lo : z;
		z = z > act->hi ? act->hi : z;
	}
	return z;
}

enum qb_err qb_adaround_outputs(const struct qb_adaround_rows *r, float *y, struct qb_errbuf *eb)
{
	QB_TRY(product(r->samples, r->rows, r->k, (struct operand){r->x, false}, (struct operand){r->w, true}, y, eb));
	for (int64_t i = 0; i < r->samples * r->rows; i++) {
		y[i] = activate(y[i] + (r->bias ? r->bias[i % r->rows] : 0), &r->act);
	}
	return QB_OK;
}

/* Memory of a solver. */
struct work {
	const struct qb_adaround_rows *r;
	const struct kernels *k;
	int64_t span;   /* samples at a time */
	bool few;       /* few rows: everything lies by columns, samples side by side */
	float *transposed;  /* [k, samples]: x of few rows; else NULL */
	float *y;       /* [samples, rows], of few rows [rows, samples] */
	float *soft, *gradient; /* [rows, k] */
	float *out;     /* [span, rows], of few rows [rows, span]: outputs, then errors */
	float *norm;    /* [rows] */
	float *mean;    /* [k]: of x where biases are learned, else 0 */
	float *ridge;   /* [k]: what a weight's squared error costs beside the samples */
	float *bias;    /* [rows]: as learned so far, added to soft . (x - mean) */
	float *offset;  /* [rows]: bias - soft . mean */
	float *pull;    /* [rows]: sums of errors, the gradient of bias */
	double *loss;   /* [rows] */
	int64_t *free;  /* [rows]: outputs that the activation lets through */
};

static void work_fini(struct work *w)
{
	free(w->transposed);
	free(w->y);
	free(w->soft);
	free(w->gradient);
	free(w->out);
	free(w->norm);
	free(w->mean);
	free(w->ridge);
	free(w->bias);
	free(w->offset);
	free(w->pull);
	free(w->loss);
	free(w->free);
}

static void fill_moments(struct work *w, double shrinkage)
{
	const struct qb_adaround_rows *r = w->r;
	double n = (double)r->samples;

	for (int64_t j = 0; j < r->k; j++) {
		double sum = 0, squares = 0;

		for (int64_t t = 0; t < r->samples; t++) {
			double x = (double)r->x[t * r->k + j];

			sum += x;
			squares += x * x;
		}
		w->ridge[j] = (float)(shrinkage * (double)r->k / n * fmax(squares / n - sum / n * (sum / n), 0));
		w->mean[j] = r->learn_bias ? (float)(sum / n) : 0;
	}
}

/* weights_i . mean */
static double through(const struct work *w, const float *weights, int64_t i)
{
	double sum = 0;

	for (int64_t j = 0; j < w->r->k; j++) {
		sum += (double)weights[i * w->r->k + j] * (double)w->mean[j];
	}
	return sum;
}

static enum qb_err work_init(struct work *w, const struct qb_adaround_rows *r, double shrinkage, int64_t span,
	struct qb_errbuf *eb)
{
	size_t n = (size_t)(r->rows * r->k);

	*w = (struct work){.r = r, .k = kernels(), .span = span};
	w->soft = qb_aligned_alloc(n, sizeof(float));
	w->gradient = qb_aligned_alloc(n, sizeof(float));
	w->out = qb_aligned_alloc((size_t)(span * r->rows), sizeof(float));
	w->norm = qb_aligned_alloc((size_t)r->rows, sizeof(float));
	w->loss = qb_aligned_alloc((size_t)r->rows, sizeof(double));
	w->mean = qb_aligned_alloc((size_t)r->k, sizeof(float));
	w->ridge = qb_aligned_alloc((size_t)r->k, sizeof(float));
	w->bias = qb_aligned_alloc((size_t)r->rows, sizeof(float));
	w->offset = qb_aligned_alloc((size_t)r->rows, sizeof(float));
	w->pull = qb_aligned_alloc((size_t)r->rows, sizeof(float));
	w->free = qb_aligned_alloc((size_t)r->rows, sizeof(*w->free));
	w->y = qb_aligned_alloc((size_t)(r->rows * r->samples), sizeof(float));
	w->few = r->rows < FEW_ROWS;
	if (w->few) {
		w->transposed = qb_aligned_alloc((size_t)(r->k * r->samples), sizeof(float));
	}
	if (!w->soft || !w->gradient || !w->out || !w->norm || !w->loss || !w->mean || !w->ridge || !w->bias || !w->offset ||
		!w->pull || !w->free || !w->y || (w->few && !w->transposed)) {
		work_fini(w);
		return qb_fail(eb, QB_ENOMEM, "no memory to learn the rounding of %lld rows of %lld weights",
			(long long)r->rows, (long long)r->k);
	}
	memset(w->loss, 0, (size_t)r->rows * sizeof(*w->loss));
	memset(w->free, 0, (size_t)r->rows * sizeof(*w->free));
	fill_moments(w, shrinkage);
	for (int64_t i = 0; i < r->rows; i++) {
		w->bias[i] = (float)((r->bias ? (double)r->bias[i] : 0) + through(w, r->w, i));
	}
	for (int64_t t = 0; t < r->samples; t++) {
		for (int64_t j = 0; w->few && j < r->k; j++) {
			w->transposed[j * r->samples + t] = r->x[t * r->k + j];
		}
		for (int64_t i = 0; i < r->rows; i++) {
			w->y[w->few ? i * r->samples + t : t * r->rows + i] = r->y[t * r->y_stride + i];
		}
	}
	return QB_OK;
}

/* out = w . x of samples [first, first + count) */
static enum qb_err forward(struct work *w, const float *weights, int64_t first, int64_t count, struct qb_errbuf *eb)
{
	const struct qb_adaround_rows *r = w->r;

	if (!w->few) {
		return product(count, r->rows, r->k, (struct operand){r->x + first * r->k, false},
			(struct operand){weights, true}, w->out, eb);
	}
	for (int64_t i = 0; i < r->rows; i++) {
		memset(w->out + i * w->span, 0, (size_t)count * sizeof(float));
		for (int64_t j = 0; j < r->k; j++) {
			w->k->axpy(weights[i * r->k + j], w->transposed + j * r->samples + first, w->out + i * w->span,
				(size_t)count);
		}
	}
	return QB_OK;
}

/* What is to be added to weights . x. */
static void fill_offset(struct work *w, const float *weights)
{
	for (int64_t i = 0; i < w->r->rows; i++) {
		w->offset[i] = (float)((double)w->bias[i] - through(w, weights, i));
	}
}

/* Sums over the samples at work; out becomes the errors where the activation lets them through, row i times
 * 2 / (count * norm[i]) where norm is given. */
static void errors(struct work *w, const float *norm, int64_t first, int64_t count)
{
	const struct qb_adaround_rows *r = w->r;
	int64_t slow = w->few ? r->rows : count, fast = w->few ? count : r->rows;
	float lo = r->act.kind == QB_ACT_NONE ? -INFINITY : r->act.lo, hi = r->act.kind == QB_ACT_NONE ? INFINITY : r->act.hi;

	memset(w->pull, 0, (size_t)r->rows * sizeof(*w->pull));
	for (int64_t a = 0; a < slow; a++) {
		const float *y = w->few ? w->y + a * r->samples + first : w->y + (first + a) * r->rows;
		float *o = w->out + a * (w->few ? w->span : r->rows);

		for (int64_t b = 0; b < fast; b++) {
			int64_t i = w->few ? a : b;
			float factor = !norm ? 1 : norm[i] > 0 ? 2 / ((float)count * norm[i]) : 0;
			float z = o[b] + w->offset[i], c = z < lo ? lo : z > hi ? hi : z, d = c - y[b];
			bool free = z > lo && z < hi;

			w->loss[i] += (double)d * (double)d;
			w->free[i] += free;
			o[b] = free ? factor * d : 0;
			w->pull[i] += o[b];
		}
	}
}

/* gradient = errors^T x */
static enum qb_err backward(struct work *w, int64_t first, int64_t count, struct qb_errbuf *eb)
{
	const struct qb_adaround_rows *r = w->r;

	if (!w->few) {
		return product(r->rows, r->k, count, (struct operand){w->out, true},
			(struct operand){r->x + first * r->k, false}, w->gradient, eb);
	}
	for (int64_t i = 0; i < r->rows; i++) {
		for (int64_t j = 0; j < r->k; j++) {
			w->gradient[i * r->k + j] = w->k->dot(w->out + i * w->span,
				w->transposed + j * r->samples + first, (size_t)count);
		}
	}
	return QB_OK;
}

/* What row i of the weights costs beside the samples. */
static double ridge_loss(const struct work *w, const float *weights, int64_t i)
{
	const float *a = weights + i * w->r->k, *b = w->r->w + i * w->r->k;
	double sum = 0;

	for (int64_t j = 0; j < w->r->k; j++) {
		double d = (double)a[j] - (double)b[j];

		sum += (double)w->ridge[j] * d * d;
	}
	return sum;
}

/* What inputs lose by their mean being taken off, and what weights cost beside the samples. */
static void add_mean_and_ridge(struct work *w, const float *norm)
{
	const struct qb_adaround_rows *r = w->r;

	for (int64_t i = 0; i < r->rows; i++) {
		float factor = norm[i] > 0 ? 2 / norm[i] : 0;
		const float *soft = w->soft + i * r->k, *exact = r->w + i * r->k;
		float *g = w->gradient + i * r->k;

		for (int64_t j = 0; j < r->k; j++) {
			g[j] += factor * w->ridge[j] * (soft[j] - exact[j]) - w->pull[i] * w->mean[j];
		}
	}
}

/* The gradients in v and bias, of the samples; leaves their squared errors added to loss. */
static enum qb_err gradient(struct work *w, const float *norm, const float *v, double lambda, double beta,
	int64_t first, int64_t count, struct qb_errbuf *eb)
{
	const struct qb_adaround_rows *r = w->r;
	size_t n = (size_t)(r->rows * r->k);

	w->k->soften(v, r->down, r->up, w->soft, n, 0, 1);
	QB_TRY(forward(w, w->soft, first, count, eb));
	fill_offset(w, w->soft);
	errors(w, norm, first, count);
	QB_TRY(backward(w, first, count, eb));
	add_mean_and_ridge(w, norm);
	w->k->chain(v, r->down, r->up, w->gradient, n, (float)lambda, (float)beta, 0, 1);
	return QB_OK;
}

/* Loss of each row on all samples, for weights as given, with w->bias; step [rows]: what Gauss and Newton would add to
 * bias. */
static enum qb_err losses(struct work *w, const float *weights, double *loss, double *step, struct qb_errbuf *eb)
{
	const struct qb_adaround_rows *r = w->r;

	memset(w->loss, 0, (size_t)r->rows * sizeof(*w->loss));
	memset(w->free, 0, (size_t)r->rows * sizeof(*w->free));
	memset(step, 0, (size_t)r->rows * sizeof(*step));
	fill_offset(w, weights);
	for (int64_t s = 0; s < r->samples; s += w->span) {
		int64_t n = QB_MIN(w->span, r->samples - s);

		QB_TRY(forward(w, weights, s, n, eb));
		errors(w, NULL, s, n);
		for (int64_t i = 0; i < r->rows; i++) {
			step[i] -= (double)w->pull[i];
		}
	}
	for (int64_t i = 0; i < r->rows; i++) {
		loss[i] = w->loss[i] / (double)r->samples + ridge_loss(w, weights, i);
		step[i] = w->free[i] ? step[i] / (double)w->free[i] : 0;
	}
	return QB_OK;
}

/* Loss of each row with the best bias that a few steps from w->bias find, which is left there. */
static enum qb_err fitted_losses(struct work *w, const float *weights, double *loss, struct qb_errbuf *eb)
{
	const struct qb_adaround_rows *r = w->r;
	int steps = !r->learn_bias ? 0 : r->act.kind == QB_ACT_NONE ? 1 : BIAS_STEPS;
	double *now = calloc(3 * (size_t)r->rows, sizeof(*now)), *step = now + r->rows, *best = step + r->rows;
	enum qb_err err = QB_OK;

	if (!now) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the biases of %lld rows", (long long)r->rows);
	}
	for (int t = 0; err == QB_OK && t <= steps; t++) {
		err = losses(w, weights, now, step, eb);
		for (int64_t i = 0; i < r->rows; i++) {
			bool better = t == 0 || now[i] < loss[i];

			loss[i] = better ? now[i] : loss[i];
			best[i] = better ? (double)w->bias[i] : best[i];
			w->bias[i] = t < steps ? (float)((double)w->bias[i] + step[i]) : (float)best[i];
		}
	}
	free(now);
	return err;
}

static double beta_at(const struct qb_adaround_options *o, double t)
{
	double part = (t - o->warm_up) / (1 - o->warm_up);

	return o->beta_end + 0.5 * (o->beta_start - o->beta_end) * (1 + cos(part * M_PI));
}

/* h^-1 of where w lies between its neighbours. */
static void start(const struct qb_adaround_rows *r, float *v)
{
	for (int64_t i = 0; i < r->rows * r->k; i++) {
		double gap = (double)r->up[i] - r->down[i], h = gap > 0 ? ((double)r->w[i] - r->down[i]) / gap : 0.5;

		v[i] = (float)-log(1.2 / (fmin(fmax(h, 0), 1) + 0.1) - 1);
	}
}

/* Moments of Adam: of v [rows * k], then of bias [rows], which is stepped in units of a row's error. */
struct moments {
	float *m1, *m2, *unit, *u, *gradient;
};

static void step_biases(struct work *w, const struct moments *m, float rate)
{
	size_t n = (size_t)w->r->rows, at = n * (size_t)w->r->k;

	for (size_t i = 0; i < n; i++) {
		m->u[i] = 0;
		m->gradient[i] = w->pull[i] * m->unit[i];
	}
	w->k->adam(m->u, m->gradient, m->m1 + at, m->m2 + at, n, rate, 1e-8f);
	for (size_t i = 0; i < n; i++) {
		w->bias[i] += m->u[i] * m->unit[i];
	}
}

static enum qb_err descend(struct work *w, const struct qb_adaround_options *opt, float *v, const struct moments *m,
	struct qb_errbuf *eb)
{
	const struct qb_adaround_rows *r = w->r;
	int64_t span = QB_MIN(opt->batch, r->samples), first = 0;
	double decay1 = 1, decay2 = 1;

	for (int t = 0; t < opt->iterations; t++) {
		double at = (double)t / opt->iterations;
		bool warm = at < opt->warm_up;
		float rate;

		if (first + span > r->samples) {
			first = 0;
		}
		QB_TRY(gradient(w, w->norm, v, warm ? 0 : opt->lambda, warm ? 2 : beta_at(opt, at), first, span, eb));
		first += span;
		decay1 *= 0.9;
		decay2 *= 0.999;
		rate = (float)(opt->rate * sqrt(1 - decay2) / (1 - decay1));
		w->k->adam(v, w->gradient, m->m1, m->m2, (size_t)(r->rows * r->k), rate, 1e-8f);
		if (r->learn_bias) {
			step_biases(w, m, rate);
		}
	}
	return QB_OK;
}

static void harden(const struct qb_adaround_rows *r, const float *v, float *out)
{
	for (int64_t i = 0; i < r->rows * r->k; i++) {
		out[i] = v[i] >= 0 ? r->up[i] : r->down[i];
	}
}

/* How rows end: their losses, and what is added to weights . (x - mean). */
struct ending {
	double *loss;
	float *bias;
};

/* Row by row the better of the learned rounding and the nearest. */
static void take_better(const struct work *w, const struct ending *near, const struct ending *learned, float *out,
	float *bias, struct qb_adaround_report *report)
{
	const struct qb_adaround_rows *r = w->r;

	for (int64_t i = 0; i < r->rows; i++) {
		const float *nearest = r->nearest + i * r->k;
		bool better = learned->loss[i] < near->loss[i];

		report->nearest_loss += near->loss[i];
		report->loss += better ? learned->loss[i] : near->loss[i];
		if (!better) {
			memcpy(out + i * r->k, nearest, (size_t)r->k * sizeof(*out));
		}
		if (r->learn_bias) {
			bias[i] = (float)((double)(better ? learned : near)->bias[i] - through(w, out, i));
		}
		for (int64_t j = 0; j < r->k; j++) {
			report->changed += out[i * r->k + j] != nearest[j];
		}
	}
}

/* Rounded to nearest: the rows' losses, what they are divided by, and the unit of a bias. */
static enum qb_err begin(struct work *w, const struct ending *near, float *unit, struct qb_errbuf *eb)
{
	const struct qb_adaround_rows *r = w->r;

	QB_TRY(fitted_losses(w, r->nearest, near->loss, eb));
	memcpy(near->bias, w->bias, (size_t)r->rows * sizeof(*w->bias));
	for (int64_t i = 0; i < r->rows; i++) {
		w->norm[i] = (float)(near->loss[i] / (double)r->k);
		unit[i] = (float)sqrt(near->loss[i]);
	}
	return QB_OK;
}

enum qb_err qb_adaround(const struct qb_adaround_rows *r, const struct qb_adaround_options *opt, float *out, float *bias,
	struct qb_adaround_report *report, struct qb_errbuf *eb)
{
	size_t rows = (size_t)r->rows, n = rows * (size_t)r->k;
	float *v = calloc(3 * n + 7 * rows, sizeof(*v));
	double *loss = calloc(2 * rows, sizeof(*loss));
	struct moments m;
	struct ending near, learned;
	struct work w = {0};
	enum qb_err err;

	if (!v || !loss) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to learn the rounding of %zu weights", n);
		goto out;
	}
	m = (struct moments){.m1 = v + n};
	m.m2 = m.m1 + n + rows;
	m.unit = m.m2 + n + rows;
	m.u = m.unit + rows;
	m.gradient = m.u + rows;
	near = (struct ending){loss, m.gradient + rows};
	learned = (struct ending){loss + rows, near.bias + rows};
	QB_TRY_OUT(work_init(&w, r, opt->shrinkage, QB_MIN(opt->batch, r->samples), eb));
	QB_TRY_OUT(begin(&w, &near, m.unit, eb));
	start(r, v);
	QB_TRY_OUT(descend(&w, opt, v, &m, eb));

	harden(r, v, out);
	QB_TRY_OUT(fitted_losses(&w, out, learned.loss, eb));
	memcpy(learned.bias, w.bias, rows * sizeof(*w.bias));
	take_better(&w, &near, &learned, out, bias, report);
out:
	work_fini(&w);
	free(v);
	free(loss);
	return err;
}

static double regulariser(const struct qb_adaround_rows *r, const float *v, double beta)
{
	double sum = 0;

	for (int64_t i = 0; i < r->rows * r->k; i++) {
		double h = 1.2 / (1 + exp(-(double)v[i])) - 0.1;

		sum += 1 - pow(fabs(2 * fmin(fmax(h, 0), 1) - 1), beta);
	}
	return sum;
}

enum qb_err qb_adaround_objective(const struct qb_adaround_rows *r, const struct qb_adaround_options *opt,
	const struct qb_adaround_point *at, double *loss, float *v_gradient, float *bias_gradient, struct qb_errbuf *eb)
{
	struct work w = {0};
	enum qb_err err;

	QB_TRY_OUT(work_init(&w, r, opt->shrinkage, at->count, eb));
	if (r->learn_bias) {
		memcpy(w.bias, at->bias, (size_t)r->rows * sizeof(*w.bias));
	}
	QB_TRY_OUT(gradient(&w, at->norm, at->v, opt->lambda, at->beta, at->first, at->count, eb));
	*loss = opt->lambda * regulariser(r, at->v, at->beta);
	for (int64_t i = 0; i < r->rows; i++) {
		if (at->norm[i] > 0) {
			*loss += (w.loss[i] / (double)at->count + ridge_loss(&w, w.soft, i)) / (double)at->norm[i];
		}
	}
	if (v_gradient) {
		memcpy(v_gradient, w.gradient, (size_t)(r->rows * r->k) * sizeof(*v_gradient));
	}
	if (bias_gradient) {
		memcpy(bias_gradient, w.pull, (size_t)r->rows * sizeof(*bias_gradient));
	}
out:
	work_fini(&w);
	return err;
}
