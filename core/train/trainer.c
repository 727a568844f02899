/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/shape.h"
#include "core/train/schedule.h"
#include "core/train/trainer_state.h"
#include "core/train/training_network.h"

enum { SHARDS_USUAL = 8, METRICS_MAX = 32 };

/* ---- building ---- */

static int64_t usual_shards(int64_t batch)
{
	int64_t shards = SHARDS_USUAL;

	while (batch % shards) {
		shards--;
	}
	return shards;
}

/* The network as it trains, its free dimensions (the length of a text) those of the data. */
static enum qb_err open_network(struct qb_trainer *t, const struct qb_graph *network, struct qb_errbuf *eb)
{
	struct qb_shape *shapes = qb__trainer_take(t, (size_t)network->inputs, sizeof(*shapes));
	struct qb_graph *sized = NULL;
	enum qb_err err;

	if (!shapes) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a trainer");
	}
	for (int i = 0; i < network->inputs; i++) {
		const struct qb_input_spec *s = qb_dataset_input(t->data, i);

		shapes[i] = qb_shape_make(s->ndim, s->dim);
	}
	QB_TRY(qb_graph_clone(&sized, network, eb));
	err = qb_graph_set_shapes(sized, shapes, eb);
	err = err == QB_OK ? qb_training_network(&t->network, sized, eb) : err;
	t->sized = sized; /* constants of the one are the other's */
	return err;
}

static enum qb_err plan(struct qb_trainer *t, struct qb_errbuf *eb)
{
	const struct qb_train_config *c = &t->config;
	const struct qb_training_plan plan = {.network = t->network, .config = c, .shards = t->shard_count, .hooks = &t->hooks};

	QB_TRY(qb_training_graph_create(&t->graph, &plan, eb));
	QB_TRY(qb_plan_create(&t->plan, t->graph->training.graph, QB_PLAN_TRAINING, 1, NULL, eb));
	QB_TRY(qb_shards_create(&t->shards, t->plan, (int)t->shard_count, eb));
	if (c->loss.distillation > 0) {
		QB_TRY(qb__teacher_create(&t->teacher, c->teacher ? c->teacher : t->network, c, t->rows, eb));
	}
	return QB_OK;
}

static enum qb_err take_hooks_state(struct qb_trainer *t, struct qb_errbuf *eb)
{
	t->hooks_bytes = t->hooks.state_bytes && t->hooks.save && t->hooks.load ? t->hooks.state_bytes(t->hooks.arg) : 0;
	t->hooks_state = qb__trainer_take(t, t->hooks_bytes, 1);
	t->hooks_best = qb__trainer_take(t, t->hooks_bytes, 1);
	return t->hooks_state && t->hooks_best ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the state of quantizers");
}

static enum qb_err build(struct qb_trainer *t, const struct qb_graph *network, struct qb_errbuf *eb)
{
	const struct qb_train_config *c = &t->config;

	t->arena = qb_arena_create();
	if (!t->arena) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a trainer");
	}
	QB_TRY(open_network(t, network, eb));
	QB_TRY(plan(t, eb));
	QB_TRY(qb_samples_create(&t->samples, t->data, network->inputs, &c->augment, c->threads, eb));
	t->an_epoch = qb_samples_count(t->samples) / (c->batch * c->accumulation);
	t->steps = t->an_epoch * c->epochs;
	if (!t->an_epoch) {
		return qb_fail(eb, QB_EJOB, "the data has %" PRId64 " samples, fewer than a step takes: a batch of %" PRId64
			", accumulated %" PRId64 " times", qb_samples_count(t->samples), c->batch, c->accumulation);
	}
	QB_TRY(qb__train_batch_create(t, eb));
	QB_TRY(qb__train_step_create(t, eb));
	QB_TRY(take_hooks_state(t, eb));
	t->history = qb__trainer_take(t, (size_t)c->epochs, sizeof(*t->history));
	return t->history ? qb__checkpoint_describe(t, eb) : qb_fail(eb, QB_ENOMEM, "no memory for a trainer");
}

enum qb_err qb_trainer_create(struct qb_trainer **out, const struct qb_graph *network, const struct qb_dataset *data,
	const struct qb_train_config *config, const struct qb_train_hooks *hooks, struct qb_errbuf *eb)
{
	struct qb_trainer *t;
	enum qb_err err;

	QB_TRY(qb_train_config_check(config, eb));
	t = calloc(1, sizeof(*t));
	if (!t) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a trainer");
	}
	t->config = *config;
	t->hooks = hooks ? *hooks : (struct qb_train_hooks){0};
	t->data = data;
	t->shard_count = config->shards ? config->shards : usual_shards(config->batch);
	t->rows = config->batch / t->shard_count;
	t->at = (struct qb_train_progress){.best_epoch = -1, .ended = -1};
	err = build(t, network, eb);
	if (err != QB_OK) {
		qb_trainer_destroy(&t);
		return err;
	}
	*out = t;
	return QB_OK;
}

void qb_trainer_destroy(struct qb_trainer **trainer)
{
	struct qb_trainer *t = *trainer;

	if (!t) {
		return;
	}
	qb__teacher_destroy(&t->teacher);
	qb_shards_destroy(&t->shards);
	qb_plan_destroy(&t->plan);
	qb_training_graph_destroy(&t->graph);
	qb_graph_destroy(&t->network);
	qb_graph_destroy(&t->sized);
	qb_samples_destroy(&t->samples);
	qb_arena_destroy(&t->arena);
	free(t);
	*trainer = NULL;
}

size_t qb_trainer_bytes(const struct qb_trainer *t)
{
	return t->bytes + qb_samples_bytes(t->samples) + qb_shards_bytes(t->shards) + qb__teacher_bytes(t->teacher);
}

int64_t qb_trainer_steps(const struct qb_trainer *t)
{
	return t->steps;
}

const struct qb_plan *qb_trainer_plan(const struct qb_trainer *t)
{
	return t->plan;
}

void qb_trainer_profile(struct qb_trainer *t, int64_t *step_ns)
{
	t->step_ns = step_ns;
}

/* ---- evaluation ---- */

static void copy(float *to, const float *from, size_t n)
{
	memcpy(to, from, n * sizeof(*to));
}

/* What is evaluated takes the place of the values, which wait. */
static void show_average(struct qb_trainer *t)
{
	for (int i = 0; i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];

		copy(t->state[i].held, p->value, p->size);
		if (t->state[i].average) {
			copy(p->value, t->state[i].average, p->size);
		}
	}
}

static void put_back(struct qb_trainer *t)
{
	for (int i = 0; i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];

		copy(p->value, t->state[i].held, p->size);
	}
}

static bool is_better(const struct qb_trainer *t, bool falls, double metric)
{
	double best = t->at.best_metric;

	if (t->at.best_epoch < 0 || (isnan(best) && !isnan(metric))) {
		return true;
	}
	return falls ? metric < best : metric > best;
}

static void keep_best(struct qb_trainer *t, int64_t epoch, double metric)
{
	t->at.best_epoch = epoch;
	t->at.best_metric = metric;
	t->at.stale = 0;
	for (int i = 0; i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];

		copy(t->state[i].best, p->value, p->size);
		if (t->state[i].ran) {
			copy(t->state[i].ran, t->state[i].average ? t->state[i].average : t->state[i].held, p->size);
		}
	}
	if (t->hooks_bytes) {
		t->hooks.save(t->hooks.arg, t->hooks_best);
	}
}

static enum qb_err evaluate(struct qb_trainer *t, const struct qb_train_callbacks *cb, int64_t epoch, double *metric,
	struct qb_errbuf *eb)
{
	enum qb_err err;

	show_average(t);
	err = cb->evaluate(cb->arg, t, (int)epoch, metric, eb);
	if (err == QB_OK && is_better(t, cb->metric_falls, *metric)) {
		keep_best(t, epoch, *metric);
	} else {
		t->at.stale++;
	}
	put_back(t);
	return err;
}

static enum qb_err end_epoch(struct qb_trainer *t, const struct qb_train_callbacks *cb, double rate, struct qb_errbuf *eb)
{
	int64_t epoch = t->at.epochs;
	bool last = epoch == t->config.epochs - 1;
	double metric = NAN;

	if (cb->evaluate && (last || (epoch + 1) % t->config.evaluate_every == 0)) {
		QB_TRY(evaluate(t, cb, epoch, &metric, eb));
	}
	t->history[epoch] = (struct qb_train_epoch){.epoch = (int)epoch, .loss = t->at.epoch_loss / (double)t->an_epoch,
		.rate = rate, .metric = metric};
	t->at.epochs++;
	t->at.epoch_loss = 0;
	if (last) {
		t->at.ended = QB_TRAIN_DONE;
	} else if (t->config.patience && t->at.stale >= t->config.patience) {
		t->at.ended = QB_TRAIN_EARLY;
	}
	return QB_OK;
}

enum qb_err qb_trainer_use_best(struct qb_trainer *t, struct qb_errbuf *eb)
{
	bool best = t->at.best_epoch >= 0;

	for (int i = 0; i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];
		const float *from = best ? t->state[i].best : t->state[i].average;

		if (from) {
			copy(p->value, from, p->size);
		}
	}
	return best && t->hooks_bytes ? t->hooks.load(t->hooks.arg, t->hooks_best, t->hooks_bytes, eb) : QB_OK;
}

void qb_trainer_use_running_statistics(struct qb_trainer *t)
{
	for (int i = 0; t->at.best_epoch >= 0 && i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];

		if (t->state[i].ran) {
			copy(p->value, t->state[i].ran, p->size);
		}
	}
}

/* ---- running ---- */

static struct qb_train_position position(const struct qb_trainer *t)
{
	return (struct qb_train_position){.step = t->at.step, .steps = t->steps, .epoch = (int)(t->at.step / t->an_epoch),
		.epochs = t->config.epochs,
		.rate = qb_schedule_factor(&t->config.schedule, t->at.step, t->steps, t->an_epoch)};
}

static enum qb_err one_step(struct qb_trainer *t, const struct qb_train_callbacks *cb, struct qb_errbuf *eb)
{
	struct qb_train_position at = position(t);
	struct qb_train_metric metric[METRICS_MAX];
	struct qb_train_step s;

	QB_TRY(qb__train_step(t, &at, &s, eb));
	t->at.step++;
	t->at.epoch_loss += s.loss;
	if (cb->step) {
		s.metrics = t->hooks.metrics ? t->hooks.metrics(t->hooks.arg, metric, METRICS_MAX) : 0;
		s.metric = metric;
		QB_TRY(cb->step(cb->arg, &s, eb));
	}
	return t->at.step % t->an_epoch ? QB_OK : end_epoch(t, cb, s.rate, eb);
}

static bool checkpoint_is_due(const struct qb_trainer *t, bool stop)
{
	int64_t every = t->config.checkpoint_every ? t->config.checkpoint_every : t->an_epoch;

	return t->config.checkpoint && (stop || t->at.ended >= 0 || t->at.step % every == 0);
}

static enum qb_err go_on(struct qb_trainer *t, const struct qb_train_callbacks *cb, bool *stop, struct qb_errbuf *eb)
{
	while (t->at.ended < 0 && !*stop) {
		QB_TRY(one_step(t, cb, eb));
		*stop = t->at.ended < 0 && cb->should_stop && cb->should_stop(cb->arg);
		if (checkpoint_is_due(t, *stop)) {
			QB_TRY(qb__checkpoint_save(t, eb));
		}
	}
	return QB_OK;
}

enum qb_err qb_trainer_run(struct qb_trainer *t, const struct qb_train_callbacks *cb, struct qb_train_result *result,
	struct qb_errbuf *eb)
{
	static const struct qb_train_callbacks none;
	bool found = false, stop = false;
	int64_t begin;

	if (t->config.checkpoint && t->at.step == 0) {
		QB_TRY(qb__checkpoint_load(t, &found, eb));
	}
	begin = t->at.step;
	QB_TRY(go_on(t, cb ? cb : &none, &stop, eb));
	*result = (struct qb_train_result){.end = stop ? QB_TRAIN_STOPPED : (enum qb_train_end)t->at.ended, .step = t->at.step,
		.resumed = begin, .epochs = (int)t->at.epochs, .history = t->history, .best_epoch = (int)t->at.best_epoch,
		.best_metric = t->at.best_metric};
	return QB_OK;
}

/* ---- parameters ---- */

int qb_trainer_parameters(const struct qb_trainer *t)
{
	return t->graph->training.parameters;
}

struct qb_parameter *qb_trainer_parameter(const struct qb_trainer *t, int i)
{
	return t->graph->training.parameter[i];
}

struct qb_parameter *qb_trainer_find(const struct qb_trainer *t, const char *name)
{
	return qb_training_find(&t->graph->training, name);
}

/* The value's constant becomes a copy of the parameter; it lies on no grid of the file any more. */
static bool put_constant(struct qb_graph *g, struct qb_value *v, const struct qb_parameter *p)
{
	struct qb_tensor *x = qb_arena_alloc(g->arena, 1, sizeof(*x));

	if (!x) {
		return false;
	}
	*x = *v->constant;
	x->data = qb_arena_alloc(g->arena, p->size + 1, sizeof(float));
	if (!x->data) {
		return false;
	}
	copy(x->data, p->value, p->size);
	v->constant = x;
	v->imported = NULL;
	return true;
}

enum qb_err qb_trainer_network(const struct qb_trainer *t, struct qb_graph **out, struct qb_errbuf *eb)
{
	struct qb_graph *g;

	QB_TRY(qb_graph_clone(&g, t->network, eb));
	for (int i = 0; i < g->values; i++) {
		struct qb_value *v = g->value[i];
		const struct qb_parameter *p = v->constant ? qb_trainer_find(t, v->name) : NULL;

		if (p && p->network && !put_constant(g, v, p)) {
			qb_graph_destroy(&g);
			return qb_fail(eb, QB_ENOMEM, "no memory for the trained network");
		}
	}
	*out = g;
	return QB_OK;
}
