/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/f32/choice.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/onednn.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

static struct qb_layout matrix(int64_t rows, int64_t columns, bool transposed)
{
	static const int order[2][2] = {{0, 1}, {1, 0}};

	return qb_layout_ordered(2, (const int64_t[]){rows, columns}, order[transposed], 0, 1);
}

/* The same as a convolution of a line of pixels, its weights [N, K, 1]. */
static enum qb_err plan_tiles(struct qb_builder *b, const struct qb_lowered *op, const struct qb_rows_product *p,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_dense d = {.images = 1, .height = 1, .width = p->rows, .channels = p->k, .out_height = 1,
		.out_width = p->rows, .outputs = p->n, .groups = 1, .kernel = {1, 1}, .stride = {1, 1},
		.dilation = {1, 1}, .x = n->input[0], .w = p->w, .bias = p->bias,
		.residual = op->residual, .y = p->y,
		.x_layout = qb_layout_dense(&n->input[0]->shape), .y_layout = qb_layout_dense(&p->y->shape)};
	const int64_t dims[] = {p->n, p->k, 1};

	d.w_as = qb_layout_ordered(3, dims, p->transposed ? (const int[]){0, 1, 2} : (const int[]){1, 0, 2}, 0, 1);
	if (!p->w->constant) {
		struct qb_place w;

		QB_TRY(qb_builder_plain(b, p->w, &w, eb));
		d.w_as.stride[0] = w.layout.stride[p->transposed ? 0 : 1];
		d.w_as.stride[1] = w.layout.stride[p->transposed ? 1 : 0];
		d.w_at = w.buffer;
	}
	return qb_plan_dense(b, op, &d, eb);
}

static enum qb_err plan_product(struct qb_builder *b, const struct qb_lowered *op,
	const struct qb_rows_product *p, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_layout x = matrix(p->rows, p->k, false), y = matrix(p->rows, p->n, false), columns = qb_layout_vector(p->n);
	struct qb_product_args a = {.src = {n->input[0], x, x}, .weights = {p->w, matrix(p->n, p->k, !p->transposed), {0}},
		.bias = {p->bias, columns, columns}, .dst = {n->output[0], y, y}};
	bool computed = !p->w->constant || (p->bias && !p->bias->constant);
	enum qb_err err;

	err = computed ? QB_EUNSUPPORTED : qb_plan_strassen(b, op, p, eb);
	/* Packed in every run where that is fast, and where results must not depend on the CPU level. */
	if (err == QB_EUNSUPPORTED && (!computed || qb_f32_ours(QB_F32_LAYERS) || qb_builder_is_training(b))) {
		err = plan_tiles(b, op, p, eb);
	}
	if (err != QB_EUNSUPPORTED || (computed && qb_builder_is_training(b))) {
		return err;
	}
	QB_TRY(qb_dnn_inner_product(b, op, &a, eb));
	return qb__plan_epilogue(b, op, qb_builder_home(b, n->output[0]), eb);
}

static int64_t span(const struct qb_shape *s, int from, int to)
{
	int64_t n = 1;

	for (int i = from; i < to; i++) {
		n *= s->dim[i];
	}
	return n;
}

/* Is the shape [n] or [1, n]? One column of as many rows would be broadcast otherwise. */
static bool is_row(const struct qb_shape *s, int64_t n)
{
	return span(s, 0, s->ndim) == n && (n == 1 || s->dim[s->ndim - 1] == n);
}

enum qb_err qb__plan_gemm(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0];
	struct qb_rows_product p = {.w = n->input[1], .bias = n->inputs > 2 ? n->input[2] : NULL, .y = n->output[0]};

	if (x->dtype != QB_F32 || qb_node_float(n, "alpha", 1) != 1 || (p.bias && qb_node_float(n, "beta", 1) != 1)) {
		return QB_EUNSUPPORTED;
	}
	if (qb_node_int(n, "transA", 0)) {
		return qb_plan_transposed_product(b, n, eb);
	}
	if (x->constant) {
		return QB_EUNSUPPORTED;
	}
	p.transposed = qb_node_int(n, "transB", 0);
	p.rows = x->shape.dim[0];
	p.k = x->shape.dim[1];
	p.n = n->output[0]->shape.dim[1];
	if (p.bias && !is_row(&p.bias->shape, p.n)) {
		return QB_EUNSUPPORTED;
	}
	return p.rows && p.k && p.n ? plan_product(b, op, &p, eb) : QB_EUNSUPPORTED;
}

/* Two activations, or one and a constant: batches of products, broadcast where a batch dimension is 1. */
static enum qb_err plan_batched(struct qb_builder *b, const struct qb_lowered *op,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *y = n->output[0];
	struct qb_product_args a = {.dst = qb_dnn_dense(y)};
	struct qb_dnn_operand *operand[] = {&a.src, &a.weights};
	enum qb_err err = qb_plan_batched(b, op, eb);

	if (err != QB_EUNSUPPORTED) {
		return err;
	}
	for (int i = 0; i < 2; i++) {
		struct qb_shape shape = n->input[i]->shape;
		int lead = y->shape.ndim - shape.ndim;

		if (shape.ndim < 2 || lead < 0) {
			return QB_EUNSUPPORTED;
		}
		memmove(shape.dim + lead, shape.dim, (size_t)shape.ndim * sizeof(*shape.dim));
		for (int k = 0; k < lead; k++) {
			shape.dim[k] = 1;
		}
		shape.ndim = y->shape.ndim;
		operand[i]->value = n->input[i];
		operand[i]->as = operand[i]->want = qb_layout_dense(&shape);
	}
	return qb_dnn_matmul(b, op, &a, eb);
}

/* In training, where nothing is fused before: the Add of a vector that alone reads a product of rows, which is computed with it then;
 * or NULL. */
static const struct qb_node *bias_behind(const struct qb_builder *b, const struct qb_node *n, struct qb_rows_product *p)
{
	bool computed = qb_builder_is_training(b) && !p->w->constant;
	const struct qb_lowered *user = computed ? qb_builder_only_user(b, n->output[0]) : NULL;
	const struct qb_node *add = user && qb_node_is(&user->node, QB_OP_Add) ? &user->node : NULL;
	const struct qb_value *v = add ? add->input[add->input[0] == n->output[0]] : NULL;

	if (!v || v->dtype != QB_F32 || !is_row(&v->shape, p->n) || (!v->constant && !qb_builder_has(b, v)) ||
		!qb_shape_equal(&add->output[0]->shape, &n->output[0]->shape)) {
		return NULL;
	}
	p->bias = v;
	p->y = add->output[0];
	return add;
}

enum qb_err qb__plan_matmul(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *w = n->input[1];
	const struct qb_node *add;
	struct qb_rows_product p = {.w = n->input[1], .bias = n->inputs > 2 ? n->input[2] : NULL, .y = n->output[0]};

	if (x->dtype != QB_F32 || x->shape.ndim < 2) {
		return QB_EUNSUPPORTED;
	}
	if (x->constant || (!w->constant && !qb_builder_is_training(b)) || w->shape.ndim != 2) {
		return p.bias ? QB_EUNSUPPORTED : plan_batched(b, op, eb);
	}
	p.rows = span(&x->shape, 0, x->shape.ndim - 1);
	p.k = w->shape.dim[0];
	p.n = w->shape.dim[1];
	if (!p.rows || !p.k || !p.n) {
		return QB_EUNSUPPORTED;
	}
	add = p.bias ? NULL : bias_behind(b, n, &p);
	QB_TRY(plan_product(b, op, &p, eb));
	return add ? qb_builder_absorb(b, add, eb) : QB_OK;
}
