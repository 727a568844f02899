/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations that clip, forward and backward, for steps that have them behind what they compute.
 */
#ifndef QB_EXEC_LOWER_BACKWARD_ACTIVATION_GRADIENT_H
#define QB_EXEC_LOWER_BACKWARD_ACTIVATION_GRADIENT_H

#include "core/exec/builder.h"

struct qb_clip {
	float lo, hi;
	float above; /* the slope is 1 where above < x <= hi, else 0 */
};

/* The one activation Relu or Clip of v, a value of a training plan that nothing reads but it and, with v as their first
 * input, nodes ActivationGradient of it; NULL where it is otherwise. *gradients: how many of these there are, *gradient
 * the last of them. */
struct qb_node *qb_clip_behind(const struct qb_builder *b, const struct qb_value *v, struct qb_clip *clip, int *gradients,
	struct qb_node **gradient);
/* What dy is the gradient of by an ActivationGradient whose work other steps do: the gradient behind the activation; NULL: dy is
 * there itself. */
const struct qb_node *qb_absorbed_gradient(const struct qb_builder *b, const struct qb_value *dy);
/* The bounds of a Relu, a Clip or the gradient of one; false where it is none or they are computed. */
bool qb_clip_of(const struct qb_node *n, struct qb_clip *clip);

#endif
