/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite's operators that move elements, and those that change their quantizer.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/tflite_ops.h"

/* ---- types ---- */

enum qb_err qb__tfl_cast(struct tfl_op *op)
{
	/* ONNX's numbers of types. */
	static const struct {
		enum qb_dtype dtype;
		int onnx;
	} to[] = {{QB_F32, 1}, {QB_U8, 2}, {QB_I8, 3}, {QB_U16, 4}, {QB_I16, 5}, {QB_I32, 6}, {QB_I64, 7},
		{QB_BOOL, 9}, {QB_F16, 10}, {QB_F64, 11}};
	struct qb_value *x, *y;
	struct qb_node *n = NULL;

	QB_TRY(qb__tfl_operand(op, 0, &x));
	QB_TRY(qb__tfl_result(op, &y));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	for (size_t i = 0; i < QB_COUNT(to); i++) {
		if (to[i].dtype == y->dtype) {
			QB_TRY(qb__tfl_add_node(op, QB_OP_Cast, 1, &x, y, &n));
			qb_node_add_int(n, "to", to[i].onnx);
			return QB_OK;
		}
	}
	return qb__tfl_fail(op, QB_EUNSUPPORTED, "numbers of type %s are not supported", qb_dtype_name(y->dtype));
}

/* ---- quantization ---- */

/* The same grid, shifted: uint8 around z + 128 is int8 around z. */
static bool same_grid(const struct tfl_tensor *a, const struct tfl_tensor *b)
{
	int shift = (a->dtype == QB_U8) * 128 - (b->dtype == QB_U8) * 128;

	return a->scales == 1 && b->scales == 1 && a->scale[0] == b->scale[0] &&
		(a->dtype == QB_U8 || a->dtype == QB_I8) && (b->dtype == QB_U8 || b->dtype == QB_I8) &&
		a->zero[0] - b->zero[0] == shift;
}

enum qb_err qb__tfl_quantize(struct tfl_op *op)
{
	struct tfl_tensor *y = &op->im->tensor[op->output[0]];
	struct qb_value *x, *v;

	QB_TRY(qb__tfl_operand(op, 0, &x));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	if (!y->value && !y->data && same_grid(qb__tfl_in(op, 0), y)) {
		y->value = x;
		return QB_OK;
	}
	QB_TRY(qb__tfl_result(op, &v));
	return qb__tfl_add_node(op, QB_OP_Identity, 1, &x, v, NULL);
}

/* ---- shapes ---- */

enum qb_err qb__tfl_reshape(struct tfl_op *op)
{
	const struct tfl_tensor *x = qb__tfl_in(op, 0), *y = qb__tfl_out(op);
	int64_t dim[QB_MAX_DIMS];
	struct qb_value *in[2], *out;

	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	/* The shape of the output is in the file; the batch in front is kept. */
	for (int i = 0; i < y->ndim; i++) {
		dim[i] = i == 0 && x->ndim > 0 && x->dim[0] == y->dim[0] ? 0 : y->dim[i];
	}
	QB_TRY(qb__tfl_is_pixel(x) ? qb__tfl_operand(op, 0, &in[0]) : qb__tfl_operand_nhwc(op, 0, &in[0]));
	in[1] = qb__tfl_longs(op->im, y->name, y->ndim, dim);
	if (!in[1]) {
		return qb__tfl_no_memory(op);
	}
	if (qb__tfl_is_pixel(y)) {
		int64_t shape[4] = {dim[0], dim[3], 1, 1};

		in[1] = qb__tfl_longs(op->im, y->name, 4, shape);
		if (!in[1]) {
			return qb__tfl_no_memory(op);
		}
		QB_TRY(qb__tfl_result(op, &out));
		return qb__tfl_add_node(op, QB_OP_Reshape, 2, in, out, NULL);
	}
	return qb__tfl_add_node_nhwc(op, QB_OP_Reshape, 2, in, NULL);
}

enum qb_err qb__tfl_concatenation(struct tfl_op *op)
{
	const struct tfl_tensor *y = qb__tfl_out(op);
	int64_t axis = qb_fb_int(&op->options, 0, 0);
	struct qb_value *in[QB_COUNT(op->input)];
	struct qb_node *n = NULL;

	axis += axis < 0 ? y->ndim : 0;
	if (axis < 0 || axis >= y->ndim) {
		return qb__tfl_fail(op, QB_ESHAPE, "axis %d is none of its output's", (int)axis);
	}
	for (int i = 0; i < op->inputs; i++) {
		QB_TRY(qb__tfl_operand(op, i, &in[i]));
		if (!in[i] || qb__tfl_in(op, i)->ndim != y->ndim) {
			return qb__tfl_fail(op, QB_ESHAPE, "input %d does not fit the others", i);
		}
	}
	QB_TRY(qb__tfl_add_node_fused(op, QB_OP_Concat, op->inputs, in, 1, &n));
	qb_node_add_int(n, "axis", qb__tfl_is_image(y) ? qb__tfl_image_axis(axis) : axis);
	return QB_OK;
}

enum qb_err qb__tfl_pad(struct tfl_op *op)
{
	const struct tfl_tensor *x = qb__tfl_in(op, 0);
	int64_t pair[2 * QB_MAX_DIMS], pads[2 * QB_MAX_DIMS];
	struct qb_value *in[3], *y;
	struct qb_node *n = NULL;
	int count, inputs = 2;

	QB_TRY(qb__tfl_operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_ints(op, 1, pair, 2 * QB_MAX_DIMS, &count));
	if (!x || count != 2 * x->ndim) {
		return qb__tfl_fail(op, QB_ESHAPE, "it has %d paddings", count);
	}
	for (int i = 0; i < x->ndim; i++) {
		int from = qb__tfl_is_image(x) ? qb__tfl_image[i] : i;

		pads[i] = pair[2 * from];
		pads[x->ndim + i] = pair[2 * from + 1];
	}
	in[1] = qb__tfl_longs(op->im, x->name, count, pads);
	if (!in[1]) {
		return qb__tfl_no_memory(op);
	}
	if (op->code == 60) {
		const struct tfl_tensor *v = qb__tfl_in(op, 2);

		if (!v || !v->data) {
			return qb__tfl_fail(op, QB_EUNSUPPORTED, "the number it pads with is not in the file");
		}
		QB_TRY(qb__tfl_constant(op->im, op->input[2], NULL, 0, NULL, &in[2]));
		inputs = 3;
	}
	if (op->code == 100 && qb_fb_byte(&op->options, 0, 0) != 0) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "symmetric mirrors are not supported");
	}
	QB_TRY(qb__tfl_result(op, &y));
	QB_TRY(qb__tfl_add_node(op, QB_OP_Pad, inputs, in, y, &n));
	if (op->code == 100) {
		qb_node_add_string(n, "mode", "reflect");
	}
	return QB_OK;
}

enum qb_err qb__tfl_transpose_op(struct tfl_op *op)
{
	int64_t perm[QB_MAX_DIMS];
	struct qb_value *x;
	struct qb_node *n = NULL;
	int count;

	QB_TRY(qb__tfl_operand_nhwc(op, 0, &x));
	QB_TRY(qb__tfl_ints(op, 1, perm, QB_MAX_DIMS, &count));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(qb__tfl_add_node_nhwc(op, QB_OP_Transpose, 1, &x, &n));
	return qb__tfl_add_ints(op, n, "perm", count, perm);
}

enum qb_err qb__tfl_resize(struct tfl_op *op)
{
	bool linear = op->code == 23;
	bool corners = qb_fb_byte(&op->options, linear ? 2 : 0, 0);
	bool half = qb_fb_byte(&op->options, linear ? 3 : 1, 0);
	static const int64_t spatial[2] = {2, 3};
	struct qb_value *in[4] = {NULL}, *y;
	int64_t size[2];
	struct qb_node *n = NULL;
	int count;

	QB_TRY(qb__tfl_need_images(op, false));
	QB_TRY(qb__tfl_operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_ints(op, 1, size, 2, &count));
	if (count != 2) {
		return qb__tfl_fail(op, QB_EFORMAT, "it needs two sizes, not %d", count);
	}
	in[3] = qb__tfl_longs(op->im, in[0]->name, 2, size);
	if (!in[3]) {
		return qb__tfl_no_memory(op);
	}
	QB_TRY(qb__tfl_result(op, &y));
	QB_TRY(qb__tfl_add_node(op, QB_OP_Resize, 4, in, y, &n));
	qb_node_add_string(n, "mode", linear ? "linear" : "nearest");
	qb_node_add_string(n, "coordinate_transformation_mode", corners ? "align_corners"
		: half ? "half_pixel" : "asymmetric");
	if (!linear) {
		/* floor((y + 1/2) scale) is the nearest pixel to (y + 1/2) scale - 1/2, the upper one of two. */
		qb_node_add_string(n, "nearest_mode", corners || half ? "round_prefer_ceil" : "floor");
	}
	return qb__tfl_add_ints(op, n, "axes", 2, spatial);
}

enum qb_err qb__tfl_depth_space(struct tfl_op *op)
{
	struct qb_value *x, *y;
	struct qb_node *n = NULL;

	QB_TRY(qb__tfl_need_images(op, false));
	QB_TRY(qb__tfl_operand(op, 0, &x));
	QB_TRY(qb__tfl_result(op, &y));
	QB_TRY(qb__tfl_add_node(op, op->code == 5 ? QB_OP_DepthToSpace : QB_OP_SpaceToDepth, 1, &x, y, &n));
	qb_node_add_int(n, "blocksize", qb_fb_int(&op->options, 0, 0));
	return QB_OK;
}
