/* SPDX-License-Identifier: Apache-2.0
 *
 * The quantization noise of the same elements at many scales, for the search for a range. Lanes are scales, so that few
 * elements fill the vectors as well as many do. Included beside kernels_body.h for integers and simple floats; by reciprocals, which may
 * move what lies half way between two values, and without fused operations, so that sums are the same at every level.
 */

/* LANES scales: one over each, and the ends of their grids in units of the scale. */
struct QB_NAME(scales) {
	QB_NAME(lanes) inverse[QB_NAME(PARTS)], lo[QB_NAME(PARTS)], hi[QB_NAME(PARTS)];
};

QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(choose)(QB_NAME(masks) which,
	QB_NAME(lanes) a, QB_NAME(lanes) b)
{
	return (QB_NAME(lanes))(((QB_NAME(masks))a & which) | ((QB_NAME(masks))b & ~which));
}

#ifndef QB_MOST
#define QB_MOST(a, b) QB_NAME(choose)((a) > (b), (a), (b))
#define QB_LEAST(a, b) QB_NAME(choose)((a) < (b), (a), (b))
#endif

/* int_one() and simple_one() without the scale behind. */
QB_TARGET static inline __attribute__((always_inline)) QB_NAME(lanes) QB_NAME(on_grid)(QB_NAME(lanes) v,
	QB_NAME(lanes) lo, QB_NAME(lanes) hi, const struct qb_grid *g, int integer)
{
	const QB_NAME(lanes) none = {0}, magic = none + (integer ? 12582912.0f : g->magic);
	QB_NAME(lanes) a = QB_MOST(lo, v), m;

	a = QB_LEAST(hi, a);
	if (integer) {
		return (a + magic) - magic;
	}
	v = a;
	a = (QB_NAME(lanes))((QB_NAME(masks))a & 0x7fffffff);
	m = (QB_NAME(lanes))((QB_NAME(masks))a & 0x7f800000) * g->lift;
	m = QB_MOST(m, magic);
	a = (a + m) - m;
	return (QB_NAME(lanes))((QB_NAME(masks))a | ((QB_NAME(masks))v & (int32_t)0x80000000));
}

/* A run of elements short enough for single precision, in units of the scales. integer and weighted are known when
 * compiled. */
QB_TARGET static inline __attribute__((always_inline)) void QB_NAME(fit_run)(const struct qb_grid *g,
	const struct qb_fit_args *a, const struct QB_NAME(scales) *s, size_t from, size_t to,
	float sums[3][QB_NAME(LANES)], int integer, int weighted)
{
	const QB_NAME(lanes) none = {0}, one = none + 1, weight = none + a->clip_weight;

	for (int k = 0; k < QB_NAME(PARTS); k++) {
		QB_NAME(lanes) noise = {0}, cross = {0}, power = {0};

		for (size_t i = from; i < to; i++) {
			const QB_NAME(lanes) v = (none + a->x[i]) * s->inverse[k];
			const QB_NAME(lanes) y = QB_NAME(on_grid)(v, s->lo[k], s->hi[k], g, integer);
			QB_NAME(lanes) d = y - v, e = d;

			if (weighted) {
				d *= QB_NAME(choose)((v < s->lo[k]) | (v > s->hi[k]), weight, one);
			}
			noise += d * e;
			cross += d * y;
			power += y * y;
		}
		memcpy(sums[0] + k * (QB_WIDTH / 4), &noise, sizeof(noise));
		memcpy(sums[1] + k * (QB_WIDTH / 4), &cross, sizeof(cross));
		memcpy(sums[2] + k * (QB_WIDTH / 4), &power, sizeof(power));
	}
}

QB_TARGET static void QB_NAME(fit_some)(const struct qb_grid *g, const struct qb_fit_args *a, size_t at,
	struct qb_fit *out)
{
	enum { RUN = 256 };
	struct QB_NAME(scales) s;
	double sums[3][QB_NAME(LANES)] = {{0}};
	float inverse[QB_NAME(LANES)], lo[QB_NAME(LANES)], hi[QB_NAME(LANES)], part[3][QB_NAME(LANES)];

	for (size_t j = 0; j < QB_NAME(LANES); j++) {
		float zero = a->zero ? a->zero[at + j] : 0;

		inverse[j] = 1 / a->scale[at + j];
		lo[j] = g->lo - zero;
		hi[j] = g->hi - zero;
	}
	memcpy(s.inverse, inverse, sizeof(s.inverse));
	memcpy(s.lo, lo, sizeof(s.lo));
	memcpy(s.hi, hi, sizeof(s.hi));
	for (size_t i = 0, to; i < a->n; i = to) {
		to = a->n - i < RUN ? a->n : i + RUN;
		if (g->kind == QB_FORMAT_INT && a->clip_weight != 1) {
			QB_NAME(fit_run)(g, a, &s, i, to, part, 1, 1);
		} else if (g->kind == QB_FORMAT_INT) {
			QB_NAME(fit_run)(g, a, &s, i, to, part, 1, 0);
		} else if (a->clip_weight != 1) {
			QB_NAME(fit_run)(g, a, &s, i, to, part, 0, 1);
		} else {
			QB_NAME(fit_run)(g, a, &s, i, to, part, 0, 0);
		}
		for (int k = 0; k < 3; k++) {
			for (int j = 0; j < QB_NAME(LANES); j++) {
				sums[k][j] += (double)part[k][j];
			}
		}
	}
	for (int j = 0; j < QB_NAME(LANES); j++) {
		const double square = (double)a->scale[at + j] * a->scale[at + j];

		out[j] = (struct qb_fit){sums[0][j] * square, sums[1][j] * square, sums[2][j] * square};
	}
}

QB_TARGET static void QB_NAME(fit)(const struct qb_grid *g, const struct qb_fit_args *a, struct qb_fit *out)
{
	for (size_t at = 0; at < a->count; at += QB_NAME(LANES)) {
		QB_NAME(fit_some)(g, a, at, out + at);
	}
}
