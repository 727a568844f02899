/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/training_network.h"

#include <math.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/graph/linear.h"
#include "core/graph/op.h"

/* ---- the network ---- */

/* The role of the constants at this input of a normalization. */
static bool norm_role(const struct qb_node *n, int k, enum qb_parameter_role *role)
{
	static const enum qb_parameter_role roles[] = {QB_PARAMETER_ROLE_OTHER, QB_PARAMETER_ROLE_GAIN, QB_PARAMETER_ROLE_OFFSET, QB_PARAMETER_ROLE_MEAN,
		QB_PARAMETER_ROLE_VARIANCE};
	bool batch = qb_node_is(n, QB_OP_BatchNormalization);
	bool norm = batch || qb_node_is(n, QB_OP_LayerNormalization) || qb_node_is(n, QB_OP_InstanceNormalization) ||
		qb_node_is(n, QB_OP_GroupNormalization);

	if (!norm || k < 1 || k > (batch ? 4 : 2)) {
		return false;
	}
	*role = roles[k];
	return true;
}

static bool is_float_constant(const struct qb_value *v)
{
	return v && v->constant && v->constant->dtype == QB_F32;
}

static bool is_first_use(const struct qb_value *v, const struct qb_node *n, int k)
{
	return v->users && v->user[0].node == n && v->user[0].input == k;
}

/* Exporters store equal constants once (ones of all gains): as parameters they are apart. */
static enum qb_err separate_norms(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		for (int k = 0; k < n->inputs; k++) {
			struct qb_value *v = n->input[k];
			enum qb_parameter_role role;

			if (is_float_constant(v) && norm_role(n, k, &role) && !is_first_use(v, n, k)) {
				const char *name = qb_arena_printf(g->arena, "%s/%s.%d", v->name, n->name, k);

				n->input[k] = name ? qb_graph_add_constant(g, name, v->constant) : NULL;
				if (!n->input[k]) {
					return qb_fail(eb, QB_ENOMEM, "out of memory while copying shared constants");
				}
			}
		}
	}
	return qb_graph_relink(g, eb);
}

static enum qb_err prepare(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_pass_lift_quantization(g, eb));
	QB_TRY(qb_pass_split_einsum(g, eb));
	QB_TRY(qb_pass_simplify(g, eb));
	QB_TRY(qb_pass_recognize_composites(g, eb));
	QB_TRY(qb_pass_fuse_pad(g, eb));
	QB_TRY(qb_pass_fold_constants(g, eb));
	QB_TRY(qb_pass_remove_dead(g, eb));
	QB_TRY(separate_norms(g, eb));
	return qb_pass_separate_constants(g, eb);
}

enum qb_err qb_training_network(struct qb_graph **out, const struct qb_graph *network, struct qb_errbuf *eb)
{
	struct qb_graph *g;
	enum qb_err err;

	QB_TRY(qb_graph_clone(&g, network, eb));
	err = prepare(g, eb);
	if (err != QB_OK) {
		qb_graph_destroy(&g);
		return err;
	}
	*out = g;
	return QB_OK;
}

/* ---- its parameters ---- */

struct search {
	const struct qb_graph *g;
	bool *computed; /* [values]: depends on a weight or a norm */
};

/* What the elements of a constant allow. */
struct look {
	bool mask;     /* one is below -1e4 or not finite */
	bool binary;   /* zeros and ones alone, both of them */
	bool zero;     /* all are 0 */
};

static struct look look_at(const struct qb_tensor *t)
{
	const float *x = t->data;
	size_t n = qb_tensor_size(t), zeros = 0, ones = 0;
	bool mask = false;

	for (size_t i = 0; i < n; i++) {
		mask |= !(x[i] >= -1e4f && isfinite(x[i]));
		zeros += x[i] == 0;
		ones += x[i] == 1;
	}
	return (struct look){.mask = mask, .binary = zeros && ones && zeros + ones == n, .zero = zeros == n};
}

/* Roles that a node gives by itself, whatever else it reads. */
static bool own_role(const struct qb_node *n, int k, enum qb_parameter_role *role)
{
	if (norm_role(n, k, role)) {
		return true;
	}
	if (qb_node_holds_weight(n, k) || (qb_node_is(n, QB_OP_Gather) && k == 0)) {
		*role = QB_PARAMETER_ROLE_WEIGHT;
		return true;
	}
	if (n->op && n->op->class == QB_OP_MATMUL && k == 2) {
		*role = QB_PARAMETER_ROLE_BIAS;
		return true;
	}
	*role = QB_PARAMETER_ROLE_OTHER;
	return qb_node_is(n, QB_OP_PRelu) && k == 1;
}

enum { MOVES_MAX = 8 };

static bool other_is_computed(const struct search *s, const struct qb_node *n, int k)
{
	for (int i = 0; i < n->inputs; i++) {
		if (i != k && n->input[i] && s->computed[n->input[i]->index]) {
			return true;
		}
	}
	return false;
}

/* A softmax, stretched, shifted or clipped: what does that is no parameter. */
static bool is_probability(const struct qb_value *v)
{
	const struct qb_node *n = v ? v->producer : NULL;

	for (int depth = 0; n && depth < MOVES_MAX && !qb_node_is(n, QB_OP_Softmax); depth++) {
		bool arithmetic = qb_node_is(n, QB_OP_Mul) || qb_node_is(n, QB_OP_Add) || qb_node_is(n, QB_OP_Clip);

		v = arithmetic ? n->input[n->input[0]->constant && n->inputs > 1 ? 1 : 0] : NULL;
		n = v ? v->producer : NULL;
	}
	return qb_node_is(n, QB_OP_Softmax);
}

/* Roles that depend on the constant t and on what else the node reads. */
static bool operand_role(const struct search *s, const struct qb_node *n, int k, const struct qb_tensor *t,
	enum qb_parameter_role *role)
{
	struct look look;

	if (qb_tensor_size(t) < 2 || !other_is_computed(s, n, k) || (n->inputs == 2 && is_probability(n->input[1 - k]))) {
		return false;
	}
	look = look_at(t);
	*role = qb_node_is(n, QB_OP_Add) ? QB_PARAMETER_ROLE_BIAS : qb_node_is(n, QB_OP_Mul) ? QB_PARAMETER_ROLE_GAIN : QB_PARAMETER_ROLE_OTHER;
	return (qb_node_is(n, QB_OP_Add) && !look.mask) || (qb_node_is(n, QB_OP_Mul) && !look.binary && !look.mask) ||
		(qb_node_is(n, QB_OP_Concat) && !look.zero && !look.mask);
}

/* The role of constant t by what node n does with it at input k, or by what is done with n's output where n moves elements. */
static bool find_role(const struct search *s, const struct qb_node *n, int k, const struct qb_tensor *t, int depth,
	enum qb_parameter_role *role)
{
	if (own_role(n, k, role) || operand_role(s, n, k, t, role)) {
		return true;
	}
	if (!qb_node_has(n, QB_TRAIT_MOVES) || n->outputs < 1 || depth == MOVES_MAX ||
		(k > 0 && !qb_node_is(n, QB_OP_Concat))) {
		return false;
	}
	for (int i = 0; i < n->output[0]->users; i++) {
		const struct qb_use *u = &n->output[0]->user[i];

		if (find_role(s, u->node, u->input, t, depth + 1, role)) {
			return true;
		}
	}
	return false;
}

/* Marks what depends on a weight or a norm; nodes are in topological order. */
static void mark_computed(struct search *s)
{
	for (int i = 0; i < s->g->nodes; i++) {
		const struct qb_node *n = s->g->node[i];
		bool computed = false;

		for (int k = 0; k < n->inputs; k++) {
			enum qb_parameter_role role;

			computed |= n->input[k] && (s->computed[n->input[k]->index] ||
				(is_float_constant(n->input[k]) && own_role(n, k, &role)));
		}
		for (int k = 0; k < n->outputs; k++) {
			s->computed[n->output[k]->index] = computed;
		}
	}
}

static enum qb_parameter_group group_of(enum qb_parameter_role role)
{
	return role == QB_PARAMETER_ROLE_WEIGHT ? QB_PARAMETERS_WEIGHTS
		: role == QB_PARAMETER_ROLE_MEAN || role == QB_PARAMETER_ROLE_VARIANCE ? QB_PARAMETERS_STATISTICS
									    : QB_PARAMETERS_NO_DECAY;
}

static void describe(struct qb_parameter *p, const struct qb_value *v, const struct qb_node *n,
	enum qb_parameter_role role)
{
	*p = (struct qb_parameter){.name = v->name, .layer = n->name, .group = group_of(role), .role = role, .network = true,
		.ndim = v->constant->ndim, .size = qb_tensor_size(v->constant), .input = -1};
	memcpy(p->dim, v->constant->dim, sizeof(p->dim));
}

/* One role for a value; a weight wins, whichever node reads it so. */
static void take(struct qb_parameter_list *out, int *place, struct qb_value *v, const struct qb_node *n,
	enum qb_parameter_role role)
{
	struct qb_parameter *p;

	if (*place < 0) {
		*place = out->count++;
		out->value[*place] = v;
		describe(&out->parameter[*place], v, n, role);
		return;
	}
	p = &out->parameter[*place];
	if (p->role != QB_PARAMETER_ROLE_WEIGHT && role == QB_PARAMETER_ROLE_WEIGHT) {
		describe(p, v, n, role);
	}
}

enum qb_err qb_list_parameters(struct qb_graph *g, struct qb_parameter_list *out, struct qb_errbuf *eb)
{
	struct search s = {.g = g};
	struct qb_parameter_list list = {0};
	int *place;

	QB_TRY(qb_graph_relink(g, eb));
	s.computed = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*s.computed));
	place = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*place));
	list.parameter = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*list.parameter));
	list.value = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*list.value));
	if (!s.computed || !place || !list.parameter || !list.value) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while listing parameters");
	}
	memset(place, -1, (size_t)g->values * sizeof(*place));
	mark_computed(&s);
	for (int i = 0; i < g->nodes; i++) {
		for (int k = 0; k < g->node[i]->inputs; k++) {
			struct qb_value *v = g->node[i]->input[k];
			enum qb_parameter_role role;

			if (is_float_constant(v) && qb_tensor_size(v->constant) &&
				find_role(&s, g->node[i], k, v->constant, 0, &role)) {
				take(&list, &place[v->index], v, g->node[i], role);
			}
		}
	}
	if (!list.count) {
		return qb_fail(eb, QB_EJOB, "the network has no weights to train: no Conv, ConvTranspose, Gemm, MatMul or "
			"normalization of it has float constants");
	}
	*out = list;
	return QB_OK;
}
