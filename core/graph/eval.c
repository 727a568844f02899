/* SPDX-License-Identifier: Apache-2.0
 *
 * The slow reference: a network in plain C, node by node, every shape rule run again with the data at hand.
 */
#include <stdlib.h>
#include <string.h>

#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

struct evaluator {
	struct qb_graph *g;
	struct qb_tensor *tensor; /* [values]; data malloc'ed here and freed after the last use */
	int *uses;                /* [values] still to come */
	qb_graph_visit_fn *visit;
	void *arg;
	struct qb_errbuf *eb;
};

static void *heap_zeroed(void *arg, size_t bytes)
{
	void *p = qb_aligned_alloc(bytes, 1);

	(void)arg;
	return p ? memset(p, 0, bytes) : NULL;
}

static void release(struct evaluator *e, struct qb_value *v)
{
	if (v && --e->uses[v->index] <= 0 && e->tensor[v->index].data) {
		free(e->tensor[v->index].data);
		e->tensor[v->index].data = NULL;
		v->constant = NULL;
	}
}

static enum qb_err eval_node(struct evaluator *e, struct qb_node *n, const struct qb_tensor **in,
	struct qb_tensor *out)
{
	enum qb_err err;

	QB_TRY(qb__node_infer(e->g, n, e->eb));
	for (int i = 0; i < n->inputs; i++) {
		in[i] = n->input[i] ? n->input[i]->constant : NULL;
	}
	memset(out, 0, (size_t)n->outputs * sizeof(*out));
	err = qb__node_outputs(n, out, heap_zeroed, NULL, e->eb);
	if (err == QB_OK) {
		err = n->op->eval(n, in, out, e->eb);
	}
	for (int i = 0; i < n->outputs; i++) {
		struct qb_value *v = n->output[i];

		if (!v) {
			continue;
		}
		e->tensor[v->index] = out[i];
		v->constant = &e->tensor[v->index];
		if (err == QB_OK && e->visit) {
			err = e->visit(e->arg, v, v->constant, e->eb);
		}
	}
	for (int i = 0; i < n->inputs; i++) {
		release(e, n->input[i]);
	}
	for (int i = 0; i < n->outputs; i++) {
		if (n->output[i] && !qb_value_is_used(n->output[i])) {
			release(e, n->output[i]);
		}
	}
	return err;
}

static enum qb_err eval_nodes(struct evaluator *e)
{
	int inputs = 1, outputs = 1;
	const struct qb_tensor **in;
	struct qb_tensor *out;

	for (int i = 0; i < e->g->nodes; i++) {
		inputs = QB_MAX(inputs, e->g->node[i]->inputs);
		outputs = QB_MAX(outputs, e->g->node[i]->outputs);
	}
	in = qb_arena_alloc(e->g->arena, (size_t)inputs, sizeof(*in));
	out = qb_arena_alloc(e->g->arena, (size_t)outputs, sizeof(*out));
	if (!in || !out) {
		return qb_fail(e->eb, QB_ENOMEM, "out of memory while evaluating a network");
	}
	for (int i = 0; i < e->g->nodes; i++) {
		QB_TRY(eval_node(e, e->g->node[i], in, out));
	}
	return QB_OK;
}

static enum qb_err feed(struct evaluator *e, const struct qb_tensor *const in[])
{
	for (int i = 0; i < e->g->inputs; i++) {
		struct qb_value *v = e->g->input[i];
		bool fits = in[i]->dtype == v->dtype && (!v->shape.known || v->shape.ndim == in[i]->ndim);

		for (int j = 0; fits && v->shape.known && j < in[i]->ndim; j++) {
			fits = qb_dim_compatible(v->shape.dim[j], in[i]->dim[j]);
		}
		if (!fits) {
			char want[256], have[256];

			return qb_fail(e->eb, QB_ESHAPE, "input %.200s of the network is %s%s; %s%s does not fit", v->name,
				qb_dtype_name(v->dtype), qb_shape_text(&v->shape, want, sizeof(want)),
				qb_dtype_name(in[i]->dtype), qb_shape_print(in[i]->dim, in[i]->ndim, have,
				sizeof(have)));
		}
	}
	for (int i = 0; i < e->g->inputs; i++) {
		e->g->input[i]->constant = in[i];
		e->g->input[i]->shape = qb_shape_of(in[i]);
	}
	return QB_OK;
}

static enum qb_err collect(struct evaluator *e, struct qb_tensor out[])
{
	for (int i = 0; i < e->g->outputs; i++) {
		const struct qb_tensor *t = e->g->output[i]->constant;
		size_t bytes = qb_tensor_size(t) * qb_dtype_bytes(t->dtype);

		out[i] = *t;
		out[i].data = qb_aligned_alloc(bytes, 1);
		if (!out[i].data) {
			while (i-- > 0) {
				free(out[i].data);
			}
			return qb_fail(e->eb, QB_ENOMEM, "out of memory: an output needs %zu bytes", bytes);
		}
		memcpy(out[i].data, t->data, bytes);
	}
	return QB_OK;
}

enum qb_err qb_graph_eval_visit(const struct qb_graph *graph, const struct qb_tensor *const in[],
	struct qb_tensor out[], qb_graph_visit_fn *visit, void *arg, struct qb_errbuf *eb)
{
	struct evaluator e = { .visit = visit, .arg = arg, .eb = eb };
	enum qb_err err;

	QB_TRY(qb_graph_clone(&e.g, graph, eb));
	e.tensor = qb_arena_alloc(e.g->arena, (size_t)e.g->values + 1, sizeof(*e.tensor));
	e.uses = qb_arena_alloc(e.g->arena, (size_t)e.g->values + 1, sizeof(*e.uses));
	if (!e.tensor || !e.uses) {
		qb_graph_destroy(&e.g);
		return qb_fail(eb, QB_ENOMEM, "out of memory while evaluating a network");
	}
	for (int i = 0; i < e.g->values; i++) {
		e.uses[i] = e.g->value[i]->users + e.g->value[i]->outputs;
	}
	QB_TRY_OUT(feed(&e, in));
	QB_TRY_OUT(eval_nodes(&e));
	err = collect(&e, out);
out:
	for (int i = 0; i < e.g->values; i++) {
		free(e.tensor[i].data);
	}
	qb_graph_destroy(&e.g);
	return err;
}

enum qb_err qb_graph_eval(const struct qb_graph *graph, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb_graph_eval_visit(graph, in, out, NULL, NULL, eb);
}
