/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/lowered.h"

#include <string.h>

#include "core/base/size.h"
#include "core/graph/activation.h"
#include "core/graph/linear.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* One slot a node. An operator stands in the slot of one of the nodes that it computes; the others lead to that. */
struct maker {
	struct qb_arena *arena;
	const struct qb_graph *g;
	struct qb_lowered **slot; /* [nodes]: NULL where the node is another's epilogue */
	int *of;               /* [nodes]: the slot it went to; its own where it stands */
	const bool *observed;     /* [values]: must be there; NULL: none */
	struct qb_errbuf *eb;
};

static enum qb_err no_memory(const struct maker *m)
{
	return qb_fail(m->eb, QB_ENOMEM, "no memory for a plan");
}

static int slot_of(const struct maker *m, const struct qb_node *n)
{
	int i = n->index;

	while (m->of[i] != i) {
		i = m->of[i];
	}
	return i;
}

/* The operator that ends with v; NULL where there is none. */
static struct qb_lowered *ends_with(const struct maker *m, const struct qb_value *v)
{
	struct qb_lowered *p = v && v->producer ? m->slot[slot_of(m, v->producer)] : NULL;

	return p && p->node.output[0] == v ? p : NULL;
}

/* p computes what n does, too, and reads `more` for it. It keeps its place where that is there already. */
static enum qb_err merge(struct maker *m, struct qb_lowered *p, int n, const struct qb_value *more)
{
	struct qb_value **output = qb_arena_alloc(m->arena, (size_t)p->node.outputs, sizeof(*output));
	int at = slot_of(m, p->node.output[0]->producer);

	if (!output) {
		return no_memory(m);
	}
	memcpy(output, p->node.output, (size_t)p->node.outputs * sizeof(*output));
	output[0] = m->slot[n]->node.output[0];
	p->node.output = output;
	if (more && more->producer && slot_of(m, more->producer) > at) {
		m->slot[n] = p;
		m->slot[at] = NULL;
		m->of[at] = n;
	} else {
		m->slot[n] = NULL;
		m->of[n] = at;
	}
	return QB_OK;
}

/* ---- Relu and Clip ---- */

static enum qb_err fuse_activations(struct maker *m)
{
	for (int i = 0; i < m->g->nodes; i++) {
		const struct qb_node *n = m->g->node[i];
		struct qb_lowered *p = n->inputs ? ends_with(m, n->input[0]) : NULL;
		struct qb_act act;

		if (p && !(m->observed && m->observed[n->input[0]->index]) && qb_value_layer(n->output[0]) != n && qb_activation_read(n, &act)) {
			p->act = qb_activation_compose(p->act, act);
			QB_TRY(merge(m, p, i, NULL));
		}
	}
	return QB_OK;
}

/* ---- what a frozen plan fuses ---- */

/* The dense layer that ends with v and has one user, no smooth activation and nothing behind its residual. */
static struct qb_lowered *layer_before(const struct maker *m, const struct qb_value *v)
{
	struct qb_lowered *p = ends_with(m, v);
	const struct qb_node *n = p ? &p->node : NULL;

	if (!(qb_node_is(n, QB_OP_Conv) || qb_node_is(n, QB_OP_MatMul) || qb_node_is(n, QB_OP_Gemm)) ||
		!qb_value_only_user(v) || v->dtype != QB_F32 ||
		p->act.kind > QB_ACT_LEAKY || p->residual_last || n->inputs < 2 || !n->input[1]->constant) {
		return NULL;
	}
	return p;
}

static bool is_bare(const struct qb_lowered *p)
{
	return p && p->act.kind == QB_ACT_NONE && !p->affine.scale;
}

/* A residual sum: before the activation of a layer that has none, or behind everything. */
static enum qb_err try_sum(struct maker *m, int i)
{
	const struct qb_lowered *sum = m->slot[i];
	const struct qb_node *n = sum ? &sum->node : NULL;

	if (!qb_node_is(n, QB_OP_Add) || n->output[0]->dtype != QB_F32 ||
		!qb_shape_equal(&n->input[0]->shape, &n->input[1]->shape)) {
		return QB_OK;
	}
	for (int k = 1; k >= 0; k--) {
		struct qb_lowered *p = layer_before(m, n->input[k]);

		if (p && !p->residual && !n->input[1 - k]->constant && (is_bare(p) || sum->act.kind == QB_ACT_NONE)) {
			p->residual = n->input[1 - k];
			if (is_bare(p)) {
				p->act = sum->act;
			} else {
				p->residual_last = true;
			}
			return merge(m, p, i, p->residual);
		}
	}
	return QB_OK;
}

static bool read_smooth(const struct qb_node *n, struct qb_act *act)
{
	if (qb_node_is(n, QB_OP_LeakyRelu)) {
		*act = (struct qb_act){QB_ACT_LEAKY, qb_node_float(n, "alpha", 0.01f), 0};
		return true;
	}
	if (qb_node_is(n, QB_OP_Gelu) && strcmp(qb_node_string(n, "approximate", "none"), "none") == 0) {
		act->kind = QB_ACT_GELU;
		return true;
	}
	if (qb_node_is(n, QB_OP_HardSwish)) {
		act->kind = QB_ACT_HARD_SWISH;
		return true;
	}
	if (qb_node_is(n, QB_OP_Swish) && qb_node_float(n, "alpha", 1) == 1) {
		act->kind = QB_ACT_SILU;
		return true;
	}
	return false;
}

static enum qb_err try_smooth(struct maker *m, int i)
{
	const struct qb_lowered *n = m->slot[i];
	struct qb_lowered *p = n && n->node.inputs == 1 ? layer_before(m, n->node.input[0]) : NULL;
	struct qb_act act = {0};

	if (!is_bare(p) || !read_smooth(&n->node, &act)) {
		return QB_OK;
	}
	p->act = act;
	return merge(m, p, i, NULL);
}

/* A normalization that no weights can hold, for it stands behind an activation. */
static enum qb_err try_norm(struct maker *m, int i)
{
	const struct qb_node *n = m->slot[i] ? &m->slot[i]->node : NULL;
	struct qb_lowered *p = qb_node_is(n, QB_OP_BatchNormalization) ? layer_before(m, n->input[0]) : NULL;
	int64_t channels;
	double *scale, *shift;
	float *gain;

	if (!p || !qb_node_is(&p->node, QB_OP_Conv) || p->affine.scale) {
		return QB_OK;
	}
	channels = p->node.input[1]->shape.dim[0];
	if (!qb_batch_norm_read(m->arena, n, channels, &scale, &shift)) {
		return QB_OK;
	}
	gain = qb_arena_alloc(m->arena, 2 * (size_t)channels, sizeof(*gain));
	if (!gain) {
		return no_memory(m);
	}
	for (int64_t c = 0; c < channels; c++) {
		gain[c] = (float)scale[c];
		gain[channels + c] = (float)shift[c];
	}
	p->affine = (struct qb_affine){gain, gain + channels};
	return merge(m, p, i, NULL);
}

static enum qb_err fuse_frozen(struct maker *m)
{
	for (int i = 0; i < m->g->nodes; i++) {
		QB_TRY(try_sum(m, i));
		QB_TRY(try_smooth(m, i));
		QB_TRY(try_norm(m, i));
	}
	return QB_OK;
}

/* ---- the list ---- */

static enum qb_err fill_slots(struct maker *m)
{
	for (int i = 0; i < m->g->nodes; i++) {
		m->slot[i] = qb_arena_alloc(m->arena, 1, sizeof(**m->slot));
		if (!m->slot[i]) {
			return no_memory(m);
		}
		m->slot[i]->node = *m->g->node[i];
		m->of[i] = i;
	}
	return QB_OK;
}

enum qb_err qb_lowered_list_make(struct qb_lowered_list *out, struct qb_arena *arena, const struct qb_graph *g,
	enum qb_plan_mode mode, const bool *observed, struct qb_errbuf *eb)
{
	struct maker m = {.arena = arena, .g = g, .observed = observed, .eb = eb};
	struct qb_lowered_list l = {0};
	int *place = qb_arena_alloc(arena, (size_t)g->nodes + 1, sizeof(*place)); /* of a slot's operator in the list */

	m.slot = qb_arena_alloc(arena, (size_t)g->nodes + 1, sizeof(*m.slot));
	m.of = qb_arena_alloc(arena, (size_t)g->nodes + 1, sizeof(*m.of));
	l.op = qb_arena_alloc(arena, (size_t)g->nodes + 1, sizeof(*l.op));
	l.of = qb_arena_alloc(arena, (size_t)g->nodes + 1, sizeof(*l.of));
	if (!m.slot || !m.of || !l.op || !l.of || !place) {
		return no_memory(&m);
	}
	QB_TRY(fill_slots(&m));
	if (mode != QB_PLAN_TRAINING) {
		QB_TRY(fuse_activations(&m));
	}
	if (mode == QB_PLAN_FROZEN) {
		QB_TRY(fuse_frozen(&m));
	}
	for (int i = 0; i < g->nodes; i++) {
		if (m.slot[i]) {
			place[i] = l.count;
			l.op[l.count++] = m.slot[i];
		}
	}
	for (int i = 0; i < g->nodes; i++) {
		l.of[i] = place[slot_of(&m, g->node[i])];
	}
	*out = l;
	return QB_OK;
}

const struct qb_lowered *qb_lowered_only_user(const struct qb_lowered_list *l, const struct qb_value *v)
{
	const struct qb_node *n = qb_value_only_user(v);

	return n ? l->op[l->of[n->index]] : NULL;
}

const struct qb_lowered *qb_lowered_producer(const struct qb_lowered_list *l, const struct qb_value *v)
{
	return v->producer ? l->op[l->of[v->producer->index]] : NULL;
}
