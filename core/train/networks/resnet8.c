/* SPDX-License-Identifier: Apache-2.0
 *
 * MLPerf Tiny's image classification network (Banbury et al., 2021): three stacks of one residual block, 16, 32 and 64
 * channels, biases beside batch norms, shortcuts of 1 x 1 without a batch norm. Logits, without the reference's Softmax.
 */
#include "core/train/networks/architecture.h"
#include "core/train/networks/layers.h"

static const float EPSILON = 1e-3f;

static struct qb_value *conv(struct qb__layers *l, struct qb_value *x, int64_t outputs, int64_t kernel, int64_t stride,
	const char *stack, const char *name)
{
	const struct qb__conv c = {.outputs = outputs, .kernel = {kernel, kernel}, .stride = stride, .bias = true,
		.same_upper = true};

	return qb__layer_conv(l, x, &c, "%s.%s", stack, name);
}

static struct qb_value *stack(struct qb__layers *l, struct qb_value *x, int64_t outputs, int64_t stride, const char *name)
{
	struct qb_value *y, *shortcut = x;

	y = qb__layer_batch_norm(l, conv(l, x, outputs, 3, stride, name, "conv1"), EPSILON, "%s.bn1", name);
	y = qb__layer_relu(l, y, "%s.relu1", name);
	y = qb__layer_batch_norm(l, conv(l, y, outputs, 3, 1, name, "conv2"), EPSILON, "%s.bn2", name);
	if (stride != 1) {
		shortcut = conv(l, x, outputs, 1, stride, name, "shortcut");
	}
	return qb__layer_relu(l, qb__layer_add(l, y, shortcut, "%s.add", name), "%s.relu2", name);
}

static struct qb_value *build(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
	const void *params)
{
	struct qb_value *y;

	(void)params;
	y = qb__layer_batch_norm(l, conv(l, x, 16, 3, 1, "stem", "conv"), EPSILON, "stem.bn");
	y = stack(l, qb__layer_relu(l, y, "stem.relu"), 16, 1, "stack1");
	y = stack(l, y, 32, 2, "stack2");
	y = stack(l, y, 64, 2, "stack3");
	return qb__layer_linear(l, qb__layer_global_mean(l, y), input->classes, "logits", "dense");
}

const struct qb_architecture qb_architecture_resnet8 = {
	.named = {.name = "resnet8", .summary = "MLPerf Tiny's residual network of 8 layers for images of 32 x 32"},
	.usual = {3, {3, 32, 32}, 10}, .build = build,
};
