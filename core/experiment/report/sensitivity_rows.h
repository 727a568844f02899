/* SPDX-License-Identifier: Apache-2.0
 *
 * What a diagnosis tells of layers alone.
 */
#ifndef QB_EXPERIMENT_REPORT_SENSITIVITY_ROWS_H
#define QB_EXPERIMENT_REPORT_SENSITIVITY_ROWS_H

#include "core/experiment/experiment.h"
#include "core/mixed/sensitivity.h"

/* {"metric", "delta", "output_sqnr_db"}, delta against float. New reference. */
json_t *qb_sensitivity_outcome(const struct qb_sensitivity *s, const struct qb_mixture_result *r);
/* One object a layer under the first scheme, with a metric event each; none where they were not tried. New reference. */
json_t *qb_sensitivity_rows(struct qb_job *job, const struct qb_sensitivity *s,
	const struct qb_mixture_layers *layers, const char *scheme);

#endif
