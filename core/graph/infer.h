/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files that infer, fold and evaluate.
 */
#ifndef QB_GRAPH_INFER_H
#define QB_GRAPH_INFER_H

#include "core/graph/graph.h"

/* Runs the operator's shape rule and checks what it set. */
enum qb_err qb__node_infer(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb);

/* Infers in order; evaluates nodes of constants whose outputs have at most max_bytes each. */
enum qb_err qb__graph_infer_fold(struct qb_graph *g, size_t max_bytes, struct qb_errbuf *eb);

/* Whether folding n is within what the network may spend on it, which is then spent. */
bool qb__graph_may_fold(struct qb_graph *g, const struct qb_node *n);

/* Dimensions that arithmetic on the batch hides from the shape rules: found by trying several batches. */
enum qb_err qb__graph_infer_batch(struct qb_graph *g);

/* A copy at a batch, as far as its shapes are then known. */
enum qb_err qb__graph_try_batch(struct qb_graph **out, const struct qb_graph *graph, int64_t batch);

/* Every shape but the constants' becomes unknown. */
void qb__graph_forget_shapes(struct qb_graph *g);

/* Where only a batch of 1 fits the network, its inputs say 1. */
enum qb_err qb__graph_fix_batch(struct qb_graph *g, struct qb_errbuf *eb);

/* The quantizer that a DequantizeLinear says its output v has, and one that a Transpose or Reshape of such a constant
 * keeps. */
enum qb_err qb__carry(struct qb_graph *g, const struct qb_node *n, struct qb_value *v,
	struct qb_errbuf *eb);

/* What a QuantizeLinear or DequantizeLinear with constant scales says; false where it does not. */
bool qb__read_quantizer(const struct qb_node *n, enum qb_dtype code, struct qb_imported *out);
/* A copy in the graph's arena; NULL without memory. */
const struct qb_imported *qb__keep_imported(struct qb_graph *g, const struct qb_imported *c);
bool qb__good_scales(const struct qb_tensor *t);
/* A missing zero point is as good as zeros. */
bool qb__all_zero(const struct qb_tensor *t);

/* The node as DequantizeLinear, the float operator and QuantizeLinear, if it is an operator on codes: up to `cap` nodes
 * in *out, *count 0 if it is none. */
enum qb_err qb__expand_quantized(struct qb_graph *g, struct qb_node *n, const char *domain,
	struct qb_node **out, int cap, int *count, struct qb_errbuf *eb);
/* com.microsoft's DynamicQuantizeLSTM as an LSTM; out has room for qb__expanded_most nodes. */
enum qb_err qb__expand_lstm(struct qb_graph *g, struct qb_node *n, struct qb_node **out, int *count, struct qb_errbuf *eb);
/* Most nodes that it makes of n. */
int qb__expanded_most(const struct qb_node *n);

/* A node's output tensors, dtype and shape set from its values, data from alloc(arg, bytes), zeroed. */
typedef void *qb__alloc_fn(void *arg, size_t bytes);
enum qb_err qb__node_outputs(const struct qb_node *n, struct qb_tensor *out, qb__alloc_fn *alloc,
	void *arg, struct qb_errbuf *eb);

/* Input `input` of n reads v; false when memory ends. */
bool qb__value_add_user(struct qb_graph *g, struct qb_value *v, struct qb_node *n, int input);

#endif
