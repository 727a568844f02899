/* SPDX-License-Identifier: Apache-2.0
 *
 * The activations behind a layer become one, padding goes into the convolution or the pool after it.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/activation.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* ---- Relu and Clip ---- */

/* Makes a the activation `act` of layer n, its bounds being attributes. What goes in is named Y.linear. */
static enum qb_err set_activation(struct qb_graph *g, struct qb_node *a, const struct qb_node *n, const struct qb_act *act,
	struct qb_errbuf *eb)
{
	a->name = qb_arena_printf(g->arena, "%s.activation", n->name);
	n->output[0]->name = qb_arena_printf(g->arena, "%s.linear", a->output[0]->name);
	a->inputs = 1;
	a->attrs = 0;
	a->opset = 13;
	qb_node_set_op(a, act->kind == QB_ACT_RELU ? QB_OP_Relu : QB_OP_Clip);
	a->attr = qb_arena_alloc(g->arena, QB_NODE_ATTRS, sizeof(*a->attr));
	if (!a->attr || !a->name || !n->output[0]->name) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while joining activations");
	}
	if (act->kind == QB_ACT_RELU) {
		return QB_OK;
	}
	a->opset = 6; /* whose Clip has them */
	qb_node_add_float(a, "min", act->lo);
	qb_node_add_float(a, "max", act->hi);
	return QB_OK;
}

enum qb_err qb_pass_join_activations(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];
		struct qb_node *first = n->outputs ? qb_activation_of(n->output[0]) : NULL;
		const struct qb_act act = first ? qb_node_activation(n) : (struct qb_act){0};
		struct qb_value *y = first ? qb_node_result(n) : NULL;

		if (!first) {
			continue;
		}
		for (struct qb_node *last = y->producer; last != first; last = last->input[0]->producer) {
			qb_graph_remove(g, last);
		}
		first->output[0] = y;
		y->producer = first;
		QB_TRY(set_activation(g, first, n, &act, eb));
		n->output[0]->imported = NULL; /* it is y's */
		qb_graph_remove(g, first);
		qb_graph_insert_after(g, first, n);
	}
	return qb_graph_relink(g, eb);
}

enum qb_err qb_pass_split_activations(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->values; i++) {
		g->value[i]->apart = qb_activation_of(g->value[i]);
	}
	return QB_OK;
}

/* ---- Pad ---- */

/* A Pad node that puts a constant around the image of an [N,C,...] tensor. */
static bool read_pad(const struct qb_node *n, int rank, int64_t pads[2 * QB_MAX_DIMS], float *constant)
{
	const int64_t *ints;
	int count = qb_node_ints(n, "pads", &ints);
	const struct qb_tensor *t = n->inputs > 1 && n->input[1] ? n->input[1]->constant : NULL;
	const struct qb_value *value = n->inputs > 2 ? n->input[2] : NULL;

	if (strcmp(qb_node_string(n, "mode", "constant"), "constant") != 0 ||
	    (n->inputs > 3 && n->input[3])) {
		return false;
	}
	if (value && (!value->constant || value->dtype != QB_F32 || qb_tensor_size(value->constant) != 1)) {
		return false;
	}
	*constant = value ? *(const float *)value->constant->data : qb_node_float(n, "value", 0);
	if (!count && t && t->dtype == QB_I64) {
		count = (int)QB_MIN(qb_tensor_size(t), 1000);
		ints = t->data;
	}
	if (count != 2 * rank) {
		return false;
	}
	for (int i = 0; i < count; i++) {
		if (ints[i] < 0 || ints[i] > 1 << 20 || (i % rank < 2 && ints[i] != 0)) {
			return false;
		}
		pads[i] = ints[i];
	}
	return true;
}

static enum qb_err set_pads(struct qb_graph *g, struct qb_node *n, const int64_t *pads, int count,
	struct qb_errbuf *eb)
{
	struct qb_attr *attr = qb_arena_alloc(g->arena, (size_t)n->attrs + 1, sizeof(*attr));
	int64_t *copy = qb_arena_alloc(g->arena, (size_t)count, sizeof(*copy));
	int kept = 0;

	if (!attr || !copy) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while fusing a padding");
	}
	memcpy(copy, pads, sizeof(*copy) * (size_t)count);
	for (int i = 0; i < n->attrs; i++) {
		if (strcmp(n->attr[i].name, "pads") != 0 && strcmp(n->attr[i].name, "auto_pad") != 0) {
			attr[kept++] = n->attr[i];
		}
	}
	attr[kept++] = (struct qb_attr){ .name = "pads", .kind = QB_ATTR_INTS, .count = count, .ints = copy };
	n->attr = attr;
	n->attrs = kept;
	return QB_OK;
}

/* What a MaxPool never chooses, for no tensor has anything less: an exporter's lowest number of float16, float32 or none.
 * On no grid would there be room for anything else beside it. */
static const float LOWEST = -65504;

/* Does n pad by this value itself, by so many? */
static bool takes_pads(const struct qb_node *n, float value, const int64_t *pads, int count)
{
	const int64_t *kernel;
	int dims = qb_node_ints(n, "kernel_shape", &kernel);

	if (qb_node_is(n, QB_OP_Conv)) {
		return value == 0;
	}
	for (int i = 0; i < count; i++) {
		if (2 * dims != count || pads[i] >= kernel[i % dims]) {
			return false;
		}
	}
	return value <= LOWEST && n->outputs == 1 && !qb_node_int(n, "ceil_mode", 0);
}

static enum qb_err try_pad(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_node *pad = n->input[0]->producer;
	const char *mode = qb_node_string(n, "auto_pad", "NOTSET");
	int64_t more[2 * QB_MAX_DIMS], pads[2 * QB_MAX_DIMS] = { 0 };
	const int64_t *own;
	int rank = n->input[0]->shape.ndim, spatial = rank - 2;
	int count = qb_node_ints(n, "pads", &own);
	float value;

	if (!qb_node_is(pad, QB_OP_Pad) || !n->input[0]->shape.known || n->input[0]->dtype != QB_F32 ||
	    (n->input[0]->imported && !qb_imported_equal(n->input[0]->imported, pad->input[0]->imported)) ||
	    (strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0) || !read_pad(pad, rank, more, &value)) {
		return QB_OK;
	}
	for (int i = 0; i < 2 * spatial; i++) {
		int from = i < spatial ? 2 + i : rank + 2 + i - spatial;

		pads[i] = more[from] + (count && strcmp(mode, "NOTSET") == 0 ? own[i] : 0);
	}
	if (!takes_pads(n, value, pads, 2 * spatial)) {
		return QB_OK;
	}
	QB_TRY(set_pads(g, n, pads, 2 * spatial, eb));
	n->input[0] = pad->input[0];
	return QB_OK;
}

enum qb_err qb_pass_fuse_pad(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->nodes; i++) {
		if (qb_node_is(g->node[i], QB_OP_Conv) || qb_node_is(g->node[i], QB_OP_MaxPool)) {
			QB_TRY(try_pad(g, g->node[i], eb));
		}
	}
	return qb_pass_remove_dead(g, eb);
}
