/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers on one vector of parameters, element by element in float32 with PyTorch's semantics.
 */
#ifndef QB_TRAIN_OPTIMIZER_H
#define QB_TRAIN_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "core/train/config.h"

enum { QB_OPTIMIZER_SLOTS = 2 };

/* Vectors of state beside each parameter: 0 to QB_OPTIMIZER_SLOTS, zeros at first. */
int qb_optimizer_slots(const struct qb_optimizer_config *o);

/* One step of w [n] against its gradient g [n]. factor: of the rate, by the schedule. step: the number of this step, from 1.
 * slot[qb_optimizer_slots] [n]: SGD the momentum buffer, Adam and AdamW the moments m and v.
 *	SGD    g' = g + decay w; b = momentum b + g'; w -= rate b (Nesterov: rate (g' + momentum b))
 *	Adam   the same g'; m = beta1 m + (1 - beta1) g'; v = beta2 v + (1 - beta2) g'^2;
 *	       w -= rate / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + epsilon)   (Kingma and Ba, 2015)
 *	AdamW  w *= 1 - rate decay, then Adam with g' = g                                (Loshchilov and Hutter, 2019) */
void qb_optimizer_step(const struct qb_optimizer_config *o, double factor, int64_t step, size_t n, const float *g,
	float *w, float *const *slot);

/* sum += g, [n]: gradients of several shards, one after the other. */
void qb_add_gradient(float *sum, const float *g, size_t n);
/* Sum of squares of g [n], in double, in a fixed order; not finite where an element is not. */
double qb_sum_of_squares(const float *g, size_t n);
/* What the gradient is multiplied by so that its norm is at most `most` (PyTorch's clip_grad_norm_); 1 where most is 0. */
double qb_clip_factor(double norm, double most);

/* average = decay average + (1 - decay) w, [n]. */
void qb_moving_average(double decay, float *average, const float *w, size_t n);

#endif
