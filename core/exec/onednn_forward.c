/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/onednn_step.h"

/* The usual operands of a primitive whose descriptor is there: weights and bias where they have a value. */
static enum qb_err add(struct qb_builder *b, struct qb_dnn_call *call, const struct qb_product_args *a, struct qb_errbuf *eb)
{
	enum qb_err err;

	QB_TRY_OUT(qb__dnn_read(b, call, DNNL_ARG_SRC, &a->src, eb));
	if (a->weights.value) {
		QB_TRY_OUT(qb__dnn_read(b, call, DNNL_ARG_WEIGHTS, &a->weights, eb));
	}
	if (a->bias.value) {
		QB_TRY_OUT(qb__dnn_read(b, call, DNNL_ARG_BIAS, &a->bias, eb));
	}
	QB_TRY_OUT(qb__dnn_write(b, call, DNNL_ARG_DST, &a->dst, eb));
	return qb__dnn_add_take(b, call, eb);
out:
	dnnl_primitive_desc_destroy(call->pd);
	return err;
}

/* Of one operand. */
static enum qb_err add_unary(struct qb_builder *b, struct qb_dnn_call *call, const struct qb_dnn_operand *src,
	const struct qb_dnn_operand *dst, struct qb_errbuf *eb)
{
	const struct qb_product_args a = {.src = *src, .dst = *dst};

	return add(b, call, &a, eb);
}

enum qb_err qb_dnn_conv(struct qb_builder *b, const struct qb_lowered *op, const struct qb_conv_args *a,
	struct qb_errbuf *eb)
{
	const dnnl_memory_desc_t src = qb__dnn_wanted(&a->src), weights = qb__dnn_wanted(&a->weights);
	const dnnl_memory_desc_t bias = qb__dnn_wanted(&a->bias), dst = qb__dnn_wanted(&a->dst);
	struct qb_dnn_dims w = qb__dnn_dims(&a->window);
	struct qb_dnn_call call = {.node = &op->node, .op = op};
	dnnl_convolution_desc_t d; /* a transposed one's as well */
	dnnl_status_t s;

	s = (a->transposed ? dnnl_dilated_deconvolution_forward_desc_init : dnnl_dilated_convolution_forward_desc_init)(&d,
		dnnl_forward_inference, a->transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct, &src, &weights,
		a->bias.value ? &bias : NULL, &dst, w.stride, w.dilation, w.before, w.after);
	QB_TRY(qb__dnn_describe(&call, s, &d, NULL, eb));
	return add(b, &call, &(struct qb_product_args){a->src, a->weights, a->bias, a->dst}, eb);
}

enum qb_err qb_dnn_inner_product(struct qb_builder *b, const struct qb_lowered *op, const struct qb_product_args *a,
	struct qb_errbuf *eb)
{
	const dnnl_memory_desc_t src = qb__dnn_wanted(&a->src), weights = qb__dnn_wanted(&a->weights);
	const dnnl_memory_desc_t bias = qb__dnn_wanted(&a->bias), dst = qb__dnn_wanted(&a->dst);
	struct qb_dnn_call call = {.node = &op->node, .op = op};
	dnnl_inner_product_desc_t d;

	QB_TRY(qb__dnn_describe(&call, dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &src, &weights,
		a->bias.value ? &bias : NULL, &dst), &d, NULL, eb));
	return add(b, &call, a, eb);
}

enum qb_err qb_dnn_matmul(struct qb_builder *b, const struct qb_lowered *op, const struct qb_product_args *a,
	struct qb_errbuf *eb)
{
	const dnnl_memory_desc_t src = qb__dnn_wanted(&a->src), weights = qb__dnn_wanted(&a->weights);
	const dnnl_memory_desc_t dst = qb__dnn_wanted(&a->dst);
	struct qb_dnn_call call = {.node = &op->node, .op = op};
	dnnl_matmul_desc_t d;

	QB_TRY(qb__dnn_describe(&call, dnnl_matmul_desc_init(&d, &src, &weights, NULL, &dst), &d, NULL, eb));
	return add(b, &call, a, eb);
}

enum qb_err qb_dnn_eltwise(struct qb_builder *b, const struct qb_node *n, const struct qb_eltwise_args *a,
	struct qb_errbuf *eb)
{
	static const dnnl_alg_kind_t kind[] = {
		[QB_DNN_ABS] = dnnl_eltwise_abs, [QB_DNN_ELU] = dnnl_eltwise_elu, [QB_DNN_LEAKY_RELU] = dnnl_eltwise_relu,
		[QB_DNN_MISH] = dnnl_eltwise_mish, [QB_DNN_SQRT] = dnnl_eltwise_sqrt,
	};
	const dnnl_memory_desc_t src = qb__dnn_wanted(&a->src);
	struct qb_dnn_call call = {.node = n};
	dnnl_eltwise_desc_t d;

	QB_TRY(qb__dnn_describe(&call, dnnl_eltwise_forward_desc_init(&d, dnnl_forward_inference, kind[a->kind], &src,
		a->alpha, 0), &d, NULL, eb));
	return add_unary(b, &call, &a->src, &a->dst, eb);
}

enum qb_err qb_dnn_pool(struct qb_builder *b, const struct qb_node *n, const struct qb_pool_args *a,
	struct qb_errbuf *eb)
{
	static const dnnl_alg_kind_t kind[] = {
		[QB_DNN_POOL_MAX] = dnnl_pooling_max, [QB_DNN_POOL_MEAN_PADDED] = dnnl_pooling_avg_include_padding,
		[QB_DNN_POOL_MEAN] = dnnl_pooling_avg_exclude_padding,
	};
	const dnnl_memory_desc_t src = qb__dnn_wanted(&a->src), dst = qb__dnn_wanted(&a->dst);
	struct qb_dnn_dims w = qb__dnn_dims(&a->window);
	struct qb_dnn_call call = {.node = n};
	dnnl_pooling_v2_desc_t d;

	QB_TRY(qb__dnn_describe(&call, dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_inference, kind[a->kind], &src,
		&dst, w.stride, w.kernel, w.dilation, w.before, w.after), &d, NULL, eb));
	return add_unary(b, &call, &a->src, &a->dst, eb);
}

enum qb_err qb_dnn_softmax(struct qb_builder *b, const struct qb_node *n, const struct qb_softmax_args *a,
	struct qb_errbuf *eb)
{
	const dnnl_memory_desc_t src = qb__dnn_wanted(&a->src), dst = qb__dnn_wanted(&a->dst);
	struct qb_dnn_call call = {.node = n};
	dnnl_softmax_v2_desc_t d;

	QB_TRY(qb__dnn_describe(&call, dnnl_softmax_v2_forward_desc_init(&d, dnnl_forward_inference,
		a->log ? dnnl_softmax_log : dnnl_softmax_accurate, &src, &dst, a->axis), &d, NULL, eb));
	return add_unary(b, &call, &a->src, &a->dst, eb);
}

enum qb_err qb_dnn_concat(struct qb_builder *b, const struct qb_node *n, const struct qb_concat_args *a,
	struct qb_errbuf *eb)
{
	const dnnl_memory_desc_t dst = qb__dnn_wanted(&a->dst);
	dnnl_memory_desc_t src[QB_DNN_SOURCES];
	struct qb_dnn_call call = {.node = n};
	dnnl_primitive_attr_t attr = NULL;
	dnnl_status_t s;
	enum qb_err err;

	for (int i = 0; i < a->sources; i++) {
		src[i] = qb__dnn_wanted(&a->src[i]);
	}
	QB_TRY(qb__dnn_attr(&call, &attr, eb));
	s = dnnl_concat_primitive_desc_create(&call.pd, &dst, a->sources, a->axis, src, attr, qb__dnn_engine());
	dnnl_primitive_attr_destroy(attr);
	if (s) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < a->sources; i++) {
		QB_TRY_OUT(qb__dnn_read(b, &call, DNNL_ARG_MULTIPLE_SRC + i, &a->src[i], eb));
	}
	QB_TRY_OUT(qb__dnn_write(b, &call, DNNL_ARG_DST, &a->dst, eb));
	return qb__dnn_add_take(b, &call, eb);
out:
	dnnl_primitive_desc_destroy(call.pd);
	return err;
}

enum qb_err qb_sgemm(const struct qb_sgemm *p, struct qb_errbuf *eb)
{
	if (dnnl_sgemm(p->a_transposed ? 'T' : 'N', p->b_transposed ? 'T' : 'N', p->m, p->n, p->k, p->alpha, p->a, p->a_row,
		    p->b, p->b_row, p->beta, p->c, p->c_row) != dnnl_success) {
		return qb_fail(eb, QB_EINTERNAL, "a matrix product of %lld x %lld x %lld was refused", (long long)p->m,
			(long long)p->n, (long long)p->k);
	}
	return QB_OK;
}
