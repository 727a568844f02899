/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of differentiation of MatMul and Gemm.
 */
#include "core/ops/operands.h"
#include "core/ops/rule.h"

/* alpha * a' b' of matrices, transposed where ta and tb say so */
static struct qb_value *product(struct qb__rule *r, struct qb_value *a, bool ta, struct qb_value *b, bool tb, float alpha)
{
	struct qb_node *p = qb__rule_begin(r, QB_OP_Gemm, 2, (struct qb_value *[]){a, b}, 1);

	qb_node_add_int(p, "transA", ta);
	qb_node_add_int(p, "transB", tb);
	qb_node_add_float(p, "alpha", alpha);
	return qb__rule_end(r, p);
}

/* y = alpha A' B' + beta C, where A' is A or its transpose: dA' = alpha dy B'^T, dB' = alpha A'^T dy, dC = beta dy */
enum qb_err qb__gradient_gemm(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	bool ta = qb_node_int(n, "transA", 0) != 0, tb = qb_node_int(n, "transB", 0) != 0;
	float alpha = qb_node_float(n, "alpha", 1);
	struct qb_value *a = n->input[0], *b = n->input[1];

	if (wanted[0]) {
		dx[0] = ta ? product(&r, b, tb, dy[0], true, alpha) : product(&r, dy[0], false, b, !tb, alpha);
	}
	if (wanted[1]) {
		dx[1] = tb ? product(&r, dy[0], true, a, ta, alpha) : product(&r, a, !ta, dy[0], false, alpha);
	}
	if (op_in(n, 2) && wanted[2]) {
		dx[2] = qb__rule_scale(&r, qb__rule_sum_to(&r, dy[0], &n->input[2]->shape),
			(double)qb_node_float(n, "beta", 1));
	}
	return r.err;
}

static struct qb_value *swap_last(struct qb__rule *r, struct qb_value *a)
{
	int order[QB_MAX_DIMS], rank = r->err == QB_OK ? a->shape.ndim : 0;

	for (int i = 0; i < rank; i++) {
		order[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
	}
	return qb__rule_transpose(r, a, order);
}

/* Its first dimensions as one: [rows, columns]. */
static struct qb_value *as_matrix(struct qb__rule *r, struct qb_value *a)
{
	struct qb_shape to;

	if (r->err != QB_OK) {
		return NULL;
	}
	to = qb_shape_make(2, (int64_t[]){qb_shape_product(&a->shape, 0, a->shape.ndim - 1),
		a->shape.dim[a->shape.ndim - 1]});
	return qb__rule_reshape(r, a, &to);
}

/* The operands of a MatMul with vectors as matrices, and the gradient that fits them. */
struct operands {
	struct qb_value *a, *b, *dy;
};

static struct operands as_matrices(struct qb__rule *r, const struct qb_node *n, struct qb_value *dy)
{
	struct operands o = {n->input[0], n->input[1], dy};
	bool row = o.a->shape.ndim == 1, column = o.b->shape.ndim == 1;
	struct qb_shape a = o.a->shape, b = o.b->shape, y = qb_shape_make(0, NULL);

	if (row) {
		a = qb_shape_make(2, (int64_t[]){1, a.dim[0]});
		o.a = qb__rule_reshape(r, o.a, &a);
	}
	if (column) {
		b = qb_shape_make(2, (int64_t[]){b.dim[0], 1});
		o.b = qb__rule_reshape(r, o.b, &b);
	}
	/* The batch dimensions of dy, then those that the vectors lack. */
	for (int i = 0; i < dy->shape.ndim - !row - !column; i++) {
		y.dim[y.ndim++] = dy->shape.dim[i];
	}
	y.dim[y.ndim++] = a.dim[a.ndim - 2];
	y.dim[y.ndim++] = b.dim[b.ndim - 1];
	o.dy = qb__rule_reshape(r, dy, &y);
	return o;
}

/* da = dy b^T, db = a^T dy, summed over the batch dimensions that broadcasting added. Where b is one matrix, as a layer's
 * weights are, the batch is rows of one product. */
enum qb_err qb__gradient_matmul(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct operands o = as_matrices(&r, n, dy[0]);
	bool one = r.err == QB_OK && o.b->shape.ndim == 2;
	struct qb_value *v;

	if (r.err == QB_OK && wanted[0]) {
		v = one ? product(&r, as_matrix(&r, o.dy), false, o.b, true, 1) :
			qb__rule_sum_to(&r, qb__rule_2(&r, QB_OP_MatMul, o.dy, swap_last(&r, o.b)), &o.a->shape);
		dx[0] = qb__rule_reshape(&r, v, &n->input[0]->shape);
	}
	if (r.err == QB_OK && wanted[1]) {
		v = one ? product(&r, as_matrix(&r, o.a), true, as_matrix(&r, o.dy), false, 1) :
			qb__rule_sum_to(&r, qb__rule_2(&r, QB_OP_MatMul, swap_last(&r, o.a), o.dy), &o.b->shape);
		dx[1] = qb__rule_reshape(&r, v, &n->input[1]->shape);
	}
	if (op_in(n, 2) && wanted[2]) {
		dx[2] = qb__rule_sum_to(&r, dy[0], &n->input[2]->shape);
	}
	return r.err;
}
