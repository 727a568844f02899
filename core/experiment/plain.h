/* SPDX-License-Identifier: Apache-2.0
 *
 * What running a network in float alone costs, all fused that can be: the unit in which a sweep's cost is told.
 */
#ifndef QB_EXPERIMENT_PLAIN_H
#define QB_EXPERIMENT_PLAIN_H

#include "core/experiment/stream.h"

/* Processor time of the calling thread or of one of a team, in seconds. */
double qb_thread_seconds(void);

/* Thread seconds of a plain float pass over one batch, measured on the first batches of the stream. */
enum qb_err qb_plain_seconds(double *out, struct qb_stream *s, const struct qb_graph *model,
	int64_t batch, int64_t batches, struct qb_errbuf *eb);

#endif
