/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/weight_quantizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/kernels/f32/math.h"

enum qb_err qb_weight_quantizer_init(struct qb_weight_quantizer *q, const struct qb_format *f, enum qb_estimator estimator,
	bool dorefa, bool per_channel, int64_t outer, int64_t width, int64_t inner, struct qb_errbuf *eb)
{
	struct qb_weight_quantizer r = {.format = *f, .estimator = estimator, .dorefa = dorefa, .outer = outer, .width = width,
		.inner = inner, .channels = per_channel ? width : 1};
	bool zeros = f->kind == QB_FORMAT_INT && f->asymmetric;

	QB_TRY(qb_fake_quantizer_check(f, estimator, eb));
	if (dorefa && (f->kind != QB_FORMAT_INT || f->asymmetric || !f->is_signed)) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s: pact's weights are of signed symmetric integers, int2 to int8", f->name);
	}
	r.zero = zeros ? calloc((size_t)r.channels + 1, sizeof(*r.zero)) : NULL;
	r.scratch = dorefa ? calloc(qb_weight_quantizer_size(&r) + 1, sizeof(*r.scratch)) : NULL;
	r.sums = calloc((size_t)r.channels + 1, sizeof(*r.sums));
	if ((zeros && !r.zero) || (dorefa && !r.scratch) || !r.sums) {
		qb_weight_quantizer_fini(&r);
		return qb_fail(eb, QB_ENOMEM, "no memory for the quantizer of a weight");
	}
	*q = r;
	return QB_OK;
}

void qb_weight_quantizer_fini(struct qb_weight_quantizer *q)
{
	free(q->zero);
	free(q->scratch);
	free(q->sums);
	q->zero = NULL;
	q->scratch = NULL;
	q->sums = NULL;
}

/* What the scale applies to. */
static struct qb_fake_quantizer quantizer(const struct qb_weight_quantizer *q, const float *scale, float factor)
{
	return (struct qb_fake_quantizer){.format = q->format, .estimator = q->estimator, .factor = factor,
		.channels = q->channels, .scale = scale, .zero = q->zero};
}

static void extents(const struct qb_weight_quantizer *q, int64_t *outer, int64_t *inner)
{
	*outer = q->channels == 1 ? 1 : q->outer;
	*inner = q->channels == 1 ? q->outer * q->width * q->inner : q->inner;
}

/* ---- where scales begin ---- */

/* The elements of channel c side by side. */
static size_t gather(const struct qb_weight_quantizer *q, const float *w, int64_t c, float *to)
{
	int64_t outer, inner;

	extents(q, &outer, &inner);
	for (int64_t o = 0; o < outer; o++) {
		memcpy(to + o * inner, w + (o * q->channels + c) * inner, (size_t)inner * sizeof(*to));
	}
	return (size_t)(outer * inner);
}

/* By comparison: fmax, vectorized, crashes GCC 12.2 for 64-bit Arm. A NaN is passed over by both. */
static double largest(const float *x, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++) {
		double v = fabs((double)x[i]);

		most = v > most ? v : most;
	}
	return most;
}

static double mean_range(const struct qb_format *f, const float *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += fabs((double)x[i]);
	}
	return 2 * sum / (double)n / sqrt(qb_format_max(f));
}

static double deviations_range(const struct qb_format *f, const float *x, size_t n)
{
	double sum = 0, squares = 0, mean, deviation;

	for (size_t i = 0; i < n; i++) {
		sum += (double)x[i];
	}
	mean = sum / (double)n;
	for (size_t i = 0; i < n; i++) {
		squares += ((double)x[i] - mean) * ((double)x[i] - mean);
	}
	deviation = sqrt(squares / (double)n);
	return fmax(fabs(mean - 3 * deviation), fabs(mean + 3 * deviation)) / fmax(-qb_format_min(f), qb_format_max(f));
}

static double squared_error(const struct qb_format *f, float scale, const float *x, size_t n, float *y)
{
	const struct qb_fake_quantizer q = {.format = *f, .channels = 1, .scale = &scale};
	double error = 0;

	qb_fake_quantize(&q, x, y, 1, (int64_t)n);
	for (size_t i = 0; i < n; i++) {
		double d = (double)y[i] - (double)x[i];

		error += d * d;
	}
	return error;
}

static double least_error_range(const struct qb_format *f, const float *x, size_t n, float *y)
{
	double most = largest(x, n) / qb_format_max(f), best = most, least = INFINITY;

	for (int k = 1; k <= QB_WEIGHT_RANGE_CANDIDATES && most > 0; k++) {
		double scale = most * k / QB_WEIGHT_RANGE_CANDIDATES;
		double error = squared_error(f, (float)scale, x, n, y);

		if (error < least) {
			least = error;
			best = scale;
		}
	}
	return best;
}

static enum qb_err take_scheme(struct qb_weight_quantizer *q, const struct qb_quantizer *start, float *scale,
	struct qb_errbuf *eb)
{
	if (!start || (start->channels != q->channels && start->channels != 1)) {
		return qb_fail(eb, QB_EINVAL, "the scheme has no scales for the weight's %lld channels", (long long)q->channels);
	}
	for (int64_t c = 0; c < q->channels; c++) {
		int64_t from = start->channels == 1 ? 0 : c;

		scale[c] = start->scale[from];
		if (q->zero) {
			q->zero[c] = start->zero ? start->zero[from] : 0;
		}
	}
	return QB_OK;
}

static double range_of(const struct qb_weight_quantizer *q, enum qb_weight_range range, const float *x, size_t n, float *y)
{
	switch (range) {
	case QB_WEIGHT_RANGE_LSQ:
		/* Of floats 2 mean|w| / sqrt(p) means nothing: the grid is not even. */
		return q->format.kind == QB_FORMAT_INT ? mean_range(&q->format, x, n) : least_error_range(&q->format, x, n, y);
	case QB_WEIGHT_RANGE_LSQ_PLUS:
		return deviations_range(&q->format, x, n);
	default:
		return least_error_range(&q->format, x, n, y);
	}
}

enum qb_err qb_weight_quantizer_begin(struct qb_weight_quantizer *q, enum qb_weight_range range, const float *w,
	const struct qb_quantizer *start, float *scale, struct qb_errbuf *eb)
{
	size_t n = qb_weight_quantizer_size(q);
	float *x;

	if (q->dorefa || !q->format.real_scale) {
		double one = q->dorefa ? tanh(largest(w, n)) / qb_format_max(&q->format) : 1;

		for (int64_t c = 0; c < q->channels; c++) {
			scale[c] = (float)fmax(one, (double)QB_FAKE_QUANTIZE_SCALE_LEAST);
		}
		return QB_OK;
	}
	if (range == QB_WEIGHT_RANGE_SCHEME || q->zero) {
		return take_scheme(q, start, scale, eb);
	}
	x = malloc(2 * (n + 1) * sizeof(*x));
	if (!x) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the range of a weight");
	}
	for (int64_t c = 0; c < q->channels; c++) {
		size_t count = gather(q, w, c, x);

		scale[c] = (float)fmax(range_of(q, range, x, count, x + n), (double)QB_FAKE_QUANTIZE_SCALE_LEAST);
	}
	free(x);
	return QB_OK;
}

/* ---- forward and backward ---- */

/* max|tanh(w)| and where it is; tanh(w) is left in the scratch. */
static float largest_tanh(struct qb_weight_quantizer *q, const float *w, size_t *at)
{
	size_t n = qb_weight_quantizer_size(q);
	float most = 0;

	qb_f32_tanh(w, q->scratch, (int64_t)n);
	*at = 0;
	for (size_t i = 0; i < n; i++) {
		if (fabsf(q->scratch[i]) > most) {
			most = fabsf(q->scratch[i]);
			*at = i;
		}
	}
	return most;
}

/* t = tanh(w) / max|tanh(w)| times the range, so that the scale divides it, in the scratch. */
static void normalise(struct qb_weight_quantizer *q, const float *scale, const float *w)
{
	size_t n = qb_weight_quantizer_size(q), at;
	float most = largest_tanh(q, w, &at), range = scale[0] * (float)qb_format_max(&q->format);

	for (size_t i = 0; i < n; i++) {
		q->scratch[i] = most > 0 ? q->scratch[i] / most * range : 0;
	}
}

void qb_weight_quantize(struct qb_weight_quantizer *q, const float *scale, const float *w, float *y)
{
	struct qb_fake_quantizer f = quantizer(q, scale, 0);
	int64_t outer, inner;

	if (q->dorefa) {
		normalise(q, scale, w);
		w = q->scratch;
	}
	extents(q, &outer, &inner);
	qb_fake_quantize(&f, w, y, outer, inner);
}

void qb_weight_codes(const struct qb_weight_quantizer *q, const float *scale, const float *y, int16_t *codes)
{
	struct qb_fake_quantizer f = quantizer(q, scale, 0);
	int64_t outer, inner;

	extents(q, &outer, &inner);
	for (int64_t r = 0; r < outer * q->channels; r++) {
		const float s = 1 / qb_fake_quantizer_scale(&f, r % q->channels);
		const float z = (float)qb_fake_quantizer_zero(&f, r % q->channels);

		for (int64_t i = r * inner; i < (r + 1) * inner; i++) {
			codes[i] = (int16_t)(y[i] * s + z + (y[i] * s + z < 0 ? -0.5f : 0.5f));
		}
	}
}

/* gradient holds d loss / d t, t the quantizer's input: through the maximum and tanh. */
static void through_tanh(struct qb_weight_quantizer *q, const float *scale, const float *w, float *gradient)
{
	double range = (double)scale[0] * qb_format_max(&q->format), by_most = 0;
	size_t n = qb_weight_quantizer_size(q), at;
	float most = largest_tanh(q, w, &at);

	for (size_t i = 0; i < n && most > 0; i++) {
		double t = tanh((double)w[i]), slope = 1 - t * t;

		by_most -= (double)gradient[i] * range * t / ((double)most * (double)most);
		gradient[i] = (float)((double)gradient[i] * range / (double)most * slope);
	}
	if (most > 0) {
		double t = tanh((double)w[at]);

		gradient[at] += (float)(by_most * (t < 0 ? -1 : 1) * (1 - t * t));
	}
}

void qb_weight_quantizer_backward(struct qb_weight_quantizer *q, const float *scale, float factor, const float *w, float *gradient,
	float *dscale, float *dfactor)
{
	struct qb_fake_quantizer f = quantizer(q, scale, factor);
	struct qb_fake_quantizer_gradient sums = {q->sums, NULL, 0};
	int64_t outer, inner;

	extents(q, &outer, &inner);
	if (q->dorefa) {
		/* Nothing is clipped: |t| is at most the range, and all of it passes. */
		through_tanh(q, scale, w, gradient);
	} else {
		qb_fake_quantize_gradient(&f, w, gradient, gradient, outer, inner, &sums);
	}
	for (int64_t c = 0; c < q->channels; c++) {
		dscale[c] = (float)sums.scale[c];
	}
	if (dfactor) {
		*dfactor = (float)sums.factor;
	}
}

float qb_lsq_gradient_scale(const struct qb_format *f, double elements)
{
	double p = f->kind == QB_FORMAT_INT ? qb_format_max(f) : 1;

	return (float)(1 / sqrt(fmax(elements, 1) * fmax(p, 1)));
}
