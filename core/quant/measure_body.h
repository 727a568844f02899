/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizing and measuring in one loop, for the common case: one scale, division by its reciprocal, integers or simple
 * floats. Included beside kernels_body.h by the instruction sets that define QB_MOST(a, b) (a > b ? a : b), QB_MIN and
 * QB_FMA for their vectors; numbers and sums are bit for bit what the separate loops give.
 */

/* What a loop needs, once in every lane. */
struct QB_NAME(fused) {
	QB_NAME(lanes) lo, hi; /* in units of x: what lies beyond rounds to the grid's ends, also after division */
	QB_NAME(lanes) scale, inverse, lift, magic;
	QB_NAME(masks) nan;
};

/* Division as in divide(), of numbers that are clipped already. */
QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(quotients)(QB_NAME(lanes) x,
	const struct QB_NAME(fused) *f)
{
	QB_NAME(lanes) q = x * f->inverse;

	q = QB_FMA(QB_FMA(-q, f->scale, x), f->inverse, q);
	return QB_FMA(QB_FMA(-q, f->scale, x), f->inverse, q);
}

/* As int_one(). */
QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(int_lanes)(QB_NAME(lanes) x,
	const struct QB_NAME(fused) *f)
{
	const QB_NAME(lanes) big = (QB_NAME(lanes)){0} + 12582912.0f;

	x = (QB_NAME(lanes))((QB_NAME(masks))x & (x == x));
	return ((QB_NAME(quotients)(QB_LEAST(f->hi, QB_MOST(f->lo, x)), f) + big) - big) * f->scale;
}

/* As simple_one(). */
QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(float_lanes)(QB_NAME(lanes) x,
	const struct QB_NAME(fused) *f, int is_signed)
{
	const QB_NAME(lanes) zero = {0};
	QB_NAME(lanes) a = x, m, r;
	QB_NAME(masks) number;

	if (!is_signed) {
		a = QB_MOST(zero, x);
	}
	a = QB_NAME(quotients)(QB_LEAST(f->hi, (QB_NAME(lanes))((QB_NAME(masks))a & 0x7fffffff)), f);
	m = (QB_NAME(lanes))((QB_NAME(masks))a & 0x7f800000) * f->lift;
	m = QB_MOST(m, f->magic);
	r = (a + m) - m;
	if (is_signed) {
		r = (QB_NAME(lanes))((QB_NAME(masks))r | ((QB_NAME(masks))x & (int32_t)0x80000000));
	}
	number = a == a;
	return (QB_NAME(lanes))(((QB_NAME(masks))r & number) | (f->nan & ~number)) * f->scale;
}

/* One window of add_sums(). kind and with_ref are known when compiled. */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(window)(const struct QB_NAME(fused) *f,
	const float *x, const float *ref, float *y, struct qb_qdq_sums *sums, int kind, int with_ref)
{
	QB_NAME(lanes) s[QB_NAME(PARTS)] = {{0}}, d[QB_NAME(PARTS)] = {{0}};
	QB_NAME(lanes) rs[QB_NAME(PARTS)] = {{0}}, rd[QB_NAME(PARTS)] = {{0}};

	for (int i = 0; i < QB_NAME(WIDEN) * QB_NAME(LANES); i += QB_NAME(LANES)) {
#pragma GCC unroll 4
		for (int k = 0; k < QB_NAME(PARTS); k++) {
			const int at = i + k * (QB_WIDTH / 4);
			QB_NAME(lanes) v, q, r;

			memcpy(&v, x + at, sizeof(v));
			q = kind == 0 ? QB_NAME(int_lanes)(v, f) : QB_NAME(float_lanes)(v, f, kind == 1);
			if (with_ref) {
				memcpy(&r, ref + at, sizeof(r));
				rs[k] += r * r;
				r = q - r;
				rd[k] += r * r;
			}
			memcpy(y + at, &q, sizeof(q));
			q -= v;
			s[k] += v * v;
			d[k] += q * q;
		}
	}
	sums->signal += QB_NAME(widen)((const float *)s);
	sums->noise += QB_NAME(widen)((const float *)d);
	if (with_ref) {
		sums->ref_signal += QB_NAME(widen)((const float *)rs);
		sums->ref_noise += QB_NAME(widen)((const float *)rd);
	}
}

/* kind 0: integers, 1: signed floats, 2: floats without a sign. The whole windows at the front; how many numbers. */
QB_TARGET static size_t QB_NAME(measure_fused)(const struct qb_grid *g, const struct qb_run_args *a,
	struct qb_qdq_sums *s)
{
	enum { WINDOW = QB_NAME(WIDEN) * QB_NAME(LANES) };
	const int kind = g->kind == QB_FORMAT_INT ? 0 : g->sign ? 1 : 2;
	const QB_NAME(lanes) none = {0};
	const float zero = a->zero ? (float)a->zero[0] : 0;
	struct QB_NAME(fused) f;
	size_t i = 0;

	if (a->stride || a->block || !a->inverse || (kind && !g->simple)) {
		return 0;
	}
	f = (struct QB_NAME(fused)){.lo = none + (g->lo - zero) * a->scale[0],
		.hi = none + (g->hi - zero) * a->scale[0], .scale = none + a->scale[0],
		.inverse = none + a->inverse[0], .lift = none + g->lift, .magic = none + g->magic,
		.nan = (QB_NAME(masks))(none + g->nan)};
	for (; i + WINDOW <= a->n; i += WINDOW) {
		const float *x = a->x + i, *r = a->ref + (a->ref ? i : 0);
		float *y = a->y + i;

		switch (kind + (a->ref ? 3 : 0)) {
		case 0: QB_NAME(window)(&f, x, r, y, s, 0, 0); break;
		case 1: QB_NAME(window)(&f, x, r, y, s, 1, 0); break;
		case 2: QB_NAME(window)(&f, x, r, y, s, 2, 0); break;
		case 3: QB_NAME(window)(&f, x, r, y, s, 0, 1); break;
		case 4: QB_NAME(window)(&f, x, r, y, s, 1, 1); break;
		case 5: QB_NAME(window)(&f, x, r, y, s, 2, 1); break;
		}
	}
	return i;
}
