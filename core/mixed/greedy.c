/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mixed/greedy.h"

#include <math.h>

static double noise_of(const struct qb_greedy_problem *p, int layer, int choice)
{
	return p->noise[layer * p->choices + choice];
}

static double cost_of(const struct qb_greedy_problem *p, int layer, int choice)
{
	return p->cost[layer * p->choices + choice];
}

static void sum_up(const struct qb_greedy_problem *p, const int *choice, struct qb_greedy_step *s)
{
	s->noise = s->cost = 0;
	for (int l = 0; l < p->layers; l++) {
		s->noise += noise_of(p, l, choice[l]);
		s->cost += cost_of(p, l, choice[l]);
	}
}

void qb_greedy_start(const struct qb_greedy_problem *p, int *choice)
{
	for (int l = 0; l < p->layers; l++) {
		choice[l] = 0;
		for (int c = 1; c < p->choices; c++) {
			double d = cost_of(p, l, c) - cost_of(p, l, choice[l]);

			if (d < 0 || (d == 0 && noise_of(p, l, c) < noise_of(p, l, choice[l]))) {
				choice[l] = c;
			}
		}
	}
}

/* Noise taken away per cost; what costs nothing goes first, the largest of it before the rest. */
static double gain(double noise, double cost)
{
	return cost > 0 ? noise / cost : INFINITY;
}

static int best_exchange(const struct qb_greedy_problem *p, const int *choice, double room, int *to)
{
	int layer = -1;
	double best = 0, most = 0;

	for (int l = 0; l < p->layers; l++) {
		for (int c = 0; c < p->choices; c++) {
			double noise = noise_of(p, l, choice[l]) - noise_of(p, l, c);
			double cost = cost_of(p, l, c) - cost_of(p, l, choice[l]);
			double g = gain(noise, cost);

			if (noise > 0 && cost <= room && (g > best || (g == best && noise > most))) {
				best = g;
				most = noise;
				layer = l;
				*to = c;
			}
		}
	}
	return layer;
}

enum qb_err qb_greedy_run(const struct qb_greedy_problem *p, double budget, int *choice,
	struct qb_greedy_step *steps, int *count, struct qb_errbuf *eb)
{
	int layer, to = 0, n = 0;

	qb_greedy_start(p, choice);
	steps[0] = (struct qb_greedy_step){.layer = -1};
	sum_up(p, choice, &steps[n++]);
	if (!(steps[0].cost <= budget)) {
		return qb_fail(eb, QB_EINVAL, "even the cheapest choice costs %.6g, more than %.6g",
			steps[0].cost, budget);
	}
	/* Noise only falls, so no choice comes twice; each exchange is for one of layers * choices. */
	while (n <= p->layers * p->choices &&
		(layer = best_exchange(p, choice, budget - steps[n - 1].cost, &to)) >= 0) {
		choice[layer] = to;
		steps[n] = (struct qb_greedy_step){.layer = layer, .to = to};
		sum_up(p, choice, &steps[n++]);
	}
	*count = n;
	return QB_OK;
}
