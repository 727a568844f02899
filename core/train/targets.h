/* SPDX-License-Identifier: Apache-2.0
 *
 * What cross-entropy compares with: labels, smoothed labels and a teacher's scores are all probabilities of classes, and what is
 * masked has the weight 0.
 */
#ifndef QB_TRAIN_TARGETS_H
#define QB_TRAIN_TARGETS_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

/* Scores [outer, classes, inner]; their labels and weights are [outer, inner]. */
struct qb_places {
	int64_t outer, classes, inner;
};

/* target: (1 - smoothing) one-hot + smoothing / classes; 0 where the label is `ignore`. weight: 1, or 0 there. *counted: places
 * of weight 1. Fails where a label is no class: the sentence says which place and label. */
enum qb_err qb_targets_from_labels(const struct qb_places *p, const double *label, int64_t ignore, double smoothing,
	float *target, float *weight, int64_t *counted, struct qb_errbuf *eb);

/* target = softmax(score / temperature) over the classes. */
void qb_targets_from_scores(const struct qb_places *p, const float *score, double temperature, float *target);

/* Sum over places of weight * sum_c -target log target: what cross-entropy has more than the divergence of Kullback and Leibler. */
double qb_targets_entropy(const struct qb_places *p, const float *target, const float *weight);

#endif
