/* SPDX-License-Identifier: Apache-2.0
 *
 * What a train job asks for, and what a qat job asks for of its training.
 */
#ifndef QB_EXPERIMENT_SPEC_TRAIN_SPEC_H
#define QB_EXPERIMENT_SPEC_TRAIN_SPEC_H

#include "core/experiment/spec/attention_spec.h"
#include "core/experiment/spec/network_spec.h"
#include "core/experiment/spec/ptq_spec.h"
#include "core/train/config.h"

enum qb_train_init { QB_TRAIN_GIVEN, QB_TRAIN_FRESH };

/* An optimizer in a job's words. */
struct qb_optimizer_spec {
	int name; /* enum qb_optimizer_kind */
	double rate;           /* negative: that of its kind */
	double decay, momentum, epsilon, beta[2];
	bool nesterov;
};

struct qb_train_spec {
	struct qb_ptq_spec ptq;   /* first: model, data, metric, preprocessing, latency (QB_PTQ_UPLOADS) */
	const char *train_path, *train_name;
	int epochs;
	int64_t batch, accumulate, shards;
	struct qb_optimizer_spec optimizer;
	int schedule;             /* enum qb_schedule_kind */
	double warm_up;           /* epochs */
	double final, factor;
	int every;
	bool by_epoch;
	int loss;                 /* enum qb_loss_kind */
	double smoothing, distillation, temperature;
	int64_t ignore;
	bool next_token;
	struct qb_augment_config augment;
	int batch_norm;           /* enum qb_batch_norm_mode */
	double batch_norm_momentum;
	int64_t reestimate;       /* batches; 0: running statistics stay as they are */
	double clip, ema;
	double validation;        /* share of the training data */
	int evaluate_every, early_stop;
	bool profile, recompute;
	int64_t checkpoint_every; /* steps; 0: each epoch */
	/* train alone */
	struct qb_network_spec network; /* architecture NULL: the model */
	struct qb_attention_spec attention;
	int init;                 /* enum qb_train_init: of the model's weights */
	const char *teacher_path, *teacher_name; /* NULL: there is none */
	struct {
		const json_t *network, *attention;
	} asked;
};

void qb_train_spec_defaults(void *out);
void qb_optimizer_spec_defaults(void *out);

extern const struct qb_field qb_train_fields[];
extern const struct qb_object qb_optimizer_object, qb_schedule_object, qb_augment_object, qb_batch_norm_object,
	qb_distillation_object;

/* The fields of training that both jobs have, of a struct that begins with a struct qb_train_spec. */
#define QB_TRAIN_FIELDS \
	QB_PTQ_DATA, \
	{"train", QB_FIELD_UPLOAD, .required = true, .takes = "is missing; give the data to train on", \
		.summary = "the training data: arrays as in data, and labels y"}, \
	{"samples", QB_FIELD_LONG, offsetof(struct qb_train_spec, ptq.max_samples), 1, QB_FIELD_MOST_LONG, \
		.summary = "evaluate at most so many samples of data"}, \
	QB_TRAIN_OPTIONS
/* Of them, how it trains. */
#define QB_TRAIN_OPTIONS \
	{"epochs", QB_FIELD_INT, offsetof(struct qb_train_spec, epochs), .low = 1, .high = 100000}, \
	{"batch", QB_FIELD_LONG, offsetof(struct qb_train_spec, batch), .low = 1, .high = 1000000}, \
	{"accumulate", QB_FIELD_LONG, offsetof(struct qb_train_spec, accumulate), 1, 100000, \
		.summary = "batches whose gradients are averaged before a step"}, \
	{"shards", QB_FIELD_LONG, offsetof(struct qb_train_spec, shards), 1, 1024, \
		.summary = "parts of a batch, each run on one thread and added up in their order; results depend on it, not on " \
			"threads. Default: the largest divisor of batch up to 8"}, \
	{"optimizer", QB_FIELD_OBJECT, offsetof(struct qb_train_spec, optimizer), .object = &qb_optimizer_object}, \
	{"schedule", QB_FIELD_OBJECT, .object = &qb_schedule_object}, \
	{"loss", QB_FIELD_CHOICE, offsetof(struct qb_train_spec, loss), .choices = qb_loss_names, \
		.summary = "cross_entropy of class scores against labels, or mse against a y of the output's shape"}, \
	{"label_smoothing", QB_FIELD_REAL, offsetof(struct qb_train_spec, smoothing), 0, 0.99, \
		.summary = "what a label leaves to all classes alike"}, \
	{"distillation", QB_FIELD_OBJECT, .object = &qb_distillation_object}, \
	{"ignore", QB_FIELD_LONG, offsetof(struct qb_train_spec, ignore), -QB_FIELD_MOST_INT, QB_FIELD_MOST_INT, \
		.summary = "a label that says nothing of its sample or place"}, \
	{"next_token", QB_FIELD_BOOL, offsetof(struct qb_train_spec, next_token), \
		.summary = "labels are the tokens of the input, each scored at the place before it"}, \
	{"augment", QB_FIELD_OBJECT, offsetof(struct qb_train_spec, augment), .object = &qb_augment_object}, \
	{"batch_norm", QB_FIELD_OBJECT, .object = &qb_batch_norm_object}, \
	{"clip", QB_FIELD_REAL, offsetof(struct qb_train_spec, clip), 0, QB_FIELD_MOST_REAL, \
		.summary = "largest norm of the gradient of all parameters together; 0: none"}, \
	{"ema", QB_FIELD_REAL, offsetof(struct qb_train_spec, ema), 0, 0.999999, \
		.summary = "decay of a moving average of the weights, which is what is evaluated and kept; 0: none"}, \
	{"evaluate_every", QB_FIELD_INT, offsetof(struct qb_train_spec, evaluate_every), 1, 100000, \
		.summary = "epochs; the last one is always evaluated"}, \
	{"early_stop", QB_FIELD_INT, offsetof(struct qb_train_spec, early_stop), 0, 100000, \
		.summary = "evaluations without a better one after which training ends; 0: never"}, \
	{"validation", QB_FIELD_REAL, offsetof(struct qb_train_spec, validation), 0, 0.9, \
		.summary = "share of the training data that is held out, of each class alike: evaluations choose the best network and " \
			"stop early on it, and data measures the end alone; 0: on data"}, \
	{"recompute", QB_FIELD_BOOL, offsetof(struct qb_train_spec, recompute), \
		.summary = "compute activations, norms and quantizers again for the backward pass: less memory, more time, the same bytes"}, \
	{"profile", QB_FIELD_BOOL, offsetof(struct qb_train_spec, profile), \
		.summary = "tell where the time of steps goes, and samples a second"}, \
	{"checkpoint_every", QB_FIELD_LONG, offsetof(struct qb_train_spec, checkpoint_every), 0, QB_FIELD_MOST_LONG, \
		.summary = "steps between checkpoints, from which an interrupted job goes on; 0: after each epoch"}

/* Borrows from the job; qb_train_spec_fini frees the rest, also after an error. */
enum qb_err qb_train_spec_parse(struct qb_train_spec *out, const struct qb_job *job, struct qb_errbuf *eb);
/* After its fields have been read: what they alone cannot say, the uploads and the preprocessing. */
enum qb_err qb_train_spec_finish(struct qb_train_spec *s, const struct qb_job *job, struct qb_errbuf *eb);
/* The upload "teacher"; needed: distillation has no other. */
enum qb_err qb_train_spec_read_teacher(struct qb_train_spec *s, const struct qb_job *job, bool needed, struct qb_errbuf *eb);
void qb_train_spec_fini(struct qb_train_spec *s);
/* What trains: the upload "model" or "network", one of them. */
enum qb_err qb_train_spec_read_network(struct qb_train_spec *s, const struct qb_job *job, struct qb_errbuf *eb);
extern const char *const qb_train_init_names[];

struct qb_optimizer_config qb_optimizer_spec_config(const struct qb_optimizer_spec *o);
/* The configuration of the trainer, but for what the job's run adds: steps of the warm-up, axis of the classes, files, teacher. */
struct qb_train_config qb_train_spec_config(const struct qb_train_spec *s);

#endif
