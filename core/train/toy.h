/* SPDX-License-Identifier: Apache-2.0
 *
 * One quantized weight and a target between two of its levels (Nagel et al., ICML 2022, figure 1): minimise
 * E[(x w* - x q(w))^2] / 2, E[x^2] = 1. With the straight-through estimator the gradient at w is q(w) - w*, which pushes the weight
 * over the threshold from either side: it oscillates for ever, and is at the upper level (w* - lower) / s of the time, in periods
 * of about s / |w* - nearest level| steps. Quantizer, estimators and methods are those of training.
 */
#ifndef QB_TRAIN_TOY_H
#define QB_TRAIN_TOY_H

#include "core/train/methods/method.h"

struct qb_toy_config {
	double target, start;  /* w*, and w at first */
	double scale;          /* s */
	struct qb_format format; /* an integer */
	double rate;           /* of gradient descent on w; the scale stays */
	int steps;
	double deviation;      /* of x^2 from batch to batch, around 1: 0 is the expectation itself */
	double momentum;       /* of frequencies */
	uint64_t seed;
	const struct qb_train_method_list *methods;
};
/* The figure's: s = 1/15, int5, w* = 0.7105, from 0.737, 60 steps. */
void qb_toy_config_init(struct qb_toy_config *c);

struct qb_toy_point {
	double latent, quantized, loss, frequency; /* before the step */
	bool frozen;
};

struct qb_toy {
	int points;
	struct qb_toy_point *point;    /* [steps + 1] */
	double lower, upper;           /* levels around the target */
	/* Over whole periods from the first oscillation on: the share of steps at the upper level, and steps between two rises
	 * to it; 0 where there are fewer than two rises. */
	double share, period;
	double share_predicted, period_predicted;
	int changes;                   /* of level in the last quarter of steps */
};
enum qb_err qb_toy_run(struct qb_toy **out, const struct qb_toy_config *c, struct qb_errbuf *eb);
void qb_toy_destroy(struct qb_toy **toy);

#endif
