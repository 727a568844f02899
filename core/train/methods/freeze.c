/* SPDX-License-Identifier: Apache-2.0
 *
 * Iterative weight freezing (Nagel et al., "Overcoming Oscillations in Quantization-Aware Training", ICML 2022, section 4.2 and
 * algorithm 1): a weight that oscillates more often than the threshold is pinned to the integer where it mostly is; the threshold falls
 * on a cosine. core/train/oscillation.h says in which order.
 */
#include <math.h>

#include "core/train/methods/method.h"

struct params {
	double first, threshold, begin;
};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){0.1, 0.01, 0.25};
}

static enum qb_err check(void *params, const char *at, struct qb_errbuf *eb)
{
	const struct params *p = params;

	return p->threshold <= p->first ? QB_OK : qb_fail_field(eb, QB_EJOB, at, "threshold", "must not rise; it starts at %g and "
		"ends at %g", p->first, p->threshold);
}

static const struct qb_field fields[] = {
	{"first", QB_FIELD_REAL, offsetof(struct params, first), 0, 1, .summary = "the threshold of the frequency where it begins"},
	{"threshold", QB_FIELD_REAL, offsetof(struct params, threshold), 0, 1, .summary = "and at the end: two to three times the "
		"momentum of frequencies at least"},
	{"begin", QB_FIELD_REAL, offsetof(struct params, begin), 0, 1, .summary = "share of the steps before"},
	{0},
};

static double threshold(const void *params, const struct qb_train_position *at)
{
	const struct params *p = params;
	double v;

	return qb_train_anneal(at, p->begin, p->first, p->threshold, &v) ? v : INFINITY;
}

const struct qb_train_method qb_train_method_freeze = {
	.named = {.name = "freeze",
		.summary = "weights that oscillate are pinned to the integer where they mostly are (Nagel et al., 2022)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults, .check = check},
	.kind = QB_TRAIN_METHOD_REGULARIZER, .threshold = threshold,
};
