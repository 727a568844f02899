/* SPDX-License-Identifier: Apache-2.0
 *
 * The second half of a sweep: every sample in float and under each scheme, batch by batch on all threads. A window of
 * batches leaves its sums and outputs in memory of its own, and they are added in the order of the data.
 */
#ifndef QB_PTQ_EVALUATION_H
#define QB_PTQ_EVALUATION_H

#include "core/ptq/stream.h"
#include "core/ptq/sweep.h"

/* How many batches of the bound graph a window holds: enough for all threads, in bounded memory. */
int64_t qb_evaluation_window(const struct qb_sweep_options *opt, const struct qb_dataset *data, const struct qb_graph *g);

struct qb_evaluation_args {
	const struct qb_sweep_options *opt;
	const struct qb_graph *model; /* batch symbolic */
	struct qb_stream *stream;     /* of the samples to be evaluated */
	int64_t window;               /* qb_evaluation_window's, with which the stream was made */
	struct qb_metric **metric;    /* [1 + schemes]: updated; float first */
};
/* The sweep's variants are quantized and its rows have sums: adds to these, and sets the seconds. */
enum qb_err qb_evaluate(struct qb_sweep *sweep, const struct qb_evaluation_args *args, struct qb_errbuf *eb);

#endif
