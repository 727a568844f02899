/* SPDX-License-Identifier: Apache-2.0
 *
 * LSQ (Esser et al., "Learned Step Size Quantization", ICLR 2020): scales are learned with the straight-through estimator. Rounds
 * before it clips by default (Nagel et al., ICML 2022), so that weights up to half a step outside the range still learn.
 */
#include "core/train/methods/method.h"

struct params {
	bool clip_first, gradient_scale;
	int range; /* index of range_choices, which is enum qb_weight_range */
};

static const char *const range_choices[] = {
#define X(id, name) name,
	QB_WEIGHT_RANGES(X)
#undef X
	NULL
};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){.range = QB_WEIGHT_RANGE_MSE};
}

static const struct qb_field fields[] = {
	{"clip_first", QB_FIELD_BOOL, offsetof(struct params, clip_first),
		.summary = "clips before it rounds, as the paper does: weights outside the range get no gradient at all"},
	{"gradient_scale", QB_FIELD_BOOL, offsetof(struct params, gradient_scale),
		.summary = "scales' gradients times 1 / sqrt(N p), for one optimizer of weights and scales"},
	{"range", QB_FIELD_CHOICE, offsetof(struct params, range), .choices = range_choices,
		.summary = "where the scales of weights begin: 2 mean|w| / sqrt(p), mean and three deviations, least squared error of "
			"100 candidates, or those of the scheme"},
	{0},
};

static void quantizers(const void *params, struct qb_train_quantizers *q)
{
	const struct params *p = params;

	q->weights = q->activations = p->clip_first ? QB_ESTIMATOR_LSQ : QB_ESTIMATOR_STE;
	q->gradient_scale = p->gradient_scale;
	q->range = (enum qb_weight_range)p->range;
}

const struct qb_train_method qb_train_method_lsq = {
	.named = {.name = "lsq", .summary = "learned scales with the straight-through estimator (Esser et al., 2020)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.kind = QB_TRAIN_METHOD_QUANTIZERS, .quantizers = quantizers,
};
