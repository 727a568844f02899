/* SPDX-License-Identifier: Apache-2.0
 *
 * What running a network in float alone costs, all fused that can be: the unit in which a sweep's cost is told.
 */
#ifndef QB_PTQ_FLOAT_BASELINE_H
#define QB_PTQ_FLOAT_BASELINE_H

#include "core/ptq/stream.h"

struct qb_plain;

/* Processor time of the calling thread or of one of a team, in seconds. */
double qb_thread_seconds(void);

/* For batches of `batch` rows that up to `threads` threads run. */
enum qb_err qb_plain_create(struct qb_plain **out, const struct qb_graph *model, int64_t batch,
	int threads, struct qb_errbuf *eb);
void qb_plain_destroy(struct qb_plain **plain);

/* Runs the batch twice and times the second run, which finds its memory in place as in the midst of a pass. */
enum qb_err qb_plain_run(struct qb_plain *plain, const struct qb_batch *b, struct qb_errbuf *eb);
/* Thread seconds of a pass over so many rows, from the mean of what was run. */
double qb_plain_seconds(const struct qb_plain *plain, int64_t rows);

#endif
