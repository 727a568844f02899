/* SPDX-License-Identifier: Apache-2.0
 *
 * One training of an outliers job: a network under a variant of attention, with how its outliers grow at each evaluation. Its
 * checkpoints lie in a folder of its own, so that of a job that goes on what has trained is not trained again.
 */
#ifndef QB_JOBS_OUTLIER_TRAINING_H
#define QB_JOBS_OUTLIER_TRAINING_H

#include "core/experiment/jobs/training_run.h"
#include "core/experiment/spec/outliers_spec.h"

struct qb_outlier_training {
	char id[128];                 /* the method's name, with the seed where there are several */
	struct qb_graph *model;       /* trained, the best of its evaluations, prepared */
	const struct qb_dataset *data; /* that evaluates */
	int64_t train_samples;
	/* private */
	struct qb_train_spec spec;
	struct qb_job job;
	struct qb_host host;
	char *folder, file[160];
	json_t *job_spec;
	struct qb_training_inputs in;
	struct qb_training_run run;
};

/* Trains; from, to: of the job's progress. qb_outlier_training_fini frees, also after an error. */
enum qb_err qb_outlier_training_run(struct qb_outlier_training *t, struct qb_job *job, const struct qb_outliers_spec *spec,
	int method, int seed, double from, double to, struct qb_errbuf *eb);
/* Sets "training" and "growth" of a run's row. */
enum qb_err qb_outlier_training_tell(const struct qb_outlier_training *t, json_t *row, struct qb_errbuf *eb);
void qb_outlier_training_fini(struct qb_outlier_training *t);

#endif
