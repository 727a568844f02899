/* SPDX-License-Identifier: Apache-2.0
 *
 * What an outlier report tells, as results have it.
 */
#ifndef QB_EXPERIMENT_REPORT_OUTLIER_ROWS_H
#define QB_EXPERIMENT_REPORT_OUTLIER_ROWS_H

#include <jansson.h>

#include "core/ptq/outlier_histogram.h"
#include "core/ptq/outlier_report.h"
#include "core/ptq/sweep.h"

/* A scheme of a sweep over the same network: what it does to the tensors. */
struct qb_outlier_scheme {
	const struct qb_sweep *sweep;
	int scheme;
};

/* All are new references. */
json_t *qb_outlier_tensor_rows(const struct qb_outlier_report *r, const struct qb_outlier_scheme *s);
json_t *qb_outlier_residual_rows(const struct qb_outlier_report *r);
json_t *qb_outlier_attention_rows(const struct qb_outlier_report *r);
json_t *qb_outlier_maps(const struct qb_outlier_report *r);
/* {"tensor", ..., "counts", "grid": of the scheme}; t: of r's stream. */
json_t *qb_outlier_histogram_row(const struct qb_histogram *h, const struct qb_stream_value *t,
	const struct qb_outlier_scheme *s);
/* {"mean", "sd", "low", "high"} of some of count numbers; those that are NaN make it null. */
json_t *qb_spread_row(const double *x, int count);

#endif
