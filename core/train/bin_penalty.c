/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/bin_penalty.h"

#include <math.h>

#include "core/base/vectorized.h"

enum { BLOCK = 256, LANES = 8 };

/* A block of weights with one share. */
struct run {
	const float *w, *q;
	float *gradient;
	int64_t n;
	float lo, hi, factor;
	double sum;
};

static inline __attribute__((always_inline)) float distance(float w, float q, float lo, float hi)
{
	w = w < lo ? lo : w;
	return (w > hi ? hi : w) - q;
}

static inline __attribute__((always_inline)) void penalise_body(struct run *r)
{
	const float *restrict w = r->w, *restrict q = r->q;
	float *restrict gradient = r->gradient, sum[LANES] = {0};
	const float lo = r->lo, hi = r->hi, factor = r->factor;
	int64_t i = 0;

	for (; i + LANES <= r->n; i += LANES) {
		for (int l = 0; l < LANES; l++) {
			float d = distance(w[i + l], q[i + l], lo, hi);

			gradient[i + l] += factor * d;
			sum[l] += d * d;
		}
	}
	for (int l = 0; l < LANES; l++) {
		r->sum += (double)sum[l];
	}
	for (; i < r->n; i++) {
		float d = distance(w[i], q[i], lo, hi);

		gradient[i] += factor * d;
		r->sum += (double)(d * d);
	}
}

QB_FOR_EVERY_LEVEL(static, penalise, (struct run *r), (r))

static double alike(const struct qb_bin_penalty *p)
{
	double sum = 0;

	for (int64_t c = 0; c < p->outer * p->channels; c++) {
		struct run r = {.lo = p->lo ? p->lo[c % p->channels] : -INFINITY, .hi = p->hi ? p->hi[c % p->channels] : INFINITY,
			.factor = (float)(2 * p->lambda * p->share[0])};

		for (int64_t i = 0; i < p->inner; i += r.n) {
			const int64_t at = c * p->inner + i;

			r.n = p->inner - i < BLOCK ? p->inner - i : BLOCK;
			r.w = p->w + at;
			r.q = p->q + at;
			r.gradient = p->gradient + at;
			penalise(&r);
		}
		sum += r.sum;
	}
	return p->lambda * p->share[0] * sum;
}

static double by_bin(const struct qb_bin_penalty *p)
{
	double sum = 0;

	for (int64_t i = 0; i < p->outer * p->channels * p->inner; i++) {
		const int64_t c = i / p->inner % p->channels;
		const double share = p->share[p->code[i] - p->first];
		const double d = (double)distance(p->w[i], p->q[i], p->lo ? p->lo[c] : -INFINITY, p->hi ? p->hi[c] : INFINITY);

		p->gradient[i] += (float)(2 * p->lambda * share * d);
		sum += share * d * d;
	}
	return p->lambda * sum;
}

double qb_bin_penalty(const struct qb_bin_penalty *p)
{
	return p->code ? by_bin(p) : alike(p);
}

void qb_bin_shares(const int16_t *code, size_t n, int first, int codes, double *share)
{
	for (int i = 0; i < codes; i++) {
		share[i] = 0;
	}
	for (size_t i = 0; i < n; i++) {
		share[code[i] - first]++;
	}
	for (int i = 0; i < codes; i++) {
		share[i] = share[i] > 0 ? 1 / share[i] : 0;
	}
}
