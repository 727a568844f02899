/* SPDX-License-Identifier: Apache-2.0
 *
 * Mixed precision as a knapsack: each layer follows one of several schemes, each with a cost and with the noise that it
 * alone puts on the output; noises of layers add up, which holds where they are small and independent. Greedy: from the
 * cheapest choice everywhere, always the exchange that takes away most noise for its cost.
 */
#ifndef QB_MIXED_GREEDY_H
#define QB_MIXED_GREEDY_H

#include "core/base/err.h"

struct qb_greedy_problem {
	int layers, choices;
	const double *noise, *cost; /* [layers][choices] */
};

/* An exchange and where it leads. */
struct qb_greedy_step {
	int layer, to; /* layer -1: the start */
	double noise, cost;
};

/* The cheapest choice of each layer; of several the least noise. */
void qb_greedy_start(const struct qb_greedy_problem *p, int *choice);

/* choice [layers]: the last that costs no more than budget (INFINITY: no limit), QB_EINVAL where even the cheapest does.
 * steps [layers * choices + 1] takes the path, which starts with the cheapest; *count of them. */
enum qb_err qb_greedy_run(const struct qb_greedy_problem *p, double budget, int *choice,
	struct qb_greedy_step *steps, int *count, struct qb_errbuf *eb);

#endif
