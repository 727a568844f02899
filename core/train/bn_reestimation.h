/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch norms' statistics anew before an evaluation (Nagel et al., ICML 2022): running ones lag behind weights that oscillate. Mean of
 * batches' means and of their unbiased variances, and how far the running ones were from them.
 */
#ifndef QB_TRAIN_BN_REESTIMATION_H
#define QB_TRAIN_BN_REESTIMATION_H

#include "core/train/hooks.h"

enum { QB_BN_REESTIMATION_BATCHES = 50 };

/* Of one batch norm: the divergence of Gaussians by channel, ln(s2 / s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2, 1 running and 2
 * re-estimated. */
struct qb_norm_divergence {
	const char *layer;   /* the node */
	int64_t channels;
	double mean, most;
	int64_t most_channel;
};
struct qb_norm_divergences {
	int count;
	struct qb_norm_divergence *norm;
};
void qb_norm_divergences_fini(struct qb_norm_divergences *d);

/* ln(s2 / s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2 of variances v = s^2; variances below epsilon count as that. */
double qb_gaussian_divergence(double m1, double v1, double m2, double v2, double epsilon);

/* Re-estimates and compares; running statistics are replaced. What is fed must be up to date (qb_qat_feed). out may be NULL. A network
 * without batch norms has none to compare. */
enum qb_err qb_train_reestimate(struct qb_trainer *t, int64_t batches, struct qb_norm_divergences *out, struct qb_errbuf *eb);
/* Calls measure with re-estimated statistics, and puts those back that were there. */
enum qb_err qb_train_try_reestimated(struct qb_trainer *t, int64_t batches, enum qb_err (*measure)(void *arg, struct qb_errbuf *eb),
	void *arg, struct qb_errbuf *eb);
/* Has the network batch norms at all? */
bool qb_train_has_norms(const struct qb_trainer *t);

#endif
