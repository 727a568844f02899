/* SPDX-License-Identifier: Apache-2.0
 *
 * DSQ (Gong et al., "Differentiable Soft Quantization", ICCV 2019): the gradient is that of a staircase of scaled tanh; alpha, the
 * distance of a stair's ends from its middle, is fixed or learned: the smaller, the sharper.
 */
#include "core/train/methods/method.h"

struct params {
	double alpha;
	bool learned;
};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){.alpha = 0.4};
}

static const struct qb_field fields[] = {
	{"alpha", QB_FIELD_REAL, offsetof(struct params, alpha), 0.01, 0.5,
		.summary = "softness of the steps, at first where it is learned (the paper: 0.2 then)"},
	{"learned", QB_FIELD_BOOL, offsetof(struct params, learned), .summary = "each quantizer learns its own alpha, up to 0.5"},
	{0},
};

static void quantizers(const void *params, struct qb_train_quantizers *q)
{
	const struct params *p = params;

	q->weights = q->activations = QB_ESTIMATOR_DSQ;
	q->factor = p->alpha;
	q->learns_factor = p->learned;
	q->factor_most = 0.5;
}

const struct qb_train_method qb_train_method_dsq = {
	.named = {.name = "dsq", .summary = "gradients of a soft staircase of tanh (Gong et al., 2019)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.kind = QB_TRAIN_METHOD_QUANTIZERS, .quantizers = quantizers,
};
