/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite's convolutions, matrix products, pools and reductions.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/tflite_ops.h"

/* ---- convolutions ---- */

/* An int32 bias has the scale of input times weight; a float one is what it is. */
static enum qb_err bias(struct tfl_op *op, int i, struct qb_value **out)
{
	struct tfl *im = op->im;
	struct tfl_tensor *t;
	const struct tfl_tensor *x = qb__tfl_in(op, 0), *w = qb__tfl_in(op, 1);

	*out = NULL;
	if (i >= op->inputs || op->input[i] < 0) {
		return QB_OK;
	}
	t = &im->tensor[op->input[i]];
	if (!t->data || t->ndim != 1) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "its bias is no vector that the file holds");
	}
	if (t->dtype != QB_F32 && !t->scales) {
		if (!x->scales || !w->scales || (w->scales > 1 && w->scales != t->dim[0])) {
			return qb__tfl_fail(op, QB_EFORMAT, "its bias is integers without a scale");
		}
		t->scale = qb_arena_alloc(im->g->arena, (size_t)w->scales, sizeof(*t->scale));
		t->zero = qb_arena_alloc(im->g->arena, (size_t)w->scales, sizeof(*t->zero));
		if (!t->scale || !t->zero) {
			return qb__tfl_no_memory(op);
		}
		for (int k = 0; k < w->scales; k++) {
			t->scale[k] = x->scale[0] * w->scale[k];
		}
		t->scales = w->scales;
		t->axis = 0;
	}
	return qb__tfl_constant(im, op->input[i], NULL, -1, NULL, out);
}

static enum qb_err padding(struct tfl_op *op, struct qb_node *n)
{
	int padding = qb_fb_byte(&op->options, 0, 0);

	if (padding != 0 && padding != 1) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "padding %d is not supported; SAME and VALID are", padding);
	}
	qb_node_add_string(n, "auto_pad", padding ? "VALID" : "SAME_UPPER");
	return QB_OK;
}

/* Options that are small positive numbers. */
static enum qb_err two(struct tfl_op *op, int height, int width, int32_t fallback, int64_t out[2])
{
	out[0] = qb_fb_int(&op->options, height, fallback);
	out[1] = qb_fb_int(&op->options, width, fallback);
	if (out[0] < 1 || out[1] < 1 || out[0] > 1 << 20 || out[1] > 1 << 20) {
		return qb__tfl_fail(op, QB_EFORMAT, "a stride, dilation or window of %d x %d makes no sense",
			(int)out[0], (int)out[1]);
	}
	return QB_OK;
}

enum qb_err qb__tfl_conv_2d(struct tfl_op *op)
{
	bool depthwise = op->code == 4;
	static const int dense[4] = {0, 3, 1, 2}, by_channel[4] = {3, 0, 1, 2};
	struct qb_value *in[3];
	struct qb_node *n = NULL;
	int64_t strides[2], dilations[2], channels, groups;
	const struct tfl_dilation *d = qb__tfl_in(op, 0) ? qb__tfl_in(op, 0)->dilation : NULL;
	const struct tfl_tensor *w;
	struct tfl_op wide;

	if (d) {
		wide = *op;
		wide.input[0] = d->x;
		wide.output[0] = d->y;
		op = &wide;
	}
	QB_TRY(qb__tfl_need_images(op, true));
	w = qb__tfl_in(op, 1);
	channels = qb__tfl_in(op, 0)->dim[3];
	groups = depthwise ? channels : w->dim[3] > 0 ? channels / w->dim[3] : 0;
	if (groups < 1 || (depthwise ? w->dim[0] != 1 : groups * w->dim[3] != channels)) {
		return qb__tfl_fail(op, QB_ESHAPE, "its weights do not fit an image of %d channels",
			(int)channels);
	}
	QB_TRY(qb__tfl_operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_constant(op->im, op->input[1], depthwise ? by_channel : dense, -1, NULL, &in[1]));
	QB_TRY(bias(op, 2, &in[2]));
	QB_TRY(two(op, 2, 1, 0, strides));
	QB_TRY(two(op, depthwise ? 6 : 5, depthwise ? 5 : 4, 1, dilations));
	QB_TRY(qb__tfl_add_node_fused(op, QB_OP_Conv, in[2] ? 3 : 2, in, depthwise ? 4 : 3, &n));
	QB_TRY(d ? qb__tfl_add_ints(op, n, "pads", 4, d->pads) : padding(op, n));
	QB_TRY(qb__tfl_add_ints(op, n, "strides", 2, strides));
	QB_TRY(qb__tfl_add_ints(op, n, "dilations", 2, d ? d->rate : dilations));
	qb_node_add_int(n, "group", groups);
	return QB_OK;
}

enum qb_err qb__tfl_transpose_conv(struct tfl_op *op)
{
	static const int perm[4] = {3, 0, 1, 2};
	const struct tfl_tensor *w = qb__tfl_in(op, 1), *x = qb__tfl_in(op, 2), *y = qb__tfl_out(op);
	int64_t strides[2], pads[4] = {0}, more[2] = {0};
	struct qb_value *in[3] = {NULL};
	struct qb_node *n = NULL;

	if (!qb__tfl_is_image(w) || !w->data || !qb__tfl_is_image(x) || !qb__tfl_is_image(y)) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs an image and weights that the file holds");
	}
	QB_TRY(two(op, 2, 1, 0, strides));
	for (int i = 0; i < 2; i++) {
		int64_t left = (x->dim[1 + i] - 1) * strides[i] + w->dim[1 + i] - y->dim[1 + i];

		pads[i] = QB_MAX(left, 0) / 2;
		pads[2 + i] = QB_MAX(left, 0) - pads[i];
		more[i] = QB_MAX(-left, 0);
	}
	QB_TRY(qb__tfl_operand(op, 2, &in[0]));
	QB_TRY(qb__tfl_constant(op->im, op->input[1], perm, -1, NULL, &in[1]));
	if (qb__tfl_in(op, 3) && qb__tfl_in(op, 3)->dtype != QB_F32 && !qb__tfl_in(op, 3)->scales) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "its bias is integers without a scale");
	}
	QB_TRY(bias(op, 3, &in[2]));
	QB_TRY(qb__tfl_add_node_fused(op, QB_OP_ConvTranspose, in[2] ? 3 : 2, in, 3, &n));
	QB_TRY(qb__tfl_add_ints(op, n, "strides", 2, strides));
	QB_TRY(qb__tfl_add_ints(op, n, "pads", 4, pads));
	return qb__tfl_add_ints(op, n, "output_padding", 2, more);
}

/* [..., K] x [N, K]: a Gemm of rows, or a MatMul that keeps the leading dimensions. */
enum qb_err qb__tfl_fully_connected(struct tfl_op *op)
{
	static const int transposed[2] = {1, 0};
	static const int64_t flat[2] = {0, -1};
	const struct tfl_tensor *x = qb__tfl_in(op, 0), *w = qb__tfl_in(op, 1);
	bool keep = qb_fb_byte(&op->options, 2, 0) && x && x->ndim == 3;
	struct qb_value *in[3], *to[2];
	struct qb_node *n = NULL;

	if (!x || !w || w->ndim != 2 || !w->data || x->ndim < 2 || qb_fb_byte(&op->options, 1, 0)) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs a matrix of weights that the file holds, in their "
			"default order");
	}
	QB_TRY(qb__tfl_is_pixel(x) ? qb__tfl_operand(op, 0, &in[0]) : qb__tfl_operand_nhwc(op, 0, &in[0]));
	QB_TRY(bias(op, 2, &in[2]));
	if (keep) {
		struct qb_value *sum[2], *y;

		QB_TRY(qb__tfl_constant(op->im, op->input[1], transposed, -1, NULL, &in[1]));
		if (!in[2]) {
			return qb__tfl_add_node_fused(op, QB_OP_MatMul, 2, in, 0, NULL);
		}
		QB_TRY(qb__tfl_result(op, &y));
		sum[0] = qb__tfl_temporary(op->im, y->name, QB_F32);
		sum[1] = in[2];
		if (!sum[0]) {
			return qb__tfl_no_memory(op);
		}
		QB_TRY(qb__tfl_add_node(op, QB_OP_MatMul, 2, in, sum[0], NULL));
		return qb__tfl_add_node_fused(op, QB_OP_Add, 2, sum, 0, NULL);
	}
	if (x->ndim != 2) {
		to[0] = in[0];
		to[1] = qb__tfl_longs(op->im, in[0]->name, 2, flat);
		in[0] = qb__tfl_temporary(op->im, in[0]->name, QB_F32);
		if (!to[1] || !in[0]) {
			return qb__tfl_no_memory(op);
		}
		in[0]->imported = to[0]->imported;
		QB_TRY(qb__tfl_add_node(op, QB_OP_Reshape, 2, to, in[0], NULL));
	}
	QB_TRY(qb__tfl_constant(op->im, op->input[1], NULL, -1, NULL, &in[1]));
	QB_TRY(qb__tfl_add_node_fused(op, QB_OP_Gemm, in[2] ? 3 : 2, in, 0, &n));
	qb_node_add_int(n, "transB", 1);
	return QB_OK;
}

/* ---- pools and reductions ---- */

enum qb_err qb__tfl_pool_2d(struct tfl_op *op)
{
	bool average = op->code == 1;
	int64_t strides[2], window[2];
	const struct tfl_tensor *x = qb__tfl_in(op, 0);
	struct qb_value *in;
	struct qb_node *n = NULL;

	QB_TRY(qb__tfl_need_images(op, false));
	QB_TRY(qb__tfl_operand(op, 0, &in));
	QB_TRY(two(op, 2, 1, 0, strides));
	QB_TRY(two(op, 4, 3, 0, window));
	if (average && window[0] == x->dim[1] && window[1] == x->dim[2] && qb__tfl_out(op)->ndim == 4 &&
		qb__tfl_is_pixel(qb__tfl_out(op))) {
		return qb__tfl_add_node_fused(op, QB_OP_GlobalAveragePool, 1, &in, 5, NULL);
	}
	QB_TRY(qb__tfl_add_node_fused(op, average ? QB_OP_AveragePool : QB_OP_MaxPool, 1, &in, 5, &n));
	QB_TRY(padding(op, n));
	QB_TRY(qb__tfl_add_ints(op, n, "strides", 2, strides));
	return qb__tfl_add_ints(op, n, "kernel_shape", 2, window);
}

static enum qb_err read_axes(struct tfl_op *op, int input, int64_t axes[QB_MAX_DIMS], int *count)
{
	const struct tfl_tensor *x = qb__tfl_in(op, 0);

	QB_TRY(qb__tfl_ints(op, input, axes, QB_MAX_DIMS, count));
	for (int i = 0; i < *count; i++) {
		axes[i] += axes[i] < 0 ? x->ndim : 0;
		if (axes[i] < 0 || axes[i] >= x->ndim) {
			return qb__tfl_fail(op, QB_ESHAPE, "axis %d is none of its input's", (int)axes[i]);
		}
	}
	return QB_OK;
}

static enum qb_err mean_of_image(struct tfl_op *op, bool keep)
{
	struct qb_value *x, *y, *pooled;

	QB_TRY(qb__tfl_operand(op, 0, &x));
	QB_TRY(qb__tfl_result(op, &y));
	if (keep) {
		return qb__tfl_add_node(op, QB_OP_GlobalAveragePool, 1, &x, y, NULL);
	}
	pooled = qb__tfl_temporary(op->im, y->name, QB_F32);
	if (!pooled) {
		return qb__tfl_no_memory(op);
	}
	pooled->imported = y->imported;
	QB_TRY(qb__tfl_add_node(op, QB_OP_GlobalAveragePool, 1, &x, pooled, NULL));
	return qb__tfl_add_node(op, QB_OP_Flatten, 1, &pooled, y, NULL);
}

enum qb_err qb__tfl_reduce(struct tfl_op *op)
{
	enum qb_op_id type = op->code == 40 ? QB_OP_ReduceMean : op->code == 74 ? QB_OP_ReduceSum
		: op->code == 82 ? QB_OP_ReduceMax : QB_OP_ReduceMin;
	int64_t axes[QB_MAX_DIMS];
	bool keep = qb_fb_byte(&op->options, 0, 0);
	struct qb_value *x;
	struct qb_node *n = NULL;
	int count;

	if (!qb__tfl_in(op, 0)) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(read_axes(op, 1, axes, &count));
	if (op->code == 40 && qb__tfl_is_image(qb__tfl_in(op, 0)) && count == 2 && axes[0] + axes[1] == 3 &&
		axes[0] * axes[1] == 2) {
		return mean_of_image(op, keep);
	}
	QB_TRY(qb__tfl_operand_nhwc(op, 0, &x));
	QB_TRY(qb__tfl_add_node_nhwc(op, type, 1, &x, &n));
	n->opset = 11; /* axes as an attribute */
	qb_node_add_int(n, "keepdims", keep);
	return qb__tfl_add_ints(op, n, "axes", count, axes);
}

enum qb_err qb__tfl_arg_max(struct tfl_op *op)
{
	int64_t axes[QB_MAX_DIMS];
	struct qb_value *x, *y;
	struct qb_node *n = NULL;
	int count;

	if (!qb__tfl_in(op, 0)) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(read_axes(op, 1, axes, &count));
	if (count != 1) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has %d axes", count);
	}
	if (qb__tfl_is_image(qb__tfl_in(op, 0)) && axes[0] == 3) {
		QB_TRY(qb__tfl_operand(op, 0, &x));
		axes[0] = 1;
	} else {
		QB_TRY(qb__tfl_operand_nhwc(op, 0, &x));
	}
	QB_TRY(qb__tfl_result(op, &y));
	y->dtype = QB_I64;
	QB_TRY(qb__tfl_add_node(op, op->code == 56 ? QB_OP_ArgMax : QB_OP_ArgMin, 1, &x, y, &n));
	qb_node_add_int(n, "axis", axes[0]);
	qb_node_add_int(n, "keepdims", 0);
	return QB_OK;
}
