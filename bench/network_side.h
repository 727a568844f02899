/* SPDX-License-Identifier: Apache-2.0
 *
 * A network as a side of a comparison: run by us, or by ONNX Runtime.
 */
#ifndef QB_BENCH_NETWORK_SIDE_H
#define QB_BENCH_NETWORK_SIDE_H

#include "bench/ort.h"
#include "bench/side.h"
#include "bench/subject.h"
#include "core/ptq/network.h"

struct network_side {
	const char *model; /* inputs come from beside it */
	int threads;
	const char *scheme;       /* of integers; NULL: float */
	bool by_step, by_kind;    /* which of our steps' times are printed at the end */
	const char *library, *file; /* of ONNX Runtime, and what it runs */
	/* Made in the side's process, which is all that ends them: */
	struct qb_graph *graph, *bound;
	struct qb_network *network;
	struct qb_plan *plan;
	struct qb_session *session;
	struct ort *ort;
	struct io io;
};

struct side our_side(struct network_side *n, const char *name);
struct side ort_side(struct network_side *n, const char *name);

/* The largest difference of the first outputs, relative to b's largest element. */
double sides_difference(const struct side *a, const struct side *b);

struct ratios {
	double p50, least, cpu;
};
struct ratios side_ratios(const struct side *a, const struct side *b);

#endif
