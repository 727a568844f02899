/* SPDX-License-Identifier: Apache-2.0
 *
 * The histogram's bins lie on a grid of powers of two that is anchored at 0: floor(floor(x / w) / 2) = floor(x / 2w),
 * so the counts depend on the final width alone, and that on the largest magnitude alone, never on order.
 */
#include "core/quant/observer.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"

/* A chunk stays in the first-level cache between its two passes. */
enum { CHUNK = 2048, SIDE = QB_OBSERVER_SIDE, BINS = QB_OBSERVER_BINS };
/* Bins are not narrower than the smallest numbers are apart. 2^126 is a power of two whose reciprocal float32 has. */
enum { EXPONENT_MIN = -149, EXPONENT_MOST = 126, SIDE_LOG2 = 12 };

struct qb_observer *qb_observer_create(void)
{
	struct qb_observer *o = calloc(1, sizeof(*o));

	if (o) {
		o->exponent = EXPONENT_MIN;
	}
	return o;
}

void qb_observer_destroy(struct qb_observer **o)
{
	free(*o);
	*o = NULL;
}

static void settle(struct qb_observer *o)
{
	for (int b = 0; b < BINS; b++) {
		o->accumulated[b] += (uint64_t)o->recent[b][0] + o->recent[b][1];
	}
	memset(o->recent, 0, sizeof(o->recent));
	o->pending = 0;
}

/* Makes bins 2^shift as wide. */
static void widen(uint64_t *bins, int shift)
{
	if (shift >= SIDE_LOG2) {
		shift = SIDE_LOG2; /* all that was there is in the two bins beside 0 */
	}
	for (int b = SIDE; b < BINS; b++) {
		uint64_t n = bins[b];

		bins[b] = 0;
		bins[SIDE + ((b - SIDE) >> shift)] += n;
	}
	for (int b = SIDE - 1; b >= 0; b--) {
		uint64_t n = bins[b];

		bins[b] = 0;
		/* floor division of a negative number */
		bins[SIDE - 1 - ((SIDE - 1 - b) >> shift)] += n;
	}
}

static int exponent_for(float magnitude)
{
	int e = magnitude > 0 ? ilogbf(magnitude) + 1 - SIDE_LOG2 : EXPONENT_MIN;

	return QB_MAX(e, EXPONENT_MIN);
}

static void make_room(struct qb_observer *o, float magnitude)
{
	int e = exponent_for(magnitude);

	if (e > o->exponent) {
		if (o->count > o->zeros) {
			settle(o);
			widen(o->accumulated, e - o->exponent);
		}
		o->exponent = e;
	}
}

struct extent {
	float lo, hi;
	uint32_t zeros;
	bool finite;
};

/* The two passes over a chunk. Plain selects and sums eight at a time, so that compilers make vectors of them; compiled
 * for AVX2 as well, with the same results, for every operation is exact. */

enum { LANES = 8 };

static inline __attribute__((always_inline)) void find_extent_body(const float *x, size_t n,
	struct extent *e)
{
	int32_t zeros[LANES] = {0}, odd[LANES] = {0};
	float lo[LANES], hi[LANES];

	for (int k = 0; k < LANES; k++) {
		lo[k] = INFINITY;
		hi[k] = -INFINITY;
	}
	for (size_t i = 0; i + LANES <= n; i += LANES) {
		for (int k = 0; k < LANES; k++) {
			float v = x[i + (size_t)k], nan = v - v;

			odd[k] += nan != nan ? 1 : 0; /* inf - inf is NaN too */
			zeros[k] += v == 0 ? 1 : 0;
			lo[k] = v < lo[k] ? v : lo[k];
			hi[k] = v > hi[k] ? v : hi[k];
		}
	}
	for (size_t i = n - n % LANES; i < n; i++) {
		odd[0] += !isfinite(x[i]);
		zeros[0] += x[i] == 0;
		lo[0] = x[i] < lo[0] ? x[i] : lo[0];
		hi[0] = x[i] > hi[0] ? x[i] : hi[0];
	}
	*e = (struct extent){INFINITY, -INFINITY, 0, true};
	for (int k = 0; k < LANES; k++) {
		e->lo = lo[k] < e->lo ? lo[k] : e->lo;
		e->hi = hi[k] > e->hi ? hi[k] : e->hi;
		e->zeros += (uint32_t)zeros[k];
		e->finite = e->finite && odd[k] == 0;
	}
}

/* One over the width of a bin, which may need two factors. */
struct inverse {
	float a, b;
};

/* The product is exact: factors are powers of two, and what is below the normal numbers then is in the bins beside 0. */
static inline __attribute__((always_inline)) void find_bins_body(const float *x, size_t n,
	struct inverse inverse, int32_t *bin)
{
	size_t i;

	for (i = 0; i + LANES <= n; i += LANES) {
		for (size_t k = 0; k < LANES; k++) {
			float t = x[i + k] * inverse.a * inverse.b;
			int32_t b = (int32_t)t;

			bin[i + k] = b - (t < (float)b ? 1 : 0) + SIDE;
		}
	}
	for (; i < n; i++) {
		float t = x[i] * inverse.a * inverse.b;
		int32_t b = (int32_t)t;

		bin[i] = b - (t < (float)b ? 1 : 0) + SIDE;
	}
}

QB_FOR_EVERY_LEVEL(static, find_extent, (const float *x, size_t n, struct extent *e), (x, n, e))
QB_FOR_EVERY_LEVEL(static, find_bins, (const float *x, size_t n, struct inverse inverse, int32_t *bin), (x, n, inverse, bin))

/* Of real data the first element tells. */
bool qb__are_integers(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (x[i] != truncf(x[i])) {
			return false;
		}
	}
	return true;
}

static void chunk_bins(struct qb_observer *o, const float *x, size_t n)
{
	int first = QB_MIN(-o->exponent, (int)EXPONENT_MOST);
	const struct inverse inverse = {ldexpf(1, first), ldexpf(1, -o->exponent - first)};
	int32_t bin[CHUNK];
	size_t i;

	find_bins(x, n, inverse, bin);
	for (i = 0; i + 4 <= n; i += 4) {
		o->recent[bin[i]][0]++;
		o->recent[bin[i + 1]][1]++;
		o->recent[bin[i + 2]][0]++;
		o->recent[bin[i + 3]][1]++;
	}
	for (; i < n; i++) {
		o->recent[bin[i]][0]++;
	}
}

static void add_chunk(struct qb_observer *o, const float *x, size_t n, const struct extent *e)
{
	o->fractions = o->fractions || !qb__are_integers(x, n);
	o->last_lo = fminf(o->last_lo, e->lo);
	o->last_hi = fmaxf(o->last_hi, e->hi);
	make_room(o, fmaxf(fabsf(e->lo), fabsf(e->hi)));
	o->lo = o->count ? fminf(o->lo, e->lo) : e->lo;
	o->hi = o->count ? fmaxf(o->hi, e->hi) : e->hi;
	o->count += n;
	o->zeros += e->zeros;
	if (o->pending + n > UINT32_MAX) {
		settle(o);
	}
	o->pending += n;
	chunk_bins(o, x, n);
}

static void add_finite(struct qb_observer *o, const float *x, size_t n)
{
	float kept[CHUNK];
	size_t k = 0;
	struct extent e;

	for (size_t i = 0; i < n; i++) {
		if (isfinite(x[i])) {
			kept[k++] = x[i];
		}
	}
	o->nonfinite += n - k;
	if (k) {
		find_extent(kept, k, &e);
		add_chunk(o, kept, k, &e);
	}
}

void qb_observer_update(struct qb_observer *o, const float *x, size_t n)
{
	o->last_lo = INFINITY;
	o->last_hi = -INFINITY;
	for (size_t i = 0; i < n; i += CHUNK) {
		size_t part = QB_MIN((size_t)CHUNK, n - i);
		struct extent e;

		find_extent(x + i, part, &e);
		if (e.finite) {
			add_chunk(o, x + i, part, &e);
		} else {
			add_finite(o, x + i, part);
		}
	}
}

void qb_observer_merge(struct qb_observer *o, const struct qb_observer *other)
{
	int shift;

	o->nonfinite += other->nonfinite;
	if (!other->count) {
		return;
	}
	make_room(o, fmaxf(fabsf(other->lo), fabsf(other->hi)));
	settle(o);
	shift = QB_MIN(o->exponent - other->exponent, (int)SIDE_LOG2);
	for (int b = 0; b < BINS; b++) {
		int to = b >= SIDE ? SIDE + ((b - SIDE) >> shift)
				   : SIDE - 1 - ((SIDE - 1 - b) >> shift);

		o->accumulated[to] += qb__observer_bin(other, b);
	}
	o->lo = o->count ? fminf(o->lo, other->lo) : other->lo;
	o->hi = o->count ? fmaxf(o->hi, other->hi) : other->hi;
	o->count += other->count;
	o->zeros += other->zeros;
	o->fractions = o->fractions || other->fractions;
}

bool qb_observer_last(const struct qb_observer *o, float *lo, float *hi)
{
	*lo = o->last_lo;
	*hi = o->last_hi;
	return *lo <= *hi;
}

void qb_observer_run(struct qb_observer *o, float lo, float hi, double momentum)
{
	double m = o->running ? momentum : 0;

	o->run_lo = m * o->run_lo + (1 - m) * lo;
	o->run_hi = m * o->run_hi + (1 - m) * hi;
	o->running = true;
}

void qb_observer_minmax(const struct qb_observer *o, float *lo, float *hi)
{
	*lo = o->lo;
	*hi = o->hi;
}

uint64_t qb_observer_count(const struct qb_observer *o)
{
	return o->count;
}

uint64_t qb_observer_nonfinite(const struct qb_observer *o)
{
	return o->nonfinite;
}

int qb_observer_histogram(const struct qb_observer *o, int *first, double *width, uint64_t *count,
	int cap)
{
	int from = 0, to = BINS;

	while (from < to && !qb__observer_bin(o, from)) {
		from++;
	}
	while (to > from && !qb__observer_bin(o, to - 1)) {
		to--;
	}
	for (int b = from; count && b < to && b - from < cap; b++) {
		count[b - from] = qb__observer_bin(o, b);
	}
	*first = from < to ? from - SIDE : 0;
	*width = ldexp(1, o->exponent);
	return to - from;
}
