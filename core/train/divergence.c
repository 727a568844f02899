/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a step came to values that are not finite: where the first of them is, in the order of computation.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/op.h"
#include "core/train/trainer_state.h"

static bool all_finite(enum qb_dtype dtype, const void *data, size_t n)
{
	bool finite = true;

	for (size_t i = 0; i < n && dtype == QB_F32; i++) {
		finite &= isfinite(((const float *)data)[i]) != 0;
	}
	for (size_t i = 0; i < n && dtype == QB_F64; i++) {
		finite &= isfinite(((const double *)data)[i]) != 0;
	}
	return finite;
}

/* ---- the forward pass of a shard, by the plain evaluations ---- */

struct search {
	const struct qb_trainer *t;
	const struct qb_value *found;
};

/* Sums over all shards, which a shard alone does not have, are those of the run. */
static void put_sums(const struct search *s, const struct qb_value *v, const struct qb_tensor *x)
{
	const struct qb_training_graph *g = s->t->graph;

	for (int i = 0; i < g->norms; i++) {
		if (g->training.graph->output[g->norm[i].sums] == v) {
			memcpy(x->data, s->t->output[0][g->norm[i].sums], qb_tensor_size(x) * sizeof(double));
		}
	}
}

static enum qb_err look(void *arg, const struct qb_value *v, const struct qb_tensor *x, struct qb_errbuf *eb)
{
	struct search *s = arg;

	if (!all_finite(x->dtype, x->data, qb_tensor_size(x))) {
		s->found = v;
		return qb_fail(eb, QB_EDIVERGED, "found"); /* ends the evaluation */
	}
	put_sums(s, v, x);
	return QB_OK;
}

/* The first value of this shard that is not finite; NULL: none was found. */
static const struct qb_value *first_value(const struct qb_trainer *t, int64_t shard)
{
	const struct qb_graph *g = t->graph->training.graph;
	struct qb_arena *arena = qb_arena_create();
	struct qb_tensor *in = NULL, *out = NULL;
	const struct qb_tensor **list = NULL;
	struct search s = {.t = t};

	if (arena) {
		in = qb_arena_alloc(arena, (size_t)g->inputs, sizeof(*in));
		out = qb_arena_alloc(arena, (size_t)g->outputs, sizeof(*out));
		list = qb_arena_alloc(arena, (size_t)g->inputs, sizeof(*list));
	}
	for (int i = 0; in && out && list && i < g->inputs; i++) {
		const struct qb_value *v = g->input[i];

		in[i] = (struct qb_tensor){.dtype = v->dtype, .ndim = v->shape.ndim, .data = (void *)t->fed[shard][i]};
		memcpy(in[i].dim, v->shape.dim, sizeof(in[i].dim));
		list[i] = &in[i];
	}
	if (in && out && list && qb_graph_eval_visit(g, list, out, look, &s, NULL) == QB_OK) {
		for (int i = 0; i < g->outputs; i++) {
			free(out[i].data);
		}
	}
	qb_arena_destroy(&arena);
	return s.found;
}

/* ---- what to say ---- */

/* Of what the graph reads, or hooks feed. */
static const struct qb_parameter *bad_value(const struct qb_trainer *t)
{
	for (int i = 0; i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];
		bool read = p->group != QB_PARAMETERS_STATISTICS || p->input >= 0;

		if (!read) {
			continue;
		}
		if (!all_finite(QB_F32, p->value, p->size) || !all_finite(QB_F32, p->fed, p->size)) {
			return p;
		}
	}
	return NULL;
}

/* Backward, layers come in the order from the last. */
static const struct qb_parameter *bad_gradient(const struct qb_trainer *t)
{
	for (int i = t->graph->training.parameters - 1; i >= 0; i--) {
		const struct qb_parameter *p = t->graph->training.parameter[i];

		if (p->gradient && !all_finite(QB_F32, p->gradient, p->size)) {
			return p;
		}
	}
	return NULL;
}

static int bad_input(const struct qb_trainer *t)
{
	const struct qb_graph *g = t->graph->training.graph;

	for (int i = 0; i < t->graph->data_inputs; i++) {
		if (!all_finite(g->input[i]->dtype, t->input[i], qb_value_size(g->input[i]) * (size_t)t->shard_count)) {
			return i;
		}
	}
	return -1;
}

static int64_t bad_shard(const struct qb_trainer *t)
{
	for (int64_t s = 0; s < t->shard_count; s++) {
		if (!isfinite(*(const float *)t->output[s][0])) {
			return s;
		}
	}
	return -1;
}

static void say_where(const struct qb_trainer *t, double loss, char *text, size_t size)
{
	int input = bad_input(t);
	const struct qb_parameter *p = bad_value(t);
	int64_t shard = bad_shard(t);
	const struct qb_value *v = input < 0 && !p && shard >= 0 ? first_value(t, shard) : NULL;

	if (input >= 0) {
		snprintf(text, size, "the data holds elements that are not finite (input %.100s of the network)",
			t->graph->training.graph->input[input]->name);
	} else if (p) {
		snprintf(text, size, "parameter %.100s of layer %.100s holds elements that are not finite", p->name, p->layer);
	} else if (v) {
		snprintf(text, size, "the first value that is not finite is %.100s, computed by layer %.100s (%.40s)", v->name,
			v->producer ? v->producer->name : "none", v->producer ? v->producer->type : "input");
	} else if (isfinite(loss) && (p = bad_gradient(t))) {
		snprintf(text, size, "the gradient of %.100s of layer %.100s is the first that is not finite", p->name, p->layer);
	} else {
		snprintf(text, size, "all values of the network are finite; the loss or its gradient overflows");
	}
}

/* Without the sign of a NaN. */
static double plain(double x)
{
	return isnan(x) ? fabs(x) : x;
}

enum qb_err qb__train_diverged(struct qb_trainer *t, const struct qb_train_position *at, double loss, double norm,
	struct qb_errbuf *eb)
{
	char where[400];

	say_where(t, loss, where, sizeof(where));
	return qb_fail(eb, QB_EDIVERGED, "training diverged at step %" PRId64 " of %" PRId64 " (epoch %d): the loss is %g, the norm of the "
		"gradient %g; %s. Try a lower rate (that of weights was %g), a warm-up, or clipping of the gradient's norm",
		at->step + 1, at->steps, at->epoch + 1, plain(loss), plain(norm), where,
		at->rate * t->config.optimizer[QB_PARAMETERS_WEIGHTS].rate);
}
