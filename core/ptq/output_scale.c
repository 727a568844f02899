/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/output_scale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/onednn.h"
#include "core/ptq/gptq.h"

/* Scales are tried in eighths of an octave, then in steps of 1/32 around the best. */
enum { COARSE_FROM = -8, COARSE_TO = 4, COARSE = 8, FINE = 32 };

enum qb_err qb_output_moments(float *c, const float *x, int64_t n, int64_t k, bool centred, double shrinkage,
	struct qb_errbuf *eb)
{
	double *mean = calloc((size_t)k, sizeof(*mean));
	struct qb_hessian h = {0};
	enum qb_err err;

	if (!mean) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the means of %lld inputs", (long long)k);
	}
	QB_TRY_OUT(qb_hessian_init(&h, k, eb));
	QB_TRY_OUT(qb_hessian_update(&h, x, n, 0, k, eb));
	for (int64_t t = 0; t < n; t++) {
		for (int64_t j = 0; j < k; j++) {
			mean[j] += (double)x[t * k + j] / (double)n;
		}
	}
	for (int64_t i = 0; i < k; i++) {
		for (int64_t j = 0; j <= i; j++) {
			double second = h.sum[i * k + j] / (double)n, spread = second - mean[i] * mean[j];
			double v = (centred ? spread : second) + (i == j ? shrinkage * (double)k / (double)n * fmax(spread, 0) : 0);

			c[i * k + j] = c[j * k + i] = (float)v;
		}
	}
out:
	qb_hessian_fini(&h);
	free(mean);
	return err;
}

struct search {
	const struct qb_quantizer *q;
	int64_t first, rows, k;
	const float *w, *c;
	float *trial;    /* [rows]: scales to be tried */
	float *e, *ec;   /* [rows, k]: errors of weights, and those times c */
	double *least;   /* [rows] */
};

/* Where the trial loses less, scale becomes it. */
static enum qb_err try_scales(struct search *s, float *scale, struct qb_errbuf *eb)
{
	const struct qb_quantizer trial = {.format = s->q->format, .axis = 0, .channels = s->rows, .scale = s->trial,
		.zero = s->q->zero ? s->q->zero + s->first : NULL};

	qb_qdq(&trial, s->w, s->e, 1, s->rows, s->k);
	for (int64_t i = 0; i < s->rows * s->k; i++) {
		s->e[i] -= s->w[i];
	}
	QB_TRY(qb_sgemm(&(struct qb_sgemm){.m = s->rows, .n = s->k, .k = s->k, .alpha = 1, .a = s->e, .a_row = s->k,
		.b = s->c, .b_row = s->k, .c = s->ec, .c_row = s->k}, eb));
	for (int64_t i = 0; i < s->rows; i++) {
		double loss = 0;

		for (int64_t j = 0; j < s->k; j++) {
			loss += (double)s->e[i * s->k + j] * (double)s->ec[i * s->k + j];
		}
		if (loss < s->least[i]) {
			s->least[i] = loss;
			scale[i] = s->trial[i];
		}
	}
	return QB_OK;
}

/* Tries base times 2^(step / parts) for the steps between. */
static enum qb_err try_steps(struct search *s, const float *base, int from, int to, int parts, float *scale,
	struct qb_errbuf *eb)
{
	for (int step = from; step <= to; step++) {
		double factor = exp2((double)step / parts);

		for (int64_t i = 0; i < s->rows; i++) {
			s->trial[i] = (float)((double)base[i] * factor);
		}
		QB_TRY(try_scales(s, scale, eb));
	}
	return QB_OK;
}

enum qb_err qb_output_scales(float *scale, const struct qb_quantizer *q, int64_t first, const float *w, int64_t rows,
	int64_t k, const float *c, struct qb_errbuf *eb)
{
	float *memory = malloc((size_t)(2 * rows * k + 2 * rows) * sizeof(*memory)), *best;
	struct search s = {.q = q, .first = first, .rows = rows, .k = k, .w = w, .c = c,
		.least = malloc((size_t)rows * sizeof(double))};
	enum qb_err err;

	if (!memory || !s.least) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to search the scales of %lld rows", (long long)rows);
		goto out;
	}
	s.e = memory;
	s.ec = s.e + rows * k;
	s.trial = s.ec + rows * k;
	best = s.trial + rows;
	for (int64_t i = 0; i < rows; i++) {
		best[i] = q->scale[first + i];
		s.least[i] = INFINITY;
	}
	/* The scale that it has comes first: others must be better. */
	QB_TRY_OUT(try_steps(&s, q->scale + first, 0, 0, 1, best, eb));
	QB_TRY_OUT(try_steps(&s, q->scale + first, COARSE_FROM, COARSE_TO, COARSE, best, eb));
	memcpy(scale, best, (size_t)rows * sizeof(*scale));
	QB_TRY_OUT(try_steps(&s, best, -FINE / COARSE + 1, FINE / COARSE - 1, FINE, scale, eb));
out:
	free(memory);
	free(s.least);
	return err;
}
