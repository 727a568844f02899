/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a trainer, for the files that it is made of.
 */
#ifndef QB_TRAIN_TRAINER_STATE_H
#define QB_TRAIN_TRAINER_STATE_H

#include "core/base/arena.h"
#include "core/exec/shards.h"
#include "core/train/optimizer.h"
#include "core/train/samples.h"
#include "core/train/trainer.h"
#include "core/train/training_graph.h"

struct qb_teacher;

/* What a parameter has beside its value; NULL where it does not. */
struct qb_parameter_state {
	float *slot[QB_OPTIMIZER_SLOTS];
	float *average; /* moving */
	float *best;    /* as of the best evaluation */
	float *ran;     /* of statistics at the best evaluation: the running ones, where `best` may have estimated ones */
	float *held;    /* the value, while the average is evaluated */
};

/* Where a run stands; written to checkpoints as it is, so all of it has a fixed size. */
struct qb_train_progress {
	int64_t step;            /* steps done */
	int64_t epochs;          /* entries of the history */
	int64_t best_epoch;      /* -1: none */
	int64_t stale;           /* evaluations since the best one */
	int64_t ended;           /* enum qb_train_end of a run that is over, or -1 */
	double best_metric;
	double epoch_loss;       /* sum over the steps of the epoch that is under way */
};

struct qb_trainer {
	struct qb_train_config config;
	struct qb_train_hooks hooks;
	const struct qb_dataset *data;
	struct qb_arena *arena;
	size_t bytes;             /* taken from it */
	struct qb_samples *samples;
	struct qb_graph *sized;   /* the network with the dimensions of the data */
	struct qb_graph *network; /* as it trains, not bound: a copy of it */
	struct qb_training_graph *graph;
	struct qb_plan *plan;
	struct qb_shards *shards;
	struct qb_teacher *teacher;
	int64_t shard_count, rows; /* of a shard */
	int64_t steps, an_epoch;   /* steps in all, of an epoch */
	struct qb_parameter_state *state; /* [parameters] */
	double *squares;           /* [pieces of parameters]: of gradients, summed up */

	/* The batch of a run. */
	int64_t *order, ordered_epoch; /* the epoch's samples; -1: none yet */
	int64_t *picked;               /* [batch] */
	void **input;                  /* [data inputs]: of the whole batch */
	double *labels;                /* [batch, label size], or places of next tokens */
	float *target, *weight;        /* of the labels' term, [batch ...]; NULL: the graph has none */
	float *teacher_target, *teacher_weight;
	double entropy;                /* that the teacher's term has more than the divergence */
	const void ***fed;             /* [shards][graph inputs] */
	int64_t *step_ns;              /* of the plan, for whoever profiles; NULL: nobody does */
	void ***output;                /* [shards][graph outputs]; NULL: not wanted */

	struct qb_train_progress at;
	struct qb_train_epoch *history; /* [config.epochs] */
	void *hooks_state, *hooks_best; /* of the hooks, as they save it; NULL: they have none */
	size_t hooks_bytes;
	char *description;              /* what a checkpoint must agree in, one "name = value" a line */
};

/* Zeroed memory of the trainer; NULL when it ends. */
void *qb__trainer_take(struct qb_trainer *t, size_t count, size_t size);

/* train_batch.c: room for a batch; then the batch of micro-step `run` of a step, read and its targets made. */
enum qb_err qb__train_batch_create(struct qb_trainer *t, struct qb_errbuf *eb);
enum qb_err qb__train_batch_read(struct qb_trainer *t, int64_t step, int64_t run, struct qb_errbuf *eb);

/* train_step.c */
enum qb_err qb__train_step_create(struct qb_trainer *t, struct qb_errbuf *eb);
/* Runs the batch that was read, into t->output. */
enum qb_err qb__train_run_shards(struct qb_trainer *t, struct qb_errbuf *eb);
enum qb_err qb__train_step(struct qb_trainer *t, const struct qb_train_position *at, struct qb_train_step *out,
	struct qb_errbuf *eb);

/* train_statistics.c: running statistics move by the share `momentum` to those of the batch that ran (PyTorch's rule: the mean, and
 * the unbiased variance). */
void qb__train_follow_statistics(struct qb_trainer *t, double momentum);

/* divergence.c: what of the last run is not finite, for the sentence; loss and norm are of that step. */
enum qb_err qb__train_diverged(struct qb_trainer *t, const struct qb_train_position *at, double loss, double norm,
	struct qb_errbuf *eb);

/* teacher.c: scores of the teacher for the batch that was read, [batch, ...] as the trained output has them. */
enum qb_err qb__teacher_create(struct qb_teacher **out, const struct qb_graph *network, const struct qb_train_config *c,
	int64_t rows, struct qb_errbuf *eb);
void qb__teacher_destroy(struct qb_teacher **teacher);
size_t qb__teacher_bytes(const struct qb_teacher *teacher);
enum qb_err qb__teacher_run(struct qb_teacher *teacher, int64_t shards, void *const *input, float *scores,
	struct qb_errbuf *eb);

/* checkpoint.c. describe makes t->description. load: false in *found where there is no file. */
enum qb_err qb__checkpoint_describe(struct qb_trainer *t, struct qb_errbuf *eb);
enum qb_err qb__checkpoint_save(const struct qb_trainer *t, struct qb_errbuf *eb);
enum qb_err qb__checkpoint_load(struct qb_trainer *t, bool *found, struct qb_errbuf *eb);

#endif
