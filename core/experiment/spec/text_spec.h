/* SPDX-License-Identifier: Apache-2.0
 *
 * The "text" of a job: that the samples of its data are windows of tokens, and what is to be found in them.
 */
#ifndef QB_EXPERIMENT_SPEC_TEXT_SPEC_H
#define QB_EXPERIMENT_SPEC_TEXT_SPEC_H

#include "core/experiment/experiment.h"
#include "core/tensor/text_plan.h"

extern const struct qb_object qb_text_object; /* of a struct qb_text_config */

/* The metric of a job with "text": checked, or the usual one where the job names none. */
enum qb_err qb_text_spec_metric(const char **metric, const json_t *job, struct qb_errbuf *eb);
/* For jobs whose data is a plain text without "text". */
enum qb_err qb_text_spec_missing(struct qb_errbuf *eb);

/* The text, as far as inspection described it (inspect_job.c); false where the description is of none. */
bool qb_text_described(struct qb_text_shape *out, const json_t *description);

#endif
