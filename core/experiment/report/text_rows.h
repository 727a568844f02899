/* SPDX-License-Identifier: Apache-2.0
 *
 * What results tell of texts.
 */
#ifndef QB_EXPERIMENT_REPORT_TEXT_ROWS_H
#define QB_EXPERIMENT_REPORT_TEXT_ROWS_H

#include <jansson.h>

#include "core/tensor/dataset.h"

/* An uploaded plain text: {"kind": "text", "bytes", "tokens", "distinct", "largest", "vocabulary"}. New reference. */
json_t *qb_text_description(const struct qb_text *text);

/* Sets "text" of a result to what its data was made into: {"task", "length", "windows", "tokens", "vocabulary", "mask_token", ...}, of
 * bigram_backcopy over `samples` sequences that were evaluated "triggers", "copied" and "least_loss". Nothing where the data is arrays. */
void qb_text_tell(json_t *result, const struct qb_dataset *data, int64_t samples);

#endif
