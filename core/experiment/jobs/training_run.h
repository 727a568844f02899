/* SPDX-License-Identifier: Apache-2.0
 *
 * A training as jobs run it: the trainer with its events, checkpoints, evaluations and cancellation, the file that it leaves behind,
 * and what results tell of it.
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
	struct qb_dataset *validation;      /* held out of train: what evaluations see; NULL: they see data */
	struct qb_graph *prepared;          /* the network as evaluations bind it to data (qb_open_data) */
};

struct qb_training_run {
	struct qb_job *job;
	const struct qb_train_spec *spec;
	const struct qb_training_inputs *inputs;
	struct qb_train_config config;
	const struct qb_train_hooks *hooks; /* NULL: float */
	const char *scheme;                 /* of metric events */
	const char *file;                   /* of the artifact; NULL: trained.onnx */
	bool tells_snapshots;               /* numbers of snapshots are metric events of their step as well */
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
};

/* Reads or builds the network, with fresh weights where they are asked for, and opens the data. */
enum qb_err qb_training_inputs_open(struct qb_training_inputs *in, const struct qb_train_spec *spec, struct qb_errbuf *eb);
void qb_training_inputs_close(struct qb_training_inputs *in);

/* A folder for the checkpoints of one training of several: *out is the caller's to free, NULL where the host keeps none. */
enum qb_err qb_training_folder(char **out, const struct qb_host *host, const char *name, struct qb_errbuf *eb);

/* Makes the trainer; says by an event what memory it takes. config: as qb_train_spec_config gives it, changed as the job
 * likes. */
enum qb_err qb_training_run_create(struct qb_training_run *r, struct qb_errbuf *eb);
/* Trains, from the checkpoint where there is one. The trainer then holds the best parameters, and the network with them is an artifact
 * where there is a folder for it, as float ONNX with its batch norms: what another training can start from. So it is after
 * QB_ECANCELLED, with the best so far. */
enum qb_err qb_training_run(struct qb_training_run *r, struct qb_errbuf *eb);
void qb_training_run_fini(struct qb_training_run *r);

/* A prepared network and its quantizers, as qb_task_metric has them. */
struct qb_trained {
	const struct qb_graph *model;
	const struct qb_quantization *q;
	const struct qb_graph *of;
};
/* The job's metric on data; keep: as qb_task_metric_options has it, or NULL. */
enum qb_err qb_training_run_measure(const struct qb_training_run *r, double *metric, const struct qb_trained *n,
	struct qb_metric **keep, struct qb_errbuf *eb);
/* The same on what evaluations during training see. */
enum qb_err qb_training_run_validate(const struct qb_training_run *r, double *metric, const struct qb_trained *n, struct qb_errbuf *eb);

/* The rows of its artifact in a result; a new reference, empty where there is no folder. */
json_t *qb_training_run_artifacts(const struct qb_training_run *r);
/* Adds to *result (NULL: memory has ended) what that of every training has: {"epochs", "ended", "steps_done", "best": {...},
 * "history": [...], "steps": [...], "snapshots": [...],
 * "validation_samples"}. After a failure *result is gone. */
enum qb_err qb_training_run_tell(const struct qb_training_run *r, json_t **result, struct qb_errbuf *eb);

#endif
