/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/spread.h"

#include <math.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"

/* A chunk stays in the first-level cache between its two passes. The sums run in lanes, the same ones whatever the
 * instruction set. */
enum { CHUNK = 4096, LANES = 8 };

static inline __attribute__((always_inline)) void chunk_spread_body(const float *x, size_t n,
	struct qb_spread *out)
{
	double sum[LANES] = {0}, a[LANES] = {0}, b[LANES] = {0}, c[LANES] = {0};
	size_t whole = n - n % LANES;
	double mean = 0;

	for (size_t i = 0; i < whole; i += LANES) {
		for (size_t k = 0; k < LANES; k++) {
			sum[k] += (double)x[i + k];
		}
	}
	for (size_t i = whole; i < n; i++) {
		sum[i - whole] += (double)x[i];
	}
	for (int k = 0; k < LANES; k++) {
		mean += sum[k];
	}
	mean /= (double)n;
	for (size_t i = 0; i < whole; i += LANES) {
		for (size_t k = 0; k < LANES; k++) {
			double d = (double)x[i + k] - mean, d2 = d * d;

			a[k] += d2;
			b[k] += d2 * d;
			c[k] += d2 * d2;
		}
	}
	for (size_t i = whole; i < n; i++) {
		double d = (double)x[i] - mean, d2 = d * d;

		a[i - whole] += d2;
		b[i - whole] += d2 * d;
		c[i - whole] += d2 * d2;
	}
	*out = (struct qb_spread){.n = (double)n, .mean = mean};
	for (int k = 0; k < LANES; k++) {
		out->m2 += a[k];
		out->m3 += b[k];
		out->m4 += c[k];
	}
}

QB_FOR_EVERY_LEVEL(static, chunk_spread, (const float *x, size_t n, struct qb_spread *out), (x, n, out))

void qb_spread_merge(struct qb_spread *s, const struct qb_spread *other)
{
	double na = s->n, nb = other->n, n = na + nb, d = other->mean - s->mean, r;
	struct qb_spread a = *s;

	if (nb == 0) {
		return;
	}
	r = d / n;
	s->n = n;
	s->mean = a.mean + nb * r;
	s->m2 = a.m2 + other->m2 + d * r * na * nb;
	s->m3 = a.m3 + other->m3 + d * r * r * na * nb * (na - nb) +
		3 * r * (na * other->m2 - nb * a.m2);
	s->m4 = a.m4 + other->m4 + d * r * r * r * na * nb * (na * na - na * nb + nb * nb) +
		6 * r * r * (na * na * other->m2 + nb * nb * a.m2) +
		4 * r * (na * other->m3 - nb * a.m3);
}

void qb_spread_add(struct qb_spread *s, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i += CHUNK) {
		struct qb_spread part;

		chunk_spread(x + i, QB_MIN((size_t)CHUNK, n - i), &part);
		qb_spread_merge(s, &part);
	}
}

double qb_spread_std(const struct qb_spread *s)
{
	return s->n > 0 ? sqrt(s->m2 / s->n) : NAN;
}

double qb_spread_kurtosis(const struct qb_spread *s)
{
	return s->m2 > 0 ? s->n * s->m4 / (s->m2 * s->m2) : NAN;
}
