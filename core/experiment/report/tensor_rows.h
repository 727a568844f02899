/* SPDX-License-Identifier: Apache-2.0
 *
 * What a scheme does to each quantized tensor, and what it makes of the model's size.
 */
#ifndef QB_EXPERIMENT_REPORT_TENSOR_ROWS_H
#define QB_EXPERIMENT_REPORT_TENSOR_ROWS_H

#include "core/experiment/experiment.h"
#include "core/ptq/sweep.h"

/* One object a quantized tensor, in the order of the network; emits a metric event for each. New reference. */
json_t *qb_tensor_rows(struct qb_job *job, const struct qb_sweep *sweep, int scheme);

/* The node that a quantized tensor is said to belong to: what computes it, or reads it as a weight. */
const char *qb_tensor_layer(const struct qb_value *v);

/* {"format", "bits", "granularity", "range", "scale" ...} in the words of a job, or null for float: what was done, so the
 * range of a block is minmax, and there is none where a format is used without a scale. New reference. */
json_t *qb_scheme_part_json(const struct qb_scheme_part *part);
/* Adds to a tensor's row what its quantizer followed, where the row does not say it already. */
void qb_add_part(json_t *row, const struct qb_quantization *q, const struct qb_value *v);

#endif
