/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantize-dequantize with the sums of squares that SQNR needs. Included by kernels_body.h.
 */

/* Sums in double precision, of each lane by itself until the end: of x^2, (y - x)^2, ref^2 and (y - ref)^2. */
struct QB_NAME(wide) {
	double sum[4][QB_NAME(LANES)];
};

/* All of a window in double precision, whose squares of float32 neither over- nor underflow. */
QB_TARGET static __attribute__((noinline)) void QB_NAME(add_wide)(const float *x, const float *ref, const float *y,
	size_t n, struct QB_NAME(wide) *sums)
{
	for (size_t i = 0; i < n; i++) {
		const size_t j = i % QB_NAME(LANES);
		double v = x[i], q = (double)y[i] - v, r = ref ? ref[i] : 0, e = ref ? (double)y[i] - r : 0;

		sums->sum[0][j] += v * v;
		sums->sum[1][j] += q * q;
		sums->sum[2][j] += r * r;
		sums->sum[3][j] += e * e;
	}
}

/* Not 0, and its square is beyond float32 or loses bits there. */
static inline __attribute__((always_inline)) int32_t QB_NAME(square_leaves)(float v)
{
	const uint32_t least = 0x21800000u, most = 0x5d800000u; /* 2^-60, 2^60 */
	uint32_t u = QB_NAME(bits)(v) & 0x7fffffffu;

	return (u < least) & (u != 0) ? 1 : u >= most;
}

/* Whether float32 holds all squares of a window, of n elements, whole LANES. */
QB_TARGET static __attribute__((noinline)) bool QB_NAME(squares_fit)(const float *x, const float *ref,
	const float *y, size_t n)
{
	int32_t leaves[QB_NAME(LANES)] = {0}, any = 0;

	for (size_t i = 0; i < n; i += QB_NAME(LANES)) {
		for (size_t j = 0; j < QB_NAME(LANES); j++) {
			leaves[j] |= QB_NAME(square_leaves)(x[i + j]) | QB_NAME(square_leaves)(y[i + j] - x[i + j]);
		}
		for (size_t j = 0; ref && j < QB_NAME(LANES); j++) {
			leaves[j] |= QB_NAME(square_leaves)(ref[i + j]) | QB_NAME(square_leaves)(y[i + j] - ref[i + j]);
		}
	}
	for (int j = 0; j < QB_NAME(LANES); j++) {
		any |= leaves[j];
	}
	return !any;
}

/* Adds a window's sums, ends, of n elements, whole LANES. A sum that is 0, small or not finite may have lost squares: most
 * are of zeros, the others are computed again in double precision. */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(widen)(struct QB_NAME(wide) *w,
	float ends[4][QB_NAME(LANES)], const float *x, const float *ref, const float *y, size_t n, int with_ref)
{
	int32_t odd = 0;

	for (int k = 0; k < (with_ref ? 4 : 2); k++) {
		for (int j = 0; j < QB_NAME(LANES); j++) {
			odd |= !(ends[k][j] >= 0x1p-100f) | !(ends[k][j] < INFINITY);
		}
	}
	if (__builtin_expect(odd, 0) && !QB_NAME(squares_fit)(x, with_ref ? ref : NULL, y, n)) {
		QB_NAME(add_wide)(x, with_ref ? ref : NULL, y, n, w);
		return;
	}
	for (int k = 0; k < (with_ref ? 4 : 2); k++) {
		for (int j = 0; j < QB_NAME(LANES); j++) {
			w->sum[k][j] += (double)ends[k][j];
		}
	}
}

/* The sum over lanes, as a tree. */
QB_TARGET static void QB_NAME(close)(struct QB_NAME(wide) *w, struct qb_qdq_sums *sums, int with_ref)
{
	for (int k = 0; k < (with_ref ? 4 : 2); k++) {
		double *s = w->sum[k];

		for (int j = 0; j < 8; j++) {
			s[j] += s[j + 8];
		}
		for (int j = 0; j < 4; j++) {
			s[j] += s[j + 4];
		}
		s[0] = (s[0] + s[2]) + (s[1] + s[3]);
	}
	sums->signal += w->sum[0][0];
	sums->noise += w->sum[1][0];
	sums->ref_signal += w->sum[2][0];
	sums->ref_noise += w->sum[3][0];
}

QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(add_square)(QB_NAME(lanes) sum,
	QB_NAME(lanes) v)
{
#ifdef QB_FMA
	return QB_FMA(v, v, sum);
#else
	for (int j = 0; j < QB_WIDTH / 4; j++) {
		sum[j] = __builtin_fmaf(v[j], v[j], sum[j]);
	}
	return sum;
#endif
}

/* In LANES single-precision lanes over WIDEN * LANES elements, then in double: a fixed order on every machine. with_ref is
 * known when compiled. */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(add_sums)(const float *x,
	const float *ref, const float *y, size_t n, struct QB_NAME(wide) *sums, int with_ref)
{
	const size_t whole = n / QB_NAME(LANES) * QB_NAME(LANES);
	float ends[4][QB_NAME(LANES)];
	size_t i = 0;

	while (i < whole) {
		QB_NAME(lanes) s[QB_NAME(PARTS)] = {{0}}, d[QB_NAME(PARTS)] = {{0}};
		QB_NAME(lanes) rs[QB_NAME(PARTS)] = {{0}}, rd[QB_NAME(PARTS)] = {{0}};
		const size_t start = i, end = whole - i < QB_NAME(WIDEN) * QB_NAME(LANES)
			? whole : i + QB_NAME(WIDEN) * QB_NAME(LANES);

		for (; i < end; i += QB_NAME(LANES)) {
#pragma GCC unroll 4
			for (int k = 0; k < QB_NAME(PARTS); k++) {
				QB_NAME(lanes) v, q, r;

				memcpy(&v, x + i + k * (QB_WIDTH / 4), sizeof(v));
				memcpy(&q, y + i + k * (QB_WIDTH / 4), sizeof(q));
				if (with_ref) {
					memcpy(&r, ref + i + k * (QB_WIDTH / 4), sizeof(r));
					rs[k] = QB_NAME(add_square)(rs[k], r);
					r = q - r;
					rd[k] = QB_NAME(add_square)(rd[k], r);
				}
				q -= v;
				s[k] = QB_NAME(add_square)(s[k], v);
				d[k] = QB_NAME(add_square)(d[k], q);
			}
		}
		memcpy(ends[0], s, sizeof(s));
		memcpy(ends[1], d, sizeof(d));
		memcpy(ends[2], rs, sizeof(rs));
		memcpy(ends[3], rd, sizeof(rd));
		QB_NAME(widen)(sums, ends, x + start, ref + (with_ref ? start : 0), y + start, end - start, with_ref);
	}
	QB_NAME(add_wide)(x + i, with_ref ? ref + i : NULL, y + i, n - i, sums);
}

#ifdef QB_MOST
#include "core/kernels/quantize/measure_fused_body.h"
#endif

/* Chunks stay in the first-level cache between the loops; where y is x, a copy of x is kept. */
QB_TARGET static void QB_NAME(measure)(const struct qb_grid *g, const struct qb_run_args *a,
	struct qb_qdq_sums *s)
{
	enum { CHUNK = 1024 };
	float kept[CHUNK] __attribute__((aligned(64)));
	struct QB_NAME(wide) sums = {{{0}}};
	size_t i = 0;

#ifdef QB_MOST
	i = QB_NAME(measure_fused)(g, a, &sums);
#endif
	for (; i < a->n; i += CHUNK) {
		size_t n = a->n - i < CHUNK ? a->n - i : CHUNK;
		const float *x = a->x == a->y ? kept : a->x + i;
		const size_t at = a->block ? i / a->block : a->stride ? i : 0;
		struct qb_run_args part = {.x = x, .y = a->y + i, .n = n, .scale = a->scale + at,
			.inverse = a->inverse ? a->inverse + at : NULL, .zero = a->zero ? a->zero + at : NULL,
			.stride = a->stride, .block = a->block, .divides_fast = a->divides_fast};

		if (x == kept) {
			memcpy(kept, a->x + i, n * sizeof(*kept));
		}
		QB_NAME(qdq)(g, &part);
		if (a->ref) {
			QB_NAME(add_sums)(x, a->ref + i, a->y + i, n, &sums, 1);
		} else {
			QB_NAME(add_sums)(x, NULL, a->y + i, n, &sums, 0);
		}
	}
	QB_NAME(close)(&sums, s, a->ref != NULL);
}
