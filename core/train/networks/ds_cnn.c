/* SPDX-License-Identifier: Apache-2.0
 *
 * MLPerf Tiny's keyword spotter (Zhang et al., 2017; Banbury et al., 2021): a convolution of 10 x 4 and four
 * depthwise-separable blocks of 64 channels, biases beside batch norms. Without the reference's dropouts and Softmax.
 */
#include <stdio.h>

#include "core/train/networks/architecture.h"
#include "core/train/networks/layers.h"

static const float EPSILON = 1e-3f;
enum { CHANNELS = 64, BLOCKS = 4 };

static struct qb_value *layer(struct qb__layers *l, struct qb_value *x, struct qb__conv c, const char *block,
	const char *name)
{
	struct qb_value *y;

	c.bias = c.same_upper = true;
	y = qb__layer_batch_norm(l, qb__layer_conv(l, x, &c, "%s.%s", block, name), EPSILON, "%s.%s_bn", block, name);
	return qb__layer_relu(l, y, "%s.%s_relu", block, name);
}

static struct qb_value *build(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
	const void *params)
{
	struct qb_value *y = layer(l, x, (struct qb__conv){.outputs = CHANNELS, .kernel = {10, 4}, .stride = 2}, "stem", "conv");

	(void)params;
	for (int i = 0; i < BLOCKS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "block%d", i);
		y = layer(l, y, (struct qb__conv){.kernel = {3, 3}, .stride = 1, .depthwise = true}, name, "depthwise");
		y = layer(l, y, (struct qb__conv){.outputs = CHANNELS, .kernel = {1, 1}, .stride = 1}, name, "pointwise");
	}
	return qb__layer_linear(l, qb__layer_global_mean(l, y), input->classes, "logits", "dense");
}

const struct qb_architecture qb_architecture_ds_cnn = {
	.named = {.name = "ds_cnn", .summary = "MLPerf Tiny's depthwise-separable network for keywords, 49 x 10 features"},
	.usual = {3, {1, 49, 10}, 12}, .build = build,
};
