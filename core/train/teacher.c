/* SPDX-License-Identifier: Apache-2.0
 *
 * The teacher of distillation: a float network that is evaluated on each batch, a session a thread.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/size.h"
#include "core/graph/graph.h"
#include "core/train/trainer_state.h"

enum { TEACHER_INPUTS = 64 };

struct qb_teacher {
	struct qb_graph *prepared, *graph;
	struct qb_plan *plan;
	int threads;
	struct qb_session **session; /* [threads] */
	size_t elements;             /* of the scores of a shard */
};

static enum qb_err prepare(struct qb_teacher *t, const struct qb_graph *network, const struct qb_train_config *c,
	int64_t rows, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_clone(&t->prepared, network, eb));
	if (c->loss.output < 0 || c->loss.output >= t->prepared->outputs || t->prepared->inputs > TEACHER_INPUTS) {
		return qb_fail(eb, QB_EINVAL, "the teacher has %d inputs and %d outputs; the loss is of output %d",
			t->prepared->inputs, t->prepared->outputs, c->loss.output);
	}
	if (c->loss.kind == QB_LOSS_CROSS_ENTROPY) {
		qb__train_take_scores(t->prepared, c->loss.output, c->loss.axis);
	}
	t->prepared->output += c->loss.output;
	t->prepared->outputs = 1;
	QB_TRY(qb_pass_remove_dead(t->prepared, eb));
	QB_TRY(qb_graph_prepare(t->prepared, eb));
	QB_TRY(qb_graph_bind(&t->graph, t->prepared, rows, eb));
	return qb_plan_create(&t->plan, t->graph, QB_PLAN_FROZEN, 1, NULL, eb);
}

static enum qb_err build(struct qb_teacher *t, const struct qb_graph *network, const struct qb_train_config *c, int64_t rows,
	struct qb_errbuf *eb)
{
	QB_TRY(prepare(t, network, c, rows, eb));
	t->threads = c->threads;
	t->elements = qb_value_size(t->graph->output[0]);
	t->session = calloc((size_t)c->threads, sizeof(struct qb_session *));
	if (!t->session) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the teacher");
	}
	for (int i = 0; i < c->threads; i++) {
		QB_TRY(qb_session_create(&t->session[i], t->plan, false, eb));
	}
	return QB_OK;
}

enum qb_err qb__teacher_create(struct qb_teacher **out, const struct qb_graph *network, const struct qb_train_config *c,
	int64_t rows, struct qb_errbuf *eb)
{
	struct qb_teacher *t = calloc(1, sizeof(*t));
	enum qb_err err = t ? build(t, network, c, rows, eb) : qb_fail(eb, QB_ENOMEM, "no memory for the teacher");

	if (err != QB_OK) {
		qb__teacher_destroy(&t);
		return qb_fail_in(eb, err, "teacher");
	}
	*out = t;
	return QB_OK;
}

void qb__teacher_destroy(struct qb_teacher **teacher)
{
	struct qb_teacher *t = *teacher;

	if (!t) {
		return;
	}
	for (int i = 0; t->session && i < t->threads; i++) {
		qb_session_destroy(&t->session[i]);
	}
	free(t->session);
	qb_plan_destroy(&t->plan);
	qb_graph_destroy(&t->graph);
	qb_graph_destroy(&t->prepared);
	free(t);
	*teacher = NULL;
}

size_t qb__teacher_bytes(const struct qb_teacher *t)
{
	return t ? qb_plan_bytes(t->plan) + (size_t)t->threads * qb_plan_session_bytes(t->plan) : 0;
}

struct lesson {
	struct qb_teacher *t;
	void *const *input;
	float *scores;
};

static enum qb_err run_shard(void *arg, int thread, int64_t shard, struct qb_errbuf *eb)
{
	const struct lesson *l = arg;
	const struct qb_graph *g = l->t->graph;
	const void *input[TEACHER_INPUTS];
	void *output[] = {l->scores + (size_t)shard * l->t->elements};
	const struct qb_run run = {.input = input, .output = output};

	for (int i = 0; i < g->inputs; i++) {
		size_t bytes = qb_value_bytes(g->input[i]);

		input[i] = (const char *)l->input[i] + (size_t)shard * bytes;
	}
	return qb_session_run(l->t->session[thread], &run, eb);
}

enum qb_err qb__teacher_run(struct qb_teacher *t, int64_t shards, void *const *input, float *scores, struct qb_errbuf *eb)
{
	struct lesson l = {.t = t, .input = input, .scores = scores};

	return qb_team_run((int)QB_MIN(t->threads, shards), shards, run_shard, &l, eb);
}
