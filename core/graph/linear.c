/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/linear.h"

#include <math.h>
#include <string.h>

#include "core/graph/infer.h"
#include "core/graph/op.h"

static struct qb_value *f32_constant(const struct qb_node *n, int input)
{
	struct qb_value *v = input < n->inputs ? n->input[input] : NULL;

	return v && v->constant && v->constant->dtype == QB_F32 ? v : NULL;
}

static bool read_convolution(struct qb_linear *l, bool transposed)
{
	const struct qb_tensor *w = l->weight->constant;

	if (w->ndim < 3 || w->dim[0] < 1 || w->dim[1] < 1) {
		return false;
	}
	l->groups = qb_node_int(l->node, "group", 1);
	l->kernel_elements = 1;
	for (int i = 2; i < w->ndim; i++) {
		l->kernel_elements *= w->dim[i];
	}
	l->transposed = transposed;
	l->outs = transposed ? w->dim[1] * l->groups : w->dim[0];
	l->ins = transposed ? w->dim[0] : w->dim[1] * l->groups;
	l->out_stride = transposed ? l->kernel_elements : w->dim[1] * l->kernel_elements;
	l->in_stride = transposed ? w->dim[1] * l->kernel_elements : l->kernel_elements;
	return true;
}

static bool read_matrix(struct qb_linear *l, bool rows_are_outputs)
{
	const struct qb_tensor *w = l->weight->constant;

	if (w->ndim != 2) {
		return false;
	}
	l->groups = l->kernel_elements = 1;
	l->outs = w->dim[rows_are_outputs ? 0 : 1];
	l->ins = w->dim[rows_are_outputs ? 1 : 0];
	l->out_stride = rows_are_outputs ? l->ins : 1;
	l->in_stride = rows_are_outputs ? 1 : l->outs;
	return true;
}

bool qb_linear_of(struct qb_node *n, struct qb_linear *out)
{
	struct qb_linear l = {.node = n, .weight = f32_constant(n, 1), .bias = f32_constant(n, 2)};
	bool known = false;

	if (!l.weight || (n->inputs > 2 && n->input[2] && !l.bias)) {
		return false;
	}
	if (qb_node_has(n, QB_TRAIT_CONVOLUTION)) {
		known = read_convolution(&l, qb_node_is(n, QB_OP_ConvTranspose));
	} else if (qb_node_is(n, QB_OP_MatMul)) {
		known = read_matrix(&l, false);
	} else if (qb_node_is(n, QB_OP_Gemm) && !qb_node_int(n, "transA", 0) &&
		qb_node_float(n, "alpha", 1) == 1 && qb_node_float(n, "beta", 1) == 1) {
		known = read_matrix(&l, qb_node_int(n, "transB", 0) != 0);
	}
	if (!known || l.outs < 1 || l.ins < 1 ||
		(l.bias && qb_tensor_size(l.bias->constant) != (size_t)l.outs)) {
		return false;
	}
	*out = l;
	return true;
}

bool qb_node_holds_weight(const struct qb_node *n, int input)
{
	bool two_sided = qb_node_is(n, QB_OP_MatMul) || qb_node_is(n, QB_OP_Gemm);

	return n->op && n->op->class == QB_OP_MATMUL && (input == n->op->weight_input || (two_sided && input < 2));
}

enum qb_err qb_graph_edit_constant(struct qb_graph *g, struct qb_node *n, int input, float **data,
	struct qb_errbuf *eb)
{
	const struct qb_value *old = n->input[input];
	const struct qb_tensor *from = old->constant;
	size_t count = qb_tensor_size(from);
	struct qb_tensor *t = qb_arena_alloc(g->arena, 1, sizeof(*t));
	const char *name = old->users + old->outputs > 1
		? qb_arena_printf(g->arena, "%s/%s", old->name, n->name) : old->name;
	struct qb_value *v;

	if (t) {
		*t = *from;
		t->data = qb_arena_alloc(g->arena, count, sizeof(float));
	}
	v = t && t->data && name ? qb_graph_add_constant(g, name, t) : NULL;
	if (!v || !qb__value_add_user(g, v, n, input)) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a copy of %s", old->name);
	}
	memcpy(t->data, from->data, count * sizeof(float));
	n->input[input] = v;
	*data = t->data;
	return QB_OK;
}

enum qb_err qb_graph_set_normal(struct qb_graph *g, struct qb_node *n, int64_t channels,
	const double *mean, const double *deviation, const double *scale, const double *shift,
	struct qb_errbuf *eb)
{
	struct qb_normal *normal = qb_arena_alloc(g->arena, 1, sizeof(*normal));

	if (normal) {
		normal->channels = channels;
		normal->mean = qb_arena_alloc(g->arena, (size_t)channels, sizeof(double));
		normal->deviation = qb_arena_alloc(g->arena, (size_t)channels, sizeof(double));
	}
	if (!normal || !normal->mean || !normal->deviation) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the distribution of %s", n->output[0]->name);
	}
	for (int64_t c = 0; c < channels; c++) {
		double m = mean ? mean[c] : n->normal->mean[c];
		double d = deviation ? deviation[c] : n->normal->deviation[c];

		normal->mean[c] = m * (scale ? scale[c] : 1) + (shift ? shift[c] : 0);
		normal->deviation[c] = d * (scale ? fabs(scale[c]) : 1);
	}
	n->normal = normal;
	return QB_OK;
}
