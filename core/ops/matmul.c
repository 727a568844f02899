/* SPDX-License-Identifier: Apache-2.0
 *
 * Gemm, MatMul and their integer forms.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/ops/broadcast.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

/* y [m,n] += a [m,k] b [k,n], with strides; sums in double precision, in the order of k. */
struct product {
	int64_t m, n, k, a_row, a_col, b_row, b_col;
};

static void multiply(const struct product *p, const double *a, const double *b, double *y)
{
	for (int64_t i = 0; i < p->m; i++) {
		double *row = y + i * p->n;

		for (int64_t l = 0; l < p->k; l++) {
			double v = a[i * p->a_row + l * p->a_col];
			const double *bl = b + l * p->b_row;

			for (int64_t j = 0; j < p->n; j++) {
				row[j] += v * bl[j * p->b_col];
			}
		}
	}
}

/* ---- Gemm ---- */

enum qb_err qb__infer_gemm(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *a = &n->input[0]->shape, *b = &n->input[1]->shape;
	int ta = qb_node_int(n, "transA", 0) != 0, tb = qb_node_int(n, "transB", 0) != 0;
	struct qb_shape y = qb_shape_ranked(2), wide;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb__op_need_same(n, 2, eb));
	QB_TRY(qb__op_need_rank(n, 0, 2, 2, eb));
	QB_TRY(qb__op_need_rank(n, 1, 2, 2, eb));
	QB_TRY(qb__op_need_rank(n, 2, 0, 2, eb));
	if (a->known) {
		y.dim[0] = a->dim[ta];
	}
	if (b->known) {
		y.dim[1] = b->dim[1 - tb];
	}
	if (a->known && b->known && !qb_dim_compatible(a->dim[1 - ta], b->dim[tb])) {
		return qb_node_fail(eb, QB_ESHAPE, n, "%s is %" PRId64 " wide, %s is %" PRId64 " high",
			n->input[0]->name, a->dim[1 - ta], n->input[1]->name, b->dim[tb]);
	}
	if (op_in(n, 2) && n->input[2]->shape.known) {
		if (!qb_shape_broadcast(&y, &n->input[2]->shape, &wide) ||
		    !qb_dim_compatible(wide.dim[0], y.dim[0]) || !qb_dim_compatible(wide.dim[1], y.dim[1])) {
			char t[256], u[256];

			return qb_node_fail(eb, QB_ESHAPE, n, "C has shape %s, which does not broadcast to %s",
				qb_shape_text(&n->input[2]->shape, t, sizeof(t)), qb_shape_text(&y, u, sizeof(u)));
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

static enum qb_err gemm_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	bool ta = qb_node_int(n, "transA", 0), tb = qb_node_int(n, "transB", 0);
	double alpha = (double)qb_node_float(n, "alpha", 1), beta = (double)qb_node_float(n, "beta", 1);
	const struct qb_tensor *c = op_arg(n, in, 2);
	struct product p = {
		.m = out[0].dim[0], .n = out[0].dim[1], .k = in[0]->dim[ta ? 0 : 1],
		.a_row = ta ? 1 : in[0]->dim[1], .a_col = ta ? in[0]->dim[1] : 1,
		.b_row = tb ? 1 : in[1]->dim[1], .b_col = tb ? in[1]->dim[1] : 1,
	};
	double *y = out[0].data;

	(void)eb;
	multiply(&p, in[0]->data, in[1]->data, y);
	for (int64_t i = 0; i < p.m * p.n; i++) {
		y[i] *= alpha;
	}
	if (c) {
		struct qb__rows r;

		for (qb__rows_init(&r, &out[0], &c, 1); qb__rows_next(&r);) {
			for (int64_t i = 0; i < r.row; i++) {
				y[r.at + i] += beta * ((const double *)c->data)[r.offset[0] + i * r.step[0]];
			}
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_gemm(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	if (!op_is_float(in[0]->dtype)) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "a product of integers");
	}
	return qb__op_as_f64(gemm_f64, n, in, out, eb);
}

/* ---- MatMul: NumPy's matmul ---- */

static enum qb_err infer_product(struct qb_node *n, int ia, int ib, enum qb_dtype dtype,
	struct qb_errbuf *eb)
{
	struct qb_shape a = n->input[ia]->shape, b = n->input[ib]->shape, batch, y;
	bool row, column;

	QB_TRY(qb__op_need_rank(n, ia, 1, QB_MAX_DIMS, eb));
	QB_TRY(qb__op_need_rank(n, ib, 1, QB_MAX_DIMS, eb));
	if (!a.known || !b.known) {
		qb__op_set(n, 0, dtype, qb_shape_unknown());
		return QB_OK;
	}
	row = a.ndim == 1;
	column = b.ndim == 1;
	if (row) {
		a = qb_shape_make(2, (int64_t[]){ 1, a.dim[0] });
	}
	if (column) {
		b = qb_shape_make(2, (int64_t[]){ b.dim[0], 1 });
	}
	if (!qb_dim_compatible(a.dim[a.ndim - 1], b.dim[b.ndim - 2])) {
		char t[256], u[256];

		return qb_node_fail(eb, QB_ESHAPE, n, "%s %s and %s %s do not multiply", n->input[ia]->name,
			qb_shape_text(&n->input[ia]->shape, t, sizeof(t)), n->input[ib]->name,
			qb_shape_text(&n->input[ib]->shape, u, sizeof(u)));
	}
	y = qb_shape_ranked(0);
	{
		struct qb_shape ba = qb_shape_make(a.ndim - 2, a.dim), bb = qb_shape_make(b.ndim - 2, b.dim);

		if (!qb_shape_broadcast(&ba, &bb, &batch)) {
			char t[256], u[256];

			return qb_node_fail(eb, QB_ESHAPE, n, "the batches of %s %s and %s %s do not broadcast",
				n->input[ia]->name, qb_shape_text(&a, t, sizeof(t)), n->input[ib]->name,
				qb_shape_text(&b, u, sizeof(u)));
		}
	}
	y = batch;
	if (!row) {
		y.dim[y.ndim++] = a.dim[a.ndim - 2];
	}
	if (!column) {
		y.dim[y.ndim++] = b.dim[b.ndim - 1];
	}
	qb__op_set(n, 0, dtype, y);
	return QB_OK;
}

enum qb_err qb__infer_matmul(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *y;

	(void)g;
	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(infer_product(n, 0, 1, n->input[0]->dtype, eb));
	y = &n->output[0]->shape;
	if (op_in(n, 2)) { /* the bias that a pass put there */
		QB_TRY(qb__op_need_vector(n, 2, y->known && y->ndim ? y->dim[y->ndim - 1] : QB_DIM_UNKNOWN, eb));
	}
	return QB_OK;
}

/* The batched product as rows of matrices: a and b as [..., m, k] and [..., k, n]. */
struct batched {
	struct product p;
	struct qb_tensor batch, a, b; /* no data: the batch dimensions only */
};

static void batched_init(struct batched *q, const struct qb_tensor *a, const struct qb_tensor *b,
	const struct qb_tensor *y)
{
	bool row = a->ndim == 1, column = b->ndim == 1;

	*q = (struct batched){ 0 };
	q->p.m = row ? 1 : a->dim[a->ndim - 2];
	q->p.k = a->dim[a->ndim - 1];
	q->p.n = column ? 1 : b->dim[b->ndim - 1];
	q->p.a_row = q->p.k;
	q->p.a_col = 1;
	q->p.b_row = q->p.n;
	q->p.b_col = 1;
	q->a.ndim = row ? 0 : a->ndim - 2;
	q->b.ndim = column ? 0 : b->ndim - 2;
	q->batch.ndim = y->ndim - !row - !column;
	memcpy(q->a.dim, a->dim, sizeof(a->dim));
	memcpy(q->b.dim, b->dim, sizeof(b->dim));
	memcpy(q->batch.dim, y->dim, sizeof(y->dim));
}

typedef void product_fn(void *arg, const struct product *p, int64_t a, int64_t b, int64_t y);

/* Calls fn with the offsets of every pair of matrices, in elements. */
static void each_product(const struct batched *q, product_fn *fn, void *arg)
{
	const struct qb_tensor *operands[2] = { &q->a, &q->b };
	struct qb__rows r;

	for (qb__rows_init(&r, &q->batch, operands, 2); qb__rows_next(&r);) {
		for (int64_t i = 0; i < r.row; i++) {
			fn(arg, &q->p, (r.offset[0] + i * r.step[0]) * q->p.m * q->p.k,
				(r.offset[1] + i * r.step[1]) * q->p.k * q->p.n, (r.at + i) * q->p.m * q->p.n);
		}
	}
}

struct float_product {
	const double *a, *b, *bias;
	double *y;
};

static void float_product(void *arg, const struct product *p, int64_t a, int64_t b, int64_t y)
{
	struct float_product *f = arg;

	for (int64_t i = 0; i < p->m * p->n; i++) {
		f->y[y + i] = f->bias ? f->bias[i % p->n] : 0;
	}
	multiply(p, f->a + a, f->b + b, f->y + y);
}

static enum qb_err matmul_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct batched q;
	struct float_product f = { .a = in[0]->data, .b = in[1]->data, .y = out[0].data };

	if (op_arg(n, in, 2)) {
		f.bias = in[2]->data;
	}
	batched_init(&q, in[0], in[1], &out[0]);
	(void)eb;
	each_product(&q, float_product, &f);
	return QB_OK;
}

struct integer_product {
	const struct qb_tensor *a, *b, *a_zero, *b_zero;
	struct qb_tensor *y;
	/* Requantisation, or NULL: y = round(sum * scale) + zero. */
	const struct qb_tensor *a_scale, *b_scale, *y_scale, *y_zero;
};

/* A zero point or scale is one number, or one a row of a (last of its dimensions but one), or one a column of b. */
static size_t at_most(const struct qb_tensor *t, int64_t i)
{
	return qb_tensor_size(t) > 1 ? (size_t)i : 0;
}

static int64_t zero_at(const struct qb_tensor *zero, int64_t i)
{
	return zero ? qb__op_load_int(zero->dtype, zero->data, at_most(zero, i)) : 0;
}

static void integer_product(void *arg, const struct product *p, int64_t a, int64_t b, int64_t y)
{
	struct integer_product *f = arg;

	for (int64_t i = 0; i < p->m; i++) {
		for (int64_t j = 0; j < p->n; j++) {
			int64_t za = zero_at(f->a_zero, i), zb = zero_at(f->b_zero, j);
			uint64_t sum = 0;

			for (int64_t l = 0; l < p->k; l++) {
				sum += (uint64_t)(qb__op_load_int(f->a->dtype, f->a->data, (size_t)(a + i * p->k + l)) - za) *
					(uint64_t)(qb__op_load_int(f->b->dtype, f->b->data,
					(size_t)(b + l * p->n + j)) - zb);
			}
			if (f->y_scale) {
				double scale = qb__op_load(f->a_scale->dtype, f->a_scale->data, at_most(f->a_scale, i)) *
					qb__op_load(f->b_scale->dtype, f->b_scale->data, at_most(f->b_scale, j)) /
					qb__op_load(f->y_scale->dtype, f->y_scale->data, at_most(f->y_scale, i));
				double v = __builtin_nearbyint((double)(int64_t)sum * scale) +
					(double)zero_at(f->y_zero, i);

				qb__op_store(f->y->dtype, f->y->data, (size_t)(y + i * p->n + j), v);
			} else {
				qb__op_store_int(f->y->dtype, f->y->data, (size_t)(y + i * p->n + j), (int64_t)sum);
			}
		}
	}
}

enum qb_err qb__eval_matmul(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct integer_product f = { .a = in[0], .b = in[1], .y = &out[0] };
	struct batched q;

	if (op_is_float(in[0]->dtype)) {
		return qb__op_as_f64(matmul_f64, n, in, out, eb);
	}
	batched_init(&q, in[0], in[1], &out[0]);
	each_product(&q, integer_product, &f);
	return QB_OK;
}

/* ---- MatMulInteger: a, b, a_zero, b_zero; QLinearMatMul: a, scale, zero, b, scale, zero, scale, zero ---- */

static enum qb_err check_parameter(const struct qb_node *n, int i, const struct qb_shape *of, int axis,
	struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);
	int64_t count = v ? qb_shape_product(&v->shape, 0, v->shape.ndim) : 1;

	if (!qb_dim_number(count) || count == 1 || !of->known || of->ndim < 2 ||
	    qb_dim_compatible(count, of->dim[of->ndim - axis])) {
		return QB_OK;
	}
	return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has %" PRId64 " elements, not 1 or %" PRId64, i,
		v->name, count, of->dim[of->ndim - axis]);
}

static enum qb_err check_bytes(const struct qb_node *n, int i, struct qb_errbuf *eb)
{
	enum qb_dtype t = op_in(n, i) ? n->input[i]->dtype : QB_U8;

	if (t != QB_U8 && t != QB_I8) {
		return qb_node_fail(eb, QB_EONNX, n, "input %d, %s, is %s, not uint8 or int8", i, n->input[i]->name,
			qb_dtype_name(t));
	}
	return QB_OK;
}

enum qb_err qb__infer_matmul_integer(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	for (int i = 0; i < 4; i++) {
		QB_TRY(check_bytes(n, i, eb));
	}
	QB_TRY(check_parameter(n, 2, &n->input[0]->shape, 2, eb));
	QB_TRY(check_parameter(n, 3, &n->input[1]->shape, 1, eb));
	return infer_product(n, 0, 1, QB_I32, eb);
}

enum qb_err qb__eval_matmul_integer(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct integer_product f = { .a = in[0], .b = in[1], .y = &out[0], .a_zero = op_arg(n, in, 2),
		.b_zero = op_arg(n, in, 3) };
	struct batched q;

	(void)eb;
	batched_init(&q, in[0], in[1], &out[0]);
	each_product(&q, integer_product, &f);
	return QB_OK;
}

enum qb_err qb__infer_qlinear_matmul(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	static const int scales[] = { 1, 4, 6 }, bytes[] = { 0, 2, 3, 5, 7 };

	(void)g;
	for (size_t i = 0; i < QB_COUNT(scales); i++) {
		QB_TRY(qb__op_need_float(n, scales[i], eb));
	}
	for (size_t i = 0; i < QB_COUNT(bytes); i++) {
		QB_TRY(check_bytes(n, bytes[i], eb));
	}
	QB_TRY(infer_product(n, 0, 3, n->input[7]->dtype, eb));
	QB_TRY(check_parameter(n, 1, &n->input[0]->shape, 2, eb));
	QB_TRY(check_parameter(n, 2, &n->input[0]->shape, 2, eb));
	QB_TRY(check_parameter(n, 4, &n->input[3]->shape, 1, eb));
	QB_TRY(check_parameter(n, 5, &n->input[3]->shape, 1, eb));
	QB_TRY(check_parameter(n, 6, &n->output[0]->shape, 2, eb));
	return check_parameter(n, 7, &n->output[0]->shape, 2, eb);
}

enum qb_err qb__eval_qlinear_matmul(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct integer_product f = { .a = in[0], .a_scale = in[1], .a_zero = in[2], .b = in[3],
		.b_scale = in[4], .b_zero = in[5], .y_scale = in[6], .y_zero = in[7], .y = &out[0] };
	struct batched q;

	(void)n, (void)eb;
	batched_init(&q, in[0], in[3], &out[0]);
	each_product(&q, integer_product, &f);
	return QB_OK;
}
