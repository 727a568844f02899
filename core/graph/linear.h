/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes that sum weights times inputs, seen alike: Conv, ConvTranspose, Gemm and MatMul with a constant weight. What
 * rewrites or rounds weights works on this view.
 */
#ifndef QB_GRAPH_LINEAR_H
#define QB_GRAPH_LINEAR_H

#include "core/graph/graph.h"

struct qb_linear {
	struct qb_node *node;
	struct qb_value *weight; /* input 1, a float32 constant */
	struct qb_value *bias;   /* input 2, [outs] float32 constant; NULL: none */
	int64_t outs, ins, groups; /* channels in all */
	int64_t kernel_elements;   /* for each pair of channels: the product of the kernel's sides */
	int64_t out_stride, in_stride;
	bool transposed;         /* ConvTranspose: groups run along the inputs of the weight */
};

/* false: the node is none, or its weight or bias is no float32 constant of that form. Channels are dimension 1 of what
 * convolutions take and give, and the last dimension of what matrix products do. */
bool qb_linear_of(struct qb_node *n, struct qb_linear *out);

/* Do constants at this input count as weights: input 1 of a convolution, either operand of a Gemm or MatMul? */
bool qb_node_holds_weight(const struct qb_node *n, int input);

/* Inputs that each output sums over. */
static inline int64_t qb_linear_ins(const struct qb_linear *l)
{
	return l->ins / l->groups;
}

/* Which input the j-th of output o is, among all inputs; j < qb_linear_ins. */
static inline int64_t qb_linear_input(const struct qb_linear *l, int64_t o, int64_t j)
{
	return o / (l->outs / l->groups) * qb_linear_ins(l) + j;
}

/* Where the kernel elements of output o and the j-th of its inputs begin in the weight. */
static inline int64_t qb_linear_at(const struct qb_linear *l, int64_t o, int64_t j)
{
	return l->transposed
		? qb_linear_input(l, o, j) * l->in_stride + o % (l->outs / l->groups) * l->out_stride
		: o * l->out_stride + j * l->in_stride;
}

/* Gives the node a copy of its constant input that is its own to change: *data. */
enum qb_err qb_graph_edit_constant(struct qb_graph *g, struct qb_node *n, int input, float **data,
	struct qb_errbuf *eb);

/* What a BatchNormalization of so many channels does, with constant parameters: x * scale[c] + shift[c], in the arena.
 * false where it does something else, or memory ends. */
bool qb_batch_norm_read(struct qb_arena *arena, const struct qb_node *n, int64_t channels, double **scale, double **shift);

/* n's outputs before its activation are normal with these means and deviations [channels] (NULL: those known of it), each
 * times scale, plus shift: n->normal becomes that. */
enum qb_err qb_graph_set_normal(struct qb_graph *g, struct qb_node *n, int64_t channels,
	const double *mean, const double *deviation, const double *scale, const double *shift,
	struct qb_errbuf *eb);

#endif
