/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/infer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/op.h"
#include "core/graph/shape.h"

/* Shape arithmetic is small; what is larger waits for qb_pass_fold_constants. */
enum { FOLD_SMALL_BYTES = 64 * 1024 };

enum qb_err qb__node_infer(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(n->op->infer(g, n, eb));
	for (int i = 0; i < n->outputs; i++) {
		const struct qb_value *v = n->output[i];
		int64_t count = 1;

		if (!v) {
			continue;
		}
		if (v->dtype == QB_DTYPE_NONE) {
			return qb_node_fail(eb, QB_EINTERNAL, n, "output %s has no element type", v->name);
		}
		for (int j = 0; v->shape.known && j < v->shape.ndim; j++) {
			if (v->shape.dim[j] > 0 && (__builtin_mul_overflow(count, v->shape.dim[j], &count) ||
			    count > QB_MAX_ELEMENTS)) {
				char text[256];

				return qb_node_fail(eb, QB_ESHAPE, n, "output %s of shape %s is larger than any "
					"memory", v->name, qb_shape_text(&v->shape, text, sizeof(text)));
			}
		}
	}
	return QB_OK;
}

/* ---- folding ---- */

static bool is_shape_op(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_Shape) || qb_node_is(n, QB_OP_Size);
}

static bool foldable(const struct qb_node *n, size_t max_bytes)
{
	bool constant = true;

	if (is_shape_op(n)) {
		return qb_shape_concrete(&n->input[0]->shape);
	}
	for (int i = 0; i < n->inputs; i++) {
		constant &= !n->input[i] || n->input[i]->constant;
	}
	if (!constant) {
		return false;
	}
	for (int i = 0; i < n->outputs; i++) {
		const struct qb_value *v = n->output[i];

		if (v && (!qb_shape_concrete(&v->shape) ||
		    (size_t)qb_shape_product(&v->shape, 0, v->shape.ndim) >
		    max_bytes / qb_dtype_bytes(v->dtype))) {
			return qb_node_is(n, QB_OP_Constant);
		}
	}
	return true;
}

static void *arena_zeroed(void *arg, size_t bytes)
{
	return qb_arena_alloc(arg, bytes, 1);
}

static enum qb_err fold(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_tensor *out = qb_arena_alloc(g->arena, (size_t)n->outputs + 1, sizeof(*out));
	const struct qb_tensor **in = qb_arena_alloc(g->arena, (size_t)n->inputs + 1, sizeof(*in));
	struct qb_tensor shape_only = { 0 };

	if (!out || !in) {
		return qb_node_fail(eb, QB_ENOMEM, n, "out of memory while evaluating it");
	}
	QB_TRY(qb__node_outputs(n, out, arena_zeroed, g->arena, eb));
	for (int i = 0; i < n->inputs; i++) {
		in[i] = n->input[i] ? n->input[i]->constant : NULL;
	}
	if (is_shape_op(n) && !in[0]) {
		shape_only.dtype = n->input[0]->dtype;
		shape_only.ndim = n->input[0]->shape.ndim;
		memcpy(shape_only.dim, n->input[0]->shape.dim, sizeof(shape_only.dim));
		in[0] = &shape_only;
	}
	QB_TRY(n->op->eval(n, in, out, eb));
	for (int i = 0; i < n->outputs; i++) {
		if (n->output[i]) {
			n->output[i]->constant = &out[i];
			n->output[i]->producer = NULL;
			QB_TRY(qb__carry(g, n, n->output[i], eb));
		}
	}
	return QB_OK;
}

enum qb_err qb__graph_infer_fold(struct qb_graph *g, size_t max_bytes, struct qb_errbuf *eb)
{
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		QB_TRY(qb__node_infer(g, n, eb));
		if (foldable(n, max_bytes) && qb__graph_may_fold(g, n)) {
			QB_TRY(fold(g, n, eb));
			qb_graph_remove(g, n);
		}
	}
	return qb_graph_relink(g, eb);
}

enum qb_err qb_graph_infer(struct qb_graph *g, struct qb_errbuf *eb)
{
	return qb__graph_infer_fold(g, FOLD_SMALL_BYTES, eb);
}

/* ---- what hides behind the batch ---- */

void qb__graph_forget_shapes(struct qb_graph *g)
{
	for (int i = 0; i < g->values; i++) {
		if (!g->value[i]->constant) {
			g->value[i]->shape = qb_shape_unknown();
		}
	}
}

static enum qb_err bind_loosely(struct qb_graph **out, const struct qb_graph *graph, int64_t batch,
	struct qb_value ***before, struct qb_errbuf *eb)
{
	struct qb_graph *g;
	enum qb_err err;

	QB_TRY(qb_graph_clone(&g, graph, eb));
	*before = g->value;
	qb__graph_forget_shapes(g);
	for (int i = 0; i < g->inputs; i++) {
		struct qb_shape *s = &g->input[i]->shape;

		*s = graph->input[i]->shape;
		for (int j = 0; s->known && j < s->ndim; j++) {
			if (s->dim[j] < 0 && s->dim[j] != QB_DIM_UNKNOWN) {
				s->dim[j] = qb_dim_mul(-s->dim[j], batch);
			}
		}
	}
	err = qb_graph_infer(g, eb);
	if (err != QB_OK) {
		qb_graph_destroy(&g);
		return err;
	}
	*out = g;
	return QB_OK;
}

static bool has_unknown(const struct qb_shape *s)
{
	for (int i = 0; s->known && i < s->ndim; i++) {
		if (s->dim[i] == QB_DIM_UNKNOWN) {
			return true;
		}
	}
	return !s->known;
}

enum qb_err qb__graph_try_batch(struct qb_graph **out, const struct qb_graph *graph, int64_t batch)
{
	struct qb_value **ignored;

	return bind_loosely(out, graph, batch, &ignored, NULL);
}

enum { TRIES = 3 };

/* The same number at every batch, or the same multiple of it. */
static int64_t dim_of_tries(const int64_t batch[TRIES], const struct qb_shape *const s[TRIES], int axis)
{
	bool constant = true, linear = true;
	int64_t k = s[0]->dim[axis] / batch[0];

	for (int t = 0; t < TRIES; t++) {
		if (s[t]->dim[axis] < 0) {
			return QB_DIM_UNKNOWN;
		}
		constant &= s[t]->dim[axis] == s[0]->dim[axis];
		linear &= s[t]->dim[axis] == k * batch[t];
	}
	return constant ? s[0]->dim[axis] : linear ? -k : QB_DIM_UNKNOWN;
}

/* Reshapes and the like by arithmetic on the batch (Shape, Gather, Concat ...) are exact at any concrete batch. So
 * a few batches are tried and their shapes compared; a network that fits only some of them stays unknown. */
enum qb_err qb__graph_infer_batch(struct qb_graph *g)
{
	static const int64_t batch[TRIES] = { 2, 3, 7 };
	struct qb_graph *tried[TRIES] = { NULL };
	struct qb_value **value[TRIES];
	bool unknown = false;

	for (int i = 0; i < g->values; i++) {
		unknown |= has_unknown(&g->value[i]->shape);
	}
	if (!unknown) {
		return QB_OK;
	}
	for (int t = 0; t < TRIES; t++) {
		if (bind_loosely(&tried[t], g, batch[t], &value[t], NULL) != QB_OK) {
			goto out; /* binding will say what is wrong, for the batch that is asked for */
		}
	}
	for (int i = 0; i < g->values; i++) {
		struct qb_value *v = g->value[i];
		const struct qb_shape *s[TRIES];
		bool same = !v->constant && has_unknown(&v->shape);

		for (int t = 0; t < TRIES; t++) {
			s[t] = &value[t][i]->shape;
			same &= s[t]->known && s[t]->ndim == s[0]->ndim;
		}
		if (!same || (v->shape.known && v->shape.ndim != s[0]->ndim)) {
			continue;
		}
		if (!v->shape.known) {
			v->shape = qb_shape_ranked(s[0]->ndim);
		}
		for (int j = 0; j < v->shape.ndim; j++) {
			if (v->shape.dim[j] == QB_DIM_UNKNOWN) {
				v->shape.dim[j] = dim_of_tries(batch, s, j);
			}
		}
	}
out:
	for (int t = 0; t < TRIES; t++) {
		qb_graph_destroy(&tried[t]);
	}
	return QB_OK;
}

/* Some exports name the batch but hold it fixed inside (a Reshape or Resize to a batch of 1). Such a network says so
 * in its inputs, once and for all, instead of failing at every other batch. */
enum qb_err qb__graph_fix_batch(struct qb_graph *g, struct qb_errbuf *eb)
{
	struct qb_graph *tried = NULL;
	struct qb_value **ignored;
	bool free_batch = false, two, one;

	for (int i = 0; i < g->inputs; i++) {
		const struct qb_shape *s = &g->input[i]->shape;

		for (int j = 0; s->known && j < s->ndim; j++) {
			free_batch |= s->dim[j] < 0 && s->dim[j] != QB_DIM_UNKNOWN;
		}
	}
	if (!free_batch) {
		return QB_OK;
	}
	two = bind_loosely(&tried, g, 2, &ignored, NULL) == QB_OK;
	qb_graph_destroy(&tried);
	one = !two && bind_loosely(&tried, g, 1, &ignored, NULL) == QB_OK;
	qb_graph_destroy(&tried);
	if (!one) {
		return QB_OK;
	}
	for (int i = 0; i < g->inputs; i++) {
		struct qb_shape *s = &g->input[i]->shape;

		for (int j = 0; s->known && j < s->ndim; j++) {
			s->dim[j] = s->dim[j] < 0 && s->dim[j] != QB_DIM_UNKNOWN ? -s->dim[j] : s->dim[j];
		}
	}
	return qb_graph_infer(g, eb);
}
