/* SPDX-License-Identifier: Apache-2.0
 *
 * LSQ+ (Bhalgat et al., "LSQ+: Improving low-bit quantization through learnable offsets and better initialization", CVPR
 * Workshops 2020): LSQ whose activations learn an offset, too. Weights begin at max |mean -/+ 3 deviations| / 2^(b - 1).
 */
#include "core/train/methods/method.h"

struct params {
	bool gradient_scale;
};

static void set_defaults(void *params)
{
	((struct params *)params)->gradient_scale = false;
}

static const struct qb_field fields[] = {
	{"gradient_scale", QB_FIELD_BOOL, offsetof(struct params, gradient_scale),
		.summary = "scales' and offsets' gradients times 1 / sqrt(N p)"},
	{0},
};

static void quantizers(const void *params, struct qb_train_quantizers *q)
{
	q->weights = q->activations = QB_ESTIMATOR_LSQ;
	q->gradient_scale = ((const struct params *)params)->gradient_scale;
	q->offsets = true;
	q->range = QB_WEIGHT_RANGE_LSQ_PLUS;
}

const struct qb_train_method qb_train_method_lsq_plus = {
	.named = {.name = "lsq_plus", .summary = "LSQ with learned offsets of activations (Bhalgat et al., 2020)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.kind = QB_TRAIN_METHOD_QUANTIZERS, .quantizers = quantizers,
};
