/* SPDX-License-Identifier: Apache-2.0
 *
 * What a ptq job saw of every tensor that any of its schemes quantizes, beside its results: the artifact histograms.json,
 * {"variants": [{"schemes": [NAME, ...], "tensors": [{"name", "kind", "layer", "elements", "zeros", "min", "max", "low",
 * "width", "counts"}]}]}. A variant is a network that schemes ran: the model, or what methods made of it. Activations are
 * those of the samples that calibrated.
 */
#ifndef QB_EXPERIMENT_REPORT_HISTOGRAMS_H
#define QB_EXPERIMENT_REPORT_HISTOGRAMS_H

#include "core/experiment/experiment.h"
#include "core/ptq/sweep.h"

/* Nothing where no artifacts are kept. */
enum qb_err qb_export_histograms(struct qb_job *job, const struct qb_sweep *sweep, struct qb_errbuf *eb);

#endif
