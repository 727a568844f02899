/* SPDX-License-Identifier: Apache-2.0
 *
 * Training a network on the worker's own executor. The batch is cut into shards that run one plan on one thread each; their
 * gradients are added up in the order of the shards. The same configuration, network and data give the same bytes, for any
 * number of threads, and for a run that was killed and resumed from its checkpoint.
 *
 *	qb_trainer_create(&t, network, data, &config, &hooks, eb);
 *	qb_trainer_run(t, &callbacks, &result, eb);      resumes by itself
 *	qb_trainer_use_best(t, eb);                      then read parameters
 *	qb_trainer_destroy(&t);
 */
#ifndef QB_TRAIN_TRAINER_H
#define QB_TRAIN_TRAINER_H

#include "core/tensor/dataset.h"
#include "core/train/config.h"
#include "core/train/hooks.h"

/* network: as imported (not bound, nothing folded or fused); it, the data and the hooks (NULL: float) outlive the trainer, the
 * configuration is copied but for its strings and teacher. Names of parameters are those of the network's constants; which constants
 * are parameters says core/train/training_network.h.
 * The data's rows are shuffled anew each epoch and the last incomplete batch is left out. */
enum qb_err qb_trainer_create(struct qb_trainer **out, const struct qb_graph *network, const struct qb_dataset *data,
	const struct qb_train_config *config, const struct qb_train_hooks *hooks, struct qb_errbuf *eb);
void qb_trainer_destroy(struct qb_trainer **t);
/* Memory that it holds, the data included; steps allocate nothing more. */
size_t qb_trainer_bytes(const struct qb_trainer *t);
int64_t qb_trainer_steps(const struct qb_trainer *t);

struct qb_train_step {
	struct qb_train_position at;
	double loss;          /* of the batch, penalty included */
	double rate;          /* of weights */
	double gradient_norm; /* before clipping */
	int metrics;
	const struct qb_train_metric *metric; /* of the hooks */
};

struct qb_train_callbacks {
	void *arg;
	/* After each step; an error ends the run. Or NULL. */
	enum qb_err (*step)(void *arg, const struct qb_train_step *s, struct qb_errbuf *eb);
	/* Gives the metric after an epoch. Parameters hold what is to be evaluated (the moving average where there is one; the
	 * trainer puts back the values afterwards, so that it may even re-estimate STATISTICS). NULL: the last epoch is the best. */
	enum qb_err (*evaluate)(void *arg, struct qb_trainer *t, int epoch, double *metric, struct qb_errbuf *eb);
	bool metric_falls;    /* a smaller one is better */
	/* Asked after each step; true ends the run with a checkpoint and QB_TRAIN_STOPPED. Or NULL. */
	bool (*should_stop)(void *arg);
};

struct qb_train_epoch {
	int epoch;
	double loss;   /* mean over its steps */
	double rate;   /* of weights, at its last step */
	double metric; /* NaN: not evaluated */
};

enum qb_train_end {
	QB_TRAIN_DONE,
	QB_TRAIN_EARLY,   /* patience ended */
	QB_TRAIN_STOPPED, /* should_stop */
};

struct qb_train_result {
	enum qb_train_end end;
	int64_t step;      /* steps done, those before a resumption included */
	int64_t resumed;   /* the step at which this run began */
	int epochs;
	const struct qb_train_epoch *history; /* [epochs] that are complete; the trainer's */
	int best_epoch;    /* -1: none was evaluated */
	double best_metric;
};

/* Trains, from the checkpoint where there is one. A loss or gradient that is not finite ends it with QB_EDIVERGED and a
 * sentence that says at which step, in which layer, and what to try; the checkpoint before it stays. */
enum qb_err qb_trainer_run(struct qb_trainer *t, const struct qb_train_callbacks *cb, struct qb_train_result *result,
	struct qb_errbuf *eb);
/* Parameters, and the hooks' state, become those of the best evaluation (of the last step where there was none). */
enum qb_err qb_trainer_use_best(struct qb_trainer *t, struct qb_errbuf *eb);
/* After that: statistics of batch norms become the running ones of that moment, where an evaluation had estimated them anew. */
void qb_trainer_use_running_statistics(struct qb_trainer *t);

/* Parameters in the order of the network, then those of hooks; writing to value is allowed between steps. */
int qb_trainer_parameters(const struct qb_trainer *t);
struct qb_parameter *qb_trainer_parameter(const struct qb_trainer *t, int i);
struct qb_parameter *qb_trainer_find(const struct qb_trainer *t, const char *name); /* NULL: none */

/* The network as it trains, with the present values: a clone, not bound, that is prepared, evaluated, quantized or exported as an
 * imported one. Deployment begins with it rather than with the file: its constants are the parameters, name by name. */
enum qb_err qb_trainer_network(const struct qb_trainer *t, struct qb_graph **out, struct qb_errbuf *eb);

/* For hooks, in after_gradients: what a watched value was in a shard of the last run, in the value's type. */
const void *qb_trainer_watched(const struct qb_trainer *t, int watch, int64_t shard);
/* For hooks, in after_gradients: runs the step's batch again with what is fed now; gradients are replaced. Nothing else moves
 * (running statistics, generators). For curvature and finite differences. */
enum qb_err qb_trainer_gradients(struct qb_trainer *t, double *loss, struct qb_errbuf *eb);

/* For profiles: the plan that every shard runs, and where the time of its steps is added from now on ([qb_plan_steps], of all shards
 * together; NULL: nowhere). */
const struct qb_plan *qb_trainer_plan(const struct qb_trainer *t);
void qb_trainer_profile(struct qb_trainer *t, int64_t *step_ns);

/* Batch norms' statistics anew with the present values (re-estimation): over the first `batches` batches of the epoch after the
 * last, augmented as they train (weights have adapted to those statistics: of plain samples they are others), the mean of the
 * batches' means and of their unbiased variances go into the parameters of the roles MEAN and VARIANCE. before_step has been called, or fed holds what is to run. Only with QB_BATCH_NORM_TRAIN. */
enum qb_err qb_trainer_estimate_statistics(struct qb_trainer *t, int64_t batches, struct qb_errbuf *eb);

#endif
