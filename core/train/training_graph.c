/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/training_graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/gradient.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/recompute.h"
#include "core/graph/shape.h"
#include "core/train/training_network.h"

/* The opset of nodes that are made here. */
enum { OPSET = 18 };

/* ---- new nodes ---- */

struct qb_node *qb__nodes_begin(struct qb__nodes *m, enum qb_op_id op, const char *name, int inputs,
	struct qb_value *const *input)
{
	struct qb_value *out = m->err == QB_OK ? qb_graph_add_value(m->g, name, QB_DTYPE_NONE) : NULL;
	struct qb_node *n = out ? qb_node_create(m->g, op, name, OPSET, inputs, input, 1, &out) : NULL;

	if (!n && m->err == QB_OK) {
		m->err = qb_fail(m->eb, QB_ENOMEM, "out of memory while building a training graph");
	}
	return n;
}

struct qb_value *qb__nodes_end(struct qb__nodes *m, struct qb_node *n)
{
	if (!n) {
		return NULL;
	}
	m->err = qb_graph_append(m->g, n) ? qb__node_infer(m->g, n, m->eb)
					  : qb_fail(m->eb, QB_ENOMEM, "out of memory while building a training graph");
	return m->err == QB_OK ? n->output[0] : NULL;
}

/* list with one more place at the end, which is NULL. */
static struct qb_value **longer(struct qb_graph *g, struct qb_value *const *list, int count)
{
	struct qb_value **more = qb_arena_alloc(g->arena, (size_t)count + 1, sizeof(*more));

	if (more && count) {
		memcpy(more, list, (size_t)count * sizeof(*more));
	}
	return more;
}

static bool append_input(struct qb_graph *g, struct qb_value *v)
{
	struct qb_value **more = longer(g, g->input, g->inputs);

	if (more) {
		more[g->inputs++] = v;
		g->input = more;
	}
	return more;
}

struct qb_value *qb__nodes_input(struct qb__nodes *m, const char *name, const struct qb_shape *shape, int *index)
{
	struct qb_value *v = m->err == QB_OK ? qb_graph_add_value(m->g, name, QB_F32) : NULL;

	if (!v || !append_input(m->g, v)) {
		m->err = m->err == QB_OK ? qb_fail(m->eb, QB_ENOMEM, "out of memory while building a training graph") : m->err;
		return NULL;
	}
	v->shape = *shape;
	*index = m->g->inputs - 1;
	return v;
}

/* ---- parameters ---- */

static bool allocate(struct qb_arena *arena, struct qb_parameter *p, const float *first)
{
	p->value = qb_arena_alloc(arena, p->size + 1, sizeof(*p->value));
	p->gradient = p->group == QB_PARAMETERS_STATISTICS ? NULL : qb_arena_alloc(arena, p->size + 1, sizeof(*p->gradient));
	p->fed = p->value;
	if (p->value) {
		memcpy(p->value, first, p->size * sizeof(*first));
	}
	return p->value && (p->gradient || p->group == QB_PARAMETERS_STATISTICS);
}

static struct qb_parameter *add_parameter(struct qb_training *t, const struct qb_parameter *like, const float *first,
	struct qb_errbuf *eb)
{
	struct qb_parameter **more = qb_arena_alloc(t->graph->arena, (size_t)t->parameters + 1, sizeof(*more));
	struct qb_parameter *p = qb_arena_alloc(t->graph->arena, 1, sizeof(*p));

	if (p) {
		*p = *like;
		p->index = t->parameters;
	}
	if (!more || !p || !allocate(t->graph->arena, p, first)) {
		qb_fail(eb, QB_ENOMEM, "no memory for parameter %.200s of %zu elements", like->name, like->size);
		return NULL;
	}
	if (t->parameters) {
		memcpy(more, t->parameter, (size_t)t->parameters * sizeof(*more));
	}
	more[t->parameters++] = p;
	t->parameter = more;
	return p;
}

enum qb_err qb_training_add_parameter(struct qb_training *t, const char *name, const char *layer, int ndim,
	const int64_t *dim, const float *first, struct qb_value **input, struct qb_parameter **out, struct qb_errbuf *eb)
{
	struct qb_parameter like = {.group = QB_PARAMETERS_QUANTIZERS, .role = QB_PARAMETER_ROLE_QUANTIZER, .ndim = ndim, .size = 1,
		.input = -1};
	struct qb__nodes m = {.g = t->graph, .eb = eb};
	struct qb_parameter *p;

	if (qb_training_find(t, name) || qb_graph_find(t->graph, name, 0) >= 0) {
		return qb_fail(eb, QB_EINVAL, "the network has a value of the name %.200s already", name);
	}
	like.name = qb_arena_strdup(t->graph->arena, name);
	like.layer = qb_arena_strdup(t->graph->arena, layer);
	if (!like.name || !like.layer) {
		return qb_fail(eb, QB_ENOMEM, "no memory for parameter %.200s", name);
	}
	for (int i = 0; i < ndim; i++) {
		like.dim[i] = dim[i];
		like.size *= (size_t)dim[i];
	}
	p = add_parameter(t, &like, first, eb);
	if (!p) {
		return QB_ENOMEM;
	}
	if (input) {
		struct qb_shape shape = qb_shape_make(ndim, dim);

		*input = qb__nodes_input(&m, name, &shape, &p->input);
	}
	*out = m.err == QB_OK ? p : *out;
	return m.err;
}

struct qb_parameter *qb_training_find(const struct qb_training *t, const char *name)
{
	for (int i = 0; i < t->parameters; i++) {
		if (!strcmp(t->parameter[i]->name, name)) {
			return t->parameter[i];
		}
	}
	return NULL;
}

enum qb_err qb_training_watch(struct qb_training *t, struct qb_value *v, int *watch, struct qb_errbuf *eb)
{
	struct qb_training_graph *g = (struct qb_training_graph *)t;
	struct qb_value **more = longer(t->graph, g->watched, g->watches);

	if (!more) {
		return qb_fail(eb, QB_ENOMEM, "no memory to watch %.200s", v->name);
	}
	more[g->watches] = v;
	g->watched = more;
	*watch = g->watches++;
	return QB_OK;
}

/* ---- the bound network ---- */

/* Whether the graph reads it: running statistics only where batch norms are frozen. */
static bool is_fed(const struct qb_train_config *c, const struct qb_parameter *p)
{
	return p->group != QB_PARAMETERS_STATISTICS || c->batch_norm == QB_BATCH_NORM_FROZEN;
}

/* Parameters of the open network become inputs of it before it is bound, so that binding folds none of them. */
static enum qb_err open_network(struct qb_training_graph *t, const struct qb_training_plan *plan,
	struct qb_parameter_list *list, const struct qb_tensor ***first, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_clone(&t->open, plan->network, eb));
	QB_TRY(qb_list_parameters(t->open, list, eb));
	*first = qb_arena_alloc(t->open->arena, (size_t)list->count, sizeof(**first));
	if (!*first) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the parameters of a network");
	}
	t->data_inputs = t->open->inputs;
	for (int i = 0; i < list->count; i++) {
		(*first)[i] = list->value[i]->constant;
		if (!is_fed(plan->config, &list->parameter[i])) {
			continue;
		}
		list->value[i]->constant = NULL;
		if (!append_input(t->open, list->value[i])) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the parameters of a network");
		}
		list->parameter[i].input = t->open->inputs - 1;
	}
	return qb_graph_relink(t->open, eb);
}

static enum qb_err bind(struct qb_training_graph *t, const struct qb_training_plan *plan, struct qb_errbuf *eb)
{
	struct qb_parameter_list list;
	const struct qb_tensor **first;
	int64_t rows = plan->config->batch / plan->shards;

	QB_TRY(open_network(t, plan, &list, &first, eb));
	QB_TRY(qb_graph_bind(&t->training.graph, t->open, rows, eb));
	for (int i = 0; i < t->data_inputs; i++) {
		const struct qb_value *v = t->training.graph->input[i];

		if (v->shape.ndim < 1 || v->shape.dim[0] != rows) {
			return qb_fail(eb, QB_EJOB, "input %.200s of the network has %" PRId64 " rows whatever the batch: it was exported with "
				"that batch; a shard of %" PRId64 " rows does not fit. Export it with a free batch, or train with a batch "
				"of that many times the shards", v->name, v->shape.ndim ? v->shape.dim[0] : 0, rows);
		}
	}
	for (int i = 0; i < list.count; i++) {
		if (!add_parameter(&t->training, &list.parameter[i], first[i]->data, eb)) {
			return QB_ENOMEM;
		}
	}
	return QB_OK;
}

void qb__train_take_scores(struct qb_graph *g, int output, int axis)
{
	const struct qb_node *n = g->output[output]->producer;
	int64_t ndim, at;

	if (!qb_node_is(n, QB_OP_Softmax)) {
		return;
	}
	ndim = n->input[0]->shape.ndim;
	at = qb_node_int(n, "axis", n->opset < 13 ? 1 : -1);
	at += at < 0 ? ndim : 0;
	if (at == (axis < 0 ? axis + ndim : axis) && (n->opset >= 13 || at == ndim - 1)) {
		g->output[output] = n->input[0];
	}
}

/* ---- gradients and outputs ---- */

/* Loss, gradients, sums of batch norms (in t->norm by index into `sums`), watched values. */
static enum qb_err set_outputs(struct qb_training_graph *t, struct qb_value *loss, struct qb_value *const *gradient,
	struct qb_errbuf *eb)
{
	struct qb_graph *g = t->training.graph;
	int parameters = t->training.parameters, count = 0;
	size_t room = (size_t)(1 + parameters + t->norms + t->watches);
	struct qb_value **out = qb_arena_alloc(g->arena, room, sizeof(*out));

	t->gradient = qb_arena_alloc(g->arena, (size_t)parameters + 1, sizeof(*t->gradient));
	t->watch = qb_arena_alloc(g->arena, (size_t)t->watches + 1, sizeof(*t->watch));
	if (!out || !t->gradient || !t->watch) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while building a training graph");
	}
	out[count++] = loss;
	for (int i = 0; i < parameters; i++) {
		t->gradient[i] = gradient[i] ? count : -1;
		if (gradient[i]) {
			out[count++] = gradient[i];
		}
	}
	for (int i = 0; i < t->norms; i++) {
		/* qb__train_batch_norms left the outputs of the network behind them. */
		out[count] = g->output[t->norm[i].sums];
		t->norm[i].sums = count++;
	}
	for (int i = 0; i < t->watches; i++) {
		t->watch[i] = count;
		out[count++] = t->watched[i];
	}
	g->output = out;
	g->outputs = count;
	return qb_pass_remove_dead(g, eb);
}

static enum qb_err differentiate(struct qb_training_graph *t, struct qb_value *loss, struct qb_errbuf *eb)
{
	struct qb_graph *g = t->training.graph;
	size_t n = (size_t)t->training.parameters;
	struct qb_value **wanted = qb_arena_alloc(g->arena, n + 1, sizeof(*wanted));
	struct qb_value **by = qb_arena_alloc(g->arena, n + 1, sizeof(*by));
	struct qb_value **gradient = qb_arena_alloc(g->arena, n + 1, sizeof(*gradient));
	int count = 0;

	if (!wanted || !by || !gradient) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while building a training graph");
	}
	for (size_t i = 0; i < n; i++) {
		const struct qb_parameter *p = t->training.parameter[i];

		if (p->input >= 0 && p->group != QB_PARAMETERS_STATISTICS) {
			wanted[count++] = g->input[p->input];
		}
	}
	QB_TRY(qb_graph_gradient(g, loss, wanted, count, by, eb));
	count = 0;
	for (size_t i = 0; i < n; i++) {
		const struct qb_parameter *p = t->training.parameter[i];

		gradient[i] = p->input >= 0 && p->group != QB_PARAMETERS_STATISTICS ? by[count++] : NULL;
	}
	return set_outputs(t, loss, gradient, eb);
}

static enum qb_err build(struct qb_training_graph *t, const struct qb_training_plan *plan, struct qb_errbuf *eb)
{
	const struct qb_train_config *c = plan->config;
	struct qb_value *loss;

	t->training.batch = c->batch;
	t->training.shards = plan->shards;
	QB_TRY(bind(t, plan, eb));
	if (c->loss.output < 0 || c->loss.output >= t->training.graph->outputs) {
		return qb_fail(eb, QB_EINVAL, "loss.output of %d: the network has %d outputs", c->loss.output,
			t->training.graph->outputs);
	}
	if (plan->hooks && plan->hooks->prepare) {
		QB_TRY(plan->hooks->prepare(plan->hooks->arg, &t->training, eb));
		QB_TRY(qb_graph_relink(t->training.graph, eb));
	}
	QB_TRY(qb__train_loss(t, &c->loss, &loss, eb));
	if (c->batch_norm == QB_BATCH_NORM_TRAIN) {
		QB_TRY(qb__train_batch_norms(t, eb));
	}
	QB_TRY(qb_graph_relink(t->training.graph, eb));
	QB_TRY(differentiate(t, loss, eb));
	for (int i = 0; i < t->training.parameters; i++) {
		int input = t->training.parameter[i]->input;

		if (input >= 0) {
			t->training.graph->input[input]->common = true;
		}
	}
	return c->recompute ? qb_graph_recompute(t->training.graph, loss, NULL, eb) : QB_OK;
}

enum qb_err qb_training_graph_create(struct qb_training_graph **out, const struct qb_training_plan *plan,
	struct qb_errbuf *eb)
{
	struct qb_training_graph *t = calloc(1, sizeof(*t));
	enum qb_err err;

	if (!t) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while building a training graph");
	}
	err = build(t, plan, eb);
	if (err != QB_OK) {
		qb_training_graph_destroy(&t);
		return err;
	}
	*out = t;
	return QB_OK;
}

void qb_training_graph_destroy(struct qb_training_graph **graph)
{
	struct qb_training_graph *t = *graph;

	if (t) {
		qb_graph_destroy(&t->training.graph);
		qb_graph_destroy(&t->open);
		free(t);
		*graph = NULL;
	}
}
