/* SPDX-License-Identifier: Apache-2.0
 *
 * MobileNetV2 (Sandler et al., 2018, table 2): inverted bottlenecks. For small images two of the five strides are left
 * out, those of the first convolution and of the stage with 24 channels, so that 32 x 32 ends at 4 x 4 and not at 1 x 1.
 */
#include <stdio.h>

#include "core/train/networks/architecture.h"
#include "core/train/networks/layers.h"

static const float EPSILON = 1e-5f;
enum { SMALL_IMAGE = 64 };
enum { STRIDES_AUTO, STRIDES_IMAGENET, STRIDES_CIFAR };

struct params {
	double width;
	int strides;
	int64_t expansion, head;
};

static const char *const strides[] = {"auto", "imagenet", "cifar", NULL};
static const struct qb_field fields[] = {
	{"width", QB_FIELD_REAL, offsetof(struct params, width), 0.05, 4,
		.summary = "multiplies the channels of every layer, which are then rounded to a multiple of 8"},
	{"strides", QB_FIELD_CHOICE, offsetof(struct params, strides), .choices = strides,
		.summary = "imagenet: five halvings; cifar: three; auto: three for images below 64 x 64"},
	{"expansion", QB_FIELD_LONG, offsetof(struct params, expansion), 1, 64,
		.summary = "what bottlenecks multiply their channels by, but for the first, which keeps them"},
	{"head", QB_FIELD_LONG, offsetof(struct params, head), 0, 65536,
		.summary = "channels of the last convolution; 0: 1280, times the width where that is above 1"},
	{0}};

static void set_defaults(void *params)
{
	struct params *p = params;

	p->width = 1;
	p->expansion = 6;
}

/* The nearest multiple of 8, and no less than nine tenths, as the authors' code rounds. */
static int64_t rounded(double channels)
{
	int64_t n = (int64_t)(channels + 4) / 8 * 8;

	n = n < 8 ? 8 : n;
	return (double)n < 0.9 * channels ? n + 8 : n;
}

static struct qb_value *conv_bn(struct qb__layers *l, struct qb_value *x, struct qb__conv c, const char *block,
	const char *name)
{
	return qb__layer_batch_norm(l, qb__layer_conv(l, x, &c, "%s.%s", block, name), EPSILON, "%s.%s_bn", block, name);
}

static struct qb_value *bottleneck(struct qb__layers *l, struct qb_value *x, int64_t expansion, int64_t outputs,
	int64_t stride, const char *name)
{
	struct qb_value *y = x;

	if (!x) {
		return NULL;
	}
	if (expansion != 1) {
		y = conv_bn(l, y, (struct qb__conv){.outputs = expansion * x->shape.dim[1], .kernel = {1, 1}, .stride = 1}, name,
			"expand");
		y = qb__layer_relu6(l, y, "%s.expand_relu6", name);
	}
	y = conv_bn(l, y, (struct qb__conv){.kernel = {3, 3}, .stride = stride, .depthwise = true}, name, "depthwise");
	y = qb__layer_relu6(l, y, "%s.depthwise_relu6", name);
	y = conv_bn(l, y, (struct qb__conv){.outputs = outputs, .kernel = {1, 1}, .stride = 1}, name, "project");
	return stride == 1 && x->shape.dim[1] == outputs ? qb__layer_add(l, x, y, "%s.add", name) : y;
}

static int64_t head_channels(const struct params *p)
{
	return p->head ? p->head : p->width > 1 ? rounded(1280 * p->width) : 1280;
}

static struct qb_value *build(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
	const void *params)
{
	/* channels, blocks, stride of the first */
	static const int64_t stage[][3] = {{16, 1, 1}, {24, 2, 2}, {32, 3, 2}, {64, 4, 2}, {96, 3, 1}, {160, 3, 2}, {320, 1, 1}};
	const struct params *p = params;
	bool small = p->strides == STRIDES_CIFAR || (p->strides == STRIDES_AUTO && input->dim[1] < SMALL_IMAGE &&
		input->dim[2] < SMALL_IMAGE);
	struct qb_value *y;
	char name[32];
	int block = 0;

	y = conv_bn(l, x, (struct qb__conv){.outputs = rounded(32 * p->width), .kernel = {3, 3}, .stride = small ? 1 : 2},
		"stem", "conv");
	y = qb__layer_relu6(l, y, "stem.relu6");
	for (int s = 0; s < (int)(sizeof(stage) / sizeof(stage[0])); s++) {
		for (int64_t i = 0; i < stage[s][1]; i++) {
			int64_t stride = i == 0 && !(small && s == 1) ? stage[s][2] : 1;

			snprintf(name, sizeof(name), "block%d", block++);
			y = bottleneck(l, y, s ? p->expansion : 1, rounded((double)stage[s][0] * p->width), stride, name);
		}
	}
	y = conv_bn(l, y, (struct qb__conv){.outputs = head_channels(p), .kernel = {1, 1}, .stride = 1}, "head", "conv");
	y = qb__layer_global_mean(l, qb__layer_relu6(l, y, "head.relu6"));
	return qb__layer_linear(l, y, input->classes, "logits", "linear");
}

const struct qb_architecture qb_architecture_mobilenetv2 = {
	.named = {.name = "mobilenetv2", .summary = "inverted bottlenecks of any width, for ImageNet or for small images",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.usual = {3, {3, 32, 32}, 10}, .build = build,
};
