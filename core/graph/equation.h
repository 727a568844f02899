/* SPDX-License-Identifier: Apache-2.0
 *
 * The equation of an Einsum: which dimension of which tensor has which label.
 */
#ifndef QB_GRAPH_EQUATION_H
#define QB_GRAPH_EQUATION_H

#include "core/graph/graph.h"

/* 52 letters, then the dimensions that an ellipsis stands for, aligned at the last. */
enum { QB_LETTERS = 52, QB_LABELS = QB_LETTERS + QB_MAX_DIMS, QB_MAX_OPERANDS = 8 };

struct qb_equation {
	int operands;
	int rank[QB_MAX_OPERANDS + 1]; /* the output is the last */
	int label[QB_MAX_OPERANDS + 1][QB_MAX_DIMS];
	int64_t dim[QB_LABELS]; /* where operands have 1 and more, it is more */
	bool seen[QB_LABELS], repeated[QB_LABELS];
};

/* x [n->inputs], at most QB_MAX_OPERANDS: the inputs' shapes, of known rank. Fails, naming the node, where the equation
 * does not fit them. */
enum qb_err qb_equation_read(struct qb_equation *out, const struct qb_node *n, const struct qb_shape *x,
	struct qb_errbuf *eb);

#endif
