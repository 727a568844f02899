/* SPDX-License-Identifier: Apache-2.0
 *
 * What each layer of a network costs under each scheme of a sweep: bytes, gates or nanoseconds.
 */
#ifndef QB_MIXED_LAYER_COSTS_H
#define QB_MIXED_LAYER_COSTS_H

#include <jansson.h>

#include "core/mixed/mixture.h"

#define QB_BUDGETS(X) \
	X(QB_BUDGET_SIZE, "size", "bytes of weights, with their scales") \
	X(QB_BUDGET_GATES, "gates", "gates of a multiply-accumulate unit, times the multiply-accumulates of a sample's row") \
	X(QB_BUDGET_LATENCY, "latency", "nanoseconds of one run at batch 1, as measured here")

enum qb_budget_kind {
#define X(id, name, text) id,
	QB_BUDGETS(X)
#undef X
};

struct qb_budget {
	enum qb_budget_kind kind;
	double value; /* in the kind's unit; NaN: share counts */
	double share; /* of what float costs */
	int threads;  /* latency */
};

/* cost [layers][1 + schemes]: in float, then under each scheme of the sweep. */
enum qb_err qb_layer_costs(double *cost, const struct qb_budget *budget, const struct qb_sweep *sweep,
	const struct qb_mixture_layers *layers, const struct qb_mixture_eval *eval, const struct qb_graph *model,
	const struct qb_dataset *data, struct qb_errbuf *eb);

#endif
