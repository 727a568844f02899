/* SPDX-License-Identifier: Apache-2.0
 *
 * How a network is trained, as values: all that decides what comes out, but for the network and its data.
 */
#ifndef QB_TRAIN_CONFIG_H
#define QB_TRAIN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/train/parameter.h"

struct qb_graph;

/* name, summary */
#define QB_OPTIMIZERS(X) \
	X(SGD, "sgd", "stochastic gradient descent, with momentum (Nesterov's or plain)") \
	X(ADAM, "adam", "Adam; decay is added to the gradient") \
	X(ADAMW, "adamw", "Adam with decoupled decay")
#define QB_SCHEDULES(X) \
	X(CONSTANT, "constant", "the same rate throughout") \
	X(COSINE, "cosine", "falls to final * rate on half a cosine") \
	X(STEP, "step", "times factor every so many epochs") \
	X(LINEAR, "linear", "falls to final * rate on a line")
#define QB_LOSSES(X) \
	X(CROSS_ENTROPY, "cross_entropy", "of class scores against labels") \
	X(MSE, "mse", "squared error, mean over all elements")

enum qb_optimizer_kind {
#define X(id, name, summary) QB_OPTIMIZER_##id,
	QB_OPTIMIZERS(X)
#undef X
};
enum qb_schedule_kind {
#define X(id, name, summary) QB_SCHEDULE_##id,
	QB_SCHEDULES(X)
#undef X
};
enum qb_loss_kind {
#define X(id, name, summary) QB_LOSS_##id,
	QB_LOSSES(X)
#undef X
};

/* PyTorch's SGD, Adam and AdamW, without dampening and amsgrad. */
struct qb_optimizer_config {
	enum qb_optimizer_kind kind;
	double rate;               /* before the schedule's factor; 0: the group stays as it is */
	double decay;              /* weight decay: of SGD and Adam added to the gradient, of AdamW times the rate */
	double momentum;           /* SGD; 0: none */
	bool nesterov;
	double beta1, beta2, epsilon; /* Adam and AdamW */
};

/* A factor on all rates: rises on a line over the first warm_up steps, then as kind says over the rest. */
struct qb_schedule_config {
	enum qb_schedule_kind kind;
	int64_t warm_up;  /* steps: step i < warm_up has the factor (i + 1) / warm_up */
	double final;     /* COSINE, LINEAR: the factor at the end */
	double factor;    /* STEP */
	int every;        /* STEP: epochs */
	bool by_epoch;    /* COSINE, LINEAR: the factor changes with the epoch, not with each step */
};

struct qb_loss_config {
	enum qb_loss_kind kind;
	int output;         /* of the network. Where a Softmax over the classes makes it, its input is what counts */
	int axis;           /* of classes: 1, or -1 for the last (tokens) */
	bool next_token;    /* the label of a token is the token after it in the first input; the last one has none */
	int64_t ignore;     /* a label that says nothing of its place */
	double smoothing;   /* epsilon: (1 - epsilon) one-hot + epsilon / classes */
	double distillation;/* in [0, 1]: share of the loss against the teacher's output; 0: none (MSE: against its output) */
	double temperature; /* of distillation; its share is scaled by temperature^2 (Hinton et al., 2015) */
};

/* Draws depend on (seed, epoch, sample) alone. Images are [C,H,W]; all but noise are of the stored array, so
 * that what is filled in is 0 before preprocessing. */
struct qb_augment_config {
	bool flip;      /* left and right, one sample in two */
	int64_t crop;   /* padding of this many zeros on the four sides, then a crop of the old size; 0: none */
	int64_t shift;  /* of the dimension before the last, by up to so many places either way, zeros move in; 0: none */
	double rotate;  /* images, by up to so many degrees either way, read bilinearly; 0: none */
	double shear;   /* images, a row by up to so many places for each that it is from the middle; 0: none */
	double scale;   /* images, to 1 / (1 + s) of their size with s up to this either way; 0: none */
	double brightness; /* images, whose elements are multiplied by 1 + b with b up to this either way; 0: none */
	double noise;   /* deviation of normal noise that is added after preprocessing; 0: none */
};

enum qb_batch_norm_mode {
	QB_BATCH_NORM_TRAIN,  /* statistics of the batch normalize, running ones follow */
	QB_BATCH_NORM_FROZEN, /* running statistics normalize and stay; gains and offsets train */
};

struct qb_train_config {
	int epochs;
	int64_t batch;        /* rows of a step's graph run */
	int64_t accumulation; /* runs whose gradients are averaged before a step; 1 */
	int64_t shards;       /* of a batch; part of what comes out, unlike threads. 0: the largest divisor of batch up to 8 */
	bool recompute;       /* what activations, norms and quantizers make is computed again for the backward pass: less memory, more
	                       * time, the same bytes */
	int threads;          /* nothing depends on it but the time */
	uint64_t seed;
	struct qb_optimizer_config optimizer[QB_PARAMETER_GROUPS]; /* STATISTICS have none */
	struct qb_schedule_config schedule;
	struct qb_loss_config loss;
	struct qb_augment_config augment;
	enum qb_batch_norm_mode batch_norm;
	double batch_norm_momentum;  /* of running statistics, PyTorch's: 0.1 */
	double clip_norm;            /* of the gradient of all parameters together; 0: none */
	double ema;                  /* decay of the moving average that evaluation sees; 0: none */
	int evaluate_every;          /* epochs; the last one is always evaluated */
	int patience;                /* evaluations without a better one until it stops; 0: never */
	const char *checkpoint;      /* file, or NULL: none. One that is there is resumed from */
	int64_t checkpoint_every;    /* steps; 0: after each epoch. One is written when it ends, too */
	const char *identity;        /* text that a checkpoint must agree in: hashes of network, data and job; or NULL */
	const struct qb_graph *teacher; /* of distillation, same inputs and outputs; NULL: the network as it was given */
};

/* SGD, momentum 0.9, rate 0.1, decay 1e-4 of weights; cosine; batch 128; batch norms train. */
void qb_train_config_init(struct qb_train_config *c);
/* One optimizer for all groups, decay of weights alone. */
void qb_train_config_set_optimizer(struct qb_train_config *c, const struct qb_optimizer_config *o);
/* The sentence names the member: "batch of 0: ...". */
enum qb_err qb_train_config_check(const struct qb_train_config *c, struct qb_errbuf *eb);

/* By their kinds; NULL at the end. */
extern const char *const qb_optimizer_names[], *const qb_schedule_names[], *const qb_loss_names[];
/* By name; false where there is none. */
bool qb_optimizer_from_name(const char *name, enum qb_optimizer_kind *out);
bool qb_schedule_from_name(const char *name, enum qb_schedule_kind *out);
bool qb_loss_from_name(const char *name, enum qb_loss_kind *out);

#endif
