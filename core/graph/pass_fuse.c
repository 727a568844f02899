/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations into the node before them, padding into the convolution or the pool after it.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* ---- Relu and Clip ---- */

/* A bound of Clip: an attribute before opset 11, an input since. */
static bool read_bound(const struct qb_node *n, int input, const char *attr, float fallback, float *out)
{
	const struct qb_value *v = input < n->inputs ? n->input[input] : NULL;

	if (!v) {
		*out = qb_node_float(n, attr, fallback);
		return true;
	}
	if (!v->constant || v->constant->dtype != QB_F32 || qb_tensor_size(v->constant) != 1) {
		return false;
	}
	*out = *(const float *)v->constant->data;
	return true;
}

static bool read_activation(const struct qb_node *n, struct qb_act *act)
{
	if (qb_node_is(n, QB_OP_Relu)) {
		*act = (struct qb_act){ QB_ACT_RELU, 0, INFINITY };
		return true;
	}
	if (!qb_node_is(n, QB_OP_Clip) || !read_bound(n, 1, "min", -INFINITY, &act->lo) ||
	    !read_bound(n, 2, "max", INFINITY, &act->hi) || isnan(act->lo) || isnan(act->hi)) {
		return false;
	}
	act->lo = QB_MIN(act->lo, act->hi); /* Clip takes the upper bound where they cross */
	act->kind = QB_ACT_CLIP;
	return true;
}

/* first, then second. */
static struct qb_act compose(struct qb_act first, struct qb_act second)
{
	struct qb_act a = { QB_ACT_CLIP, 0, 0 };

	a.lo = QB_MIN(QB_MAX(first.lo, second.lo), second.hi);
	a.hi = QB_MIN(QB_MAX(first.hi, second.lo), second.hi);
	if (a.lo == 0 && isinf(a.hi)) {
		a.kind = QB_ACT_RELU;
	}
	return a;
}

enum qb_err qb_pass_fuse_activations(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];
		struct qb_node *p = n->inputs && n->input[0] ? n->input[0]->producer : NULL;
		struct qb_act act = { 0 };

		if (n->act.kind == QB_ACT_NONE && p && qb_value_only_user(n->input[0]) && n->input[0] == p->output[0] &&
		    n->input[0]->dtype == QB_F32 && qb_node_has(p, QB_TRAIT_ACTIVATION) &&
		    (!n->input[0]->imported || qb_imported_equal(n->input[0]->imported, n->output[0]->imported)) &&
		    read_activation(n, &act)) {
			p->act = p->act.kind == QB_ACT_NONE ? act : compose(p->act, act);
			qb_graph_merge(g, p, n);
		}
	}
	return qb_graph_relink(g, eb);
}

static struct qb_value *scalar(struct qb_graph *g, const char *of, const char *what, float x)
{
	struct qb_tensor *t = qb_arena_alloc(g->arena, 1, sizeof(*t));
	char *name = qb_arena_printf(g->arena, "%s.%s", of, what);

	if (!t || !name || !(t->data = qb_arena_alloc(g->arena, 1, sizeof(float)))) {
		return NULL;
	}
	t->dtype = QB_F32;
	*(float *)t->data = x;
	return qb_graph_add_constant(g, name, t);
}

/* The node that applies n's activation to a new value, which n then gives in place of its output. */
static struct qb_node *split(struct qb_graph *g, struct qb_node *n)
{
	bool relu = n->act.kind == QB_ACT_RELU;
	struct qb_value *y = n->output[0], *in[3] = {NULL};
	const char *name = qb_arena_printf(g->arena, "%s.activation", n->name);
	const char *linear = qb_arena_printf(g->arena, "%s.linear", y->name);

	in[0] = name && linear ? qb_graph_add_value(g, linear, y->dtype) : NULL;
	if (!in[0]) {
		return NULL;
	}
	in[0]->shape = y->shape;
	if (!relu) {
		in[1] = scalar(g, y->name, "min", n->act.lo);
		in[2] = scalar(g, y->name, "max", n->act.hi);
		if (!in[1] || !in[2]) {
			return NULL;
		}
	}
	n->output[0] = in[0];
	n->act = (struct qb_act){0};
	return qb_node_create(g, relu ? QB_OP_Relu : QB_OP_Clip, name, 13, relu ? 1 : 3, in, 1, &y);
}

enum qb_err qb_pass_split_activations(struct qb_graph *g, struct qb_errbuf *eb)
{
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		if (n->act.kind != QB_ACT_NONE && !qb_graph_insert_after(g, split(g, n), n)) {
			return qb_fail(eb, QB_ENOMEM, "out of memory while splitting activations");
		}
	}
	return qb_graph_relink(g, eb);
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
