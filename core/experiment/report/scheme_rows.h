/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sweep and its latency tell of float and of each scheme, as results have it; a metric event for each number.
 */
#ifndef QB_EXPERIMENT_REPORT_SCHEME_ROWS_H
#define QB_EXPERIMENT_REPORT_SCHEME_ROWS_H

#include "core/experiment/jobs/ptq_latency.h"

struct qb_scheme_rows {
	struct qb_job *job;
	const struct qb_sweep *sweep;
	const char *metric;
	const struct qb_ptq_latency *latency; /* [1 + schemes], float first; NULL: it was not measured */
};

/* {"metric", "size_bytes", "gates", "latency"}; new reference. */
json_t *qb_float_row(const struct qb_scheme_rows *r);
/* {"scheme", "weights", "activations", "metric", "delta", ..., "tensors"}. methods: a new reference, which is taken; NULL: no such
 * member. */
json_t *qb_scheme_row(const struct qb_scheme_rows *r, int scheme, json_t *methods);

#endif
