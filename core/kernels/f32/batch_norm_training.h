/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch normalization with the statistics of the batch, and its gradient, channels last: x [rows][channels], where rows are
 * the pixels of all images. An activation that clips may stand behind it: its gradient is taken of values that are computed
 * again, so that they need not be kept. Sums are of a few rows in float32, then in float64, in a fixed order: plain
 * C and vectors agree bit for bit.
 */
#ifndef QB_KERNELS_F32_BATCH_NORM_TRAINING_H
#define QB_KERNELS_F32_BATCH_NORM_TRAINING_H

#include <stdint.h>

/* z = (x - mean) * scale + offset, y = min(max(z, lo), hi). */
struct qb_f32_batch_norm {
	int64_t rows, channels;
	const float *mean, *scale, *offset; /* [channels] */
	float lo, hi;
	float above;                        /* dz = dy where above < z <= hi, else 0 */
};

/* sums [2][channels]: of x and of x^2. */
void qb_f32_batch_statistics(int64_t rows, int64_t channels, const float *x, double *sums);
void qb_f32_batch_norm(const struct qb_f32_batch_norm *p, const float *x, float *y);
/* sums [2][channels]: of dz and of dz * (x - mean). */
void qb_f32_batch_norm_sums(const struct qb_f32_batch_norm *p, const float *x, const float *dy, double *sums);
/* dx = by_dz * dz + by_x * (x - mean) + constant, each [channels]. */
void qb_f32_batch_norm_gradient(const struct qb_f32_batch_norm *p, const float *by_dz, const float *by_x, const float *constant,
	const float *x, const float *dy, float *dx);

#endif
