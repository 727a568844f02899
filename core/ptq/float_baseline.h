/* SPDX-License-Identifier: Apache-2.0
 *
 * The cost of a float-only pass, everything fused: the unit of a sweep's reported cost.
 */
#ifndef QB_PTQ_FLOAT_BASELINE_H
#define QB_PTQ_FLOAT_BASELINE_H

#include "core/ptq/stream.h"

struct qb_float_baseline;

/* Processor time of the calling thread or of one of a team, in seconds. */
double qb_thread_seconds(void);

/* For batches of `batch` rows that up to `threads` threads run. */
enum qb_err qb_float_baseline_create(struct qb_float_baseline **out, const struct qb_graph *model, int64_t batch,
	int threads, struct qb_errbuf *eb);
void qb_float_baseline_destroy(struct qb_float_baseline **baseline);

/* Runs the batch twice and times the second run, which finds its memory in place as in the midst of a pass. */
enum qb_err qb_float_baseline_run(struct qb_float_baseline *baseline, const struct qb_batch *b, struct qb_errbuf *eb);
/* Thread seconds of a pass over so many rows, from the mean of what was run. */
double qb_float_baseline_seconds(const struct qb_float_baseline *baseline, int64_t rows);

#endif
