/* SPDX-License-Identifier: Apache-2.0
 *
 * A graph by a training plan and by evaluation.
 */
#ifndef QB_TESTS_TRAINING_CHECK_H
#define QB_TESTS_TRAINING_CHECK_H

#include "tests/unit/exec/graph_maker.h"

/* Random shapes. */
struct draw {
	uint64_t seed, at;
};
int64_t between(struct draw *d, int64_t from, int64_t to);

/* Outputs may differ by `within` times their largest element, or the largest of all outputs times `least` where that is more:
 * sums of products round alike whatever they come to. */
struct tolerance {
	double within, least;
};

/* Ends the maker. Inputs are normal. The plan gives what evaluation gives, steps write what they declare, and with kernels in
 * plain C the plan gives the same bits. evaluated: steps in plain C may be among the plan's. */
void check_training_graph(struct graph_maker *m, struct tolerance t, uint64_t seed, bool evaluated);
/* The same of single steps. */
void check_training_steps(struct graph_maker *m, uint64_t seed, bool evaluated);

/* Runs the plans of two graphs on the same inputs and compares their outputs, byte by byte. bytes: what a session of each takes. */
void check_same_training(const struct qb_graph *a, const struct qb_graph *b, uint64_t seed, size_t bytes[2]);

#endif
