/* SPDX-License-Identifier: Apache-2.0
 *
 * Oscillation dampening (Nagel et al., "Overcoming Oscillations in Quantization-Aware Training", ICML 2022, section 4.1): lambda
 * times (q(w) - clip(w))^2 draws latent weights to the middle of their bins; lambda rises on a cosine.
 */
#include <stdlib.h>

#include "core/train/bin_penalty.h"
#include "core/train/methods/method.h"

struct params {
	double lambda, begin;
	int aggregation; /* index of aggregation_choices */
};

static const char *const aggregation_choices[] = {"channel_mean", "mean", "sum", NULL};
enum { CHANNEL_MEAN, MEAN, SUM };

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){0.1, 0.25, CHANNEL_MEAN};
}

static const struct qb_field fields[] = {
	{"lambda", QB_FIELD_REAL, offsetof(struct params, lambda), 0, 1e6, .summary = "weight of the penalty at the end"},
	{"begin", QB_FIELD_REAL, offsetof(struct params, begin), 0, 1, .summary = "share of the steps without it"},
	{"aggregation", QB_FIELD_CHOICE, offsetof(struct params, aggregation), .choices = aggregation_choices,
		.summary = "of a layer: the sum over output channels of the mean over the rest, the mean, or the sum"},
	{0},
};

static double share_of(const struct params *p, const struct qb_weight_quantizer *q)
{
	return p->aggregation == SUM ? 1 : p->aggregation == MEAN ? 1 / (double)qb_weight_quantizer_size(q)
		: 1 / (double)(q->outer * q->inner);
}

static enum qb_err penalise_layer(struct qb_train_layer *a, double lambda, double share, double *penalty,
	struct qb_errbuf *eb)
{
	const struct qb_weight_quantizer *q = &a->q;
	float *lo = malloc(2 * (size_t)q->channels * sizeof(*lo)), *hi = lo ? lo + q->channels : NULL;
	bool whole = q->channels == 1;

	if (!lo) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the ranges of %s", a->weight->name);
	}
	for (int64_t c = 0; c < q->channels; c++) {
		float zero = q->zero ? (float)q->zero[c] : 0;

		lo[c] = a->scales[c] * ((float)a->first - zero);
		hi[c] = a->scales[c] * ((float)(a->first + a->codes - 1) - zero);
	}
	*penalty += qb_bin_penalty(&(struct qb_bin_penalty){.w = a->weight->value, .q = a->fed, .lo = lo, .hi = hi,
		.outer = whole ? 1 : q->outer, .channels = q->channels, .inner = whole ? (int64_t)a->weight->size : q->inner,
		.share = &share, .lambda = lambda, .gradient = a->weight->gradient});
	free(lo);
	return QB_OK;
}

static enum qb_err penalise(const void *params, struct qb_train_layers *l, double *penalty, struct qb_errbuf *eb)
{
	const struct params *p = params;
	double lambda;

	if (!qb_train_anneal(l->at, p->begin, 0, p->lambda, &lambda)) {
		return QB_OK;
	}
	for (int i = 0; i < l->count; i++) {
		if (l->layer[i].tracked) {
			QB_TRY(penalise_layer(&l->layer[i], lambda, share_of(p, &l->layer[i].q), penalty, eb));
		}
	}
	return QB_OK;
}

const struct qb_train_method qb_train_method_dampen = {
	.named = {.name = "dampen", .summary = "latent weights are drawn to their quantized values (Nagel et al., 2022)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.kind = QB_TRAIN_METHOD_REGULARIZER, .penalise = penalise,
};
