/* SPDX-License-Identifier: Apache-2.0
 *
 * PACT (Choi et al., "PACT: Parameterized Clipping Activation for Quantized Neural Networks", 2018): the largest value a of
 * each activation is learned from what it clips, with an L2 penalty that draws it in. Weights by DoReFa (Zhou et al., 2016).
 */
#include "core/train/methods/method.h"

struct params {
	double clip, decay;
};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){.decay = 1e-4};
}

static const struct qb_field fields[] = {
	{"clip", QB_FIELD_REAL, offsetof(struct params, clip), 0, 1e6,
		.summary = "the largest value at first (the paper: 6 to 8); 0: as calibrated"},
	{"decay", QB_FIELD_REAL, offsetof(struct params, decay), 0, 1,
		.summary = "of the L2 penalty decay * a^2 on the largest value"},
	{0},
};

static void quantizers(const void *params, struct qb_train_quantizers *q)
{
	const struct params *p = params;

	q->weights = QB_ESTIMATOR_LSQ;
	q->activations = QB_ESTIMATOR_PACT;
	q->dorefa = true;
	q->clip = p->clip;
	q->range_decay = p->decay;
}

const struct qb_train_method qb_train_method_pact = {
	.named = {.name = "pact", .summary = "learned clipping of activations, weights through tanh (Choi et al., 2018)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.kind = QB_TRAIN_METHOD_QUANTIZERS, .quantizers = quantizers,
};
