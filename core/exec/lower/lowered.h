/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan computes in one go: operators of the graph with their epilogues, chosen before a step is emitted. The graph
 * says what a network means; which of its operators become the epilogue of the layer before them is decided here.
 */
#ifndef QB_EXEC_LOWER_LOWERED_H
#define QB_EXEC_LOWER_LOWERED_H

#include "core/graph/graph.h"

struct qb_lowered_list {
	int count;
	struct qb_node **op; /* [count], in the order in which they run; op[i]->index is i */
	int *of;             /* [graph->nodes]: which of them computes a node */
};

/* The operators of a bound graph. frozen: no value inside is observed and no weight replaced, so that a Conv, MatMul or Gemm
 * of constant weights takes what follows it: a residual sum, a smooth activation, a BatchNormalization that its weights
 * could not hold. Memory is the arena's. */
enum qb_err qb_lowered_list_make(struct qb_lowered_list *out, struct qb_arena *arena, const struct qb_graph *g, bool frozen,
	struct qb_errbuf *eb);

/* The operator that alone reads v, once; NULL where there is none or v is an output of the graph. */
const struct qb_node *qb_lowered_only_user(const struct qb_lowered_list *l, const struct qb_value *v);
/* The operator that computes v; NULL for inputs and constants. */
const struct qb_node *qb_lowered_producer(const struct qb_lowered_list *l, const struct qb_value *v);

#endif
