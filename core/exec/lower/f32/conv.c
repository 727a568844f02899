/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/exec/lower/f32/conv_depthwise.h"
#include "core/graph/op.h"
#include "core/kernels/f32/gemm.h"
#include "core/exec/lower/lowerings.h"
#include "core/ops/window.h"

static dnnl_memory_desc_t vector_md(int64_t n)
{
	struct qb_shape s = {.known = true, .ndim = 1, .dim = {n}};

	return qb_dnn_dense(&s);
}

/* ONNX keeps [M, C / groups, k...], and [C, M / groups, k...] of a transposed one; oneDNN wants [groups, M / groups,
 * C / groups, k...] of both. The numbers lie the same. */
static dnnl_memory_desc_t weight_md(const struct qb_value *w, int64_t groups, bool transposed)
{
	struct qb_shape s = w->shape;
	int at = groups > 1;
	dnnl_memory_desc_t md;

	if (groups > 1) {
		memmove(s.dim + 2, s.dim + 1, (size_t)(s.ndim - 1) * sizeof(*s.dim));
		s.dim[0] = groups;
		s.dim[1] = w->shape.dim[0] / groups;
		s.ndim++;
	}
	md = qb_dnn_dense(&s);
	if (transposed) {
		dnnl_dims_t strides;

		memcpy(strides, md.format_desc.blocking.strides, sizeof(strides));
		strides[at] = md.format_desc.blocking.strides[at + 1];
		strides[at + 1] = md.format_desc.blocking.strides[at];
		md.dims[at] = s.dim[at + 1];
		md.dims[at + 1] = s.dim[at];
		dnnl_memory_desc_init_by_strides(&md, md.ndims, md.dims, dnnl_f32, strides);
	}
	return md;
}

struct conv {
	bool transposed;
	bool computed; /* weights and biases may be computed */
	struct qb_window window;
	int64_t groups;
	dnnl_memory_desc_t src, weights, bias, dst;
	dnnl_dims_t strides, dilates, lo, hi;
};

/* What a transposed convolution leaves out at the end: less where padding is added to the output. */
static int64_t cut_off(const struct qb_window *w, int i)
{
	return (w->in[i] - 1) * w->stride[i] + qb_window_extent(w, i) - w->lo[i] - w->out[i];
}

static enum qb_err describe(struct conv *c, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *x = n->input[0], *w = n->input[1], *y = n->output[0];
	int spatial = x->shape.ndim - 2;

	if (spatial < 1 || spatial > 3 || x->dtype != QB_F32 ||
		(!c->computed && (!w->constant || (n->inputs > 2 && n->input[2] && !n->input[2]->constant)))) {
		return QB_EUNSUPPORTED;
	}
	c->groups = qb_node_int(n, "group", 1);
	QB_TRY((c->transposed ? qb_window_transposed : qb_window_conv)(&c->window, n, spatial, x->shape.dim + 2,
		w->shape.dim + 2, eb));
	for (int i = 0; i < spatial; i++) {
		c->strides[i] = c->window.stride[i];
		c->dilates[i] = c->window.dilation[i] - 1;
		c->lo[i] = c->window.lo[i];
		c->hi[i] = c->transposed ? cut_off(&c->window, i) : c->window.hi[i];
	}
	c->src = qb_dnn_dense(&x->shape);
	c->weights = weight_md(w, c->groups, c->transposed);
	c->bias = vector_md(y->shape.dim[1]);
	c->dst = qb_dnn_dense(&y->shape);
	return QB_OK;
}

static enum qb_err make_dense(struct qb_dense *d, const struct qb_node *n, const struct conv *c)
{
	const struct qb_value *x = n->input[0], *y = n->output[0];
	int spatial = x->shape.ndim - 2, line = spatial == 1;

	if (spatial > 2) {
		return QB_EUNSUPPORTED;
	}
	*d = (struct qb_dense){.images = x->shape.dim[0], .height = 1, .out_height = 1, .groups = c->groups,
		.channels = x->shape.dim[1], .outputs = y->shape.dim[1], .kernel = {1, 1}, .stride = {1, 1},
		.dilation = {1, 1}, .x = x, .w = n->input[1], .bias = n->inputs > 2 ? n->input[2] : NULL,
		.add = n->inputs > QB_ADDEND ? n->input[QB_ADDEND] : NULL, .y = y, .w_as = c->weights};
	for (int i = 0; i < spatial; i++) {
		d->kernel[i + line] = c->window.kernel[i];
		d->stride[i + line] = c->window.stride[i];
		d->dilation[i + line] = c->window.dilation[i];
		d->pad[i + line] = c->window.lo[i];
	}
	d->height = line ? 1 : x->shape.dim[2];
	d->width = x->shape.dim[spatial + 1];
	d->out_height = line ? 1 : y->shape.dim[2];
	d->out_width = y->shape.dim[spatial + 1];
	d->x_md = qb_dnn_channels_last(&x->shape);
	d->y_md = qb_dnn_channels_last(&y->shape);
	return QB_OK;
}

enum qb_err qb_dense_of(struct qb_dense *d, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct conv c = {0};

	if (!qb_node_is(n, QB_OP_Conv)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(describe(&c, n, eb));
	return make_dense(d, n, &c);
}

/* The first that takes it. */
static enum qb_err plan_own(struct qb_builder *b, const struct qb_node *n, const struct conv *c,
	struct qb_errbuf *eb)
{
	enum qb_err (*const plans[])(struct qb_builder *b, const struct qb_node *n, const struct qb_dense *d,
		struct qb_errbuf *eb) = {qb_plan_bottleneck, qb_plan_depthwise, qb_plan_winograd, qb_plan_dense};
	enum qb_err err = QB_EUNSUPPORTED;
	struct qb_dense d;

	QB_TRY(make_dense(&d, n, c));
	if (!d.w->constant) {
		struct qb_place w;

		QB_TRY(qb_builder_dense(b, d.w, &w, eb));
		d.w_at = w.buffer;
	}
	for (size_t i = 0; err == QB_EUNSUPPORTED && i < QB_COUNT(plans); i++) {
		err = plans[i](b, n, &d, eb);
	}
	return err;
}

static enum qb_err make(dnnl_primitive_desc_t *pd, const struct conv *c, const struct qb_node *n,
	bool has_bias, struct qb_errbuf *eb)
{
	dnnl_memory_desc_t src = qb_dnn_any(&c->src), w = qb_dnn_any(&c->weights);
	dnnl_memory_desc_t dst = qb_dnn_any(&c->dst);
	dnnl_convolution_desc_t d; /* a transposed one's as well */
	dnnl_primitive_attr_t attr = NULL;
	dnnl_status_t s;

	if (qb_f32_is_fast()) { /* as the other steps want it */
		src = qb_dnn_channels_last(&n->input[0]->shape);
		dst = qb_dnn_channels_last(&n->output[0]->shape);
	}
	QB_TRY(qb_builder_attr(n, &attr, eb));
	s = (c->transposed ? dnnl_dilated_deconvolution_forward_desc_init : dnnl_dilated_convolution_forward_desc_init)(&d,
		dnnl_forward_inference, c->transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct, &src, &w,
		has_bias ? &c->bias : NULL, &dst, c->strides, c->dilates, c->lo, c->hi);
	s = s ? s : dnnl_primitive_desc_create(pd, &d, attr, qb_dnn_engine(), NULL);
	dnnl_primitive_attr_destroy(attr);
	return s == dnnl_unimplemented || s == dnnl_invalid_arguments
		? QB_EUNSUPPORTED : qb_dnn_check(s, "convolution", eb);
}

static enum qb_err plan_primitive(struct qb_builder *b, const struct qb_node *n, const struct conv *c,
	struct qb_errbuf *eb)
{
	const struct qb_value *bias = n->inputs > 2 ? n->input[2] : NULL;
	dnnl_primitive_desc_t pd = NULL;
	struct qb_place src, dst;
	struct qb_arg arg[4];
	int weight, at = -1, args = 0;
	enum qb_err err;

	if (!n->input[1]->constant || (bias && !bias->constant)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(make(&pd, c, n, bias, eb));
	QB_TRY_OUT(qb_builder_source(b, n->input[0],
		dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0), &src, eb));
	QB_TRY_OUT(qb_builder_weight(b, n->input[1], &c->weights,
		dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), &weight, eb));
	if (bias) {
		QB_TRY_OUT(qb_builder_weight(b, bias, &c->bias, &c->bias, &at, eb));
	}
	QB_TRY_OUT(qb_builder_define(b, n->output[0],
		dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0), &dst, eb));
	arg[args++] = (struct qb_arg){DNNL_ARG_SRC, false, src.buffer, src.md};
	arg[args++] = (struct qb_arg){.arg = DNNL_ARG_WEIGHTS, .is_weight = true, .id = weight};
	arg[args++] = (struct qb_arg){DNNL_ARG_DST, false, dst.buffer, dst.md};
	if (bias) {
		arg[args++] = (struct qb_arg){.arg = DNNL_ARG_BIAS, .is_weight = true, .id = at};
	}
	QB_TRY(qb_builder_primitive_take(b, n, pd, arg, args, eb));
	return qb__plan_epilogue(b, n, &dst, eb);
out:
	dnnl_primitive_desc_destroy(pd);
	return err;
}

enum qb_err qb__plan_conv(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct conv c = {.computed = qb_builder_is_training(b)};
	enum qb_err err;

	QB_TRY(describe(&c, n, eb));
	err = plan_own(b, n, &c, eb);
	return err == QB_EUNSUPPORTED ? plan_primitive(b, n, &c, eb) : err;
}

enum qb_err qb__plan_conv_transpose(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct conv c = {.transposed = true};

	QB_TRY(describe(&c, n, eb));
	return plan_primitive(b, n, &c, eb);
}
