/* SPDX-License-Identifier: Apache-2.0
 *
 * Distributions whose moments between any two points are known: exactly for all but the logistic one, and that by
 * quadrature to 1e-12.
 */
#ifndef QB_ANALYSIS_DISTRIBUTION_H
#define QB_ANALYSIS_DISTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

enum qb_distribution_kind {
	QB_DIST_UNIFORM,   /* on [low, high] */
	QB_DIST_GAUSSIAN,  /* mean, scale: the standard deviation */
	QB_DIST_LAPLACE,   /* mean, scale: b of exp(-|x - mean| / b) / 2b */
	QB_DIST_STUDENT_T, /* mean, scale, nu > 0 */
	QB_DIST_LOGISTIC,  /* mean, scale */
	QB_DIST_MIXTURE,   /* part[i] with probability weight[i] / sum; parts are no mixtures and have no clip */
	QB_DIST_EMPIRICAL, /* the elements of a tensor, each as likely as the other */
};

struct qb_empirical;

struct qb_distribution {
	enum qb_distribution_kind kind;
	double low, high;
	double mean, scale;
	double nu;
	double clip; /* > 0: x is clipped to [-clip, clip], what lies beyond becoming a point mass at the end; 0: it is not */
	int parts;
	const struct qb_distribution *part;
	const double *weight;
	const struct qb_empirical *empirical;
};

/* Parameters that make sense, and a finite second moment (Student-t: nu > 2 or a clip). */
enum qb_err qb_distribution_check(const struct qb_distribution *d, struct qb_errbuf *eb);

/* The finite elements of x, sorted and summed; x is not kept. */
enum qb_err qb_empirical_create(struct qb_empirical **out, const float *x, size_t n,
	struct qb_errbuf *eb);
void qb_empirical_destroy(struct qb_empirical **e);

/* E[1; X in cell], E[X; X in cell], E[X^2; X in cell]. */
struct qb_moments {
	double m0, m1, m2;
};
/* edge[edges] ascends; cell i is (edge[i-1], edge[i]], the first from -inf, the last to +inf: m[edges + 1]. */
void qb_distribution_cells(const struct qb_distribution *d, const double *edge, int edges,
	struct qb_moments *m);

/* The largest |x| there is; INFINITY where there is none. */
double qb_distribution_bound(const struct qb_distribution *d);

/* Number `index` of the seeded stream of draws from a checked distribution. */
double qb_distribution_draw(const struct qb_distribution *d, uint64_t seed, uint64_t index);
/* How many elements there are, and the i-th of them in ascending order. */
size_t qb_empirical_count(const struct qb_empirical *e);
double qb_empirical_at(const struct qb_empirical *e, size_t i);

#endif
