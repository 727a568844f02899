/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/weight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

void qb_weight_extents(const struct qb_value *w, int axis, int64_t *outer, int64_t *channels,
	int64_t *inner)
{
	*outer = *channels = *inner = 1;
	for (int i = 0; i < w->shape.ndim; i++) {
		int64_t *part = i < axis ? outer : i == axis ? channels : inner;

		*part *= w->shape.dim[i];
	}
}

/* x [outer, channels, inner] to y [channels, outer * inner]: a channel's elements contiguous. */
static void gather_channels(const float *x, float *y, int64_t outer, int64_t channels,
	int64_t inner, bool back)
{
	for (int64_t c = 0; c < channels; c++) {
		for (int64_t o = 0; o < outer; o++) {
			const int64_t a = (o * channels + c) * inner, b = (c * outer + o) * inner;

			memcpy(y + (back ? a : b), x + (back ? b : a), (size_t)inner * sizeof(*y));
		}
	}
}

enum qb_err qb_quantize_weight(const struct qb_quantizer *q, const struct qb_value *w, int axis,
	float *y, struct qb_qdq_sums *sums, struct qb_errbuf *eb)
{
	struct qb_qdq_sums unused = {0};
	int64_t outer, channels, inner;
	float *t;

	qb_weight_extents(w, axis, &outer, &channels, &inner);
	if (!q->format.block || outer == 1) {
		/* A block runs along what one output channel sums over: the inner dimensions. */
		qb_qdq_measure(q, w->constant->data, NULL, y, outer, channels, inner,
			sums ? sums : &unused);
		return QB_OK;
	}
	t = malloc((size_t)(outer * channels * inner) * sizeof(*t));
	if (!t) {
		return qb_fail(eb, QB_ENOMEM, "no memory to quantize %s", w->name);
	}
	gather_channels(w->constant->data, t, outer, channels, inner, false);
	qb_qdq_measure(q, t, NULL, t, 1, channels, outer * inner, sums ? sums : &unused);
	gather_channels(t, y, outer, channels, inner, true);
	free(t);
	return QB_OK;
}

static enum qb_err weight_quantizer_of(struct qb_quantizer *q, const struct qb_format *f,
	const struct qb_scheme_part *part, const struct qb_value *w, int axis, struct qb_errbuf *eb)
{
	const float *x = w->constant->data;
	int64_t outer, channels, inner, n;
	float *side_by_side = NULL, *lo = NULL, *hi = NULL;
	enum qb_err err;

	qb_weight_extents(w, axis, &outer, &channels, &inner);
	n = outer * channels * inner;
	if (part->granularity != QB_PER_CHANNEL) {
		float l = 0, h = 0;

		qb_range_from_data(x, (size_t)n, f, &part->range, &l, &h);
		return qb_quantizer_init(q, f, -1, 1, &l, &h, eb);
	}
	side_by_side = malloc((size_t)n * sizeof(*x));
	lo = malloc((size_t)channels * sizeof(*lo));
	hi = malloc((size_t)channels * sizeof(*hi));
	if (!side_by_side || !lo || !hi) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to quantize %s", w->name);
		goto out;
	}
	gather_channels(x, side_by_side, outer, channels, inner, false);
	for (int64_t c = 0; c < channels; c++) {
		qb_range_from_data(side_by_side + c * outer * inner, (size_t)(outer * inner), f,
			&part->range, &lo[c], &hi[c]);
	}
	err = qb_quantizer_init(q, f, axis, channels, lo, hi, eb);
out:
	free(side_by_side);
	free(lo);
	free(hi);
	return err;
}

static enum qb_err weight_error(const struct qb_quantizer *q, const struct qb_value *w, int axis,
	double *error, struct qb_errbuf *eb)
{
	struct qb_qdq_sums s = {0};
	float *y = malloc(qb_tensor_size(w->constant) * sizeof(*y) + 1);
	enum qb_err err = y ? qb_quantize_weight(q, w, axis, y, &s, eb)
			    : qb_fail(eb, QB_ENOMEM, "no memory to quantize %s", w->name);

	*error = s.noise;
	free(y);
	return err;
}

enum qb_err qb_weight_quantizer(struct qb_quantizer *q, const struct qb_scheme_part *part,
	const struct qb_value *w, int axis, struct qb_errbuf *eb)
{
	double least = INFINITY;

	if (!part->any_split) {
		return weight_quantizer_of(q, &part->format, part, w, axis, eb);
	}
	for (size_t i = 0; i < QB_SCHEME_SPLITS; i++) {
		struct qb_quantizer now = {0};
		struct qb_format f;
		double error;

		QB_TRY(qb_format_parse(&f, qb_scheme_splits[i], eb));
		QB_TRY(weight_quantizer_of(&now, &f, part, w, axis, eb));
		if (weight_error(&now, w, axis, &error, eb) != QB_OK) {
			qb_quantizer_fini(&now);
			return QB_ENOMEM;
		}
		if (error < least || !q->scale) {
			qb_quantizer_fini(q);
			*q = now;
			least = error;
		} else {
			qb_quantizer_fini(&now);
		}
	}
	return QB_OK;
}
