/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/batch_norm_training.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"

enum {
	LANES = 16, /* channels whose parameters are in registers while rows go by */
	FEW = 8,
	CHUNK = 8,  /* rows whose sum is in float32 */
};

#define ALWAYS static inline __attribute__((always_inline))

/* v where the condition holds, else 0; without a branch. */
ALWAYS float where(int c, float v)
{
	uint32_t u;

	memcpy(&u, &v, sizeof(u));
	u &= -(uint32_t)c;
	memcpy(&v, &u, sizeof(v));
	return v;
}

ALWAYS float masked(float dy, float z, float above, float hi)
{
	return where((z > above) & (z <= hi), dy);
}

/* Some channels from c on at a time, as many as are left of the sizes that are vectors. */
#define BY_LANES(channels, call) \
	do { \
		int64_t c = 0; \
\
		for (; c + LANES <= (channels); c += LANES) { \
			call(LANES); \
		} \
		for (; c + FEW <= (channels); c += FEW) { \
			call(FEW); \
		} \
		for (; c < (channels); c++) { \
			call(1); \
		} \
	} while (0)

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

ALWAYS void norm_of(const struct qb_f32_batch_norm *p, int64_t c, const float *restrict x, float *restrict y, const int lanes)
{
	float mean[LANES], scale[LANES], offset[LANES];
	const float lo = p->lo, hi = p->hi;

	for (int l = 0; l < lanes; l++) {
		mean[l] = p->mean[c + l];
		scale[l] = p->scale[c + l];
		offset[l] = p->offset[c + l];
	}
	for (int64_t r = 0; r < p->rows; r++) {
		for (int l = 0; l < lanes; l++) {
			float z = fmaf(x[r * p->channels + l] - mean[l], scale[l], offset[l]);

			z = z < lo ? lo : z;
			y[r * p->channels + l] = z > hi ? hi : z;
		}
	}
}

ALWAYS void qb_f32_batch_norm_body(const struct qb_f32_batch_norm *p, const float *x, float *y)
{
#define CALL(lanes) norm_of(p, c, x + c, y + c, lanes)
	BY_LANES(p->channels, CALL);
#undef CALL
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

ALWAYS void gradient_of(const struct qb_f32_batch_norm *p, int64_t c, const float *by_dz, const float *by_x, const float *constant,
	const float *restrict x, const float *restrict dy, float *restrict dx, const int lanes)
{
	float mean[LANES], scale[LANES], offset[LANES], a[LANES], b[LANES], d[LANES];
	const float above = p->above, hi = p->hi;

	for (int l = 0; l < lanes; l++) {
		mean[l] = p->mean[c + l];
		scale[l] = p->scale[c + l];
		offset[l] = p->offset[c + l];
		a[l] = by_dz[c + l];
		b[l] = by_x[c + l];
		d[l] = constant[c + l];
	}
	for (int64_t r = 0; r < p->rows; r++) {
		for (int l = 0; l < lanes; l++) {
			float v = x[r * p->channels + l] - mean[l];
			float dz = masked(dy[r * p->channels + l], fmaf(v, scale[l], offset[l]), above, hi);

			dx[r * p->channels + l] = fmaf(a[l], dz, fmaf(b[l], v, d[l]));
		}
	}
}

ALWAYS void qb_f32_batch_norm_gradient_body(const struct qb_f32_batch_norm *p, const float *by_dz, const float *by_x,
	const float *constant, const float *x, const float *dy, float *dx)
{
#define CALL(lanes) gradient_of(p, c, by_dz, by_x, constant, x + c, dy + c, dx + c, lanes)
	BY_LANES(p->channels, CALL);
#undef CALL
}

QB_FOR_EVERY_LEVEL(, qb_f32_batch_norm_gradient,
	(const struct qb_f32_batch_norm *p, const float *by_dz, const float *by_x, const float *constant, const float *x,
		const float *dy, float *dx),
	(p, by_dz, by_x, constant, x, dy, dx))
