/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/pool_backward.h"

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/kernels/f32/math_inline.h"

/* The kernel elements [first, last) of a window along one side that lie in the image, the first position, and how many lie
 * in the padded image. */
struct side {
	int64_t first, last, at, covered;
};

ALWAYS struct side side_of(const struct qb_f32_pool_gradient *p, int side, int64_t o)
{
	int64_t at = o * p->stride[side] - p->before[side], d = p->dilation[side], room = p->in[side] - at;
	struct side s = {.first = at >= 0 ? 0 : (-at + d - 1) / d, .at = at};

	s.last = room <= 0 ? 0 : QB_MIN(p->kernel[side], (room + d - 1) / d);
	s.covered = room + p->after[side] <= 0 ? 0 : QB_MIN(p->kernel[side], (room + p->after[side] + d - 1) / d);
	return s;
}

/* Where element k of the larger side lies. */
ALWAYS int64_t position(const struct qb_f32_pool_gradient *p, const struct side *y, const struct side *x, int64_t ky, int64_t kx)
{
	return ((y->at + ky * p->dilation[0]) * p->in[1] + x->at + kx * p->dilation[1]) * p->channels;
}

ALWAYS void take_larger(const float *restrict x, int32_t k, float *restrict best, int32_t *restrict where, int64_t n)
{
	for (int64_t c = 0; c < n; c++) {
		int32_t more = -(int32_t)((x[c] > best[c]) | (x[c] != x[c]));

		best[c] = pick(more, x[c], best[c]);
		where[c] = (k & more) | (where[c] & ~more);
	}
}

ALWAYS void add_where(const float *restrict dy, const int32_t *restrict where, int32_t k, float *restrict dx, int64_t n)
{
	for (int64_t c = 0; c < n; c++) {
		dx[c] += pick(where[c] == k, dy[c], 0);
	}
}

ALWAYS void qb_f32_max_pool_gradient_body(const struct qb_f32_pool_gradient *p, const float *x, const float *dy, float *best,
	int32_t *where, float *dx)
{
	for (int64_t o = 0; o < p->out[0] * p->out[1]; o++, dy += p->channels) {
		const struct side sy = side_of(p, 0, o / p->out[1]), sx = side_of(p, 1, o % p->out[1]);

		for (int64_t c = 0; c < p->channels; c++) {
			best[c] = -INFINITY;
			where[c] = -1;
		}
		for (int64_t ky = sy.first; ky < sy.last; ky++) {
			for (int64_t kx = sx.first; kx < sx.last; kx++) {
				take_larger(x + position(p, &sy, &sx, ky, kx), (int32_t)(ky * p->kernel[1] + kx), best, where, p->channels);
			}
		}
		for (int64_t ky = sy.first; ky < sy.last; ky++) {
			for (int64_t kx = sx.first; kx < sx.last; kx++) {
				add_where(dy, where, (int32_t)(ky * p->kernel[1] + kx), dx + position(p, &sy, &sx, ky, kx), p->channels);
			}
		}
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_max_pool_gradient,
	(const struct qb_f32_pool_gradient *p, const float *x, const float *dy, float *best, int32_t *where, float *dx),
	(p, x, dy, best, where, dx))

ALWAYS void add_quotient(const float *restrict dy, float count, float *restrict dx, int64_t n)
{
	for (int64_t c = 0; c < n; c++) {
		dx[c] += dy[c] / count;
	}
}

ALWAYS void qb_f32_mean_pool_gradient_body(const struct qb_f32_pool_gradient *p, const float *dy, float *dx)
{
	for (int64_t o = 0; o < p->out[0] * p->out[1]; o++, dy += p->channels) {
		const struct side sy = side_of(p, 0, o / p->out[1]), sx = side_of(p, 1, o % p->out[1]);
		int64_t count = p->padded ? sy.covered * sx.covered : (sy.last - sy.first) * (sx.last - sx.first);

		for (int64_t ky = sy.first; ky < sy.last; ky++) {
			for (int64_t kx = sx.first; kx < sx.last; kx++) {
				add_quotient(dy, (float)count, dx + position(p, &sy, &sx, ky, kx), p->channels);
			}
		}
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_mean_pool_gradient, (const struct qb_f32_pool_gradient *p, const float *dy, float *dx), (p, dy, dx))
