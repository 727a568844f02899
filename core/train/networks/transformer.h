/* SPDX-License-Identifier: Apache-2.0
 *
 * What the transformers by name have in common: embeddings, attention and feed-forward blocks of values [N, T, width], in layers
 * of either order.
 */
#ifndef QB_TRAIN_NETWORKS_TRANSFORMER_H
#define QB_TRAIN_NETWORKS_TRANSFORMER_H

#include "core/json/fields.h"
#include "core/train/networks/architecture.h"
#include "core/train/networks/layers.h"

/* The parameters that all of them have. */
struct qb__transformer {
	int64_t layers, width, heads, ffn; /* ffn 0: four times the width */
};

/* Rows of a field table, of a struct that begins with a struct qb__transformer. */
#define QB__TRANSFORMER_FIELDS \
	{"layers", QB_FIELD_LONG, offsetof(struct qb__transformer, layers), .low = 1, .high = 256}, \
	{"width", QB_FIELD_LONG, offsetof(struct qb__transformer, width), 1, 65536, .summary = "channels of a place"}, \
	{"heads", QB_FIELD_LONG, offsetof(struct qb__transformer, heads), 1, 1024, .summary = "of attention; they divide the width"}, \
	{"ffn", QB_FIELD_LONG, offsetof(struct qb__transformer, ffn), 1, 262144, .depends = true, \
		.summary = "width inside feed-forward blocks; default: four times the width"}

/* Whether heads divide the width. */
enum qb_err qb__transformer_check(void *params, const char *at, struct qb_errbuf *eb);

/* The parameters that those of tokens have beside. */
struct qb__text {
	struct qb__transformer transformer; /* first */
	int64_t vocabulary, length; /* 0: as the data has them */
	bool tied;
};
#define QB__TEXT_FIELDS \
	QB__TRANSFORMER_FIELDS, \
	{"vocabulary", QB_FIELD_LONG, offsetof(struct qb__text, vocabulary), 2, 1000000, .depends = true, \
		.summary = "how many tokens there are, the same as classes; default: one more than the largest of the data"}, \
	{"length", QB_FIELD_LONG, offsetof(struct qb__text, length), 1, 65536, .depends = true, \
		.summary = "tokens of a sample, the same as input; default: as the data has them"}, \
	{"tied", QB_FIELD_BOOL, offsetof(struct qb__text, tied), \
		.summary = "the table of embeddings is the weight of the output as well"}
void qb__text_input(struct qb_architecture_input *in, const void *params);

/* How blocks are built. */
struct qb__blocks {
	const struct qb__transformer *size;
	bool before;    /* norms before attention and feed-forward blocks, inside the residual branch; else behind the sums */
	bool causal;
	bool bias;      /* of products and of norms */
	bool gelu;      /* else relu */
	float epsilon;  /* of norms */
};

struct qb_value *qb__layer_norm(struct qb__layers *l, struct qb_value *x, float epsilon, bool offset, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
struct qb_value *qb__layer_gelu(struct qb__layers *l, struct qb_value *x, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The last dimension times a matrix. */
struct qb_value *qb__layer_project(struct qb__layers *l, struct qb_value *x, int64_t outputs, bool bias, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* x plus a learned constant of x's dimensions without the batch. */
struct qb_value *qb__layer_positions(struct qb__layers *l, struct qb_value *x, const char *name);
/* tokens [N, T] to [N, T, width] by a table [vocabulary, width], which is *table. */
struct qb_value *qb__layer_embedding(struct qb__layers *l, struct qb_value *tokens, int64_t vocabulary, int64_t width,
	struct qb_value **table);
/* Scores of tokens: x [N, T, width] to the output "logits" [N, T, vocabulary], by the table, or by a matrix of its own where
 * that is NULL. */
struct qb_value *qb__layer_scores(struct qb__layers *l, struct qb_value *x, struct qb_value *table, int64_t vocabulary,
	bool bias);

/* All layers: layerI.attention.{query,key,value,output}, layerI.ffn.{up,down}, layerI.{attention,ffn}_norm. */
struct qb_value *qb__layer_blocks(struct qb__layers *l, struct qb_value *x, const struct qb__blocks *b);

#endif
