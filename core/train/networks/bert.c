/* SPDX-License-Identifier: Apache-2.0
 *
 * BERT (Devlin et al., 2019) for masked tokens: learned positions, layer norms behind the sums (post-LayerNorm), Gelu, and
 * the head that predicts tokens: a layer, Gelu, a norm and the table of embeddings again. One segment, no pooler.
 */
#include "core/train/networks/transformer.h"

static const float EPSILON = 1e-12f;

static const struct qb_field fields[] = {QB__TEXT_FIELDS, {0}};

static void set_defaults(void *params)
{
	*(struct qb__text *)params = (struct qb__text){.transformer = {.layers = 4, .width = 256, .heads = 4}, .tied = true};
}

static struct qb_value *build(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
	const void *params)
{
	const struct qb__text *p = params;
	const struct qb__blocks blocks = {.size = &p->transformer, .bias = true, .gelu = true, .epsilon = EPSILON};
	struct qb_value *table, *y;

	y = qb__layer_embedding(l, x, input->classes, p->transformer.width, &table);
	y = qb__layer_norm(l, qb__layer_positions(l, y, "positions"), EPSILON, true, "embedding_norm");
	y = qb__layer_blocks(l, y, &blocks);
	y = qb__layer_gelu(l, qb__layer_project(l, y, p->transformer.width, true, "head.dense"), "head.gelu");
	y = qb__layer_norm(l, y, EPSILON, true, "head.norm");
	return qb__layer_scores(l, y, p->tied ? table : NULL, input->classes, true);
}

const struct qb_architecture qb_architecture_bert = {
	.named = {.name = "bert", .summary = "a transformer that predicts masked tokens, with norms behind the sums",
		.params_bytes = sizeof(struct qb__text), .fields = fields, .defaults = set_defaults, .check = qb__transformer_check},
	.usual = {1, {128}, 256}, .tokens = true, .input = qb__text_input, .build = build,
};
