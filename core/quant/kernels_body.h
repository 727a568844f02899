/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of the kernels, included once for each instruction set with QB_TARGET (an attribute) and QB_NAME(x)
 * defined. Loops of BLOCK turns are what compilers vectorise well.
 */
enum { QB_NAME(BLOCK) = 64, QB_NAME(LANES) = 16, QB_NAME(WIDEN) = 32 };

static inline __attribute__((always_inline)) uint32_t QB_NAME(bits)(float x)
{
	uint32_t u;

	memcpy(&u, &x, 4);
	return u;
}

static inline __attribute__((always_inline)) float QB_NAME(number)(uint32_t u)
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

/* NaN has no place on the grid: it becomes 0. Clipping before rounding equals clipping after, for lo and hi are
 * on the grid. */
static inline __attribute__((always_inline)) float QB_NAME(int_one)(float x, float scale, float lo,
	float hi)
{
	float v = x / scale;

	v = v == v ? v : 0.0f;
	return QB_NAME(nearest)(QB_NAME(clamp)(v, lo, hi)) * scale;
}

/* The step of an octave is 2^(e - M), and adding 2^23 steps rounds to whole steps. */
static inline __attribute__((always_inline)) float QB_NAME(float_one)(float x, float scale, float lo,
	float hi, int32_t min_exponent, int32_t shift, float flush)
{
	float v = x / scale, a, r, magic;
	uint32_t sign;
	int32_t e;

	v = v == v ? v : 0.0f;
	v = QB_NAME(clamp)(v, lo, hi);
	sign = QB_NAME(bits)(v) & 0x80000000u;
	a = QB_NAME(number)(QB_NAME(bits)(v) & 0x7fffffffu);
	e = (int32_t)(QB_NAME(bits)(a) >> 23);
	e = e < min_exponent ? min_exponent : e;
	magic = QB_NAME(number)((uint32_t)(e + shift) << 23);
	r = (a + magic) - magic;
	/* Without subnormals the smallest normal number is next to 0; flush is 0 otherwise. */
	r = r < flush ? flush : r;
	r = a * 2 <= flush ? 0.0f : r;
	return QB_NAME(number)(QB_NAME(bits)(r) | sign) * scale;
}

/* Through a small buffer, since x and y may be the same memory. */
#define QB_LOOP(EXPR) \
	do { \
		for (size_t i = 0; i < n; i += QB_NAME(BLOCK)) { \
			float t[QB_NAME(BLOCK)] __attribute__((aligned(64))); \
\
			if (n - i >= QB_NAME(BLOCK)) { \
				for (int j = 0; j < QB_NAME(BLOCK); j++) { \
					const size_t k = i + (size_t)j; \
					t[j] = EXPR; \
				} \
				memcpy(y + i, t, sizeof(t)); \
			} else { \
				for (size_t k = i; k < n; k++) { \
					y[k] = EXPR; \
				} \
			} \
		} \
	} while (0)

QB_TARGET static void QB_NAME(qdq)(const struct qb_grid *g, const struct qb_run_args *a)
{
	const float *x = a->x, *s = a->scale, lo = g->lo, hi = g->hi;
	const int32_t *z = a->zero;
	const size_t n = a->n;
	float *y = a->y;

	if (g->kind == QB_FORMAT_INT && !a->stride) {
		const float scale = s[0], zero = z ? (float)z[0] : 0, low = lo - zero, high = hi - zero;

		QB_LOOP(QB_NAME(int_one)(x[k], scale, low, high));
	} else if (g->kind == QB_FORMAT_INT && z) {
		QB_LOOP(QB_NAME(int_one)(x[k], s[k], lo - (float)z[k], hi - (float)z[k]));
	} else if (g->kind == QB_FORMAT_INT) {
		QB_LOOP(QB_NAME(int_one)(x[k], s[k], lo, hi));
	} else {
		const int32_t e = g->min_exponent + 127, shift = 23 - g->man_bits;
		const float flush = g->flush ? g->smallest : 0, scale = s[0];

		if (!a->stride) {
			QB_LOOP(QB_NAME(float_one)(x[k], scale, lo, hi, e, shift, flush));
		} else {
			QB_LOOP(QB_NAME(float_one)(x[k], s[k], lo, hi, e, shift, flush));
		}
	}
}

/* Sums in LANES single-precision lanes over WIDEN * LANES numbers, then in double: a fixed order on every machine. */
QB_TARGET static void QB_NAME(sums)(const float *x, const float *ref, const float *y, size_t n,
	struct qb_qdq_sums *s)
{
	size_t i = 0;

	while (i < n) {
		float signal[QB_NAME(LANES)] = {0}, noise[QB_NAME(LANES)] = {0};
		float ref_signal[QB_NAME(LANES)] = {0}, ref_noise[QB_NAME(LANES)] = {0};
		size_t end = n - i < QB_NAME(WIDEN) * QB_NAME(LANES)
			? n : i + QB_NAME(WIDEN) * QB_NAME(LANES);

		for (; i + QB_NAME(LANES) <= end; i += QB_NAME(LANES)) {
			for (int j = 0; j < QB_NAME(LANES); j++) {
				float v = x[i + (size_t)j], q = y[i + (size_t)j], d = q - v;

				signal[j] += v * v;
				noise[j] += d * d;
			}
			if (ref) {
				for (int j = 0; j < QB_NAME(LANES); j++) {
					float r = ref[i + (size_t)j], d = y[i + (size_t)j] - r;

					ref_signal[j] += r * r;
					ref_noise[j] += d * d;
				}
			}
		}
		for (int j = 0; i < end; i++, j++) {
			float r = ref ? ref[i] : 0, d = y[i] - x[i], e = ref ? y[i] - r : 0;

			signal[j] += x[i] * x[i];
			noise[j] += d * d;
			ref_signal[j] += r * r;
			ref_noise[j] += e * e;
		}
		for (int j = 0; j < QB_NAME(LANES); j++) {
			s->signal += (double)signal[j];
			s->noise += (double)noise[j];
			s->ref_signal += (double)ref_signal[j];
			s->ref_noise += (double)ref_noise[j];
		}
	}
}

/* Chunks stay in the first-level cache between the two loops; y may be x, so the original is kept. */
QB_TARGET static void QB_NAME(measure)(const struct qb_grid *g, const struct qb_run_args *a,
	struct qb_qdq_sums *s)
{
	enum { CHUNK = 1024 };
	float kept[CHUNK] __attribute__((aligned(64)));

	for (size_t i = 0; i < a->n; i += CHUNK) {
		size_t n = a->n - i < CHUNK ? a->n - i : CHUNK;
		struct qb_run_args part = {.x = kept, .y = a->y + i, .n = n,
			.scale = a->scale + (a->stride ? i : 0),
			.zero = a->zero ? a->zero + (a->stride ? i : 0) : NULL, .stride = a->stride};

		memcpy(kept, a->x + i, n * sizeof(*kept));
		QB_NAME(qdq)(g, &part);
		QB_NAME(sums)(kept, a->ref ? a->ref + i : NULL, a->y + i, n, s);
	}
}

#undef QB_LOOP
