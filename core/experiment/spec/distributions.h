/* SPDX-License-Identifier: Apache-2.0
 *
 * Distributions as jobs describe them.
 */
#ifndef QB_EXPERIMENT_SPEC_DISTRIBUTIONS_H
#define QB_EXPERIMENT_SPEC_DISTRIBUTIONS_H

#include "core/analysis/distribution.h"
#include "core/experiment/experiment.h"

enum { QB_DISTRIBUTION_PARTS_MAX = 16 };

/* Not to be copied: d points into it. */
struct qb_named_distribution {
	struct qb_distribution d;
	const char *name; /* its kind's */
	char label[101];
	struct qb_distribution part[QB_DISTRIBUTION_PARTS_MAX + 1];
	double weight[QB_DISTRIBUTION_PARTS_MAX + 1];
	struct qb_empirical *empirical; /* owned */
};

/* What describes one. */
extern const struct qb_object qb_distribution_object;

/* v: {"name": ..., parameters}; at: its path for messages. Fini it whether it succeeds or not. */
enum qb_err qb_named_distribution_parse(struct qb_named_distribution *out, const struct qb_job *job,
	const json_t *v, const char *at, struct qb_errbuf *eb);
void qb_named_distribution_fini(struct qb_named_distribution *d);

/* Sweeps: out (whose label and name are from's) is `from` with one parameter changed; it lives no longer than from.
 * False where the distribution has no such parameter: out equals from. */
bool qb_named_distribution_vary(struct qb_named_distribution *out,
	const struct qb_named_distribution *from, const char *parameter, double value,
	double outlier_sigma);

/* E[x], E[x^2] */
void qb_distribution_moments(const struct qb_distribution *d, double *mean, double *power);

#endif
