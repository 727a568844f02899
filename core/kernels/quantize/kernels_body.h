/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of the kernels, included once for each instruction set with QB_TARGET (an attribute), QB_WIDTH
 * (bytes of its vectors) and QB_NAME(x) defined, which end with it. Compilers vectorize loops of
 * BLOCK iterations well.
 */
enum { QB_NAME(BLOCK) = 64, QB_NAME(LANES) = 16, QB_NAME(GROUP) = 16, QB_NAME(WIDEN) = 32 };

static inline __attribute__((always_inline)) uint32_t QB_NAME(bits)(float x)
{
	uint32_t u;

	memcpy(&u, &x, 4);
	return u;
}

static inline __attribute__((always_inline)) float QB_NAME(from_bits)(uint32_t u)
{
	float x;

	memcpy(&x, &u, 4);
	return x;
}

/* Round half to even for |v| < 2^22: adding 1.5 * 2^23 leaves no bits below one. */
static inline __attribute__((always_inline)) float QB_NAME(nearest)(float v)
{
	return (v + 12582912.0f) - 12582912.0f;
}

static inline __attribute__((always_inline)) float QB_NAME(clamp)(float v, float lo, float hi)
{
	v = v < lo ? lo : v;
	return v > hi ? hi : v;
}

#ifdef QB_DIVIDE_BODY
QB_TARGET static inline __attribute__((always_inline)) float QB_NAME(divide)(float x, float s, float r,
	float most)
{
	QB_DIVIDE_BODY
}
#endif

/* NaN has no place on the grid: it becomes 0. Clipping before rounding equals clipping after, for lo and hi are
 * on the grid. */
QB_TARGET static inline __attribute__((always_inline)) float QB_NAME(int_one)(float v, float scale,
	float lo, float hi)
{
	v = v == v ? v : 0.0f;
	return QB_NAME(nearest)(QB_NAME(clamp)(v, lo, hi)) * scale;
}

/* The step of an octave is 2^(e - M): rounding the float's own bits in the normal octaves, adding 2^23 steps below. even is
 * known when compiled: the grid is (g->even), so that nothing is special near 0. */
QB_TARGET static inline __attribute__((always_inline)) float QB_NAME(float_one)(float x, float v,
	float scale, const struct qb_grid *g, int even)
{
	float a, r, s;
	uint32_t u, sign;

	if (!even) {
		v = v < g->floor ? g->below : v;
	}
	sign = QB_NAME(bits)(x) & g->sign; /* of x: fast division loses that of 0 */
	u = QB_NAME(bits)(v) & 0x7fffffffu;
	a = QB_NAME(from_bits)(u);
	s = (a + g->magic) - g->magic;
	u = u + g->below_half + ((u & g->last) != 0 ? 1u : 0u);
	r = QB_NAME(from_bits)(u & g->kept);
	r = a < g->small ? s : r;
	if (!even) {
		/* Without subnormals the smallest normal number is next to 0; flush is 0 otherwise. */
		r = r < g->flush ? g->flush : r;
		r = a * 2 <= g->zero_to ? 0.0f : r;
	}
	sign = r == 0 ? sign & g->zero_sign : sign;
	sign = r > g->hi ? sign & g->over_sign : sign;
	r = r > g->hi ? g->over : r;
	r = QB_NAME(from_bits)(QB_NAME(bits)(r) | sign);
	return (v == v ? r : g->nan) * scale;
}

/* The same with fewer comparisons: adding and subtracting the power of two whose unit in the last place is the step of the
 * octave leaves no bits below the step. Clipping first equals clipping last, for hi is on the grid. is_signed is known when
 * compiled. */
QB_TARGET static inline __attribute__((always_inline)) float QB_NAME(simple_one)(float x, float v,
	float scale, const struct qb_grid *g, int is_signed)
{
	uint32_t sign = is_signed ? QB_NAME(bits)(x) & 0x80000000u : 0;
	float a, m, r;

	v = is_signed || !(v < 0) ? v : 0;
	a = QB_NAME(from_bits)(QB_NAME(bits)(v) & 0x7fffffffu);
	a = a > g->hi ? g->hi : a;
	m = QB_NAME(from_bits)(QB_NAME(bits)(a) & 0x7f800000u) * g->lift;
	m = m > g->magic ? m : g->magic;
	r = QB_NAME(from_bits)(QB_NAME(bits)((a + m) - m) | sign);
	return (v == v ? r : g->nan) * scale;
}

/* The same for signed grids whose largest number is followed by infinity: what rounds to more than it becomes that. */
QB_TARGET static inline __attribute__((always_inline)) float QB_NAME(overflowing_one)(float x, float v,
	float scale, const struct qb_grid *g)
{
	float a = QB_NAME(from_bits)(QB_NAME(bits)(v) & 0x7fffffffu), m, r;

	a = a > 2 * g->hi ? 2 * g->hi : a;
	m = QB_NAME(from_bits)(QB_NAME(bits)(a) & 0x7f800000u) * g->lift;
	m = m > g->magic ? m : g->magic;
	r = (a + m) - m;
	r = r > g->hi ? g->over : r;
	r = QB_NAME(from_bits)(QB_NAME(bits)(r) | (QB_NAME(bits)(x) & 0x80000000u));
	return (v == v ? r : g->nan) * scale;
}

/* Where the BLOCK of a run of n elements begins that is processed as the step-th element's. Runs past the caches take four
 * pages in turns, as memcpy does: memory serves several at once, and the processor's own prefetch ends with a page. */
static inline __attribute__((always_inline)) size_t QB_NAME(place)(size_t step, size_t n, bool stream)
{
	const size_t first = step & ~(size_t)(4 * QB_PAGE - 1), at = (step - first) / QB_NAME(BLOCK);

	return stream && first + 4 * QB_PAGE <= n ? first + at % 4 * QB_PAGE + at / 4 * QB_NAME(BLOCK) : step;
}

/* The lines of a BLOCK, `bytes` behind x. */
static inline __attribute__((always_inline)) void QB_NAME(prefetch)(const float *x, size_t bytes)
{
	for (size_t line = 0; line < 4 * QB_NAME(BLOCK); line += 64) {
		__builtin_prefetch((const char *)x + bytes + line);
	}
}

/* x and y may be the same memory, never shifted against each other; a short end is padded to a whole block. EXPR sees
 * element j as X, its scale as S and its zero point as Z. */
#define X xp[j]
#define S sp[j]
#define R rp[j]
#define Z ((float)zp[j])
#define QB_LOOP(EXPR) \
	do { \
		for (size_t step = 0; step < n; step += QB_NAME(BLOCK)) { \
			const size_t i = QB_NAME(place)(step, n, a->stream); \
			float t[QB_NAME(BLOCK)] __attribute__((aligned(64))); \
			float xt[QB_NAME(BLOCK)], st[QB_NAME(BLOCK)]; \
			int32_t zt[QB_NAME(BLOCK)]; \
			const float *xp = x + i, *sp = s + (a->stride ? i : 0); \
			const float *rp = a->inverse ? a->inverse + (a->stride ? i : 0) : sp; \
			float rt[QB_NAME(BLOCK)]; \
			const int32_t *zp = z ? z + (a->stride ? i : 0) : NULL; \
			const size_t left = n - i < QB_NAME(BLOCK) ? n - i : QB_NAME(BLOCK); \
			float *tp = left < QB_NAME(BLOCK) || a->stream ? t : y + i; \
\
			if (left < QB_NAME(BLOCK)) { \
				for (size_t j = 0; j < QB_NAME(BLOCK); j++) { \
					xt[j] = j < left ? xp[j] : 0; \
					st[j] = a->stride && j < left ? sp[j] : 1; \
					rt[j] = a->stride && j < left ? rp[j] : 1; \
					zt[j] = a->stride && z && j < left ? zp[j] : 0; \
				} \
				xp = xt; \
				sp = st; \
				rp = rt; \
				zp = zt; \
			} \
			(void)sp; \
			(void)rp; \
			(void)zp; \
			if (a->stream) { \
				QB_NAME(prefetch)(x + i, QB_AHEAD_STREAMING); \
			} \
			QB_SAME_PLACE \
			for (int j = 0; j < QB_NAME(BLOCK); j++) { \
				tp[j] = EXPR; \
			} \
			if (left < QB_NAME(BLOCK)) { \
				memcpy(y + i, t, left * sizeof(*t)); \
			} else if (a->stream) { \
				QB_STREAM(y + i, t); \
			} \
		} \
	} while (0)

/* Vectors of QB_WIDTH bytes, for an array of lanes would live in memory, not in registers. */
typedef float QB_NAME(lanes) __attribute__((vector_size(QB_WIDTH)));
typedef int32_t QB_NAME(masks) __attribute__((vector_size(QB_WIDTH)));
enum { QB_NAME(PARTS) = 4 * QB_NAME(LANES) / QB_WIDTH };

/* Binary search among the cuts, vectorized over the elements of a block; NaN is above none and becomes 0 beforehand. */
QB_TARGET static void QB_NAME(search)(const struct qb_grid *g, const float *x, const float *s, float *t)
{
	int32_t at[QB_NAME(BLOCK)];
	float w[QB_NAME(BLOCK)];

	for (int j = 0; j < QB_NAME(BLOCK); j++) {
		w[j] = x[j] / s[j];
		w[j] = w[j] == w[j] ? w[j] : 0.0f;
		at[j] = 0;
	}
	if (g->steps <= 16) {
		for (int i = 0; i + 1 < g->steps; i++) {
			const float cut = g->cut[i];

			for (int j = 0; j < QB_NAME(BLOCK); j++) {
				at[j] += w[j] > cut;
			}
		}
	} else {
		for (int step = g->steps / 2; step; step /= 2) {
			for (int j = 0; j < QB_NAME(BLOCK); j++) {
				at[j] += w[j] > g->cut[at[j] + step - 1] ? step : 0;
			}
		}
	}
	for (int j = 0; j < QB_NAME(BLOCK); j++) {
		t[j] = g->value[at[j]] * s[j];
	}
}

#ifdef QB_PICK
/* The same with a lookup table of at most 16 in registers. */
#ifdef QB_ADD_ABOVE
/* All cuts fit a vector: of each step of the search those that it may compare with, moved to the index so far. */
struct QB_NAME(entries) {
	QB_NAME(lanes) middle, quarter, eighth, last, value;
};

QB_TARGET static inline __attribute__((always_inline)) struct QB_NAME(entries) QB_NAME(load_entries)(const struct qb_grid *g)
{
	const QB_NAME(lanes) zero = {0};
	struct QB_NAME(entries) e = {.middle = zero + g->cut[7]};

	memcpy(&e.quarter, g->cut + 3, sizeof(e.quarter));
	memcpy(&e.eighth, g->cut + 1, sizeof(e.eighth));
	memcpy(&e.last, g->cut, sizeof(e.last));
	memcpy(&e.value, g->value, sizeof(e.value));
	return e;
}

QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(entry_of)(const struct QB_NAME(entries) *e,
	QB_NAME(lanes) w)
{
	QB_NAME(masks) at = {0};

	at = QB_ADD_ABOVE(at, w, e->middle, 8);
	at = QB_ADD_ABOVE(at, w, QB_PICK(e->quarter, at), 4);
	at = QB_ADD_ABOVE(at, w, QB_PICK(e->eighth, at), 2);
	at = QB_ADD_ABOVE(at, w, QB_PICK(e->last, at), 1);
	return (QB_NAME(lanes))QB_PICK(e->value, at);
}
#else
/* See struct qb_grid. An index is the sum of the masks of its steps, so it counts down from 0. */
struct QB_NAME(entries) {
	QB_NAME(lanes) middle, quarter, eighth, low, high;
	QB_NAME(masks) left, either;
};

QB_TARGET static inline __attribute__((always_inline)) struct QB_NAME(entries) QB_NAME(load_entries)(const struct qb_grid *g)
{
	const QB_NAME(lanes) zero = {0};
	struct QB_NAME(entries) e = {.middle = zero + g->cut[7], .left = (QB_NAME(masks))(zero + g->cut[3])};

	e.either = e.left ^ (QB_NAME(masks))(zero + g->cut[11]);
	memcpy(&e.quarter, g->quarter, sizeof(e.quarter));
	memcpy(&e.eighth, g->eighth, sizeof(e.eighth));
	memcpy(&e.low, g->low, sizeof(e.low));
	memcpy(&e.high, g->high, sizeof(e.high));
	return e;
}

QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(entry_of)(const struct QB_NAME(entries) *e,
	QB_NAME(lanes) w)
{
	const QB_NAME(masks) upper = w > e->middle;
	QB_NAME(masks) at = upper + upper + (w > (QB_NAME(lanes))(e->left ^ (e->either & upper))), r;

	at = at + at + (w > (QB_NAME(lanes))QB_PICK(e->quarter, at));
	at = at + at + (w > (QB_NAME(lanes))QB_PICK(e->eighth, at));
	r = (QB_NAME(masks))QB_PICK(e->low, at);
	r ^= upper & (r ^ (QB_NAME(masks))QB_PICK(e->high, at));
	return (QB_NAME(lanes))r;
}
#endif

/* fast is known when compiled: s holds one scale, whose reciprocal is inverse, and the
 * quotient is that of divide(). */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(descend)(const struct qb_grid *g,
	const float *x, const float *s, float inverse, float *t, const bool fast)
{
	const float most = 2 * s[0] * (g->hi > -g->lo ? g->hi : -g->lo);
	const struct QB_NAME(entries) e = QB_NAME(load_entries)(g);
	const QB_NAME(lanes) zero = {0};

#pragma GCC unroll 4
	for (int j = 0; j < QB_NAME(BLOCK); j += QB_WIDTH / 4) {
		QB_NAME(lanes) w, scale;

		memcpy(&w, x + j, sizeof(w));
		memcpy(&scale, s + j, sizeof(scale));
		if (fast) {
			QB_NAME(lanes) v = QB_LEAST(zero + most, QB_MOST(zero - most, w)), r = zero + inverse;

			w = v * r;
			w = QB_FMA(QB_FMA(-w, scale, v), r, w);
			w = QB_FMA(QB_FMA(-w, scale, v), r, w);
		} else {
			w /= scale;
		}
		w = (QB_NAME(lanes))((QB_NAME(masks))w & (w == w));
		scale *= QB_NAME(entry_of)(&e, w);
		memcpy(t + j, &scale, sizeof(scale));
	}
}
#endif

/* t = s * the table's nearest to x / s, of a BLOCK. */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(table_block)(const struct qb_grid *g,
	const float *x, const float *s, float inverse, float *t)
{
#ifdef QB_PICK
	if (g->steps <= 16 && inverse != 0) {
		QB_NAME(descend)(g, x, s, inverse, t, true);
		return;
	} else if (g->steps <= 16) {
		QB_NAME(descend)(g, x, s, 0, t, false);
		return;
	}
#endif
	(void)inverse;
	QB_NAME(search)(g, x, s, t);
}

/* The scales of the BLOCK that begins with element i; of the whole run where there is but one. */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(scales_at)(const struct qb_run_args *a,
	size_t i, size_t n, float *s)
{
	if (a->stride) {
		memcpy(s, a->scale + i, n * sizeof(*s));
	} else if (a->block) {
		const int shift = __builtin_ctzl(a->block);

		for (size_t k = 0; k < QB_NAME(BLOCK); k += QB_NAME(GROUP)) {
			const float scale = a->scale[(i + k) >> shift];

			for (size_t j = 0; j < QB_NAME(GROUP); j++) {
				s[k + j] = scale;
			}
		}
	}
}

QB_TARGET static void QB_NAME(table)(const struct qb_grid *g, const struct qb_run_args *a)
{
	const float inverse = a->inverse && !a->stride && !a->block ? a->inverse[0] : 0;
	float s[QB_NAME(BLOCK)];

	for (int j = 0; j < QB_NAME(BLOCK); j++) {
		s[j] = a->scale[0];
	}
	for (size_t step = 0; step < a->n; step += QB_NAME(BLOCK)) {
		const size_t i = QB_NAME(place)(step, a->n, a->stream);
		float t[QB_NAME(BLOCK)] __attribute__((aligned(64)));
		size_t n = a->n - i < QB_NAME(BLOCK) ? a->n - i : QB_NAME(BLOCK);

		QB_NAME(scales_at)(a, i, n, s);
		if (n < QB_NAME(BLOCK)) {
			float last[QB_NAME(BLOCK)] = {0};

			memcpy(last, a->x + i, n * sizeof(*last));
			QB_NAME(table_block)(g, last, s, inverse, t);
			memcpy(a->y + i, t, n * sizeof(*t));
			break;
		}
		if (a->stream) {
			QB_NAME(prefetch)(a->x + i, QB_AHEAD_STREAMING);
		}
		QB_NAME(table_block)(g, a->x + i, s, inverse, t);
		if (a->stream) {
			QB_STREAM(a->y + i, t);
		} else {
			memcpy(a->y + i, t, sizeof(t));
		}
	}
}

/* Scales of blocks: each GROUP of elements has one, R its reciprocal. n is a multiple of BLOCK. */
#define QB_GROUPS(EXPR) \
	do { \
		for (size_t step = 0; step < a->n; step += QB_NAME(BLOCK)) { \
			const size_t i = QB_NAME(place)(step, a->n, a->stream); \
			float t[QB_NAME(BLOCK)] __attribute__((aligned(64))); \
\
			QB_NAME(prefetch)(a->x + i, QB_AHEAD); \
			for (size_t k = 0; k < QB_NAME(BLOCK); k += QB_NAME(GROUP)) { \
				const float S = a->scale[(i + k) >> shift]; \
				const float R = (a->inverse ? a->inverse : a->scale)[(i + k) >> shift]; \
				const float *xp = a->x + i + k; \
				(void)R; \
\
				for (int j = 0; j < QB_NAME(GROUP); j++) { \
					t[k + (size_t)j] = EXPR; \
				} \
			} \
			if (a->stream) { \
				QB_STREAM(a->y + i, t); \
			} else { \
				memcpy(a->y + i, t, sizeof(t)); \
			} \
		} \
	} while (0)

#undef S
#undef R
#ifdef QB_MOST
/* simple_one() of a vector of a signed grid without NaN, with the quotient of divide(): clipped first, which equals clipping
 * last. For a compiler subtracting 0 is nothing, adding it is an addition. */
QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(simple_lanes)(QB_NAME(lanes) x, float scale,
	float inverse, const struct qb_grid *g)
{
	const QB_NAME(lanes) zero = {0}, s = scale - zero, r = inverse - zero;
	const QB_NAME(masks) number = (QB_NAME(masks))x & (x == x), sign = number & (int32_t)0x80000000;
	QB_NAME(lanes) v = QB_LEAST((g->hi - zero) * s, (QB_NAME(lanes))(number & 0x7fffffff)), q, m;

	q = v * r;
	q = QB_FMA(QB_FMA(-q, s, v), r, q);
	q = QB_FMA(QB_FMA(-q, s, v), r, q);
	m = QB_MOST((QB_NAME(lanes))((QB_NAME(masks))q & 0x7f800000) * (g->lift - zero), g->magic - zero);
	q = (q + m) - m;
	return (QB_NAME(lanes))((QB_NAME(masks))q | sign) * s;
}

/* Blocks of floats without NaN whose scales divide fast. */
QB_TARGET static void QB_NAME(qdq_float_blocks)(const struct qb_grid *g, const struct qb_run_args *a)
{
	const struct qb_grid c = {.hi = g->hi, .magic = g->magic, .lift = g->lift};
	const int shift = __builtin_ctzl(a->block);

	for (size_t step = 0; step < a->n; step += QB_NAME(BLOCK)) {
		const size_t i = QB_NAME(place)(step, a->n, a->stream);
		float t[QB_NAME(BLOCK)] __attribute__((aligned(64)));

		QB_NAME(prefetch)(a->x + i, QB_AHEAD);
#pragma GCC unroll 8
		for (size_t k = 0; k < QB_NAME(BLOCK); k += QB_WIDTH / 4) {
			QB_NAME(lanes) v;

			memcpy(&v, a->x + i + k, sizeof(v));
			v = QB_NAME(simple_lanes)(v, a->scale[(i + k) >> shift], a->inverse[(i + k) >> shift], &c);
			memcpy(t + k, &v, sizeof(v));
		}
		if (a->stream) {
			QB_STREAM(a->y + i, t);
		} else {
			memcpy(a->y + i, t, sizeof(t));
		}
	}
}
#endif

QB_TARGET static void QB_NAME(qdq_blocks)(const struct qb_grid *g, const struct qb_run_args *a)
{
	/* A copy that nothing else points to stays in registers. */
	const struct qb_grid c = {.hi = g->hi, .magic = g->magic, .lift = g->lift, .nan = g->nan};
	const float lo = g->lo, hi = g->hi;
	const int shift = __builtin_ctzl(a->block);

#ifdef QB_MOST
	if (g->kind != QB_FORMAT_INT && a->divides_fast) {
		QB_NAME(qdq_float_blocks)(g, a);
		return;
	}
#endif
	if (g->kind == QB_FORMAT_INT && a->inverse && !a->divides_fast) {
		QB_GROUPS(QB_NAME(int_one)(X * R, S, lo, hi));
	} else if (g->kind == QB_FORMAT_INT) {
		QB_GROUPS(QB_NAME(int_one)(X / S, S, lo, hi));
	} else if (a->inverse && !a->divides_fast) {
		QB_GROUPS(QB_NAME(simple_one)(X, X * R, S, &c, 1));
	} else {
		QB_GROUPS(QB_NAME(simple_one)(X, X / S, S, &c, 1));
	}
}
#define S sp[j]
#define R rp[j]

QB_TARGET static void QB_NAME(qdq)(const struct qb_grid *g, const struct qb_run_args *a)
{
	const float *x = a->x, *s = a->scale, lo = g->lo, hi = g->hi;
	const int32_t *z = a->zero;
	const size_t n = a->n;
	float *y = a->y;

	if (g->kind == QB_FORMAT_TABLE) {
		QB_NAME(table)(g, a);
	} else if (a->block) {
		QB_NAME(qdq_blocks)(g, a);
	} else if (g->kind == QB_FORMAT_INT && !a->stride) {
		const float scale = s[0], zero = z ? (float)z[0] : 0, low = lo - zero, high = hi - zero;
		const float most = 4 * scale * (hi - lo), inverse = a->inverse ? a->inverse[0] : 0;

		(void)most;
		if (inverse != 0) {
			QB_LOOP(QB_NAME(int_one)(QB_DIVIDE(X, scale, inverse, most), scale, low, high));
		} else {
			QB_LOOP(QB_NAME(int_one)(X / scale, scale, low, high));
		}
	} else if (g->kind == QB_FORMAT_INT && z) {
		QB_LOOP(QB_NAME(int_one)(X / S, S, lo - Z, hi - Z));
	} else if (g->kind == QB_FORMAT_INT && a->inverse) {
		QB_LOOP(QB_NAME(int_one)(QB_DIVIDE(X, S, R, 4 * S * (hi - lo)), S, lo, hi));
	} else if (g->kind == QB_FORMAT_INT) {
		QB_LOOP(QB_NAME(int_one)(X / S, S, lo, hi));
	} else {
		/* A copy that nothing points to stays in registers. */
		const struct qb_grid k = {.hi = g->hi, .below_half = g->below_half,
			.last = g->last, .kept = g->kept, .small = g->small,
			.magic = g->magic, .lift = g->lift, .flush = g->flush, .zero_to = g->zero_to, .floor = g->floor,
			.below = g->below, .over = g->over, .nan = g->nan, .sign = g->sign,
			.zero_sign = g->zero_sign, .over_sign = g->over_sign};
		const float scale = s[0], most = 2 * scale * hi;
		const float inverse = a->inverse ? a->inverse[0] : 0;

		(void)most;
		if (g->overflowing && !a->stride && scale == 1) {
			QB_LOOP(QB_NAME(overflowing_one)(X, X, 1, &k));
		} else if (g->even && !g->simple && !a->stride && scale == 1) {
			QB_LOOP(QB_NAME(float_one)(X, X, 1, &k, 1));
		} else if (g->simple && g->sign && !a->stride && inverse != 0) {
			QB_LOOP(QB_NAME(simple_one)(X, QB_DIVIDE(X, scale, inverse, most), scale, &k, 1));
		} else if (g->simple && !a->stride && inverse != 0) {
			QB_LOOP(QB_NAME(simple_one)(X, QB_DIVIDE(X, scale, inverse, most), scale, &k, 0));
		} else if (g->simple && g->sign && !a->stride) {
			QB_LOOP(QB_NAME(simple_one)(X, X / scale, scale, &k, 1));
		} else if (g->simple && g->sign && a->inverse) {
			QB_LOOP(QB_NAME(simple_one)(X, QB_DIVIDE(X, S, R, 2 * S * hi), S, &k, 1));
		} else if (g->simple && g->sign) {
			QB_LOOP(QB_NAME(simple_one)(X, X / S, S, &k, 1));
		} else if (g->overflowing && !a->stride && inverse != 0) {
			QB_LOOP(QB_NAME(overflowing_one)(X, QB_DIVIDE(X, scale, inverse, most), scale, &k));
		} else if (g->even && !a->stride && inverse != 0) {
			QB_LOOP(QB_NAME(float_one)(X, QB_DIVIDE(X, scale, inverse, most), scale, &k, 1));
		} else if (g->even && !a->stride) {
			QB_LOOP(QB_NAME(float_one)(X, X / scale, scale, &k, 1));
		} else if (!a->stride && inverse != 0) {
			QB_LOOP(QB_NAME(float_one)(X, QB_DIVIDE(X, scale, inverse, most), scale, &k, 0));
		} else if (!a->stride) {
			QB_LOOP(QB_NAME(float_one)(X, X / scale, scale, &k, 0));
		} else if (a->inverse) {
			QB_LOOP(QB_NAME(float_one)(X, QB_DIVIDE(X, S, R, 2 * S * hi), S, &k, 0));
		} else {
			QB_LOOP(QB_NAME(float_one)(X, X / S, S, &k, 0));
		}
	}
	if (a->stream) {
		QB_STREAM_END();
	}
}

/* The largest magnitude of a block with infinities or NaN, which count as 0. */
QB_TARGET static __attribute__((noinline)) int32_t QB_NAME(finite_max)(const float *x, size_t block)
{
	int32_t m = 0;

	for (size_t j = 0; j < block; j++) {
		int32_t u = (int32_t)(QB_NAME(bits)(x[j]) & 0x7fffffffu);

		u = u < 0x7f800000 ? u : 0;
		m = u > m ? u : m;
	}
	return m;
}

/* Magnitudes order as integers do. */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(max_of)(const float *x, size_t blocks,
	size_t block, float *max)
{
	for (size_t b = 0; b < blocks; b++, x += block) {
		int32_t m = 0;

		for (size_t j = 0; j < block; j++) {
			int32_t u = (int32_t)(QB_NAME(bits)(x[j]) & 0x7fffffffu);

			m = u > m ? u : m;
		}
		m = m < 0x7f800000 ? m : QB_NAME(finite_max)(x, block);
		max[b] = QB_NAME(from_bits)((uint32_t)m);
	}
}

#ifdef QB_MAX_16
/* Blocks of 16, whose maxima are lanes of one vector. */
QB_TARGET static void QB_NAME(max_of_16)(const float *x, size_t blocks, float *max)
{
	size_t b = 0;

	for (; b + 16 <= blocks; b += 16) {
		int32_t infinite = 0;

		QB_MAX_16(x + 16 * b, max + b);
		for (size_t j = 0; j < 16; j++) {
			infinite |= QB_NAME(bits)(max[b + j]) >= 0x7f800000u;
		}
		if (__builtin_expect(infinite, 0)) {
			QB_NAME(max_of)(x + 16 * b, 16, 16, max + b);
		}
	}
	QB_NAME(max_of)(x + 16 * b, blocks - b, 16, max + b);
}
#endif

/* The usual sizes of blocks known to the compiler. */
QB_TARGET static void QB_NAME(block_max)(const float *x, size_t blocks, size_t block, float *max)
{
	if (block == 32) {
		QB_NAME(max_of)(x, blocks, 32, max);
	} else if (block == 16) {
#ifdef QB_MAX_16
		QB_NAME(max_of_16)(x, blocks, max);
#else
		QB_NAME(max_of)(x, blocks, 16, max);
#endif
	} else {
		QB_NAME(max_of)(x, blocks, block, max);
	}
}

QB_TARGET static void QB_NAME(spread)(const float *scale, size_t blocks, size_t block, float *each)
{
	if (block == 32) {
		for (size_t b = 0; b < blocks; b++) {
			for (int j = 0; j < 32; j++) {
				each[b * 32 + (size_t)j] = scale[b];
			}
		}
		return;
	}
	for (size_t b = 0; b < blocks; b++) {
		for (size_t j = 0; j < block; j++) {
			each[b * block + j] = scale[b];
		}
	}
}

#include "core/kernels/quantize/measure_body.h"
#include "core/kernels/quantize/fit_body.h"

#undef QB_LOOP
#undef QB_GROUPS
#undef X
#undef S
#undef R
#undef Z
#undef QB_PICK
#undef QB_ADD_ABOVE
#undef QB_MOST
#undef QB_LEAST
#undef QB_FMA
#undef QB_TARGET
#undef QB_WIDTH
#undef QB_NAME
