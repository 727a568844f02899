/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/scale.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/base/size.h"

/* Block scales whose own smallest number, 2^-9 times theirs, is one of float32. */
static const float BLOCKS_SCALE_MIN = 0x1p-140f;

/* The largest scale under which all of the grid, up to the magnitude most, is finite. */
static float largest_scale(double most)
{
	return nextafterf((float)(FLT_MAX / fmax(most, 1)), 0);
}

/* A scale that float32 has and under which all of the grid is finite. */
static float keep_finite(double scale, float least, double most)
{
	return (float)fmax(fmin(scale, (double)largest_scale(most)), least);
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
	return scale > 0 ? keep_finite(scale, FLT_TRUE_MIN, fmax(max, -min)) : 1;
}

/* The zero point is the code of the real 0, which must be exact: padding is zeros. */
static float asymmetric_scale(const struct qb_format *f, float lo, float hi, int32_t *zero)
{
	double min = qb_format_min(f), max = qb_format_max(f), scale, z;

	lo = fminf(lo, 0);
	hi = fmaxf(hi, 0);
	scale = ((double)hi - lo) / (max - min);
	scale = scale > 0 ? keep_finite(scale, FLT_TRUE_MIN, max - min) : 1;
	z = nearbyint(min - lo / scale);
	*zero = (int32_t)(z < min ? min : z > max ? max : z);
	return (float)scale;
}

float qb__scale_of_range(const struct qb_format *f, float lo, float hi, int32_t *zero)
{
	if (f->block && f->block_scale == QB_SCALE_E4M3) {
		/* The block scales' own scale: the largest of them becomes 448, e4m3fn's largest value. */
		float most = fmaxf(fabsf(lo), fabsf(hi));

		return most > 0 ? keep_finite(most / (448 * qb_format_max(f)), BLOCKS_SCALE_MIN, 448 * qb_format_max(f)) : 1;
	}
	if (!f->real_scale || f->block) {
		return 1;
	}
	return f->kind == QB_FORMAT_INT && f->asymmetric ? asymmetric_scale(f, lo, hi, zero)
							 : symmetric_scale(f, lo, hi);
}

void qb__grids_init(struct qb_grids *g, const struct qb_format *f)
{
	struct qb_format e4m3;

	qb_grid_init(&g->element, f);
	if (f->block && f->block_scale == QB_SCALE_E4M3) {
		qb_format_parse(&e4m3, "e4m3fn", NULL);
		qb_grid_init(&g->scale, &e4m3);
	}
}

/* OCP Microscaling 1.0, section 6.3: 2^(floor(log2(largest)) - the element's largest exponent), as E8M0. */
static inline float e8m0_scale(float max, int element_exponent)
{
	int32_t u, e;

	memcpy(&u, &max, 4);
	e = (u >> 23) - element_exponent;
	e = e < 254 ? e : 254;
	/* 2^-127 is a subnormal number of float32; a block of zeros has 1. */
	e = e < 1 ? 0x00400000 : e << 23;
	e = u == 0 ? 0x3f800000 : e;
	memcpy(&max, &e, 4);
	return max;
}

/* Turns the blocks' largest magnitudes into their scales, in place. A block of zeros has the scale 1. */
static void block_scales(const struct qb_quantizer *q, const struct qb_grids *g, float *s, size_t n)
{
	const struct qb_format *f = &q->format;
	float most = g->element.hi;
	int exponent = ilogbf(most);
	const float one = q->scale[0], least = one * 0x1p-9f;
	float max[64];

	if (f->block_scale == QB_SCALE_E8M0) {
		for (size_t i = 0; i < n; i++) {
			s[i] = e8m0_scale(s[i], exponent);
		}
		return;
	}
	if (f->block_scale == QB_SCALE_F32) {
		const float largest = largest_scale(most);

		/* keep_finite of many */
		for (size_t i = 0; i < n; i++) {
			float scale = s[i] / most;

			scale = scale < largest ? scale : largest;
			scale = scale > FLT_TRUE_MIN ? scale : FLT_TRUE_MIN;
			s[i] = s[i] == 0 ? 1 : scale;
		}
		return;
	}
	for (size_t i = 0; i < n; i += QB_COUNT(max)) {
		size_t part = QB_MIN(n - i, QB_COUNT(max));
		struct qb_run_args a = {.x = max, .y = max, .n = part, .scale = q->scale};

		for (size_t j = 0; j < part; j++) {
			max[j] = s[i + j] / most;
		}
		qb_kernels()->qdq(&g->scale, &a);
		for (size_t j = 0; j < part; j++) {
			const float scale = max[j] > least ? max[j] : least;

			s[i + j] = s[i + j] == 0 ? one : scale;
		}
	}
}

/* What is not finite counts as 0, which every range holds. */
static void range_of(const float *x, size_t n, float *lo, float *hi)
{
	*lo = *hi = 0;
	for (size_t i = 0; i < n; i++) {
		float v = isfinite(x[i]) ? x[i] : 0;

		*lo = v < *lo ? v : *lo;
		*hi = v > *hi ? v : *hi;
	}
}

static void asymmetric_blocks(const struct qb_quantizer *q, const float *x, size_t n, float *scale, int32_t *zero)
{
	size_t block = (size_t)q->format.block;
	float lo, hi;

	for (size_t i = 0; i < n; i += block, scale++, zero++) {
		range_of(x + i, QB_MIN(block, n - i), &lo, &hi);
		*scale = asymmetric_scale(&q->format, lo, hi, zero);
	}
}

void qb__blocks_of_row(const struct qb_quantizer *q, const struct qb_grids *g, const float *x, size_t n,
	float *scale, int32_t *zero)
{
	size_t block = (size_t)q->format.block, whole = n / block;

	if (q->format.asymmetric) {
		asymmetric_blocks(q, x, n, scale, zero);
		return;
	}
	qb_kernels()->block_max(x, whole, block, scale);
	if (n % block) {
		qb_kernels()->block_max(x + whole * block, 1, n % block, scale + whole);
	}
	block_scales(q, g, scale, whole + (n % block != 0));
}
