/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizing and measuring in one loop, for the common case: one scale, division by its reciprocal, integers or simple
 * floats. Included by measure_body.h at the levels that define QB_MOST(a, b) (a > b ? a : b), QB_LEAST and QB_FMA for
 * their vectors; elements and sums are bit for bit those of the separate loops.
 */

enum { QB_NAME(INTEGER), QB_NAME(SIGNED), QB_NAME(UNSIGNED) };

/* What a loop needs, once in every lane. */
struct QB_NAME(fused) {
	QB_NAME(lanes) lo, hi; /* in units of x: what lies beyond rounds to the grid's ends, also after division */
	QB_NAME(lanes) scale, inverse, lift, magic; /* magic of integers: leaves no bits below one */
	QB_NAME(masks) nan;
};

/* Division as in divide(), of elements that are clipped already. */
QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(quotients)(QB_NAME(lanes) x,
	const struct QB_NAME(fused) *f)
{
	QB_NAME(lanes) q = x * f->inverse;

	q = QB_FMA(QB_FMA(-q, f->scale, x), f->inverse, q);
	return QB_FMA(QB_FMA(-q, f->scale, x), f->inverse, q);
}

/* On the way to int_one() and simple_one(): x clipped and divided. */
QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(divided)(QB_NAME(lanes) x,
	const struct QB_NAME(fused) *f, int kind)
{
	const QB_NAME(lanes) zero = {0};

	if (kind == QB_NAME(INTEGER)) {
		x = (QB_NAME(lanes))((QB_NAME(masks))x & (x == x));
		x = QB_MOST(f->lo, x);
	} else {
		x = kind == QB_NAME(UNSIGNED) ? (QB_NAME(lanes))QB_MOST(zero, x) : x;
		x = (QB_NAME(lanes))((QB_NAME(masks))x & 0x7fffffff);
	}
	return QB_NAME(quotients)(QB_LEAST(f->hi, x), f);
}

/* The rest of the way, with the quotient a of x. */
QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(rounded)(QB_NAME(lanes) x,
	QB_NAME(lanes) a, const struct QB_NAME(fused) *f, int kind)
{
	const QB_NAME(masks) number = a == a;
	QB_NAME(lanes) m, r;

	if (kind == QB_NAME(INTEGER)) {
		return ((a + f->magic) - f->magic) * f->scale;
	}
	m = (QB_NAME(lanes))((QB_NAME(masks))a & 0x7f800000) * f->lift;
	m = QB_MOST(m, f->magic);
	r = (a + m) - m;
	if (kind == QB_NAME(SIGNED)) {
		r = (QB_NAME(lanes))((QB_NAME(masks))r | ((QB_NAME(masks))x & (int32_t)0x80000000));
	}
	return (QB_NAME(lanes))(((QB_NAME(masks))r & number) | (f->nan & ~number)) * f->scale;
}

/* n elements, whole LANES; kept takes x, for y may be x. */
struct QB_NAME(span) {
	const float *x, *ref;
	float *y, *kept;
	size_t n;
};

/* One window of add_sums(), software-pipelined: an element is divided while the one before it is rounded and added, so that
 * each chain of operations is short enough for the processor to overlap. kind and with_ref are known when compiled. */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(window)(const struct QB_NAME(fused) *f,
	const struct QB_NAME(span) *span, struct QB_NAME(wide) *sums, int kind, int with_ref)
{
	enum { STEP = QB_WIDTH / 4 };
	const float *x = span->x, *ref = span->ref;
	float *y = span->y, *kept = span->kept;
	const size_t n = span->n, last = n - QB_NAME(LANES);
	float ends[4][QB_NAME(LANES)];

	for (int k = 0; k < QB_NAME(LANES); k += STEP) {
		QB_NAME(lanes) s = {0}, d = {0}, rs = {0}, rd = {0}, v, next, a;

		memcpy(&v, x + k, sizeof(v));
		a = QB_NAME(divided)(v, f, kind);
		for (size_t i = 0; i <= last; i += QB_NAME(LANES)) {
			QB_NAME(lanes) q = QB_NAME(rounded)(v, a, f, kind), r;

			memcpy(&next, x + k + (i < last ? i + QB_NAME(LANES) : i), sizeof(next));
			a = QB_NAME(divided)(next, f, kind);
			if (with_ref) {
				memcpy(&r, ref + k + i, sizeof(r));
				rs = QB_NAME(add_square)(rs, r);
				r = q - r;
				rd = QB_NAME(add_square)(rd, r);
			}
			memcpy(kept + k + i, &v, sizeof(v));
			memcpy(y + k + i, &q, sizeof(q));
			q -= v;
			s = QB_NAME(add_square)(s, v);
			d = QB_NAME(add_square)(d, q);
			v = next;
		}
		memcpy(ends[0] + k, &s, sizeof(s));
		memcpy(ends[1] + k, &d, sizeof(d));
		memcpy(ends[2] + k, &rs, sizeof(rs));
		memcpy(ends[3] + k, &rd, sizeof(rd));
	}
	QB_NAME(widen)(sums, ends, kept, ref, y, n, with_ref);
}

/* All but what is left of whole LANES; returns how many elements. */
QB_TARGET static size_t QB_NAME(measure_fused)(const struct qb_grid *g, const struct qb_run_args *a,
	struct QB_NAME(wide) *s)
{
	enum { WINDOW = QB_NAME(WIDEN) * QB_NAME(LANES) };
	const int kind = g->kind == QB_FORMAT_INT ? QB_NAME(INTEGER) : g->sign ? QB_NAME(SIGNED) : QB_NAME(UNSIGNED);
	const QB_NAME(lanes) none = {0};
	const float zero = a->zero ? (float)a->zero[0] : 0;
	const size_t whole = a->n / QB_NAME(LANES) * QB_NAME(LANES);
	float kept[WINDOW] __attribute__((aligned(64)));
	struct QB_NAME(fused) f;
	size_t i = 0;

	if (a->stride || a->block || !a->inverse || (g->kind != QB_FORMAT_INT && !g->simple)) {
		return 0;
	}
	f = (struct QB_NAME(fused)){.lo = none + (g->lo - zero) * a->scale[0],
		.hi = none + (g->hi - zero) * a->scale[0], .scale = none + a->scale[0],
		.inverse = none + a->inverse[0], .lift = none + g->lift, .nan = (QB_NAME(masks))(none + g->nan)};
	f.magic = none + (g->kind == QB_FORMAT_INT ? 12582912.0f : g->magic);
	for (size_t n; i < whole; i += n) {
		struct QB_NAME(span) w = {.x = a->x + i, .ref = a->ref + (a->ref ? i : 0), .y = a->y + i, .kept = kept};

		n = w.n = whole - i < WINDOW ? whole - i : WINDOW;
		switch (kind + (a->ref ? 3 : 0)) {
		case 0: QB_NAME(window)(&f, &w, s, 0, 0); break;
		case 1: QB_NAME(window)(&f, &w, s, 1, 0); break;
		case 2: QB_NAME(window)(&f, &w, s, 2, 0); break;
		case 3: QB_NAME(window)(&f, &w, s, 0, 1); break;
		case 4: QB_NAME(window)(&f, &w, s, 1, 1); break;
		case 5: QB_NAME(window)(&f, &w, s, 2, 1); break;
		}
	}
	return i;
}
