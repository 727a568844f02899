/* SPDX-License-Identifier: Apache-2.0
 *
 * Bin regularization (Han et al., "Improving Low-Precision Network Quantization via Bin Regularization", ICCV 2021): the weights of
 * a bin are drawn to its middle and together, (mean_i - s i)^2 + var_i for each bin.
 */
#include "core/train/bin_penalty.h"
#include "core/train/methods/method.h"

struct params {
	double lambda, begin;
};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){1, 1.0 / 3};
}

static const struct qb_field fields[] = {
	{"lambda", QB_FIELD_REAL, offsetof(struct params, lambda), 0, 1e6, .summary = "weight of the penalty"},
	{"begin", QB_FIELD_REAL, offsetof(struct params, begin), 0, 1, .summary = "share of the steps without it"},
	{0},
};

/* Tracked weights are integers of at most 8 bits. */
enum { CODES_MAX = 256 };

static enum qb_err penalise(const void *params, struct qb_train_layers *l, double *penalty, struct qb_errbuf *eb)
{
	const struct params *p = params;
	double lambda, share[CODES_MAX];

	(void)eb;
	if (!qb_train_anneal(l->at, p->begin, p->lambda, p->lambda, &lambda)) {
		return QB_OK;
	}
	for (int i = 0; i < l->count; i++) {
		struct qb_train_layer *a = &l->layer[i];

		if (a->tracked) {
			qb_bin_shares(a->code, a->weight->size, a->first, a->codes, share);
			*penalty += qb_bin_penalty(&(struct qb_bin_penalty){.w = a->weight->value, .q = a->fed, .outer = 1, .channels = 1,
				.inner = (int64_t)a->weight->size, .code = a->code, .first = a->first, .share = share, .lambda = lambda,
				.gradient = a->weight->gradient});
		}
	}
	return QB_OK;
}

const struct qb_train_method qb_train_method_br = {
	.named = {.name = "br", .summary = "bin regularization: weights of a bin are drawn to its middle (Han et al., 2021)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.kind = QB_TRAIN_METHOD_REGULARIZER, .penalise = penalise,
};
