/* SPDX-License-Identifier: Apache-2.0
 *
 * Scaled dot-product attention as networks hold it: softmax(Q K^T / sqrt(d) + mask) V, written out as nodes, by whatever
 * exporter. Who rewrites attention or reports on it asks here where it is.
 *
 *	scores MatMul -> scale, mask -> Softmax -> clip, Dropout ... -> context MatMul -> gate, moves -> output layer
 *
 * T are the queries, S the keys; batch and heads are leading dimensions, [N, H, T, S] or [N * H, T, S].
 */
#ifndef QB_GRAPH_ATTENTION_H
#define QB_GRAPH_ATTENTION_H

#include "core/graph/graph.h"

struct qb_attention {
	struct qb_node *scores;         /* MatMul of queries [..., T, d] and keys [..., d, S], both computed */
	struct qb_node *softmax;        /* over the keys, the last dimension */
	struct qb_node *context;        /* MatMul of probabilities [..., T, S] and values [..., S, dv] */
	struct qb_node *query, *key, *value; /* the layers (Gemm, MatMul or Conv with a weight) that make them, which may be one; or NULL */
	struct qb_node *output;         /* the layer that takes the contexts of all heads; or NULL */
	struct qb_value *input;         /* the attention layer's input, which `query` reads, of rank 3 where it is a view of that; or NULL */
	struct qb_value *probabilities; /* what `context` reads: behind a clip and a Dropout */
	struct qb_value *merged;        /* what `output` reads: the contexts of all heads, behind their gate; or NULL */
	int64_t heads;                  /* 0: not known */
	int64_t width, value_width;     /* d, dv; QB_DIM_UNKNOWN where the shape does not say */
	int64_t queries, keys;          /* T, S, as dimensions are: QB_DIM_UNKNOWN where the length is free */
	bool causal;                    /* a query sees no later key */
	bool clipped;                   /* there is a Clip between the softmax and `context` */
	bool gated;                     /* the contexts are multiplied by a Sigmoid of something */
};

struct qb_attention_list {
	int count;
	struct qb_attention *at; /* [count], in the order of the softmaxes */
};

/* Every attention of a network, imported or prepared, bound or not, as of its last qb_graph_relink; in its arena. A product
 * of probabilities from the right (values times transposed probabilities) is none. */
enum qb_err qb_graph_find_attention(struct qb_attention_list *out, struct qb_graph *g, struct qb_errbuf *eb);

/* What joins the scores of one attention on their way into the softmax: a value that is added, or the condition of a Where. */
enum qb_mask_kind { QB_MASK_ADDED, QB_MASK_SUBTRACTED, QB_MASK_KEEPS, QB_MASK_DROPS };
struct qb_attention_mask {
	enum qb_mask_kind kind;
	struct qb_value *value;
};

/* For qb_graph_find_attention: which of so many attentions, each with masks, are causal. Masks that the network computes are
 * evaluated on inputs of ones, free dimensions at 4; those that depend on weights say nothing. */
enum { QB_ATTENTION_MASKS = 8 };
struct qb__masked {
	int count;
	struct qb_attention_mask mask[QB_ATTENTION_MASKS];
	bool causal; /* the answer */
};
enum qb_err qb__find_causal(struct qb_graph *g, struct qb__masked *masked, int count, struct qb_errbuf *eb);

#endif
