/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite's operators as ONNX's. The table at the end has one line each.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/tflite.h"

enum qb_err qb__tfl_no_memory(const struct tfl_op *op)
{
	return qb__tfl_fail(op, QB_ENOMEM, "out of memory");
}

const struct tfl_tensor *qb__tfl_in(const struct tfl_op *op, int i)
{
	return i < op->inputs && op->input[i] >= 0 ? &op->im->tensor[op->input[i]] : NULL;
}

const struct tfl_tensor *qb__tfl_out(const struct tfl_op *op)
{
	return &op->im->tensor[op->output[0]];
}

bool qb__tfl_is_image(const struct tfl_tensor *t)
{
	return t && t->ndim == 4;
}

/* One pixel an image: channels first and last are the same numbers in the same order. */
bool qb__tfl_is_pixel(const struct tfl_tensor *t)
{
	return qb__tfl_is_image(t) && t->dim[1] == 1 && t->dim[2] == 1;
}

/* An axis of TFLite's order as ours. */
int64_t qb__tfl_image_axis(int64_t axis)
{
	static const int to[4] = {0, 2, 3, 1};

	return to[axis];
}

enum qb_err qb__tfl_join(struct tfl_op *op, const char *type, int inputs, struct qb_value *const *in,
	struct qb_value *out, struct qb_node **n)
{
	struct qb_node *made = qb__tfl_node(op->im, type, inputs, in, out);

	if (!made) {
		return qb__tfl_no_memory(op);
	}
	if (n) {
		*n = made;
	}
	return QB_OK;
}

enum qb_err qb__tfl_add_ints(struct tfl_op *op, struct qb_node *n, const char *name, int count,
	const int64_t *ints)
{
	int64_t *copy = qb_arena_alloc(op->im->g->arena, (size_t)count + 1, sizeof(*copy));

	if (!copy) {
		return qb__tfl_no_memory(op);
	}
	memcpy(copy, ints, (size_t)count * sizeof(*copy));
	qb_node_add_ints(n, name, count, copy);
	return QB_OK;
}

static enum qb_err transpose(struct tfl_op *op, struct qb_value *x, struct qb_value *y, bool to_image)
{
	static const int64_t in[4] = {0, 3, 1, 2}, out[4] = {0, 2, 3, 1};
	struct qb_node *n = NULL;

	QB_TRY(qb__tfl_join(op, "Transpose", 1, &x, y, &n));
	return qb__tfl_add_ints(op, n, "perm", 4, to_image ? in : out);
}

/* Input i as the graph has it; NULL where it is left out. */
enum qb_err qb__tfl_operand(struct tfl_op *op, int i, struct qb_value **out)
{
	*out = NULL;
	return qb__tfl_in(op, i) ? qb__tfl_value(op->im, op->input[i], out) : QB_OK;
}

/* Input i in TFLite's own order. */
enum qb_err qb__tfl_rows(struct tfl_op *op, int i, struct qb_value **out)
{
	const struct tfl_tensor *t = qb__tfl_in(op, i);
	struct qb_value *x;

	if (t && t->data) {
		return qb__tfl_constant(op->im, op->input[i], NULL, -1, NULL, out);
	}
	QB_TRY(qb__tfl_operand(op, i, &x));
	*out = x;
	if (!qb__tfl_is_image(t)) {
		return QB_OK;
	}
	*out = qb__tfl_temporary(op->im, x->name, x->dtype);
	if (!*out) {
		return qb__tfl_no_memory(op);
	}
	(*out)->carried = x->carried;
	return transpose(op, x, *out, false);
}

enum qb_err qb__tfl_result(struct tfl_op *op, struct qb_value **out)
{
	QB_TRY(qb__tfl_value(op->im, op->output[0], out));
	if ((*out)->constant || (*out)->producer) {
		return qb__tfl_fail(op, QB_EFORMAT, "its output is a constant or computed twice");
	}
	return QB_OK;
}

/* A node that computes the output in TFLite's own order. */
enum qb_err qb__tfl_join_rows(struct tfl_op *op, const char *type, int inputs,
	struct qb_value *const *in, struct qb_node **n)
{
	struct qb_value *y, *z;

	QB_TRY(qb__tfl_result(op, &y));
	z = y;
	if (qb__tfl_is_image(qb__tfl_out(op))) {
		z = qb__tfl_temporary(op->im, y->name, y->dtype);
		if (!z) {
			return qb__tfl_no_memory(op);
		}
		z->carried = y->carried;
	}
	QB_TRY(qb__tfl_join(op, type, inputs, in, z, n));
	return z == y ? QB_OK : transpose(op, z, y, true);
}

enum qb_err qb__tfl_need_images(const struct tfl_op *op, bool weights)
{
	if (!qb__tfl_is_image(qb__tfl_in(op, 0)) || (weights && !qb__tfl_is_image(qb__tfl_in(op, 1))) ||
		(weights && !qb__tfl_in(op, 1)->data)) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs an image%s of four dimensions",
			weights ? " and weights that the file holds," : "");
	}
	return QB_OK;
}

/* ---- activations ---- */

enum { ACT_NONE, ACT_RELU, ACT_RELU_N1_TO_1, ACT_RELU6, ACT_TANH };

static enum qb_err clip(struct tfl_op *op, struct qb_value *x, float lo, float hi, struct qb_value *y)
{
	struct qb_value *in[3] = {x, qb__tfl_floats(op->im, y->name, -1, &lo),
		qb__tfl_floats(op->im, y->name, -1, &hi)};

	return in[1] && in[2] ? qb__tfl_join(op, "Clip", 3, in, y, NULL) : qb__tfl_no_memory(op);
}

static enum qb_err activate(struct tfl_op *op, int act, struct qb_value *x, struct qb_value *y)
{
	switch (act) {
	case ACT_RELU: return qb__tfl_join(op, "Relu", 1, &x, y, NULL);
	case ACT_RELU_N1_TO_1: return clip(op, x, -1, 1, y);
	case ACT_RELU6: return clip(op, x, 0, 6, y);
	case ACT_TANH: return qb__tfl_join(op, "Tanh", 1, &x, y, NULL);
	default: return qb__tfl_fail(op, QB_EUNSUPPORTED, "its fused activation %d is not supported", act);
	}
}

/* TYPE(in...), then the activation of option `field`, gives the output. */
enum qb_err qb__tfl_join_fused(struct tfl_op *op, const char *type, int inputs, struct qb_value *const *in,
	int field, struct qb_node **n)
{
	int act = qb_fb_byte(&op->options, field, ACT_NONE);
	struct qb_value *y, *x;

	QB_TRY(qb__tfl_result(op, &y));
	if (act == ACT_NONE) {
		return qb__tfl_join(op, type, inputs, in, y, n);
	}
	x = qb__tfl_temporary(op->im, y->name, QB_F32);
	if (!x) {
		return qb__tfl_no_memory(op);
	}
	QB_TRY(qb__tfl_join(op, type, inputs, in, x, n));
	return activate(op, act, x, y);
}

/* ---- element by element ---- */

/* An operand of an image: constants of fewer dimensions broadcast along the last axes of [N,H,W,C]. */
static enum qb_err broadcast_operand(struct tfl_op *op, int i, struct qb_value **out)
{
	const struct tfl_tensor *t = qb__tfl_in(op, i);
	int64_t dim[4] = {1, 1, 1, 1}, turned[4];

	if (!t) {
		return qb__tfl_fail(op, QB_EFORMAT, "input %d is left out", i);
	}
	if (!t->data || t->ndim == 4) {
		return qb__tfl_operand(op, i, out);
	}
	for (int k = 0; k < t->ndim; k++) {
		dim[4 - t->ndim + k] = t->dim[k];
	}
	for (int k = 0; k < 4; k++) {
		turned[k] = dim[qb__tfl_image[k]];
	}
	if (dim[1] * dim[2] == 1 || dim[3] == 1) {
		/* The same numbers in the same order. */
		return qb__tfl_constant(op->im, op->input[i], NULL, 4, turned, out);
	}
	return qb__tfl_fail(op, QB_EUNSUPPORTED, "its constant %s broadcasts in a way that is not supported",
		t->name);
}

static enum qb_err binary(struct tfl_op *op)
{
	static const struct {
		int code;
		const char *type;
		bool activation;
	} types[] = {{0, "Add", true}, {18, "Mul", true}, {41, "Sub", true}, {42, "Div", true},
		{55, "Max", false}, {57, "Min", false}, {54, "PRelu", false}, {78, "Pow", false}};
	bool image = qb__tfl_is_image(qb__tfl_out(op));
	struct qb_value *in[2], *y;
	size_t k = 0;

	while (types[k].code != op->code) {
		k++;
	}
	for (int i = 0; i < 2; i++) {
		const struct tfl_tensor *t = qb__tfl_in(op, i);

		if (t && image && !t->data && t->ndim != 4) {
			return qb__tfl_fail(op, QB_EUNSUPPORTED, "it broadcasts %s to an image", t->name);
		}
		if (image) {
			QB_TRY(broadcast_operand(op, i, &in[i]));
		} else if (t) {
			QB_TRY(qb__tfl_operand(op, i, &in[i]));
		} else {
			return qb__tfl_fail(op, QB_EFORMAT, "input %d is left out", i);
		}
	}
	if (types[k].activation) {
		return qb__tfl_join_fused(op, types[k].type, 2, in, 0, NULL);
	}
	QB_TRY(qb__tfl_result(op, &y));
	return qb__tfl_join(op, types[k].type, 2, in, y, NULL);
}

static enum qb_err unary(struct tfl_op *op)
{
	static const struct {
		int code;
		const char *type;
	} types[] = {{8, "Floor"}, {14, "Sigmoid"}, {19, "Relu"}, {28, "Tanh"}, {47, "Exp"}, {59, "Neg"},
		{75, "Sqrt"}, {98, "LeakyRelu"}, {101, "Abs"}, {117, "HardSwish"}};
	struct qb_value *x, *y;
	struct qb_node *n = NULL;
	size_t k = 0;

	while (k < QB_COUNT(types) && types[k].code != op->code) {
		k++;
	}
	QB_TRY(qb__tfl_operand(op, 0, &x));
	QB_TRY(qb__tfl_result(op, &y));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	if (k == QB_COUNT(types)) {
		return activate(op, op->code == 20 ? ACT_RELU_N1_TO_1 : ACT_RELU6, x, y);
	}
	QB_TRY(qb__tfl_join(op, types[k].type, 1, &x, y, &n));
	if (op->code == 98) {
		n->attr[n->attrs++] = (struct qb_attr){.name = "alpha", .kind = QB_ATTR_FLOAT,
			.f = qb_fb_float(&op->options, 0, 0)};
	}
	return QB_OK;
}

static enum qb_err softmax(struct tfl_op *op)
{
	struct qb_value *in[2], *y;
	struct qb_node *n = NULL;
	float beta = op->code == 25 ? qb_fb_float(&op->options, 0, 0) : 1;

	QB_TRY(qb__tfl_operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_result(op, &y));
	if (!in[0]) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	if (beta != 1 && beta != 0) {
		struct qb_value *scaled = qb__tfl_temporary(op->im, y->name, QB_F32);

		in[1] = qb__tfl_floats(op->im, y->name, -1, &beta);
		if (!in[1] || !scaled) {
			return qb__tfl_no_memory(op);
		}
		QB_TRY(qb__tfl_join(op, "Mul", 2, in, scaled, NULL));
		in[0] = scaled;
	}
	QB_TRY(qb__tfl_join(op, op->code == 25 ? "Softmax" : "LogSoftmax", 1, in, y, &n));
	qb_node_add_int(n, "axis", qb__tfl_is_image(qb__tfl_in(op, 0)) ? 1 : -1);
	return QB_OK;
}

static enum qb_err l2_normalization(struct tfl_op *op)
{
	struct qb_value *x;
	struct qb_node *n = NULL;

	QB_TRY(qb__tfl_operand(op, 0, &x));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(qb__tfl_join_fused(op, "LpNormalization", 1, &x, 0, &n));
	qb_node_add_int(n, "axis", qb__tfl_is_image(qb__tfl_in(op, 0)) ? 1 : -1);
	return QB_OK;
}

/* ---- the table ---- */

static const struct {
	int code; /* BuiltinOperator */
	const char *name;
	enum qb_err (*add)(struct tfl_op *op);
} table[] = {
	{0, "ADD", binary},
	{1, "AVERAGE_POOL_2D", qb__tfl_pool_2d},
	{2, "CONCATENATION", qb__tfl_concatenation},
	{3, "CONV_2D", qb__tfl_conv_2d},
	{4, "DEPTHWISE_CONV_2D", qb__tfl_conv_2d},
	{5, "DEPTH_TO_SPACE", qb__tfl_depth_space},
	{6, "DEQUANTIZE", qb__tfl_quantize},
	{8, "FLOOR", unary},
	{9, "FULLY_CONNECTED", qb__tfl_fully_connected},
	{11, "L2_NORMALIZATION", l2_normalization},
	{14, "LOGISTIC", unary},
	{17, "MAX_POOL_2D", qb__tfl_pool_2d},
	{18, "MUL", binary},
	{19, "RELU", unary},
	{20, "RELU_N1_TO_1", unary},
	{21, "RELU6", unary},
	{22, "RESHAPE", qb__tfl_reshape},
	{23, "RESIZE_BILINEAR", qb__tfl_resize},
	{25, "SOFTMAX", softmax},
	{26, "SPACE_TO_DEPTH", qb__tfl_depth_space},
	{28, "TANH", unary},
	{34, "PAD", qb__tfl_pad},
	{39, "TRANSPOSE", qb__tfl_transpose_op},
	{40, "MEAN", qb__tfl_reduce},
	{41, "SUB", binary},
	{42, "DIV", binary},
	{43, "SQUEEZE", qb__tfl_reshape},
	{47, "EXP", unary},
	{50, "LOG_SOFTMAX", softmax},
	{54, "PRELU", binary},
	{55, "MAXIMUM", binary},
	{56, "ARG_MAX", qb__tfl_arg_max},
	{57, "MINIMUM", binary},
	{59, "NEG", unary},
	{60, "PADV2", qb__tfl_pad},
	{65, "SLICE", qb__tfl_slice},
	{67, "TRANSPOSE_CONV", qb__tfl_transpose_conv},
	{70, "EXPAND_DIMS", qb__tfl_reshape},
	{74, "SUM", qb__tfl_reduce},
	{75, "SQRT", unary},
	{78, "POW", binary},
	{79, "ARG_MIN", qb__tfl_arg_max},
	{82, "REDUCE_MAX", qb__tfl_reduce},
	{89, "REDUCE_MIN", qb__tfl_reduce},
	{97, "RESIZE_NEAREST_NEIGHBOR", qb__tfl_resize},
	{98, "LEAKY_RELU", unary},
	{100, "MIRROR_PAD", qb__tfl_pad},
	{101, "ABS", unary},
	{114, "QUANTIZE", qb__tfl_quantize},
	{117, "HARD_SWISH", unary},
};

enum qb_err qb__tfl_operator(struct tfl_op *op)
{
	for (size_t i = 0; i < QB_COUNT(table); i++) {
		if (table[i].code == op->code) {
			op->type = table[i].name;
			if (op->outputs < 1 || op->output[0] < 0) {
				return qb__tfl_fail(op, QB_EFORMAT, "it has no output");
			}
			return table[i].add(op);
		}
	}
	return qb__tfl_fail(op, QB_EUNSUPPORTED, "TFLite's operator %d is not supported%s", op->code,
		op->code == 32 ? " (a custom operator)" : "");
}
