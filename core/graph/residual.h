/* SPDX-License-Identifier: Apache-2.0
 *
 * The residual stream of a transformer: sums [N, T, C] of what was there and of what a block of attention or a feed-forward block
 * adds, and the LayerNormalizations between. Found by structure alone, whatever the exporter, in pre-norm and post-norm networks.
 *
 *	pre-norm   x = x + attention(norm(x));  x = x + ffn(norm(x));  the norm behind the last sum is of no layer
 *	post-norm  x = norm(x + attention(x));  x = norm(x + ffn(x))
 */
#ifndef QB_GRAPH_RESIDUAL_H
#define QB_GRAPH_RESIDUAL_H

#include "core/graph/attention.h"

/* id, name */
#define QB_STREAM_KINDS(X) \
	X(QB_STREAM_FFN_OUT, "ffn_out") \
	X(QB_STREAM_ATTENTION_OUT, "attention_out") \
	X(QB_STREAM_RESIDUAL, "residual") \
	X(QB_STREAM_LAYER_NORM, "layer_norm")
enum qb_stream_kind {
#define X(id, name) id,
	QB_STREAM_KINDS(X)
#undef X
};
const char *qb_stream_kind_name(enum qb_stream_kind k);

enum qb_stream_branch { QB_BRANCH_INPUT, QB_BRANCH_ATTENTION, QB_BRANCH_FFN, QB_BRANCH_OTHER };
const char *qb_stream_branch_name(enum qb_stream_branch b); /* "input", "attention" ... */

/* A value [N, T, C] of the stream, or on its way into it. */
struct qb_stream_value {
	struct qb_value *value;
	enum qb_stream_kind kind;
	enum qb_stream_branch after; /* of a residual: what was added last */
	int layer;                   /* block, from 0; -1: before the first or behind the last one */
	bool measured;               /* the papers' metrics are over these */
};

/* What "Quantizable Transformers" measures: of post-norm networks (BERT) what the feed-forward block gives and the norm behind
 * its sum; of others (OPT, ViT) outputs of attention and feed-forward blocks, the sums behind the latter, and norms. */
struct qb_residual_stream {
	bool post_norm;
	int layers;
	int count;
	struct qb_stream_value *at; /* [count], in the order of the network; the stream's input, where it is found, first */
	int attentions;
	int *attention_layer;       /* [attentions of the list]: -1: in no block */
};

/* g: bound or not, as of its last qb_graph_relink; in its arena. attention: of this graph. count 0: there is no residual stream. */
enum qb_err qb_graph_find_residual(struct qb_residual_stream *out, struct qb_graph *g,
	const struct qb_attention_list *attention, struct qb_errbuf *eb);

/* The layer that makes the scores that the network gives, its head: what leads from it to output 0 neither adds to the stream nor
 * normalizes. NULL: there is none, as in encoders. */
const struct qb_node *qb_graph_find_head(const struct qb_graph *g, const struct qb_residual_stream *stream);

#endif
