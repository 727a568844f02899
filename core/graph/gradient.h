/* SPDX-License-Identifier: Apache-2.0
 *
 * Reverse-mode differentiation: the backward pass as ordinary nodes of the same graph.
 */
#ifndef QB_GRAPH_GRADIENT_H
#define QB_GRAPH_GRADIENT_H

#include "core/graph/graph.h"

/* The gradient of a scalar by `count` values of the graph: gradient[i], of wanted[i]'s dtype and shape, or NULL where the loss
 * does not depend on wanted[i] by a path of floating-point values. g is bound (every shape concrete) and linked; the nodes
 * are appended, by each operator's rule (struct qb_op.gradient), and g is linked again. Gradients are not outputs of the
 * graph yet. Where a value is used several times, its gradients add up in the reverse order of its uses. Fails where a node
 * between a wanted value and the loss has an operator without a rule, naming it; g is then of no use any more. */
enum qb_err qb_graph_gradient(struct qb_graph *g, struct qb_value *loss, struct qb_value *const *wanted, int count,
	struct qb_value **gradient, struct qb_errbuf *eb);

#endif
