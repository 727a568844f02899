/* SPDX-License-Identifier: Apache-2.0
 *
 * The factor on all learning rates as a function of the step.
 */
#ifndef QB_TRAIN_SCHEDULE_H
#define QB_TRAIN_SCHEDULE_H

#include "core/train/config.h"

/* step in [0, steps), `an_epoch` steps to an epoch. With s the step (by_epoch: the first of its epoch), W the warm-up and
 * r = (s - W) / (steps - W), at least 0:
 *	below W  (step + 1) / W
 *	COSINE   final + (1 - final) (1 + cos(pi r)) / 2   (Loshchilov and Hutter, 2017)
 *	LINEAR   1 - (1 - final) r
 *	STEP     factor^floor(epoch / every) */
double qb_schedule_factor(const struct qb_schedule_config *c, int64_t step, int64_t steps, int64_t an_epoch);

#endif
