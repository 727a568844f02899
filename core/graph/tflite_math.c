/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite's operators that go element by element, and those that normalise.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/tflite_ops.h"

/* An operand of an image: constants of fewer dimensions broadcast along the last axes of [N,H,W,C]. */
static enum qb_err broadcast_operand(struct tfl_op *op, int i, struct qb_value **out)
{
	const struct tfl_tensor *t = qb__tfl_in(op, i);
	int64_t dim[4] = {1, 1, 1, 1}, shape[4];

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
		shape[k] = dim[qb__tfl_image[k]];
	}
	if (dim[1] * dim[2] == 1 || dim[3] == 1) {
		/* The same elements in the same order. */
		return qb__tfl_constant(op->im, op->input[i], NULL, 4, shape, out);
	}
	return qb__tfl_fail(op, QB_EUNSUPPORTED, "its constant %s broadcasts in a way that is not supported",
		t->name);
}

/* Both operands, so that they broadcast as TFLite's do. */
static enum qb_err operands(struct tfl_op *op, struct qb_value *in[2])
{
	bool image = qb__tfl_is_image(qb__tfl_out(op));

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
	return QB_OK;
}

enum qb_err qb__tfl_binary(struct tfl_op *op)
{
	static const struct {
		int code;
		enum qb_op_id type;
		bool activation;
	} types[] = {{0, QB_OP_Add, true}, {18, QB_OP_Mul, true}, {41, QB_OP_Sub, true}, {42, QB_OP_Div, true},
		{55, QB_OP_Max, false}, {57, QB_OP_Min, false}, {54, QB_OP_PRelu, false}, {78, QB_OP_Pow, false}};
	struct qb_value *in[2], *y;
	size_t k = 0;

	while (types[k].code != op->code) {
		k++;
	}
	QB_TRY(operands(op, in));
	if (types[k].activation) {
		return qb__tfl_add_node_fused(op, types[k].type, 2, in, 0, NULL);
	}
	QB_TRY(qb__tfl_result(op, &y));
	return qb__tfl_add_node(op, types[k].type, 2, in, y, NULL);
}

enum qb_err qb__tfl_unary(struct tfl_op *op)
{
	static const struct {
		int code;
		enum qb_op_id type;
	} types[] = {{8, QB_OP_Floor}, {14, QB_OP_Sigmoid}, {19, QB_OP_Relu}, {28, QB_OP_Tanh}, {47, QB_OP_Exp}, {59, QB_OP_Neg},
		{66, QB_OP_Sin}, {73, QB_OP_Log}, {75, QB_OP_Sqrt}, {98, QB_OP_LeakyRelu}, {101, QB_OP_Abs}, {104, QB_OP_Ceil},
		{108, QB_OP_Cos}, {111, QB_OP_Elu}, {116, QB_OP_Round}, {117, QB_OP_HardSwish}, {150, QB_OP_Gelu}};
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
		return qb__tfl_activate(op, op->code == 20 ? TFL_ACT_RELU_N1_TO_1 : TFL_ACT_RELU6, x, y);
	}
	QB_TRY(qb__tfl_add_node(op, types[k].type, 1, &x, y, &n));
	if (op->code == 98) {
		n->attr[n->attrs++] = (struct qb_attr){.name = "alpha", .kind = QB_ATTR_FLOAT,
			.f = qb_fb_float(&op->options, 0, 0)};
	}
	if (op->code == 150) {
		n->opset = 20;
		qb_node_add_string(n, "approximate", qb_fb_byte(&op->options, 0, 0) ? "tanh" : "none");
	}
	return QB_OK;
}

/* y = second(first(in...)), which a product takes twice. */
static enum qb_err join_two(struct tfl_op *op, enum qb_op_id first, int inputs, struct qb_value *const *in,
	enum qb_op_id second)
{
	struct qb_value *y, *between[2];

	QB_TRY(qb__tfl_result(op, &y));
	between[0] = between[1] = qb__tfl_temporary(op->im, y->name, QB_F32);
	if (!between[0]) {
		return qb__tfl_no_memory(op);
	}
	QB_TRY(qb__tfl_add_node(op, first, inputs, in, between[0], NULL));
	return qb__tfl_add_node(op, second, second == QB_OP_Mul ? 2 : 1, between, y, NULL);
}

enum qb_err qb__tfl_rsqrt(struct tfl_op *op)
{
	struct qb_value *x;

	QB_TRY(qb__tfl_operand(op, 0, &x));
	return x ? join_two(op, QB_OP_Sqrt, 1, &x, QB_OP_Reciprocal) : qb__tfl_fail(op, QB_EFORMAT, "it has no input");
}

enum qb_err qb__tfl_square(struct tfl_op *op)
{
	struct qb_value *in[2], *y;

	QB_TRY(qb__tfl_operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_result(op, &y));
	in[1] = in[0];
	return in[0] ? qb__tfl_add_node(op, QB_OP_Mul, 2, in, y, NULL) : qb__tfl_fail(op, QB_EFORMAT, "it has no input");
}

enum qb_err qb__tfl_softmax(struct tfl_op *op)
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
		QB_TRY(qb__tfl_add_node(op, QB_OP_Mul, 2, in, scaled, NULL));
		in[0] = scaled;
	}
	QB_TRY(qb__tfl_add_node(op, op->code == 25 ? QB_OP_Softmax : QB_OP_LogSoftmax, 1, in, y, &n));
	qb_node_add_int(n, "axis", qb__tfl_is_image(qb__tfl_in(op, 0)) ? 1 : -1);
	return QB_OK;
}

enum qb_err qb__tfl_l2_normalization(struct tfl_op *op)
{
	struct qb_value *x;
	struct qb_node *n = NULL;

	QB_TRY(qb__tfl_operand(op, 0, &x));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(qb__tfl_add_node_fused(op, QB_OP_LpNormalization, 1, &x, 0, &n));
	qb_node_add_int(n, "axis", qb__tfl_is_image(qb__tfl_in(op, 0)) ? 1 : -1);
	return QB_OK;
}

enum qb_err qb__tfl_squared_difference(struct tfl_op *op)
{
	struct qb_value *in[2];

	QB_TRY(operands(op, in));
	return join_two(op, QB_OP_Sub, 2, in, QB_OP_Mul);
}
