/* SPDX-License-Identifier: Apache-2.0
 *
 * A training as jobs run it: the trainer with its events, checkpoints, evaluations and cancellation, and what results tell of
 * it.
 */
#ifndef QB_JOBS_TRAINING_RUN_H
#define QB_JOBS_TRAINING_RUN_H

#include "core/experiment/experiment.h"
#include "core/experiment/jobs/snapshots.h"
#include "core/experiment/jobs/step_series.h"
#include "core/experiment/jobs/training_profile.h"
#include "core/experiment/spec/train_spec.h"
#include "core/train/trainer.h"

/* What trains: the network with the dimensions of the data, nothing folded or fused, and the data. */
struct qb_training_inputs {
	struct qb_graph *network, *teacher; /* teacher: or NULL */
	struct qb_dataset *train, *data;
	struct qb_graph *prepared;          /* the network as evaluations bind it to data (qb_open_data) */
};

struct qb_training_run {
	struct qb_job *job;
	const struct qb_train_spec *spec;
	const struct qb_training_inputs *inputs;
	struct qb_train_config config;
	const struct qb_train_hooks *hooks; /* NULL: float */
	const char *scheme;                 /* of metric events */
	double from, to;                    /* of the job's progress */
	/* The metric of the present parameters. snapshot: what else is to be kept of this evaluation, a new reference; or NULL. */
	enum qb_err (*evaluate)(void *arg, struct qb_trainer *t, double *metric, json_t **snapshot, struct qb_errbuf *eb);
	void *arg;
	/* What follows is the run's. */
	char *identity, *checkpoint;
	struct qb_trainer *trainer;
	struct qb_train_result result;
	struct qb_step_series *series;
	struct qb_snapshots *snapshots;
	struct qb_training_profile profile; /* where it is asked for */
	bool begun;                         /* the two have what a checkpoint brings */
	int names;                          /* of the series */
};

/* Reads or builds the network, with fresh weights where they are asked for, and opens the data. */
enum qb_err qb_training_inputs_open(struct qb_training_inputs *in, const struct qb_job *job, const struct qb_train_spec *spec,
	struct qb_errbuf *eb);
void qb_training_inputs_close(struct qb_training_inputs *in);

/* Makes the trainer; says by an event what memory it takes. config: as qb_train_spec_config gives it, changed as the job
 * likes. */
enum qb_err qb_training_run_create(struct qb_training_run *r, struct qb_errbuf *eb);
/* Trains, from the checkpoint where there is one. After QB_ECANCELLED the trainer holds what there is: qb_trainer_use_best
 * then gives the best so far. */
enum qb_err qb_training_run(struct qb_training_run *r, struct qb_errbuf *eb);
void qb_training_run_fini(struct qb_training_run *r);

/* {"epochs", "ended", "steps_done", "best": {...}, "history": [...], "steps": [...], "snapshots": [...]}: what every result of a
 * training has; new reference. */
json_t *qb_training_run_json(const struct qb_training_run *r);

#endif
