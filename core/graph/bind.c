/* SPDX-License-Identifier: Apache-2.0
 *
 * From a network of symbolic shapes to one whose every shape is a number.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

enum qb_err qb_graph_set_shapes(struct qb_graph *g, const struct qb_shape *shapes,
	struct qb_errbuf *eb)
{
	bool changed = false;

	for (int i = 0; i < g->inputs; i++) {
		struct qb_shape *s = &g->input[i]->shape;

		if (!s->known) {
			*s = shapes[i];
			s->dim[0] = s->ndim ? -1 : 0;
			changed = true;
		}
		for (int j = 1; s->known && s->ndim == shapes[i].ndim && j < s->ndim; j++) {
			if (s->dim[j] == QB_DIM_UNKNOWN) {
				s->dim[j] = shapes[i].dim[j];
				changed = true;
			}
		}
	}
	if (!changed) {
		return QB_OK;
	}
	for (int i = 0; i < g->values; i++) {
		if (g->value[i]->producer) {
			g->value[i]->shape = qb_shape_unknown();
		}
	}
	QB_TRY(qb_graph_infer(g, eb));
	QB_TRY(qb__graph_fix_batch(g, eb));
	return qb__graph_infer_batch(g);
}

/* ---- free dimensions ---- */

static bool same_value(const struct qb_value *a, const struct qb_value *b)
{
	size_t bytes;

	if (!a || !b || !a->constant || !b->constant) {
		return a == b || (a && b && !a->constant && !b->constant && strcmp(a->name, b->name) == 0);
	}
	bytes = qb_tensor_size(a->constant) * qb_dtype_bytes(a->constant->dtype);
	return a->constant->dtype == b->constant->dtype && qb_shape_equal(&a->shape, &b->shape) &&
		(a->constant->data == b->constant->data || memcmp(a->constant->data, b->constant->data, bytes) == 0);
}

static bool same_values(struct qb_value *const *a, int n, struct qb_value *const *b, int m)
{
	bool same = n == m;

	for (int i = 0; same && i < n; i++) {
		same = same_value(a[i], b[i]);
	}
	return same;
}

/* Attributes are those of the file in both, but for the pads that a pass adds up. */
static bool same_node(const struct qb_node *a, const struct qb_node *b)
{
	const int64_t *p, *q;
	int n = qb_node_ints(a, "pads", &p), m = qb_node_ints(b, "pads", &q);

	return a->op->id == b->op->id && same_values(a->input, a->inputs, b->input, b->inputs) &&
		same_values(a->output, a->outputs, b->output, b->outputs) &&
		n == m && (!n || memcmp(p, q, (size_t)n * sizeof(*p)) == 0);
}

static bool declare_free(struct qb_graph *g, struct qb_value *v, const struct qb_shape *s)
{
	struct qb_declared *d = qb_arena_alloc(g->arena, 1, sizeof(*d));

	if (d) {
		*d = v->declared ? *v->declared : (struct qb_declared){0};
		d->differs = true;
		d->shape = *s;
		v->declared = d;
	}
	return d;
}

bool qb_graph_declare_free(struct qb_graph *g, const struct qb_graph *free)
{
	bool same = g->nodes == free->nodes && same_values(g->input, g->inputs, free->input, free->inputs) &&
		same_values(g->output, g->outputs, free->output, free->outputs);

	for (int i = 0; same && i < g->nodes; i++) {
		same = same_node(g->node[i], free->node[i]);
	}
	for (int i = 0; same && i < g->inputs; i++) {
		same = declare_free(g, g->input[i], &free->input[i]->shape);
	}
	for (int i = 0; same && i < g->outputs; i++) {
		same = declare_free(g, g->output[i], &free->output[i]->shape);
	}
	return same;
}

static enum qb_err check_bound(const struct qb_graph *g, struct qb_errbuf *eb)
{
	char text[256];

	for (int i = 0; i < g->nodes; i++) {
		for (int j = 0; j < g->node[i]->outputs; j++) {
			const struct qb_value *v = g->node[i]->output[j];

			if (v && !qb_shape_concrete(&v->shape)) {
				return qb_node_fail(eb, QB_EUNSUPPORTED, g->node[i], "the shape %s of its output %s stays "
					"unknown: it depends on the data, or on a dimension of an input other than "
					"the batch", qb_shape_text(&v->shape, text, sizeof(text)), v->name);
			}
		}
	}
	return QB_OK;
}

enum qb_err qb_graph_bind_shapes(struct qb_graph **out, const struct qb_graph *graph,
	const struct qb_shape *shapes, struct qb_errbuf *eb)
{
	struct qb_graph *g;
	enum qb_err err;

	QB_TRY(qb_graph_clone(&g, graph, eb));
	qb__graph_forget_shapes(g);
	for (int i = 0; i < g->inputs; i++) {
		const struct qb_shape *want = &graph->input[i]->shape;
		bool fits = qb_shape_concrete(&shapes[i]) && (!want->known || want->ndim == shapes[i].ndim);
		char a[256], b[256];

		for (int j = 0; fits && want->known && j < want->ndim; j++) {
			fits = qb_dim_compatible(want->dim[j], shapes[i].dim[j]);
		}
		if (!fits) {
			err = qb_fail(eb, QB_ESHAPE, "input %.200s of the network has shape %s; %s does not fit",
				graph->input[i]->name, qb_shape_text(want, a, sizeof(a)),
				qb_shape_text(&shapes[i], b, sizeof(b)));
			goto out;
		}
		g->input[i]->shape = shapes[i];
	}
	QB_TRY_OUT(qb_graph_infer(g, eb));
	QB_TRY_OUT(qb_pass_fold_constants(g, eb));
	QB_TRY_OUT(qb_pass_remove_dead(g, eb));
	QB_TRY_OUT(check_bound(g, eb));
	*out = g;
	return QB_OK;
out:
	qb_graph_destroy(&g);
	return err;
}

enum qb_err qb_graph_bind(struct qb_graph **out, const struct qb_graph *graph, int64_t batch,
	struct qb_errbuf *eb)
{
	struct qb_shape *shapes;
	enum qb_err err = QB_OK;

	if (batch < 1 || batch > INT32_MAX) {
		return qb_fail(eb, QB_EINVAL, "a batch of %" PRId64 " is not between 1 and %d", batch, INT32_MAX);
	}
	shapes = qb_aligned_alloc((size_t)graph->inputs + 1, sizeof(*shapes));
	if (!shapes) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while binding a network");
	}
	for (int i = 0; i < graph->inputs && err == QB_OK; i++) {
		char text[256];

		shapes[i] = graph->input[i]->shape;
		for (int j = 0; shapes[i].known && j < shapes[i].ndim; j++) {
			int64_t d = shapes[i].dim[j];

			shapes[i].dim[j] = d < 0 && d != QB_DIM_UNKNOWN ? qb_dim_mul(-d, batch) : d;
		}
		if (!qb_shape_concrete(&shapes[i])) {
			err = qb_fail(eb, QB_EUNSUPPORTED, "input %.200s of the network has the free shape %s; more than "
				"the batch has to be given", graph->input[i]->name,
				qb_shape_text(&graph->input[i]->shape, text, sizeof(text)));
		}
	}
	if (err == QB_OK) {
		err = qb_graph_bind_shapes(out, graph, shapes, eb);
	}
	free(shapes);
	return err;
}
