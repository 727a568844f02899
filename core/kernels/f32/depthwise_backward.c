/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/depthwise_backward.h"

#include <math.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/kernels/f32/inside.h"

#if defined(__x86_64__)
#include "core/kernels/f32/avx2.h"
#endif

/* Outputs [*from, *to) whose kernel element k lies inside the line. */
static void find_inside(const struct qb_f32_depthwise_line *d, int64_t k, int64_t *from, int64_t *to)
{
	qb_f32_inside(k * d->dilation - d->pad, d->stride, d->out_width, d->width - 1, from, to);
}

/* ---- by weights ---- */

/* dw [count] += the sum of dy * x over n pixels, x_step and y_step elements apart. */
static inline __attribute__((always_inline)) void sum_each(int64_t count, const float *x, int64_t x_step, const float *dy, int64_t y_step,
	int64_t n, float *dw)
{
	for (int64_t c = 0; c < count; c++) {
		float sum = 0;

		for (int64_t i = 0; i < n; i++) {
			sum = fmaf(dy[i * y_step + c], x[i * x_step + c], sum);
		}
		dw[c] += sum;
	}
}

static void sum_plain(int64_t channels, const float *x, int64_t x_step, const float *dy, int64_t n, float *dw)
{
	sum_each(channels, x, x_step, dy, channels, n, dw);
}

#if defined(__x86_64__)
enum { LANES = 8, CHAINS = 4 };

INLINE_AVX2 void sum_lanes(const int chains, const float *x, int64_t x_step, const float *dy, int64_t y_step, int64_t n, float *dw)
{
	__m256 sum[CHAINS];

#pragma GCC unroll 4
	for (int j = 0; j < chains; j++) {
		sum[j] = _mm256_setzero_ps();
	}
	for (int64_t i = 0; i < n; i++, x += x_step, dy += y_step) {
#pragma GCC unroll 4
		for (int j = 0; j < chains; j++) {
			sum[j] = _mm256_fmadd_ps(_mm256_loadu_ps(dy + j * LANES), _mm256_loadu_ps(x + j * LANES), sum[j]);
		}
	}
#pragma GCC unroll 4
	for (int j = 0; j < chains; j++) {
		_mm256_storeu_ps(dw + j * LANES, _mm256_add_ps(_mm256_loadu_ps(dw + j * LANES), sum[j]));
	}
}

AVX2 static void sum_avx2(int64_t channels, const float *x, int64_t x_step, const float *dy, int64_t n, float *dw)
{
	int64_t c = 0;

	for (; c + CHAINS * LANES <= channels; c += CHAINS * LANES) {
		sum_lanes(CHAINS, x + c, x_step, dy + c, channels, n, dw + c);
	}
	for (; c + LANES <= channels; c += LANES) {
		sum_lanes(1, x + c, x_step, dy + c, channels, n, dw + c);
	}
	sum_each(channels - c, x + c, x_step, dy + c, channels, n, dw + c);
}
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	void (*sum)(int64_t channels, const float *x, int64_t x_step, const float *dy, int64_t n, float *dw);
} levels[] = {
	{0, sum_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, sum_avx2},
#endif
};

void qb_f32_depthwise_weight_gradient(const struct qb_f32_depthwise_line *d, const float *x, const float *dy, float *dw)
{
	int level = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[level].needs)) {
		level--;
	}
	for (int64_t k = 0, from, to; k < d->columns; k++) {
		find_inside(d, k, &from, &to);
		levels[level].sum(d->channels, x + (from * d->stride + k * d->dilation - d->pad) * d->channels, d->stride * d->channels,
			dy + from * d->channels, to - from, dw + k * d->channels);
	}
}

/* ---- by the input ---- */

static inline __attribute__((always_inline)) void add_products_body(const float *restrict a, const float *restrict b, float *restrict y,
	int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[i] = fmaf(a[i], b[i], y[i]);
	}
}

static inline __attribute__((always_inline)) void qb_f32_depthwise_input_gradient_body(const struct qb_f32_depthwise_line *d, const float *dy, const float *w,
	float *dx)
{
	for (int64_t k = 0, from, to; k < d->columns; k++) {
		find_inside(d, k, &from, &to);
		for (int64_t i = from; i < to; i++) {
			add_products_body(dy + i * d->channels, w + k * d->channels,
				dx + (i * d->stride + k * d->dilation - d->pad) * d->channels, d->channels);
		}
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_depthwise_input_gradient,
	(const struct qb_f32_depthwise_line *d, const float *dy, const float *w, float *dx), (d, dy, w, dx))
