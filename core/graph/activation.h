/* SPDX-License-Identifier: Apache-2.0
 *
 * Relu and Clip behind a layer. They are nodes as any other; but a plan computes them in the layer's step, so that the value
 * between is nowhere, and whoever places quantizers or rewrites layers asks here what follows a layer.
 */
#ifndef QB_GRAPH_ACTIVATION_H
#define QB_GRAPH_ACTIVATION_H

#include "core/graph/graph.h"

/* A Relu, or a Clip whose bounds are constants. */
bool qb_activation_read(const struct qb_node *n, struct qb_act *act);
/* first, then second. */
struct qb_act qb_activation_compose(struct qb_act first, struct qb_act second);

/* The Relu or Clip that alone reads v, the output of a layer (QB_TRAIT_ACTIVATION) whose step computes it as well; NULL where
 * there is none. A value whose `apart` is set has none. */
struct qb_node *qb_activation_of(const struct qb_value *v);

/* Makes a Clip a Relu. */
void qb_activation_set_relu(struct qb_node *n);

/* What follows layer n in its step: QB_ACT_NONE where nothing does. */
struct qb_act qb_node_activation(const struct qb_node *n);
/* The value behind it: n's output 0 where nothing follows. */
struct qb_value *qb_node_result(const struct qb_node *n);
/* The node whose step computes v: its producer, or the layer before that. NULL for inputs and constants. */
struct qb_node *qb_value_layer(const struct qb_value *v);

#endif
