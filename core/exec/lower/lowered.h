/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan computes in one go: operators of the graph with their epilogues, chosen before a step is emitted. The graph
 * says what a network means; which of its operators become the epilogue of the layer before them is decided here.
 */
#ifndef QB_EXEC_LOWER_LOWERED_H
#define QB_EXEC_LOWER_LOWERED_H

#include "core/exec/exec.h"

struct qb_lowered {
	struct qb_node node;             /* the graph's, but output 0 is what the epilogue ends with */
	struct qb_act act;
	struct qb_affine affine;         /* of a convolution's channels */
	const struct qb_value *residual; /* of the output's shape; NULL: none */
	bool residual_last;              /* it is added behind the activation and the affine, not before them */
};

struct qb_lowered_list {
	int count;
	struct qb_lowered **op; /* [count], in the order in which they run */
	int *of;                /* [graph->nodes]: which of them computes a node */
};

/* The operators of a bound graph. A layer takes the Relu or Clip behind it (core/graph/activation.h), but in training, where
 * steps look for it themselves, and where the value between is observed [values] (NULL: none is). In a frozen plan no weight is
 * replaced either, and a Conv, MatMul or Gemm of constant weights takes more of what follows it: a residual sum, a smooth
 * activation, a BatchNormalization that its weights could not hold. Memory is the arena's. */
enum qb_err qb_lowered_list_make(struct qb_lowered_list *out, struct qb_arena *arena, const struct qb_graph *g,
	enum qb_plan_mode mode, const bool *observed, struct qb_errbuf *eb);

/* The operator that alone reads v, once; NULL where there is none or v is an output of the graph. */
const struct qb_lowered *qb_lowered_only_user(const struct qb_lowered_list *l, const struct qb_value *v);
/* The operator that computes v; NULL for inputs and constants. */
const struct qb_lowered *qb_lowered_producer(const struct qb_lowered_list *l, const struct qb_value *v);

/* For kernels, without the bias, which is an input. */
static inline struct qb_epilogue qb_lowered_epilogue(const struct qb_lowered *op)
{
	return (struct qb_epilogue){.act = op->act, .affine = op->affine, .residual_last = op->residual_last};
}

/* In plain C: the operator's evaluation, then its epilogue on output 0. in, out: as struct qb_op has them; residual: as out[0],
 * or NULL where op has none. */
enum qb_err qb_lowered_eval(const struct qb_lowered *op, const struct qb_tensor *const in[], const struct qb_tensor *residual,
	struct qb_tensor out[], struct qb_errbuf *eb);

#endif
