/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws from a distribution by closed forms: a number is a function of (seed, index) alone.
 */
#include "core/analysis/distribution.h"

#include <math.h>

#include "core/base/random.h"

enum { STREAM_NUMBER = 0x64726177, STREAM_PART = 0x70617274 };

/* Two uniforms inside (0, 1). */
static void uniforms(uint64_t seed, uint64_t stream, uint64_t index, double u[2])
{
	uint32_t w[4];

	qb_random_block(seed, stream, index, w);
	for (int i = 0; i < 2; i++) {
		uint64_t bits = (uint64_t)w[2 * i] << 20 | w[2 * i + 1] >> 12;

		u[i] = ((double)bits + 0.5) * 0x1p-52;
	}
}

static double draw_one(const struct qb_distribution *d, const double u[2])
{
	double z;

	switch (d->kind) {
	case QB_DIST_UNIFORM:
		return d->low + (d->high - d->low) * u[0];
	case QB_DIST_GAUSSIAN:
		z = sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1]);
		break;
	case QB_DIST_LAPLACE:
		z = u[0] < 0.5 ? log(2 * u[0]) : -log(2 * (1 - u[0]));
		break;
	case QB_DIST_STUDENT_T:
		/* Bailey's polar method (Math. Comp. 62, 1994), which Box and Muller's is the limit of. */
		z = sqrt(d->nu * expm1(-2 / d->nu * log(u[0]))) * cos(2 * M_PI * u[1]);
		break;
	case QB_DIST_LOGISTIC:
		z = log(u[0] / (1 - u[0]));
		break;
	default: {
		size_t n = qb_empirical_count(d->empirical);

		return qb_empirical_at(d->empirical, (size_t)(u[0] * (double)n));
	}
	}
	return d->mean + d->scale * z;
}

static const struct qb_distribution *pick(const struct qb_distribution *d, uint64_t seed,
	uint64_t index)
{
	double sum = 0, at = qb_random_uniform(seed, STREAM_PART, index);

	for (int i = 0; i < d->parts; i++) {
		sum += d->weight[i];
	}
	at *= sum;
	for (int i = 0; i + 1 < d->parts; i++) {
		if (at < d->weight[i]) {
			return &d->part[i];
		}
		at -= d->weight[i];
	}
	return &d->part[d->parts - 1];
}

double qb_distribution_draw(const struct qb_distribution *d, uint64_t seed, uint64_t index)
{
	double u[2], x;

	uniforms(seed, STREAM_NUMBER, index, u);
	x = draw_one(d->kind == QB_DIST_MIXTURE ? pick(d, seed, index) : d, u);
	return d->clip > 0 ? fmin(fmax(x, -d->clip), d->clip) : x;
}
