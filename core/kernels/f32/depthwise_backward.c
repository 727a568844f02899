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

/* Where in the line of x kernel element k is for output i. */
static int64_t first_of(const struct qb_f32_depthwise_line *d, int64_t k, int64_t i)
{
	return (i * d->stride + k * d->dilation - d->pad) * d->channels;
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

static void line_plain(const struct qb_f32_depthwise_line *d, const float *x, const float *dy, float *dw)
{
	for (int64_t k = 0, from, to; k < d->columns; k++) {
		find_inside(d, k, &from, &to);
		sum_each(d->channels, x + first_of(d, k, from), d->stride * d->channels, dy + from * d->channels, d->channels, to - from,
			dw + k * d->channels);
	}
}

#if defined(__x86_64__)
enum { LANES = 8, CHAINS = 4, COLUMNS = 3, LONG = 12 };

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

/* Channels from c on. */
AVX2 static void sum_avx2(int64_t c, int64_t channels, const float *x, int64_t x_step, const float *dy, int64_t n, float *dw)
{
	for (; c + CHAINS * LANES <= channels; c += CHAINS * LANES) {
		sum_lanes(CHAINS, x + c, x_step, dy + c, channels, n, dw + c);
	}
	for (; c + LANES <= channels; c += LANES) {
		sum_lanes(1, x + c, x_step, dy + c, channels, n, dw + c);
	}
	sum_each(channels - c, x + c, x_step, dy + c, channels, n, dw + c);
}

/* The outputs of a line that each of three kernel elements is inside of, and [first, last) those that all of them are. Only of
 * long lines the pass over all three pays. */
struct ranges {
	int64_t from[COLUMNS], to[COLUMNS], first, last;
};

static bool find_ranges(const struct qb_f32_depthwise_line *d, struct ranges *r)
{
	if (d->columns != COLUMNS || d->out_width < LONG) {
		return false;
	}
	r->first = 0;
	r->last = d->out_width;
	for (int64_t k = 0; k < COLUMNS; k++) {
		find_inside(d, k, &r->from[k], &r->to[k]);
		r->first = QB_MAX(r->first, r->from[k]);
		r->last = QB_MIN(r->last, r->to[k]);
	}
	return r->last - r->first >= LONG;
}

/* sum[chains] += dy * x over outputs [from, to) of kernel element k. */
INLINE_AVX2 void add_outputs(const struct qb_f32_depthwise_line *d, const int chains, int64_t k, const float *x, const float *dy,
	int64_t from, int64_t to, __m256 *sum)
{
	for (int64_t i = from; i < to; i++) {
#pragma GCC unroll 4
		for (int j = 0; j < chains; j++) {
			sum[j] = _mm256_fmadd_ps(_mm256_loadu_ps(dy + i * d->channels + j * LANES),
				_mm256_loadu_ps(x + first_of(d, k, i) + j * LANES), sum[j]);
		}
	}
}

/* Three kernel elements in one pass over dy; the chain of each is as it is alone. */
INLINE_AVX2 void three_lanes(const struct qb_f32_depthwise_line *d, const struct ranges *r, const int chains, const float *x,
	const float *dy, float *dw)
{
	const int64_t next = d->dilation * d->channels;
	__m256 sum[COLUMNS][CHAINS];

#pragma GCC unroll 3
	for (int k = 0; k < COLUMNS; k++) {
#pragma GCC unroll 4
		for (int j = 0; j < chains; j++) {
			sum[k][j] = _mm256_setzero_ps();
		}
		add_outputs(d, chains, k, x, dy, r->from[k], r->first, sum[k]);
	}
	for (int64_t i = r->first; i < r->last; i++) {
		const float *from = x + first_of(d, 0, i), *with = dy + i * d->channels;

#pragma GCC unroll 4
		for (int j = 0; j < chains; j++) {
			const __m256 v = _mm256_loadu_ps(with + j * LANES);

#pragma GCC unroll 3
			for (int k = 0; k < COLUMNS; k++) {
				sum[k][j] = _mm256_fmadd_ps(v, _mm256_loadu_ps(from + k * next + j * LANES), sum[k][j]);
			}
		}
	}
#pragma GCC unroll 3
	for (int k = 0; k < COLUMNS; k++) {
		add_outputs(d, chains, k, x, dy, r->last, r->to[k], sum[k]);
#pragma GCC unroll 4
		for (int j = 0; j < chains; j++) {
			float *to = dw + k * d->channels + j * LANES;

			_mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), sum[k][j]));
		}
	}
}

/* How many channels it did: all but the last ones, which fill no register. */
AVX2 static int64_t three_avx2(const struct qb_f32_depthwise_line *d, const struct ranges *r, const float *x, const float *dy, float *dw)
{
	int64_t c = 0;

	for (; c + CHAINS * LANES <= d->channels; c += CHAINS * LANES) {
		three_lanes(d, r, CHAINS, x + c, dy + c, dw + c);
	}
	for (; c + LANES <= d->channels; c += LANES) {
		three_lanes(d, r, 1, x + c, dy + c, dw + c);
	}
	return c;
}

static void line_avx2(const struct qb_f32_depthwise_line *d, const float *x, const float *dy, float *dw)
{
	struct ranges r;
	int64_t done = find_ranges(d, &r) ? three_avx2(d, &r, x, dy, dw) : 0;

	for (int64_t k = 0, from, to; k < d->columns && done < d->channels; k++) {
		find_inside(d, k, &from, &to);
		sum_avx2(done, d->channels, x + first_of(d, k, from), d->stride * d->channels, dy + from * d->channels, to - from,
			dw + k * d->channels);
	}
}
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	void (*line)(const struct qb_f32_depthwise_line *d, const float *x, const float *dy, float *dw);
} levels[] = {
	{0, line_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, line_avx2},
#endif
};

void qb_f32_depthwise_weight_gradient(const struct qb_f32_depthwise_line *d, const float *x, const float *dy, float *dw)
{
	int level = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[level].needs)) {
		level--;
	}
	levels[level].line(d, x, dy, dw);
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
				dx + first_of(d, k, i), d->channels);
		}
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_depthwise_input_gradient,
	(const struct qb_f32_depthwise_line *d, const float *dy, const float *w, float *dx), (d, dy, w, dx))
