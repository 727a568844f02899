/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/quantizer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/kernels.h"

/* Scales stay normal numbers well inside float32, so that x / scale and its inverse lose nothing. */
static const float SCALE_MIN = 0x1p-100f, SCALE_MAX = 0x1p100f;

static float keep_normal(double scale)
{
	return (float)(scale < SCALE_MIN ? SCALE_MIN : scale > SCALE_MAX ? SCALE_MAX : scale);
}

static float symmetric_scale(const struct qb_format *f, float lo, float hi)
{
	double max = qb_format_max(f), min = qb_format_min(f), scale = 0;

	if (hi > 0 && max > 0) {
		scale = hi / max;
	}
	if (lo < 0 && min < 0) {
		/* The extra code of two's complement is not used to stretch the range. */
		scale = fmax(scale, lo / (f->kind == QB_FORMAT_INT && max > 0 ? -max : min));
	}
	return scale > 0 ? keep_normal(scale) : 1;
}

/* The zero point is the code of the real 0, which must be exact: padding is zeros. */
static float asymmetric_scale(const struct qb_format *f, float lo, float hi, int32_t *zero)
{
	double min = qb_format_min(f), max = qb_format_max(f), scale, z;

	lo = fminf(lo, 0);
	hi = fmaxf(hi, 0);
	scale = ((double)hi - lo) / (max - min);
	scale = scale > 0 ? keep_normal(scale) : 1;
	z = nearbyint(min - lo / scale);
	*zero = (int32_t)(z < min ? min : z > max ? max : z);
	return (float)scale;
}

enum qb_err qb_quantizer_init(struct qb_quantizer *q, const struct qb_format *f, int axis,
	int64_t channels, const float *lo, const float *hi, struct qb_errbuf *eb)
{
	struct qb_quantizer r = {.format = *f, .axis = axis, .channels = channels};
	bool zeros = f->kind == QB_FORMAT_INT && f->asymmetric;

	r.scale = channels > 0 ? calloc((size_t)channels, sizeof(*r.scale)) : NULL;
	r.zero = zeros && r.scale ? calloc((size_t)channels, sizeof(*r.zero)) : NULL;
	if (!r.scale || (zeros && !r.zero)) {
		qb_quantizer_fini(&r);
		return qb_fail(eb, QB_ENOMEM, "no memory for a quantizer of %lld channels",
			(long long)channels);
	}
	for (int64_t c = 0; c < channels; c++) {
		if (!(isfinite(lo[c]) && isfinite(hi[c]) && lo[c] <= hi[c])) {
			qb_quantizer_fini(&r);
			return qb_fail(eb, QB_EINVAL, "channel %lld has the range %g to %g", (long long)c,
				lo[c], hi[c]);
		}
		if (!f->real_scale || f->block) {
			r.scale[c] = 1;
		} else if (zeros) {
			r.scale[c] = asymmetric_scale(f, lo[c], hi[c], &r.zero[c]);
		} else {
			r.scale[c] = symmetric_scale(f, lo[c], hi[c]);
		}
	}
	*q = r;
	return QB_OK;
}

void qb_quantizer_fini(struct qb_quantizer *q)
{
	free(q->scale);
	free(q->zero);
	q->scale = NULL;
	q->zero = NULL;
}

/* One number on the canonical grid, for kinds without a vector kernel: lists of values, and wide floats. */
static float table_nearest(const struct qb_grid *g, float v)
{
	int i = 0;

	v = v == v ? v : 0;
	while (i + 1 < g->values &&
		(v > g->threshold[i] || (v == g->threshold[i] && i % 2 == 1))) {
		i++;
	}
	return g->value[i];
}

/* Rounds the float's own bits, for formats with float32's exponent range (bf16, tf32). */
static float wide_nearest(const struct qb_grid *g, float v)
{
	int drop = 23 - g->man_bits;
	uint32_t u, odd;

	if (!isfinite(v)) {
		return v;
	}
	memcpy(&u, &v, 4);
	odd = u >> drop & 1;
	u += (1u << (drop - 1)) - 1 + odd;
	u &= ~((1u << drop) - 1);
	memcpy(&v, &u, 4);
	return v;
}

/* fp16: ranges beyond the largest value become infinite. */
static float overflowing(const struct qb_grid *g, float v)
{
	float a = fabsf(v), ulp = ldexpf(1, ilogbf(g->hi) - g->man_bits);
	struct qb_run_args run = {.x = &v, .y = &v, .n = 1, .scale = (const float[]){1}};

	if (!isfinite(v)) {
		return v;
	}
	if (a >= g->hi + ulp / 2) {
		return copysignf(g->has_inf ? INFINITY : NAN, v);
	}
	qb_kernels_at(0)->qdq(g, &run);
	return v;
}

static void scalar_run(const struct qb_grid *g, const struct qb_run_args *a)
{
	for (size_t i = 0; i < a->n; i++) {
		float s = a->scale[a->stride ? i : 0], v = a->x[i] / s;

		if (g->kind == QB_FORMAT_TABLE) {
			v = table_nearest(g, v);
		} else if (g->min_exponent < -100) {
			v = wide_nearest(g, v);
		} else {
			v = overflowing(g, v);
		}
		a->y[i] = v * s;
	}
}

static bool needs_scalar(const struct qb_grid *g)
{
	return g->kind == QB_FORMAT_TABLE || g->overflows || g->min_exponent < -100;
}

static void run(const struct qb_grid *g, const struct qb_run_args *a, struct qb_qdq_sums *s)
{
	if (!needs_scalar(g)) {
		if (s) {
			qb_kernels()->measure(g, a, s);
		} else {
			qb_kernels()->qdq(g, a);
		}
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		struct qb_run_args one = {.x = a->x + i, .y = a->y + i, .n = 1,
			.scale = a->scale + (a->stride ? i : 0)};
		double x = a->x[i], d;

		scalar_run(g, &one);
		if (s) {
			d = (double)a->y[i] - x;
			s->signal += x * x;
			s->noise += d * d;
			if (a->ref) {
				d = (double)a->y[i] - a->ref[i];
				s->ref_signal += (double)a->ref[i] * a->ref[i];
				s->ref_noise += d * d;
			}
		}
	}
}

/* The scale of one block. OCP Microscaling 1.0, section 6.3: 2^(floor(log2(largest)) - the element's largest
 * exponent); NVFP4 and plain groups: largest / the element's largest value, NVFP4's rounded to e4m3. */
static float block_scale(const struct qb_format *f, const float *x, int64_t n, float tensor_scale)
{
	float max = 0;
	int e;

	for (int64_t i = 0; i < n; i++) {
		float a = fabsf(x[i]);

		max = a > max && isfinite(a) ? a : max;
	}
	if (max == 0) {
		return 1;
	}
	if (f->block_scale == QB_SCALE_E8M0) {
		e = ilogbf(max) - ilogb(qb_format_max(f));
		return ldexpf(1, QB_MAX(QB_MIN(e, 127), -126));
	}
	if (f->block_scale == QB_SCALE_E4M3) {
		struct qb_format e4m3;
		struct qb_grid g;
		float s = max / (float)qb_format_max(f);
		struct qb_run_args a = {.x = &s, .y = &s, .n = 1, .scale = &tensor_scale};

		qb_format_parse(&e4m3, "e4m3fn", NULL);
		qb_grid_init(&g, &e4m3);
		qb_kernels_at(0)->qdq(&g, &a);
		return s > 0 ? s : tensor_scale * 0x1p-9f;
	}
	return keep_normal((double)max / qb_format_max(f));
}

static void run_blocks(const struct qb_quantizer *q, const struct qb_grid *g, const float *x,
	const float *ref, float *y, int64_t rows, int64_t width, struct qb_qdq_sums *s)
{
	int64_t block = q->format.block;

	for (int64_t r = 0; r < rows; r++) {
		for (int64_t i = 0; i < width; i += block) {
			int64_t n = QB_MIN(block, width - i), at = r * width + i;
			float scale = block_scale(&q->format, x + at, n, q->scale[0]);
			struct qb_run_args a = {.x = x + at, .ref = ref ? ref + at : NULL, .y = y + at,
				.n = (size_t)n, .scale = &scale};

			run(g, &a, s);
		}
	}
}

static void whole(const struct qb_quantizer *q, const float *x, const float *ref, float *y,
	int64_t outer, int64_t channels, int64_t inner, struct qb_qdq_sums *s)
{
	struct qb_grid g;

	qb_grid_init(&g, &q->format);
	if (q->format.block) {
		run_blocks(q, &g, x, ref, y, outer * channels, inner, s);
	} else if (q->channels == 1) {
		struct qb_run_args a = {x, ref, y, (size_t)(outer * channels * inner), q->scale,
			q->zero, 0};

		run(&g, &a, s);
	} else {
		for (int64_t o = 0; o < outer; o++) {
			for (int64_t c = 0; inner > 1 && c < channels; c++) {
				int64_t at = (o * channels + c) * inner;
				struct qb_run_args a = {x + at, ref ? ref + at : NULL, y + at,
					(size_t)inner, q->scale + c, q->zero ? q->zero + c : NULL, 0};

				run(&g, &a, s);
			}
			if (inner == 1) {
				int64_t at = o * channels;
				struct qb_run_args a = {x + at, ref ? ref + at : NULL, y + at,
					(size_t)channels, q->scale, q->zero, 1};

				run(&g, &a, s);
			}
		}
	}
}

void qb_qdq(const struct qb_quantizer *q, const float *x, float *y, int64_t outer, int64_t channels,
	int64_t inner)
{
	whole(q, x, NULL, y, outer, channels, inner, NULL);
}

void qb_qdq_measure(const struct qb_quantizer *q, const float *x, const float *ref, float *y,
	int64_t outer, int64_t channels, int64_t inner, struct qb_qdq_sums *s)
{
	whole(q, x, ref, y, outer, channels, inner, s);
}
