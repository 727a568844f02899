/* SPDX-License-Identifier: Apache-2.0
 *
 * ResNet-20 for CIFAR (He et al., 2016, section 4.2): three stages of three residual blocks, 16, 32 and 64 channels.
 * Shortcuts between stages are of their option A (every second place, zeros for new channels; no parameters) or B
 * (projections of 1 x 1 with a batch norm).
 */
#include <stdio.h>

#include "core/train/networks/architecture.h"
#include "core/train/networks/layers.h"

static const float EPSILON = 1e-5f;
enum { BLOCKS = 3 };
enum { SHORTCUT_A, SHORTCUT_B };

struct params {
	int shortcut;
};

static const char *const shortcuts[] = {"A", "B", NULL};
static const struct qb_field fields[] = {
	{"shortcut", QB_FIELD_CHOICE, offsetof(struct params, shortcut), .choices = shortcuts,
		.summary = "between stages: A subsamples and pads with zeros, as He et al. do on CIFAR; B projects"},
	{0}};

static struct qb_value *conv(struct qb__layers *l, struct qb_value *x, int64_t outputs, int64_t kernel, int64_t stride,
	const char *block, const char *name)
{
	const struct qb__conv c = {.outputs = outputs, .kernel = {kernel, kernel}, .stride = stride};

	return qb__layer_conv(l, x, &c, "%s%s", block, name);
}

static struct qb_value *shortcut(struct qb__layers *l, struct qb_value *x, int64_t outputs, int64_t stride,
	const struct params *p, const char *name)
{
	if (stride == 1) {
		return x;
	}
	if (p->shortcut == SHORTCUT_A) {
		return qb__layer_subsample(l, x, stride, outputs, "%sshortcut", name);
	}
	return qb__layer_batch_norm(l, conv(l, x, outputs, 1, stride, name, "shortcut.conv"), EPSILON, "%sshortcut.bn", name);
}

static struct qb_value *block(struct qb__layers *l, struct qb_value *x, int64_t outputs, int64_t stride,
	const struct params *p, const char *name)
{
	struct qb_value *y;

	y = qb__layer_batch_norm(l, conv(l, x, outputs, 3, stride, name, "conv1"), EPSILON, "%sbn1", name);
	y = qb__layer_relu(l, y, "%srelu1", name);
	y = qb__layer_batch_norm(l, conv(l, y, outputs, 3, 1, name, "conv2"), EPSILON, "%sbn2", name);
	y = qb__layer_add(l, y, shortcut(l, x, outputs, stride, p, name), "%sadd", name);
	return qb__layer_relu(l, y, "%srelu2", name);
}

static struct qb_value *build(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
	const void *params)
{
	struct qb_value *y = qb__layer_batch_norm(l, conv(l, x, 16, 3, 1, "", "conv1"), EPSILON, "bn1");

	y = qb__layer_relu(l, y, "relu1");
	for (int stage = 0; stage < 3; stage++) {
		for (int i = 0; i < BLOCKS; i++) {
			char name[32];

			snprintf(name, sizeof(name), "layer%d.%d.", stage + 1, i);
			y = block(l, y, (int64_t)16 << stage, stage > 0 && i == 0 ? 2 : 1, params, name);
		}
	}
	return qb__layer_linear(l, qb__layer_global_mean(l, y), input->classes, "logits", "linear");
}

const struct qb_architecture qb_architecture_resnet20 = {
	.named = {.name = "resnet20", .summary = "He's residual network of 20 layers for images of 32 x 32",
		.params_bytes = sizeof(struct params), .fields = fields},
	.usual = {3, {3, 32, 32}, 10}, .build = build,
};
