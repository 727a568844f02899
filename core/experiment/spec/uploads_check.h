/* SPDX-License-Identifier: Apache-2.0
 *
 * A job against what inspection said of its uploads (inspect_job.c), before any file is read. Where something is not known,
 * nothing is refused.
 */
#ifndef QB_EXPERIMENT_SPEC_UPLOADS_CHECK_H
#define QB_EXPERIMENT_SPEC_UPLOADS_CHECK_H

#include "core/experiment/experiment.h"
#include "core/experiment/spec/ptq_spec.h"

/* Does the data hold an array of this name? The error has the names near it. */
enum qb_err qb_described_array(const struct qb_job *job, const char *name, struct qb_errbuf *eb);

/* Do arrays suit the model's inputs, labels and outputs the metric, and are there samples enough? */
enum qb_err qb_described_network(const struct qb_job *job, const struct qb_ptq_spec *spec,
	struct qb_errbuf *eb);

#endif
