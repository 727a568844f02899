/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products with constant weights in seven products of quarters instead of eight: Strassen's algorithm in
 * Winograd's form (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., equation 23.6), once. Sums of
 * quarters of the weights are made with the plan, so it is for plans whose weights nothing replaces; they take 7/4 of
 * the weights' memory. An output's error is bounded by the largest numbers of its whole row and column of quarters,
 * not by its own; but rows of zeros, as padding leaves them, give zeros exactly, for a network may divide by their norm.
 *
 *     S1 = A21 + A22   S2 = S1 - A11    S3 = A11 - A21   S4 = A12 - S2
 *     T1 = B12 - B11   T2 = B22 - T1    T3 = B22 - B12   T4 = T2 - B21
 *     P1 = A11 B11   P2 = A12 B21   P3 = S4 B22   P4 = A22 T4   P5 = S1 T1   P6 = S2 T2   P7 = S3 T3
 *     C11 = P1 + P2                  C12 = (P1 + P6) + P5 + P3
 *     C21 = (P1 + P6) + P7 - P4      C22 = (P1 + P6) + P7 + P5
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/lower/f32/choice.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/kernels/f32/gemm.h"
#include "core/kernels/f32/math.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum {
	HALF = 128,    /* rows of a quarter: they stay in a second-level cache while panels go by */
	PANELS = 4,    /* panels of a quarter at a time, for the same reason */
	COLUMNS = PANELS * QB_F32_PANEL,
	PRODUCTS = 7,
	SUMS = 4,
	LEAST_ROWS = 64, LEAST_SIDE = 256, /* below, what is saved goes into sums and short tiles */
};

struct strassen {
	int64_t rows, k, n; /* half of each of the weights' sides */
	int64_t groups;
	const float *weights; /* [groups][7][panels of the group][k][16] */
	const float *zeros;   /* [k]: a row that is not there */
	bool has_bias, adds;
	struct qb_act act;
	int threads;
};

enum { X, BIAS, RESIDUAL };

/* Some rows of x: the upper half, and the lower, which may be one row shorter. */
struct part {
	const float *x, *residual;
	float *y, *sum; /* sum [4][upper][k] */
	int64_t upper, lower;
};

static inline __attribute__((always_inline)) void sums_body(const float *restrict a11, const float *restrict a21,
	float *restrict s, int64_t k, int64_t apart)
{
	const float *restrict a12 = a11 + k, *restrict a22 = a21 + k;

	for (int64_t i = 0; i < k; i++) {
		float s1 = a21[i] + a22[i], s2 = s1 - a11[i];

		s[i] = s1;
		s[apart + i] = s2;
		s[2 * apart + i] = a11[i] - a21[i];
		s[3 * apart + i] = a12[i] - s2;
	}
}

/* p [7][apart]; the quarters of y, bias and all missing. */
static inline __attribute__((always_inline)) void join_body(const float *restrict p, int64_t apart, int64_t n,
	float *restrict y11, float *restrict y12, float *restrict y21, float *restrict y22)
{
	for (int64_t i = 0; i < n; i++) {
		float p1 = p[i], p5 = p[4 * apart + i], u = p1 + p[5 * apart + i];
		float v = u + p[6 * apart + i];

		y11[i] = p1 + p[apart + i];
		y12[i] = u + p5 + p[2 * apart + i];
		if (y21) {
			y21[i] = v - p[3 * apart + i];
			y22[i] = v + p5;
		}
	}
}

static inline __attribute__((always_inline)) void end_body(float *restrict y, const float *restrict bias,
	const float *restrict residual, int64_t n, float lo, float hi)
{
	for (int64_t i = 0; bias && i < n; i++) {
		y[i] += bias[i];
	}
	for (int64_t i = 0; residual && i < n; i++) {
		y[i] += residual[i];
	}
	for (int64_t i = 0; i < n; i++) {
		float v = y[i] < lo ? lo : y[i];

		y[i] = v > hi ? hi : v;
	}
}

QB_FOR_EVERY_LEVEL(static, sums, (const float *a11, const float *a21, float *s, int64_t k, int64_t apart), (a11, a21, s, k, apart))
QB_FOR_EVERY_LEVEL(static, join, (const float *p, int64_t apart, int64_t n, float *y11, float *y12, float *y21, float *y22),
	(p, apart, n, y11, y12, y21, y22))
QB_FOR_EVERY_LEVEL(static, end, (float *y, const float *bias, const float *residual, int64_t n, float lo, float hi),
	(y, bias, residual, n, lo, hi))

/* The activation of one row of a quarter. */
static void finish(const struct strassen *s, float *y, const float *bias, const float *residual, int64_t n)
{
	bool clips = s->act.kind == QB_ACT_RELU || s->act.kind == QB_ACT_CLIP;

	if (bias || residual || clips) {
		end(y, bias, residual, n, clips ? s->act.lo : -INFINITY, clips ? s->act.hi : INFINITY);
	}
	if (s->act.kind > QB_ACT_CLIP) {
		qb_f32_activate(&s->act, y, n);
	}
}

/* Where the rows of the left sides of the seven products are. */
static void find_rows(const struct strassen *s, const struct part *p, const float *row[PRODUCTS][HALF])
{
	for (int64_t i = 0; i < p->upper; i++) {
		const float *up = p->x + i * 2 * s->k, *low = up + p->upper * 2 * s->k;
		const float *sum = p->sum + i * s->k;
		int64_t apart = p->upper * s->k;

		row[0][i] = up;
		row[1][i] = up + s->k;
		row[2][i] = sum + 3 * apart;
		row[3][i] = i < p->lower ? low + s->k : s->zeros;
		row[4][i] = sum;
		row[5][i] = sum + apart;
		row[6][i] = sum + 2 * apart;
	}
}

/* Row i of a half: the upper, or the lower. It costs nothing where the first number is not 0. */
static bool is_zero(const struct strassen *s, const struct part *p, int64_t i, int lower)
{
	const float *x = p->x + (i + lower * p->upper) * 2 * s->k;
	int64_t k = 0;

	while (k < 2 * s->k && x[k] == 0) {
		k++;
	}
	return k == 2 * s->k;
}

/* One group of panels; product [7][HALF][COLUMNS]. */
static void run_group(const struct strassen *s, const struct part *p, const float *row[PRODUCTS][HALF],
	int64_t group, const float *bias, float *product)
{
	int64_t column = group * COLUMNS, width = QB_MIN((int64_t)COLUMNS, s->n - column);
	int64_t panels = width / QB_F32_PANEL, each = width * s->k;
	const float *w = s->weights + group * PRODUCTS * COLUMNS * s->k;

	for (int i = 0; i < PRODUCTS; i++) {
		struct qb_f32_gemm q = {.outputs = width, .runs = 1, .depth = s->k, .weights = w + i * each,
			.prefetch = w + (i + 1) * each};

		if (i + 1 == PRODUCTS && group + 1 == s->groups) {
			q.prefetch = s->weights;
		}
		qb_f32_gemm(&q, row[i], p->upper, 0, panels, NULL, product + i * HALF * COLUMNS, COLUMNS);
	}
	for (int64_t i = 0; i < p->upper; i++) {
		int64_t at[4] = {i * 2 * s->n + column};
		bool whole = i < p->lower;

		at[1] = at[0] + s->n;
		at[2] = at[0] + p->upper * 2 * s->n;
		at[3] = at[2] + s->n;
		join(product + i * COLUMNS, HALF * COLUMNS, width, p->y + at[0], p->y + at[1],
			whole ? p->y + at[2] : NULL, whole ? p->y + at[3] : NULL);
		for (int q = 0; q < (whole ? 4 : 2); q++) {
			if (is_zero(s, p, i, q / 2)) {
				memset(p->y + at[q], 0, (size_t)width * sizeof(*p->y));
			}
			finish(s, p->y + at[q], bias ? bias + column + q % 2 * s->n : NULL,
				p->residual ? p->residual + at[q] : NULL, width);
		}
	}
}

/* A part at work. */
struct running {
	const struct strassen *s;
	struct part p;
	const float *bias;
	float *products;
};

static void sum_rows(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct running *r = context;
	const struct strassen *s = r->s;
	const struct part *p = &r->p;
	const float *up = p->x + i * 2 * s->k;

	(void)at;
	sums(up, i < p->lower ? up + p->upper * 2 * s->k : s->zeros, p->sum + i * s->k, s->k, p->upper * s->k);
}

static void run_groups(const void *context, const struct qb_operands *at, int64_t t)
{
	const struct running *r = context;
	const struct strassen *s = r->s;
	const float *row[PRODUCTS][HALF];

	(void)at;
	find_rows(s, &r->p, row);
	for (int64_t g = s->groups * t / s->threads; g < s->groups * (t + 1) / s->threads; g++) {
		run_group(s, &r->p, row, g, r->bias, r->products + t * PRODUCTS * HALF * COLUMNS);
	}
}

static void run_strassen(const void *context, const struct qb_operands *at)
{
	const struct strassen *s = context;
	int64_t parts = (s->rows + 2 * HALF - 1) / (2 * HALF);
	float *products = at->scratch[0];

	for (int64_t i = 0; i < parts; i++) {
		int64_t first = s->rows * i / parts, count = s->rows * (i + 1) / parts - first;
		struct running r = {s, {.x = (const float *)at->read[X] + first * 2 * s->k,
			.residual = s->adds ? (const float *)at->read[RESIDUAL] + first * 2 * s->n : NULL,
			.y = (float *)at->write[0] + first * 2 * s->n, .upper = (count + 1) / 2, .lower = count / 2,
			.sum = products + (size_t)s->threads * PRODUCTS * HALF * COLUMNS},
			s->has_bias ? at->read[BIAS] : NULL, products};

		qb_threads_loop(s->threads, r.p.upper, sum_rows, &r, at);
		qb_threads_loop(s->threads, s->threads, run_groups, &r, at);
	}
}

/* Number (k, o) of the weights. */
static double weight(const struct qb_rows_product *p, int64_t k, int64_t o)
{
	const float *w = p->w->constant->data;

	return (double)(p->transposed ? w[o * p->k + k] : w[k * p->n + o]);
}

static const float *make_weights(struct qb_builder *b, const struct strassen *s, const struct qb_rows_product *p)
{
	float *all = qb_builder_alloc(b, (size_t)(PRODUCTS * s->k * s->n), sizeof(*all));

	for (int64_t column = 0; all && column < s->n; column += QB_F32_PANEL) {
		int64_t group = column / COLUMNS, in_group = column % COLUMNS;
		int64_t apart = QB_MIN((int64_t)COLUMNS, s->n - group * COLUMNS) * s->k;
		float *to = all + group * PRODUCTS * COLUMNS * s->k + in_group * s->k;

		for (int64_t i = 0; i < s->k * QB_F32_PANEL; i++) {
			int64_t k = i / QB_F32_PANEL, o = column + i % QB_F32_PANEL;
			double b11 = weight(p, k, o), b12 = weight(p, k, s->n + o);
			double b21 = weight(p, s->k + k, o), b22 = weight(p, s->k + k, s->n + o);
			double t1 = b12 - b11, t2 = b22 - t1;
			const double side[PRODUCTS] = {b11, b21, b22, t2 - b21, t1, t2, b22 - b12};

			for (int q = 0; q < PRODUCTS; q++) {
				to[q * apart + i] = (float)side[q];
			}
		}
	}
	return all;
}

static enum qb_err find_buffers(struct qb_builder *b, const struct strassen *s, const struct qb_lowered *op,
	const struct qb_rows_product *p, struct qb_call *call, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_layout bias = qb_layout_vector(p->n), y = qb_layout_dense(&n->output[0]->shape);
	size_t sums = (size_t)(SUMS * QB_MIN((int64_t)HALF, (s->rows + 1) / 2) * s->k);
	struct qb_place place;
	int id;

	QB_TRY(qb_builder_dense(b, n->input[0], &place, eb));
	call->reads[X] = place.buffer;
	if (p->bias) {
		QB_TRY(qb_builder_weight(b, p->bias, &bias, &bias, &id, eb));
		call->reads[BIAS] = QB_CALL_WEIGHT(id);
	}
	if (s->adds) {
		QB_TRY(qb_builder_source(b, op->residual, &y, &place, eb));
		call->reads[RESIDUAL] = place.buffer;
	}
	call->scratch[0] = ((size_t)s->threads * PRODUCTS * HALF * COLUMNS + sums) * sizeof(float);
	QB_TRY(qb_builder_define(b, n->output[0], &y, &place, eb));
	call->writes[0] = place.buffer;
	return QB_OK;
}

enum qb_err qb_plan_strassen(struct qb_builder *b, const struct qb_lowered *op, const struct qb_rows_product *p,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct strassen s = {.rows = p->rows, .k = p->k / 2, .n = p->n / 2, .has_bias = p->bias,
		.adds = op->residual, .act = op->act, .threads = qb_builder_threads(b)};
	struct qb_call call = {.name = "strassen", .fn = run_strassen, QB_CONTEXT(s)};

	s.groups = (s.n + COLUMNS - 1) / COLUMNS;
	if (!qb_f32_ours(QB_F32_STRASSEN) || !qb_builder_is_frozen(b) || op->affine.scale || op->residual_last ||
		p->rows < LEAST_ROWS || QB_MIN(p->k, p->n) < LEAST_SIDE || p->k % 2 ||
		p->n % (2 * QB_F32_PANEL) || s.threads > s.groups) {
		return QB_EUNSUPPORTED;
	}
	s.zeros = qb_builder_alloc(b, (size_t)p->k, sizeof(float));
	s.weights = make_weights(b, &s, p);
	if (!s.zeros || !s.weights) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the sums of %s", p->w->name);
	}
	QB_TRY(find_buffers(b, &s, op, p, &call, eb));
	return qb_builder_call(b, n, &call, eb);
}
