/* SPDX-License-Identifier: Apache-2.0
 *
 * The batch of a step: which samples, what the network reads of them, and the targets and weights of the loss.
 */
#include <inttypes.h>
#include <string.h>

#include "core/base/size.h"
#include "core/train/permutation.h"
#include "core/train/trainer_state.h"

void *qb__trainer_take(struct qb_trainer *t, size_t count, size_t size)
{
	void *p = qb_arena_alloc(t->arena, count ? count : 1, size);

	t->bytes += p ? count * size : 0;
	return p;
}

static struct qb_places batch_places(const struct qb_trainer *t)
{
	struct qb_places p = t->graph->places;

	if (t->config.loss.kind == QB_LOSS_MSE) {
		p.inner *= t->shard_count;
	} else {
		p.outer *= t->shard_count;
	}
	return p;
}

static size_t place_count(const struct qb_places *p)
{
	return (size_t)(p->outer * p->inner);
}

static size_t score_count(const struct qb_places *p)
{
	return place_count(p) * (size_t)p->classes;
}

/* ---- room ---- */

/* Labels that the loss wants of a sample, or why those of the data do not do. */
static enum qb_err check_labels(const struct qb_trainer *t, struct qb_errbuf *eb)
{
	const struct qb_loss_config *c = &t->config.loss;
	struct qb_places p = batch_places(t);
	size_t have = qb_samples_label_size(t->samples), want = place_count(&p) / (size_t)t->config.batch;
	const struct qb_value *x = t->graph->training.graph->input[0];

	if (c->next_token) {
		bool integers = x->dtype == QB_I64 || x->dtype == QB_I32;

		return integers && qb_samples_row_bytes(t->samples, 0) / qb_dtype_bytes(x->dtype) == want ? QB_OK
			: qb_fail(eb, QB_EJOB, "loss.next_token: the first input of the network, %.200s, is not int64 or int32 tokens, "
				"as many as the %zu places that it scores", x->name, want);
	}
	if (c->distillation >= 1 && !have) {
		return QB_OK;
	}
	if (!have && c->kind == QB_LOSS_MSE) {
		return x->dtype == QB_F32 && qb_samples_row_bytes(t->samples, 0) == want * sizeof(float) ? QB_OK
			: qb_fail(eb, QB_EJOB, "the data has no labels (array y), and the network's input %.200s does not have the %zu "
				"elements of its output, so it cannot be the target", x->name, want);
	}
	if (have != want) {
		return qb_fail(eb, QB_EJOB, "the data has %zu labels a sample (array y); the loss of this network wants %zu", have,
			want);
	}
	return QB_OK;
}

static bool take_targets(struct qb_trainer *t)
{
	struct qb_places p = batch_places(t);
	size_t weights = t->config.loss.kind == QB_LOSS_MSE ? 1 : place_count(&p);

	t->target = qb__trainer_take(t, score_count(&p), sizeof(float));
	t->weight = qb__trainer_take(t, weights, sizeof(float));
	t->labels = qb__trainer_take(t, QB_MAX(place_count(&p), 1), sizeof(double));
	if (t->teacher) {
		t->teacher_target = qb__trainer_take(t, score_count(&p), sizeof(float));
		t->teacher_weight = qb__trainer_take(t, weights, sizeof(float));
	}
	return t->target && t->weight && t->labels && (!t->teacher || (t->teacher_target && t->teacher_weight));
}

/* Bytes of one shard of a graph input, and the batch's array that it is a part of; NULL: a parameter. */
static char *batch_array(const struct qb_trainer *t, int i)
{
	const struct qb_training_graph *g = t->graph;

	return i < g->data_inputs ? t->input[i]
		: i == g->labels.target ? (char *)t->target
		: i == g->labels.weight ? (char *)t->weight
		: i == g->teacher.target ? (char *)t->teacher_target
		: i == g->teacher.weight ? (char *)t->teacher_weight
					 : NULL;
}

/* Everything that a shard reads but for parameters stays where it is. */
static bool take_pointers(struct qb_trainer *t)
{
	const struct qb_graph *g = t->graph->training.graph;

	t->fed = qb__trainer_take(t, (size_t)t->shard_count, sizeof(*t->fed));
	for (int64_t s = 0; t->fed && s < t->shard_count; s++) {
		t->fed[s] = qb__trainer_take(t, (size_t)g->inputs, sizeof(**t->fed));
		if (!t->fed[s]) {
			return false;
		}
		for (int i = 0; i < g->inputs; i++) {
			char *all = batch_array(t, i);
			size_t bytes = qb_value_bytes(g->input[i]);
			bool scalar = i == t->graph->labels.weight && t->config.loss.kind == QB_LOSS_MSE;

			t->fed[s][i] = all && !scalar ? all + (size_t)s * bytes : all;
		}
	}
	return t->fed;
}

enum qb_err qb__train_batch_create(struct qb_trainer *t, struct qb_errbuf *eb)
{
	int inputs = t->graph->data_inputs;
	bool fits;

	QB_TRY(check_labels(t, eb));
	t->ordered_epoch = -1;
	t->order = qb__trainer_take(t, (size_t)qb_samples_count(t->samples), sizeof(*t->order));
	t->picked = qb__trainer_take(t, (size_t)t->config.batch, sizeof(*t->picked));
	t->input = qb__trainer_take(t, (size_t)inputs, sizeof(*t->input));
	fits = t->order && t->picked && t->input;
	for (int i = 0; fits && i < inputs; i++) {
		t->input[i] = qb__trainer_take(t, (size_t)t->config.batch, qb_samples_row_bytes(t->samples, i));
		fits = t->input[i];
	}
	if (!fits || !take_targets(t) || !take_pointers(t)) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a batch of %" PRId64, t->config.batch);
	}
	return QB_OK;
}

/* ---- a batch ---- */

static double token_at(const struct qb_trainer *t, size_t i)
{
	bool wide = t->graph->training.graph->input[0]->dtype == QB_I64;

	return wide ? (double)((const int64_t *)t->input[0])[i] : ((const int32_t *)t->input[0])[i];
}

/* Labels of next tokens: the token after each; the last of a row has none. */
static void shift_tokens(struct qb_trainer *t, const struct qb_places *p)
{
	size_t n = place_count(p), length = n / (size_t)t->config.batch;

	for (size_t i = 0; i < n; i++) {
		t->labels[i] = (i + 1) % length ? token_at(t, i + 1) : (double)t->config.loss.ignore;
	}
}

static void scale(float *x, size_t n, double factor)
{
	for (size_t i = 0; i < n; i++) {
		x[i] = (float)(x[i] * factor);
	}
}

static enum qb_err entropy_targets(struct qb_trainer *t, struct qb_errbuf *eb)
{
	const struct qb_loss_config *c = &t->config.loss;
	struct qb_places p = batch_places(t);
	int64_t counted = (int64_t)place_count(&p);
	double each;

	if (c->next_token) {
		shift_tokens(t, &p);
	}
	if (c->next_token || qb_samples_label_size(t->samples)) {
		QB_TRY(qb_targets_from_labels(&p, t->labels, c->ignore, c->smoothing, t->target, t->weight, &counted, eb));
	} else {
		for (int64_t i = 0; i < counted; i++) {
			t->weight[i] = 1;
		}
	}
	each = 1 / (double)(QB_MAX(counted, 1) * t->config.accumulation);
	t->entropy = 0;
	if (t->teacher) {
		double of_teacher = each * c->distillation * c->temperature * c->temperature;

		QB_TRY(qb__teacher_run(t->teacher, t->shard_count, t->input, t->teacher_target, eb));
		qb_targets_from_scores(&p, t->teacher_target, c->temperature, t->teacher_target);
		memcpy(t->teacher_weight, t->weight, place_count(&p) * sizeof(*t->weight));
		scale(t->teacher_weight, place_count(&p), of_teacher);
		t->entropy = qb_targets_entropy(&p, t->teacher_target, t->teacher_weight);
	}
	scale(t->weight, place_count(&p), each * (1 - c->distillation));
	return QB_OK;
}

/* (1 - distillation) of the labels, or of the input where there are none, and the rest of the teacher's output. */
static enum qb_err squared_targets(struct qb_trainer *t, struct qb_errbuf *eb)
{
	struct qb_places p = batch_places(t);
	size_t n = place_count(&p);
	bool labels = qb_samples_label_size(t->samples);
	double share = t->config.loss.distillation;

	if (t->teacher) {
		QB_TRY(qb__teacher_run(t->teacher, t->shard_count, t->input, t->teacher_target, eb));
	}
	for (size_t i = 0; i < n; i++) {
		double own = share >= 1 ? 0 : labels ? t->labels[i] : ((const float *)t->input[0])[i];

		t->target[i] = (float)(t->teacher ? (1 - share) * own + share * t->teacher_target[i] : own);
	}
	t->weight[0] = (float)(1 / ((double)n * (double)t->config.accumulation));
	return QB_OK;
}

static void order_epoch(struct qb_trainer *t, int64_t epoch)
{
	if (t->ordered_epoch != epoch) {
		qb_permutation(t->config.seed, epoch, qb_samples_count(t->samples), t->order);
		t->ordered_epoch = epoch;
	}
}

enum qb_err qb__train_batch_read(struct qb_trainer *t, int64_t step, int64_t run, struct qb_errbuf *eb)
{
	const struct qb_train_config *c = &t->config;
	int64_t first = (step % t->an_epoch * c->accumulation + run) * c->batch;
	struct qb_samples_pick pick = {.sample = t->picked, .count = c->batch, .seed = c->seed, .epoch = step / t->an_epoch};

	order_epoch(t, pick.epoch);
	memcpy(t->picked, t->order + first, (size_t)c->batch * sizeof(*t->picked));
	QB_TRY(qb_samples_read(t->samples, &pick, t->input, c->loss.next_token ? NULL : t->labels, eb));
	return c->loss.kind == QB_LOSS_MSE ? squared_targets(t, eb) : entropy_targets(t, eb);
}
