/* SPDX-License-Identifier: Apache-2.0
 *
 * One quantization-aware training for one scheme: post-training quantization on the training data, from which it starts, training,
 * and the deployed network on the data that measures it.
 */
#ifndef QB_JOBS_QAT_TRAINING_H
#define QB_JOBS_QAT_TRAINING_H

#include "core/experiment/jobs/training_run.h"
#include "core/experiment/spec/qat_spec.h"
#include "core/ptq/sweep.h"
#include "core/train/deploy.h"

/* The metric with batch norms' statistics as they ran and as re-estimated from the training data. NaN: there are none. */
struct qb_norm_metrics {
	double running, reestimated;
};

struct qb_qat_training {
	struct qb_job *job;
	struct qb_qat_spec spec;     /* a copy, which borrows: model and epochs may be those of a stage */
	int at;                      /* of the spec's schemes */
	const char *file;            /* as training_run.h has it */
	double begin, end;           /* of the job's progress */
	/* What follows is the training's. */
	struct qb_training_inputs in;
	struct qb_graph *bound;      /* in.prepared at a batch of 1: what schemes speak of */
	struct qb_placement *placement;
	struct qb_scheme scheme, final_scheme;
	struct qb_sweep *calibrated; /* on the training data */
	struct qb_sweep *start;      /* its quantizers on the data that is evaluated */
	struct qb_qat *qat;
	struct qb_training_run run;
	struct qb_deployment deployed;
	struct qb_sweep *final;
	struct qb_norm_metrics start_norms, final_norms;
	double from, to;             /* of the progress of the sweep that runs */
};

enum qb_err qb_qat_training_run(struct qb_qat_training *q, struct qb_errbuf *eb);
void qb_qat_training_fini(struct qb_qat_training *q);

#endif
