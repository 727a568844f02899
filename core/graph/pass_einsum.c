/* SPDX-License-Identifier: Apache-2.0
 *
 * An Einsum of two operands as what it is: a matrix product, or a product number by number, between moves. Then it is
 * planned, quantized and measured like any other. What is left are diagonals, sums over one operand alone, summed labels
 * that one operand broadcasts, and more than two operands.
 *
 * Where labels stand in the output says what they are. Of those that only the second operand has, the last in the output
 * are the product's columns; before them those that only the first has are its rows; what comes still earlier is a batch
 * of products, broadcast to the operand that lacks it. Which operand is called second is ours to choose.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/equation.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

enum { FIRST = 1, SECOND = 2, BOTH = 3, MOST_NODES = 7 };

/* A dimension of a rearranged operand: the product of those of its labels; 1 without any. */
struct group {
	int labels, label[QB_MAX_DIMS];
};

struct split {
	struct qb_graph *g;
	struct qb_node *n;
	struct qb_equation e;
	int in[QB_LABELS];                              /* which operands have it */
	int side[2];                                    /* inputs of n: the first and the second operand */
	int order[QB_MAX_DIMS], leads, rows, columns;   /* of the product's labels, in this order */
	int sum[QB_MAX_DIMS], sums;
	struct qb_node *made[MOST_NODES];
	int count;
	struct qb_errbuf *eb;
};

/* ---- what the labels are ---- */

/* Dimension of label l in operand t. */
static int64_t dim_in(const struct split *s, int t, int l)
{
	for (int i = 0; i < s->e.rank[t]; i++) {
		if (s->e.label[t][i] == l) {
			return s->n->input[t]->shape.dim[i];
		}
	}
	return 1;
}

/* Notes who has which label; false where that is no product of two. */
static bool read_labels(struct split *s)
{
	const struct qb_equation *e = &s->e;
	bool out[QB_LABELS] = {false};

	for (int i = 0; i < e->rank[2]; i++) {
		if (out[e->label[2][i]]) {
			return false;
		}
		out[e->label[2][i]] = true;
	}
	for (int t = 0; t < 2; t++) {
		for (int i = 0; i < e->rank[t]; i++) {
			int l = e->label[t][i];

			if (s->in[l] & (1 << t) || e->dim[l] == 0) {
				return false;
			}
			s->in[l] |= 1 << t;
		}
	}
	for (int i = 0; i < e->rank[0]; i++) {
		int l = e->label[0][i];
		int64_t d = dim_in(s, 0, l);

		if (!out[l] && (s->in[l] != BOTH || d == QB_DIM_UNKNOWN || d != dim_in(s, 1, l))) {
			return false;
		}
		if (!out[l]) {
			s->sum[s->sums++] = l;
		}
	}
	for (int i = 0; i < e->rank[1]; i++) {
		if (!out[e->label[1][i]] && !(s->in[e->label[1][i]] & FIRST)) {
			return false;
		}
	}
	return true;
}

/* Labels of this kind that end the first n of the order. */
static int run_of(const struct split *s, int n, int kind)
{
	int count = 0;

	while (count < n && s->in[s->order[n - 1 - count]] == kind) {
		count++;
	}
	return count;
}

static int count_of(const struct split *s, int kind)
{
	int count = 0;

	for (int i = 0; i < s->e.rank[2]; i++) {
		count += s->in[s->e.label[2][i]] == kind;
	}
	return count;
}

static void find_matrices(struct split *s)
{
	int rank = s->e.rank[2], kind[2], k = 0;

	memcpy(s->order, s->e.label[2], sizeof(s->order));
	for (int i = 0; i < rank; i++) {
		s->side[1] = s->in[s->order[i]] == BOTH ? s->side[1] : s->in[s->order[i]] - 1;
	}
	s->side[0] = 1 - s->side[1];
	kind[0] = 1 << s->side[0];
	kind[1] = 1 << s->side[1];
	s->columns = run_of(s, rank, kind[1]);
	s->rows = run_of(s, rank - s->columns, kind[0]);
	if ((!s->columns && count_of(s, kind[1])) || (!s->rows && count_of(s, kind[0]))) {
		for (int pass = 0; pass < 3; pass++) {
			for (int i = 0; i < rank; i++) {
				int l = s->e.label[2][i];

				if (s->in[l] == (pass == 0 ? BOTH : kind[pass - 1])) {
					s->order[k++] = l;
				}
			}
		}
		s->columns = count_of(s, kind[1]);
		s->rows = count_of(s, kind[0]);
	}
	s->leads = rank - s->rows - s->columns;
}

/* ---- nodes ---- */

static enum qb_err no_memory(const struct split *s)
{
	return qb_node_fail(s->eb, QB_ENOMEM, s->n, "out of memory while splitting it");
}

static struct qb_value *value(struct split *s, const struct qb_imported *imported)
{
	const char *name = qb_arena_printf(s->g->arena, "%s:%d", s->n->output[0]->name, s->count);
	struct qb_value *v = name ? qb_graph_add_value(s->g, name, QB_F32) : NULL;

	if (v) {
		v->imported = imported;
	}
	return v;
}

/* Adds a node; its output is new where *out is NULL, and quantized as `imported` says. */
static enum qb_err add(struct split *s, enum qb_op_id op, int inputs, struct qb_value *const *in,
	const struct qb_imported *imported, struct qb_value **out)
{
	const char *name = qb_arena_printf(s->g->arena, "%s:%s:%d", s->n->name, qb_op_of(op)->type, s->count);
	struct qb_node *n;

	*out = *out ? *out : value(s, imported);
	n = name && *out ? qb_node_create(s->g, op, name, QB_MAX((int)s->g->opset, 13), inputs, in, 1, out) : NULL;
	if (!n) {
		return no_memory(s);
	}
	s->made[s->count++] = n;
	return QB_OK;
}

/* Only now does the shape rule find everything that it reads. */
static enum qb_err infer_last(struct split *s)
{
	return qb__node_infer(s->g, s->made[s->count - 1], s->eb);
}

static enum qb_err transpose(struct split *s, struct qb_value **v, int ndim, const int64_t *perm,
	struct qb_value *out)
{
	int64_t *copy = qb_arena_alloc(s->g->arena, QB_MAX_DIMS, sizeof(*copy));
	bool moves = false;

	for (int i = 0; i < ndim; i++) {
		moves |= perm[i] != i;
	}
	if (!moves) {
		return QB_OK;
	}
	if (!copy) {
		return no_memory(s);
	}
	memcpy(copy, perm, (size_t)ndim * sizeof(*perm));
	QB_TRY(add(s, QB_OP_Transpose, 1, v, (*v)->imported, &out));
	qb_node_add_ints(s->made[s->count - 1], "perm", ndim, copy);
	*v = out;
	return infer_last(s);
}

static enum qb_err reshape(struct split *s, struct qb_value **v, int ndim, const int64_t *to, struct qb_value *out)
{
	struct qb_tensor *t = qb_arena_alloc(s->g->arena, 1, sizeof(*t));
	const char *name = qb_arena_printf(s->g->arena, "%s:%d:shape", s->n->output[0]->name, s->count);
	struct qb_value *in[2] = {*v};

	if (!t || !name || !(t->data = qb_arena_alloc(s->g->arena, QB_MAX_DIMS, sizeof(*to)))) {
		return no_memory(s);
	}
	t->dtype = QB_I64;
	t->ndim = 1;
	t->dim[0] = ndim;
	memcpy(t->data, to, (size_t)ndim * sizeof(*to));
	in[1] = qb_graph_add_constant(s->g, name, t);
	if (!in[1]) {
		return no_memory(s);
	}
	QB_TRY(add(s, QB_OP_Reshape, 2, in, (*v)->imported, &out));
	*v = out;
	return infer_last(s);
}

/* ---- one operand ---- */

/* What a Reshape is told for a dimension: its number, 0 for that which has the same place before, or -1, once. */
static bool tell(int64_t dim, bool same_place, int64_t *to, bool *free)
{
	*to = dim >= 0 ? dim : same_place ? 0 : -1;
	if (*to < 0 && *free) {
		return false;
	}
	*free |= *to < 0;
	return true;
}

struct arrangement {
	int ndim, groups;
	int64_t perm[QB_MAX_DIMS], to[QB_MAX_DIMS];
	bool reshapes;
};

/* How operand t becomes these groups; false where a Reshape cannot say it. */
static bool arrange(const struct split *s, int t, const struct group *group, int groups, struct arrangement *a)
{
	bool free = false, grouped = false;

	*a = (struct arrangement){.ndim = s->e.rank[t]};
	for (int i = 0, at = 0; i < groups; i++) {
		int64_t dim = 1;
		int had = 0, from = at;

		for (int k = 0; k < group[i].labels; k++) {
			for (int d = 0; d < s->e.rank[t]; d++) {
				if (s->e.label[t][d] == group[i].label[k]) {
					dim = qb_dim_mul(dim, s->n->input[t]->shape.dim[d]);
					a->perm[at++] = d;
					had++;
				}
			}
		}
		if (!had && !a->groups && groups - i > 2) {
			continue; /* broadcast by its absence */
		}
		grouped |= had != 1;
		if (a->groups == QB_MAX_DIMS ||
			!tell(dim, had == 1 && from == a->groups, &a->to[a->groups], &free)) {
			return false;
		}
		a->groups++;
	}
	a->reshapes = grouped;
	/* Numbers per channel lose their axis in another shape. */
	return !grouped || !s->n->input[t]->imported || s->n->input[t]->imported->axis < 0;
}

static enum qb_err apply(struct split *s, const struct arrangement *a, struct qb_value **v)
{
	QB_TRY(transpose(s, v, a->ndim, a->perm, NULL));
	return a->reshapes ? reshape(s, v, a->groups, a->to, NULL) : QB_OK;
}

/* ---- the product ---- */

static void add_groups(struct group *group, int *groups, const int *label, int n, bool together)
{
	if (together) {
		group[*groups].labels = n;
		memcpy(group[(*groups)++].label, label, (size_t)n * sizeof(*label));
		return;
	}
	for (int i = 0; i < n; i++) {
		add_groups(group, groups, label + i, 1, true);
	}
}

/* Rows may stay apart where they alone make the batch: the second operand is one matrix. */
static bool one_matrix(const struct split *s)
{
	for (int i = 0; i < s->leads; i++) {
		if (s->in[s->order[i]] & 1 << s->side[1]) {
			return false;
		}
	}
	return s->rows > 0;
}

/* From the product's result to the output. */
static enum qb_err finish(struct split *s, struct qb_value *v, const int64_t *to, bool reshapes, bool moves)
{
	struct qb_value *y = s->n->output[0];
	int64_t perm[QB_MAX_DIMS] = {0};

	if (reshapes) {
		QB_TRY(reshape(s, &v, s->e.rank[2], to, moves ? NULL : y));
	}
	for (int i = 0; i < s->e.rank[2]; i++) {
		for (int k = 0; k < s->e.rank[2]; k++) {
			perm[i] = s->order[k] == s->e.label[2][i] ? k : perm[i];
		}
	}
	return transpose(s, &v, s->e.rank[2], perm, y);
}

static enum qb_err multiply(struct split *s, enum qb_op_id op, const struct arrangement a[2], bool more,
	struct qb_value **out)
{
	struct qb_value *in[2] = {s->n->input[s->side[0]], s->n->input[s->side[1]]};
	struct qb_node *n;

	*out = more ? NULL : s->n->output[0];
	for (int i = 0; i < 2; i++) {
		QB_TRY(apply(s, &a[i], &in[i]));
	}
	QB_TRY(add(s, op, 2, in, s->n->output[0]->imported, out));
	n = s->made[s->count - 1];
	n->name = s->n->name;
	return infer_last(s);
}

static enum qb_err try_product(struct split *s)
{
	struct group first[2 * QB_MAX_DIMS], second[2 * QB_MAX_DIMS];
	const int *rows = s->order + s->leads, *columns = rows + s->rows;
	bool apart = one_matrix(s), reshapes, free = false, moves;
	int groups[2] = {0}, before;
	int64_t to[QB_MAX_DIMS];
	struct arrangement a[2];
	struct qb_value *y;

	add_groups(first, &groups[0], s->order, s->leads, false);
	add_groups(first, &groups[0], rows, s->rows, !apart);
	add_groups(first, &groups[0], s->sum, s->sums, true);
	add_groups(second, &groups[1], s->order, s->leads, false);
	add_groups(second, &groups[1], s->sum, s->sums, true);
	add_groups(second, &groups[1], columns, s->columns, true);
	if (!arrange(s, s->side[0], first, groups[0], &a[0]) || !arrange(s, s->side[1], second, groups[1], &a[1])) {
		return QB_OK;
	}
	before = s->leads + (apart || s->rows == 1 ? s->rows : 0);
	reshapes = (!apart && s->rows != 1) || s->columns != 1;
	for (int i = 0; i < s->e.rank[2]; i++) {
		if (!tell(s->e.dim[s->order[i]], i < before, &to[i], &free)) {
			return QB_OK;
		}
	}
	moves = memcmp(s->order, s->e.label[2], (size_t)s->e.rank[2] * sizeof(int)) != 0;
	QB_TRY(multiply(s, QB_OP_MatMul, a, reshapes || moves, &y));
	return finish(s, y, to, reshapes, moves);
}

/* Nothing is summed: each operand gets the output's dimensions, 1 where it has none. */
static enum qb_err try_numbers(struct split *s)
{
	struct group group[QB_MAX_DIMS];
	struct arrangement a[2];
	struct qb_value *y;
	int groups = 0;

	add_groups(group, &groups, s->e.label[2], s->e.rank[2], false);
	s->side[1] = 1;
	if (!arrange(s, 0, group, groups, &a[0]) || !arrange(s, 1, group, groups, &a[1])) {
		return QB_OK;
	}
	return multiply(s, QB_OP_Mul, a, false, &y);
}

static enum qb_err try_split(struct split *s)
{
	const struct qb_node *n = s->n;
	struct qb_shape x[2];

	if (!qb_node_is(n, QB_OP_Einsum) || n->inputs != 2 || (n->output[0]->imported && n->output[0]->imported->axis >= 0)) {
		return QB_OK;
	}
	for (int i = 0; i < 2; i++) {
		if (n->input[i]->dtype != QB_F32 || !n->input[i]->shape.known) {
			return QB_OK;
		}
		x[i] = n->input[i]->shape;
	}
	QB_TRY(qb_equation_read(&s->e, n, x, s->eb));
	if (!read_labels(s)) {
		return QB_OK;
	}
	if (!s->sums) {
		return try_numbers(s);
	}
	find_matrices(s);
	return try_product(s);
}

enum qb_err qb_pass_split_einsum(struct qb_graph *g, struct qb_errbuf *eb)
{
	int more = 0;

	for (int i = 0; i < g->nodes; i++) {
		struct split s = {.g = g, .n = g->node[i], .side = {0, 1}, .eb = eb};

		QB_TRY(try_split(&s));
		for (int k = 0; k < s.count; k++) {
			qb_graph_insert_before(g, s.made[k], s.n);
		}
		if (s.count) {
			qb_graph_remove(g, s.n);
			more += s.count - 1;
		}
	}
	QB_TRY(qb_graph_relink(g, eb));
	return more ? qb_pass_fold_constants(g, eb) : QB_OK;
}
