/* SPDX-License-Identifier: Apache-2.0
 *
 * OPT (Zhang et al., 2022): a causal transformer of learned positions, layer norms before attention and feed-forward blocks
 * (pre-LayerNorm) and Relu. Without biases, and with one head, it is the network of the bigram-backcopy task (Guo et al.,
 * 2024).
 */
#include "core/train/networks/transformer.h"

static const float EPSILON = 1e-5f;

struct params {
	struct qb__text text; /* first */
	bool bias;
};

static const struct qb_field fields[] = {
	QB__TEXT_FIELDS,
	{"bias", QB_FIELD_BOOL, offsetof(struct params, bias), .summary = "of products and of norms"},
	{0}};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){
		.text = {.transformer = {.layers = 4, .width = 256, .heads = 4}, .tied = true}, .bias = true};
}

static struct qb_value *build(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
	const void *params)
{
	const struct params *p = params;
	const struct qb__transformer *size = &p->text.transformer;
	const struct qb__blocks blocks = {.size = size, .before = true, .causal = true, .bias = p->bias, .epsilon = EPSILON};
	struct qb_value *table, *y;

	y = qb__layer_embedding(l, x, input->classes, size->width, &table);
	y = qb__layer_blocks(l, qb__layer_positions(l, y, "positions"), &blocks);
	y = qb__layer_norm(l, y, EPSILON, p->bias, "norm");
	return qb__layer_scores(l, y, p->text.tied ? table : NULL, input->classes, false);
}

const struct qb_architecture qb_architecture_opt = {
	.named = {.name = "opt", .summary = "a causal transformer that predicts the next token, with norms before its blocks",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults, .check = qb__transformer_check},
	.usual = {1, {128}, 256}, .tokens = true, .input = qb__text_input, .build = build,
};
