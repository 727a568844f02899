/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/exec/lower/lowerings.h"

static dnnl_memory_desc_t matrix(int64_t rows, int64_t columns, bool transposed)
{
	dnnl_memory_desc_t md;
	dnnl_dims_t dims = {rows, columns}, strides = {transposed ? 1 : columns, transposed ? rows : 1};

	memset(&md, 0, sizeof(md));
	dnnl_memory_desc_init_by_strides(&md, 2, dims, dnnl_f32, strides);
	return md;
}

static enum qb_err make(dnnl_primitive_desc_t *pd, const struct qb_rows_product *p,
	const struct qb_node *n, const dnnl_memory_desc_t *src, const dnnl_memory_desc_t *dst,
	const dnnl_memory_desc_t *bias, struct qb_errbuf *eb)
{
	dnnl_memory_desc_t w = matrix(p->n, p->k, false), any = qb_dnn_any(&w);
	dnnl_inner_product_desc_t d;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_status_t s;

	QB_TRY(qb_builder_attr(n, &attr, eb));
	s = dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, src, &any,
		p->bias ? bias : NULL, dst);
	s = s ? s : dnnl_primitive_desc_create(pd, &d, attr, qb_dnn_engine(), NULL);
	dnnl_primitive_attr_destroy(attr);
	return s == dnnl_unimplemented ? QB_EUNSUPPORTED : qb_dnn_check(s, "inner product", eb);
}

/* The same as a convolution of a line of pixels, its weights [N, K, 1]. */
static enum qb_err plan_tiles(struct qb_builder *b, const struct qb_node *n, const struct qb_rows_product *p,
	struct qb_errbuf *eb)
{
	struct qb_dense d = {.images = 1, .height = 1, .width = p->rows, .channels = p->k, .out_height = 1,
		.out_width = p->rows, .outputs = p->n, .groups = 1, .kernel = {1, 1}, .stride = {1, 1},
		.dilation = {1, 1}, .x = n->input[0], .w = p->w, .bias = p->bias,
		.add = n->inputs > QB_ADDEND ? n->input[QB_ADDEND] : NULL, .y = n->output[0],
		.x_md = qb_dnn_dense(&n->input[0]->shape), .y_md = qb_dnn_dense(&n->output[0]->shape)};
	dnnl_dims_t dims = {p->n, p->k, 1}, strides = {p->transposed ? p->k : 1,
		p->transposed ? 1 : p->n, 1};

	dnnl_memory_desc_init_by_strides(&d.w_as, 3, dims, dnnl_f32, strides);
	return qb_plan_dense(b, n, &d, eb);
}

static enum qb_err plan_product(struct qb_builder *b, const struct qb_node *n,
	const struct qb_rows_product *p, struct qb_errbuf *eb)
{
	dnnl_memory_desc_t src = matrix(p->rows, p->k, false), dst = matrix(p->rows, p->n, false);
	dnnl_memory_desc_t as = matrix(p->n, p->k, !p->transposed), bias_md;
	dnnl_memory_desc_t y = qb_dnn_dense(&n->output[0]->shape);
	struct qb_shape bias_shape = {.known = true, .ndim = 1, .dim = {p->n}};
	dnnl_primitive_desc_t pd = NULL;
	struct qb_place x, out;
	struct qb_arg arg[4];
	int weight, bias, args = 0;
	enum qb_err err;

	err = qb_plan_strassen(b, n, p, eb);
	err = err == QB_EUNSUPPORTED ? plan_tiles(b, n, p, eb) : err;
	if (err != QB_EUNSUPPORTED) {
		return err;
	}
	bias_md = qb_dnn_dense(&bias_shape);
	QB_TRY(make(&pd, p, n, &src, &dst, &bias_md, eb));
	QB_TRY_OUT(qb_builder_dense(b, n->input[0], &x, eb));
	QB_TRY_OUT(qb_builder_weight(b, p->w, &as,
		dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), &weight, eb));
	QB_TRY_OUT(qb_builder_define(b, n->output[0], &y, &out, eb));
	arg[args++] = (struct qb_arg){DNNL_ARG_SRC, false, x.buffer, src};
	arg[args++] = (struct qb_arg){.arg = DNNL_ARG_WEIGHTS, .is_weight = true, .id = weight};
	arg[args++] = (struct qb_arg){DNNL_ARG_DST, false, out.buffer, dst};
	if (p->bias) {
		QB_TRY_OUT(qb_builder_weight(b, p->bias, &bias_md, &bias_md, &bias, eb));
		arg[args++] = (struct qb_arg){.arg = DNNL_ARG_BIAS, .is_weight = true, .id = bias};
	}
	QB_TRY(qb_builder_primitive_take(b, n, pd, arg, args, eb));
	return qb__plan_epilogue(b, n, &out, eb);
out:
	dnnl_primitive_desc_destroy(pd);
	return err;
}

static int64_t span(const struct qb_shape *s, int from, int to)
{
	int64_t n = 1;

	for (int i = from; i < to; i++) {
		n *= s->dim[i];
	}
	return n;
}

enum qb_err qb__plan_gemm(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *x = n->input[0], *w = n->input[1];
	struct qb_rows_product p = {.w = n->input[1], .bias = n->inputs > 2 ? n->input[2] : NULL};

	if (x->dtype != QB_F32 || x->constant || !w->constant || qb_node_int(n, "transA", 0) ||
		qb_node_float(n, "alpha", 1) != 1 || (p.bias && qb_node_float(n, "beta", 1) != 1)) {
		return QB_EUNSUPPORTED;
	}
	p.transposed = qb_node_int(n, "transB", 0);
	p.rows = x->shape.dim[0];
	p.k = x->shape.dim[1];
	p.n = n->output[0]->shape.dim[1];
	if (p.bias && (!p.bias->constant || span(&p.bias->shape, 0, p.bias->shape.ndim) != p.n)) {
		return QB_EUNSUPPORTED;
	}
	return p.rows && p.k && p.n ? plan_product(b, n, &p, eb) : QB_EUNSUPPORTED;
}

/* Two activations, or one and a constant: batches of products, broadcast where a batch dimension is 1. */
static enum qb_err plan_batched(struct qb_builder *b, const struct qb_node *n,
	struct qb_errbuf *eb)
{
	const struct qb_value *y = n->output[0];
	dnnl_memory_desc_t md[3];
	dnnl_matmul_desc_t d;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_attr_t attr = NULL;
	static const int names[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS};
	struct qb_place place;
	struct qb_arg arg[3];
	dnnl_status_t s;
	enum qb_err err = qb_plan_batched(b, n, eb);

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
		md[i] = qb_dnn_dense(&shape);
	}
	md[2] = qb_dnn_dense(&y->shape);
	QB_TRY(qb_builder_attr(n, &attr, eb));
	s = dnnl_matmul_desc_init(&d, &md[0], &md[1], NULL, &md[2]);
	s = s ? s : dnnl_primitive_desc_create(&pd, &d, attr, qb_dnn_engine(), NULL);
	dnnl_primitive_attr_destroy(attr);
	if (s) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < 2; i++) {
		arg[i] = (struct qb_arg){.arg = names[i], .is_weight = n->input[i]->constant, .md = md[i]};
		if (n->input[i]->constant) {
			QB_TRY_OUT(qb_builder_weight(b, n->input[i], &md[i], &md[i], &arg[i].id, eb));
		} else {
			QB_TRY_OUT(qb_builder_dense(b, n->input[i], &place, eb));
			arg[i].id = place.buffer;
		}
	}
	QB_TRY_OUT(qb_builder_define(b, y, &md[2], &place, eb));
	arg[2] = (struct qb_arg){DNNL_ARG_DST, false, place.buffer, md[2]};
	return qb_builder_primitive_take(b, n, pd, arg, 3, eb);
out:
	dnnl_primitive_desc_destroy(pd);
	return err;
}

enum qb_err qb__plan_matmul(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *x = n->input[0], *w = n->input[1];
	struct qb_rows_product p = {.w = n->input[1], .bias = n->inputs > 2 ? n->input[2] : NULL};

	if (x->dtype != QB_F32 || x->shape.ndim < 2) {
		return QB_EUNSUPPORTED;
	}
	if (x->constant || !w->constant || w->shape.ndim != 2) {
		return p.bias ? QB_EUNSUPPORTED : plan_batched(b, n, eb);
	}
	p.rows = span(&x->shape, 0, x->shape.ndim - 1);
	p.k = w->shape.dim[0];
	p.n = w->shape.dim[1];
	if (p.bias && !p.bias->constant) {
		return QB_EUNSUPPORTED;
	}
	return p.rows && p.k && p.n ? plan_product(b, n, &p, eb) : QB_EUNSUPPORTED;
}
