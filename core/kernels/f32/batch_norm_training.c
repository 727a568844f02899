/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/batch_norm_training.h"

#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/kernels/f32/math_inline.h"

/* Rows that a loop over channels takes at a time: their sum is in float32. */
enum { CHUNK = 8, HALF_CHUNK = 4 };

ALWAYS float masked(float dy, float z, float above, float hi)
{
	return pick((z > above) & (z <= hi), dy, 0);
}

/* All channels of a few rows. A loop over channels whose body takes the rows is what compilers make vectors of. */
ALWAYS void statistics_of(int64_t channels, const float *restrict x, double *restrict sum, double *restrict squares, const int rows)
{
	for (int64_t c = 0; c < channels; c++) {
		float s = x[c], q = x[c] * x[c];

#pragma GCC unroll 8
		for (int r = 1; r < rows; r++) {
			float v = x[r * channels + c];

			s += v;
			q = fmaf(v, v, q);
		}
		sum[c] += (double)s;
		squares[c] += (double)q;
	}
}

ALWAYS void qb_f32_batch_statistics_body(int64_t rows, int64_t channels, const float *x, double *sums)
{
	int64_t r = 0;

	memset(sums, 0, 2 * (size_t)channels * sizeof(*sums));
	for (; r + CHUNK <= rows; r += CHUNK) {
		statistics_of(channels, x + r * channels, sums, sums + channels, CHUNK);
	}
	for (; r < rows; r++) {
		statistics_of(channels, x + r * channels, sums, sums + channels, 1);
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_batch_statistics, (int64_t rows, int64_t channels, const float *x, double *sums), (rows, channels, x, sums))

ALWAYS void norm_of(const struct qb_f32_batch_norm *p, const float *restrict x, float *restrict y, const int rows)
{
	const float *restrict mean = p->mean, *restrict scale = p->scale, *restrict offset = p->offset;
	const float lo = p->lo, hi = p->hi;
	const int64_t channels = p->channels;

	for (int64_t c = 0; c < channels; c++) {
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++) {
			float z = fmaf(x[r * channels + c] - mean[c], scale[c], offset[c]);

			z = z < lo ? lo : z;
			y[r * channels + c] = z > hi ? hi : z;
		}
	}
}

ALWAYS void qb_f32_batch_norm_body(const struct qb_f32_batch_norm *p, const float *x, float *y)
{
	int64_t r = 0;

	for (; r + HALF_CHUNK <= p->rows; r += HALF_CHUNK) {
		norm_of(p, x + r * p->channels, y + r * p->channels, HALF_CHUNK);
	}
	for (; r < p->rows; r++) {
		norm_of(p, x + r * p->channels, y + r * p->channels, 1);
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_batch_norm, (const struct qb_f32_batch_norm *p, const float *x, float *y), (p, x, y))

ALWAYS void sums_of(const struct qb_f32_batch_norm *p, const float *restrict x, const float *restrict dy, double *restrict sum,
	double *restrict products, const int rows)
{
	const float *restrict mean = p->mean, *restrict scale = p->scale, *restrict offset = p->offset;
	const float above = p->above, hi = p->hi;
	const int64_t channels = p->channels;

	for (int64_t c = 0; c < channels; c++) {
		float s = 0, q = 0;

#pragma GCC unroll 8
		for (int r = 0; r < rows; r++) {
			float v = x[r * channels + c] - mean[c];
			float dz = masked(dy[r * channels + c], fmaf(v, scale[c], offset[c]), above, hi);

			s += dz;
			q = fmaf(dz, v, q);
		}
		sum[c] += (double)s;
		products[c] += (double)q;
	}
}

ALWAYS void qb_f32_batch_norm_sums_body(const struct qb_f32_batch_norm *p, const float *x, const float *dy, double *sums)
{
	int64_t r = 0;

	memset(sums, 0, 2 * (size_t)p->channels * sizeof(*sums));
	for (; r + CHUNK <= p->rows; r += CHUNK) {
		sums_of(p, x + r * p->channels, dy + r * p->channels, sums, sums + p->channels, CHUNK);
	}
	for (; r < p->rows; r++) {
		sums_of(p, x + r * p->channels, dy + r * p->channels, sums, sums + p->channels, 1);
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_batch_norm_sums, (const struct qb_f32_batch_norm *p, const float *x, const float *dy, double *sums),
	(p, x, dy, sums))

struct factors {
	const float *by_dz, *by_x, *constant;
};

ALWAYS void gradient_of(const struct qb_f32_batch_norm *p, const struct factors *f, const float *restrict x, const float *restrict dy,
	float *restrict dx, const int rows)
{
	const float *restrict mean = p->mean, *restrict scale = p->scale, *restrict offset = p->offset;
	const float *restrict by_dz = f->by_dz, *restrict by_x = f->by_x, *restrict constant = f->constant;
	const float above = p->above, hi = p->hi;
	const int64_t channels = p->channels;

	for (int64_t c = 0; c < channels; c++) {
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++) {
			float v = x[r * channels + c] - mean[c];
			float dz = masked(dy[r * channels + c], fmaf(v, scale[c], offset[c]), above, hi);

			dx[r * channels + c] = fmaf(by_dz[c], dz, fmaf(by_x[c], v, constant[c]));
		}
	}
}

ALWAYS void qb_f32_batch_norm_gradient_body(const struct qb_f32_batch_norm *p, const float *by_dz, const float *by_x,
	const float *constant, const float *x, const float *dy, float *dx)
{
	const struct factors f = {by_dz, by_x, constant};
	int64_t r = 0;

	for (; r + HALF_CHUNK <= p->rows; r += HALF_CHUNK) {
		gradient_of(p, &f, x + r * p->channels, dy + r * p->channels, dx + r * p->channels, HALF_CHUNK);
	}
	for (; r < p->rows; r++) {
		gradient_of(p, &f, x + r * p->channels, dy + r * p->channels, dx + r * p->channels, 1);
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_batch_norm_gradient,
	(const struct qb_f32_batch_norm *p, const float *by_dz, const float *by_x, const float *constant, const float *x,
		const float *dy, float *dx),
	(p, by_dz, by_x, constant, x, dy, dx))
