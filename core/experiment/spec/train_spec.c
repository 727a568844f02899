/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/train_spec.h"

#include <string.h>

#include "core/analysis/metrics.h"
#include "core/base/size.h"
#include "core/json/params.h"

static const double SGD_RATE = 0.1, ADAM_RATE = 1e-3;

/* ---- words ---- */

static const char *const batch_norm_names[] = {[QB_BATCH_NORM_TRAIN] = "train", [QB_BATCH_NORM_FROZEN] = "frozen", NULL};
const char *const qb_train_init_names[] = {[QB_TRAIN_GIVEN] = "given", [QB_TRAIN_FRESH] = "fresh", NULL};

/* ---- the table ---- */

void qb_optimizer_spec_defaults(void *out)
{
	*(struct qb_optimizer_spec *)out = (struct qb_optimizer_spec){.name = QB_OPTIMIZER_SGD, .rate = -1, .decay = 1e-4,
		.momentum = 0.9, .epsilon = 1e-8, .beta = {0.9, 0.999}};
}

const struct qb_object qb_optimizer_object = {
	.summary = "as PyTorch has them",
	.fields = (const struct qb_field[]){
		{"name", QB_FIELD_CHOICE, offsetof(struct qb_optimizer_spec, name), .choices = qb_optimizer_names},
		{"lr", QB_FIELD_REAL, offsetof(struct qb_optimizer_spec, rate), 0, 1000, .depends = true,
			.summary = "learning rate, before the schedule; default: 0.1 of sgd (0.01 in qat), 0.001 of adam and adamw"},
		{"weight_decay", QB_FIELD_REAL, offsetof(struct qb_optimizer_spec, decay), 0, 100,
			.summary = "of weights alone: not of biases, norms and quantizers. Of adamw decoupled, else added to the gradient"},
		{"momentum", QB_FIELD_REAL, offsetof(struct qb_optimizer_spec, momentum), 0, 0.99999, .summary = "of sgd"},
		{"nesterov", QB_FIELD_BOOL, offsetof(struct qb_optimizer_spec, nesterov), .summary = "of sgd"},
		{"betas", QB_FIELD_PAIR, offsetof(struct qb_optimizer_spec, beta), 0, 0.999999, .summary = "of adam and adamw"},
		{"epsilon", QB_FIELD_REAL, offsetof(struct qb_optimizer_spec, epsilon), QB_FIELD_LEAST_REAL, 1,
			.summary = "of adam and adamw"},
		{0}},
};

const struct qb_object qb_schedule_object = {
	.summary = "what the learning rates are multiplied by, after a linear warm-up",
	.fields = (const struct qb_field[]){
		{"name", QB_FIELD_CHOICE, offsetof(struct qb_train_spec, schedule), .choices = qb_schedule_names},
		{"warm_up", QB_FIELD_REAL, offsetof(struct qb_train_spec, warm_up), 0, 100000,
			.summary = "epochs, parts of one included, over which rates rise on a line"},
		{"final", QB_FIELD_REAL, offsetof(struct qb_train_spec, final), 0, 1, .summary = "of cosine and linear: the factor at the end"},
		{"factor", QB_FIELD_REAL, offsetof(struct qb_train_spec, factor), QB_FIELD_LEAST_REAL, 1, .summary = "of step"},
		{"every", QB_FIELD_INT, offsetof(struct qb_train_spec, every), 1, 100000, .summary = "of step: epochs"},
		{"by_epoch", QB_FIELD_BOOL, offsetof(struct qb_train_spec, by_epoch),
			.summary = "of cosine and linear: the factor changes with the epoch and not with each step"},
		{0}},
};

const struct qb_object qb_augment_object = {
	.summary = "changes of the training data, drawn anew each epoch",
	.fields = (const struct qb_field[]){
		{"flip", QB_FIELD_BOOL, offsetof(struct qb_augment_config, flip), .summary = "left and right, of one image in two"},
		{"crop", QB_FIELD_LONG, offsetof(struct qb_augment_config, crop), 0, 1024,
			.summary = "pixels of padding on each side, from which the old size is cut; 0: none"},
		{"shift", QB_FIELD_LONG, offsetof(struct qb_augment_config, shift), 0, 65536,
			.summary = "places by which time (the dimension before the last) moves either way at most; 0: none"},
		{"rotate", QB_FIELD_REAL, offsetof(struct qb_augment_config, rotate), 0, 180,
			.summary = "degrees by which images are rotated about their middle either way at most; 0: none"},
		{"shear", QB_FIELD_REAL, offsetof(struct qb_augment_config, shear), 0, 2,
			.summary = "pixels by which a row of an image moves at most for each that it is above or below the middle; 0: none"},
		{"scale", QB_FIELD_REAL, offsetof(struct qb_augment_config, scale), 0, 0.9,
			.summary = "images are read at (1 + s) times the distance from the middle, s up to this either way; 0: none"},
		{"brightness", QB_FIELD_REAL, offsetof(struct qb_augment_config, brightness), 0, 1,
			.summary = "images are multiplied by 1 + b, b up to this either way; uint8 stays below 256; 0: none"},
		{"noise", QB_FIELD_REAL, offsetof(struct qb_augment_config, noise), 0, 1000,
			.summary = "deviation of normal noise behind the preprocessing; 0: none"},
		{0}},
};

const struct qb_object qb_distillation_object = {
	.summary = "learn the teacher's scores beside the labels (Hinton et al., 2015)",
	.fields = (const struct qb_field[]){
		{"weight", QB_FIELD_REAL, offsetof(struct qb_train_spec, distillation), 0, 1, .summary = "of the teacher in the loss"},
		{"temperature", QB_FIELD_REAL, offsetof(struct qb_train_spec, temperature), 1e-3, 1e3,
			.summary = "that softens both scores"},
		{0}},
};

const struct qb_object qb_batch_norm_object = {
	.summary = "batch normalizations",
	.fields = (const struct qb_field[]){
		{"mode", QB_FIELD_CHOICE, offsetof(struct qb_train_spec, batch_norm), .choices = batch_norm_names,
			.summary = "train: statistics of the batch normalize, running ones follow; frozen: running ones normalize and stay"},
		{"momentum", QB_FIELD_REAL, offsetof(struct qb_train_spec, batch_norm_momentum), 0, 1,
			.summary = "what a batch adds to running statistics, as PyTorch counts"},
		{"reestimate", QB_FIELD_LONG, offsetof(struct qb_train_spec, reestimate), 0, 100000,
			.summary = "before each evaluation, statistics anew from so many training batches; 0: running ones stay as they are"},
		{0}},
};

void qb_train_spec_defaults(void *out)
{
	struct qb_train_spec *s = out;

	*s = (struct qb_train_spec){
		.epochs = 20,
		.batch = 64,
		.accumulate = 1,
		.schedule = QB_SCHEDULE_COSINE,
		.factor = 0.1,
		.every = 10,
		.loss = QB_LOSS_CROSS_ENTROPY,
		.ignore = 255,
		.batch_norm = QB_BATCH_NORM_TRAIN,
		.batch_norm_momentum = 0.1,
		.temperature = 1,
		.evaluate_every = 1,
	};
	qb_ptq_spec_defaults(&s->ptq);
	s->ptq.latency = false;
	qb_optimizer_spec_defaults(&s->optimizer);
}

const struct qb_field qb_train_fields[] = {
	{"model", QB_FIELD_UPLOAD, .summary = "a model's id, or a path for `quantbench run`: what trains, in place of network"},
	{"network", QB_FIELD_ANY, offsetof(struct qb_train_spec, asked.network), .any = qb_network_entries,
		.summary = "what trains, by name, from fresh weights"},
	{"attention", QB_FIELD_ANY, offsetof(struct qb_train_spec, asked.attention), .any = qb_attention_entries,
		.summary = "what attention becomes before training, of a network by name or of a model; default: it stays as it is"},
	{"init", QB_FIELD_CHOICE, offsetof(struct qb_train_spec, init), .choices = qb_train_init_names,
		.summary = "of the model's weights: go on from the given ones, or from fresh ones"},
	{"teacher", QB_FIELD_UPLOAD, .summary = "a model of the same input and output, whose scores are learned as well"},
	QB_TRAIN_FIELDS,
	{"latency", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.latency), .any = qb_latency_entries,
		.summary = "of the trained network; default: it is not measured"},
	{0}};

/* ---- reading ---- */

/* Where samples are tokens, labels come with them. */
static enum qb_err check_text(struct qb_train_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	if (!s->ptq.has_text) {
		return qb_text_is_plain(s->train_name) && !job->checked ? qb_text_spec_missing(eb) : QB_OK;
	}
	if (s->next_token || s->loss != QB_LOSS_CROSS_ENTROPY) {
		return qb_fail_field(eb, QB_EJOB, "", s->next_token ? "next_token" : "loss", "%s of a text, whose windows bring the labels of "
			"text.task; leave it out", s->next_token ? "is none" : "mse is none");
	}
	if (json_object_get(job->spec, "ignore")) {
		return qb_fail_field(eb, QB_EJOB, "", "ignore", "is no field of a text, where it is %d; leave it out", QB_TEXT_IGNORE);
	}
	s->ignore = QB_TEXT_IGNORE;
	return QB_OK;
}

enum qb_err qb_train_spec_finish(struct qb_train_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	QB_TRY(qb_job_input(job, "data", &s->ptq.data_path, &s->ptq.data_name, eb));
	QB_TRY(qb_job_input(job, "train", &s->train_path, &s->train_name, eb));
	QB_TRY(qb_ptq_spec_read_task(&s->ptq, job, eb));
	QB_TRY(check_text(s, job, eb));
	if (s->shards > s->batch) {
		return qb_fail_field(eb, QB_EJOB, "", "shards", "are parts of a batch, and a batch has %lld rows", (long long)s->batch);
	}
	if (s->batch_norm == QB_BATCH_NORM_FROZEN && s->reestimate) {
		return qb_fail_field(eb, QB_EJOB, "batch_norm", "reestimate", "has no meaning where statistics are frozen");
	}
	return s->ptq.factor ? QB_OK : qb_ptq_spec_read_preprocess(&s->ptq, job->spec, eb);
}

enum qb_err qb_train_spec_read_network(struct qb_train_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	bool model = json_object_get(job->spec, "model");

	if (model == !!s->asked.network) {
		return qb_fail_field(eb, QB_EJOB, "", "model", model ? "and network are both given; say which one trains"
			: "is missing; give a model, or a network by name, such as \"network\": \"resnet8\"");
	}
	if (model) {
		return qb_job_input(job, "model", &s->ptq.model_path, &s->ptq.model_name, eb);
	}
	if (json_object_get(job->spec, "init")) {
		return qb_fail_field(eb, QB_EJOB, "", "init", "is of a model's weights; a network by name has fresh ones always");
	}
	QB_TRY(qb_network_spec_read(&s->network, s->asked.network, "network", eb));
	s->ptq.model_name = s->network.architecture->named.name;
	return QB_OK;
}

enum qb_err qb_train_spec_read_teacher(struct qb_train_spec *s, const struct qb_job *job, bool needed, struct qb_errbuf *eb)
{
	bool teacher = json_object_get(job->spec, "teacher");

	if (!teacher && needed && s->distillation > 0) {
		return qb_fail_field(eb, QB_EJOB, "", "teacher", "is missing; say whose scores are to be learned, or leave "
			"distillation out");
	}
	if (teacher && s->distillation == 0) {
		return qb_fail_field(eb, QB_EJOB, "distillation", "weight", "is 0, and there is a teacher; give it a weight");
	}
	return teacher ? qb_job_input(job, "teacher", &s->teacher_path, &s->teacher_name, eb) : QB_OK;
}

enum qb_err qb_train_spec_parse(struct qb_train_spec *out, const struct qb_job *job, struct qb_errbuf *eb)
{
	qb_train_spec_defaults(out);
	out->ptq.threads = out->ptq.most_threads = job->host->threads;
	QB_TRY(qb_job_read(out, job, qb_train_fields, eb));
	QB_TRY(qb_train_spec_read_network(out, job, eb));
	QB_TRY(qb_attention_spec_read(&out->attention, out->asked.attention, "attention", eb));
	QB_TRY(qb_ptq_spec_read_latency(&out->ptq, eb));
	QB_TRY(qb_train_spec_read_teacher(out, job, true, eb));
	return qb_train_spec_finish(out, job, eb);
}

void qb_train_spec_fini(struct qb_train_spec *s)
{
	qb_network_spec_fini(&s->network);
	qb_attention_spec_fini(&s->attention);
	qb_ptq_spec_fini(&s->ptq);
}

/* ---- to the trainer ---- */

struct qb_optimizer_config qb_optimizer_spec_config(const struct qb_optimizer_spec *o)
{
	return (struct qb_optimizer_config){.kind = (enum qb_optimizer_kind)o->name, .rate = o->rate < 0
		? (o->name == QB_OPTIMIZER_SGD ? SGD_RATE : ADAM_RATE) : o->rate, .decay = o->decay,
		.momentum = o->momentum, .nesterov = o->nesterov, .beta1 = o->beta[0], .beta2 = o->beta[1], .epsilon = o->epsilon};
}

struct qb_train_config qb_train_spec_config(const struct qb_train_spec *s)
{
	const struct qb_optimizer_config optimizer = qb_optimizer_spec_config(&s->optimizer);
	struct qb_train_config c;

	qb_train_config_init(&c);
	qb_train_config_set_optimizer(&c, &optimizer);
	c.epochs = s->epochs;
	c.batch = s->batch;
	c.accumulation = s->accumulate;
	c.recompute = s->recompute;
	c.shards = s->shards;
	c.threads = s->ptq.threads;
	c.seed = (uint64_t)s->ptq.seed;
	c.schedule = (struct qb_schedule_config){.kind = (enum qb_schedule_kind)s->schedule, .final = s->final,
		.factor = s->factor, .every = s->every, .by_epoch = s->by_epoch};
	c.loss = (struct qb_loss_config){.kind = (enum qb_loss_kind)s->loss, .axis = 1, .next_token = s->next_token,
		.ignore = s->ignore, .smoothing = s->smoothing, .distillation = s->distillation, .temperature = s->temperature};
	c.augment = s->augment;
	c.batch_norm = (enum qb_batch_norm_mode)s->batch_norm;
	c.batch_norm_momentum = s->batch_norm_momentum;
	c.clip_norm = s->clip;
	c.ema = s->ema;
	c.evaluate_every = s->evaluate_every;
	c.patience = s->early_stop;
	c.checkpoint_every = s->checkpoint_every;
	return c;
}
