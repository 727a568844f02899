/* SPDX-License-Identifier: Apache-2.0
 *
 * A metric of one network on data, and nothing else: what training looks at between its epochs.
 */
#ifndef QB_PTQ_TASK_METRIC_H
#define QB_PTQ_TASK_METRIC_H

#include "core/analysis/metrics.h"
#include "core/ptq/network.h"
#include "core/tensor/dataset.h"

struct qb_task_metric_options {
	const char *metric;
	int threads;
	int64_t samples; /* the data's first; 0: all */
	/* Hears the share done; its error ends the evaluation. NULL: nobody does. */
	enum qb_err (*progress)(void *arg, double share, struct qb_errbuf *eb);
	void *arg;
	/* Where the metric goes, with what qb_metric_compare wants of it, for the caller to destroy. NULL: nowhere. */
	struct qb_metric **keep;
	uint64_t seed;   /* of its groups */
};

/* model: prepared (qb_graph_prepare), batch symbolic or its own. q: simulated quantizers by the names of the values of
 * `of` (NULL: float). The first output is what the metric reads. Does not depend on the number of threads. */
enum qb_err qb_task_metric(double *metric, const struct qb_graph *model, const struct qb_quantization *q,
	const struct qb_graph *of, const struct qb_dataset *data, const struct qb_task_metric_options *opt, struct qb_errbuf *eb);

#endif
