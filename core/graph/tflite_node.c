/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/tflite_node.h"

#include <string.h>

#include "core/graph/op.h"

enum qb_err qb__tfl_add_node(struct tfl_op *op, enum qb_op_id kind, int inputs, struct qb_value *const *in,
	struct qb_value *out, struct qb_node **n)
{
	struct qb_node *made = qb__tfl_node(op->im, kind, inputs, in, out);

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

	QB_TRY(qb__tfl_add_node(op, QB_OP_Transpose, 1, &x, y, &n));
	return qb__tfl_add_ints(op, n, "perm", 4, to_image ? in : out);
}

/* Input i as the graph has it; NULL where it is left out. */
enum qb_err qb__tfl_operand(struct tfl_op *op, int i, struct qb_value **out)
{
	*out = NULL;
	return qb__tfl_in(op, i) ? qb__tfl_value(op->im, op->input[i], out) : QB_OK;
}

/* Input i in TFLite's own order. */
enum qb_err qb__tfl_operand_nhwc(struct tfl_op *op, int i, struct qb_value **out)
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
	(*out)->imported = x->imported;
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
enum qb_err qb__tfl_add_node_nhwc(struct tfl_op *op, enum qb_op_id kind, int inputs,
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
		z->imported = y->imported;
	}
	QB_TRY(qb__tfl_add_node(op, kind, inputs, in, z, n));
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

static enum qb_err clip(struct tfl_op *op, struct qb_value *x, float lo, float hi, struct qb_value *y)
{
	struct qb_value *in[3] = {x, qb__tfl_floats(op->im, y->name, -1, &lo),
		qb__tfl_floats(op->im, y->name, -1, &hi)};

	return in[1] && in[2] ? qb__tfl_add_node(op, QB_OP_Clip, 3, in, y, NULL) : qb__tfl_no_memory(op);
}

enum qb_err qb__tfl_activate(struct tfl_op *op, int act, struct qb_value *x, struct qb_value *y)
{
	switch (act) {
	case TFL_ACT_RELU: return qb__tfl_add_node(op, QB_OP_Relu, 1, &x, y, NULL);
	case TFL_ACT_RELU_N1_TO_1: return clip(op, x, -1, 1, y);
	case TFL_ACT_RELU6: return clip(op, x, 0, 6, y);
	case TFL_ACT_TANH: return qb__tfl_add_node(op, QB_OP_Tanh, 1, &x, y, NULL);
	default: return qb__tfl_fail(op, QB_EUNSUPPORTED, "its fused activation %d is not supported", act);
	}
}

/* TYPE(in...), then the activation of option `field`, gives the output. */
enum qb_err qb__tfl_add_node_fused(struct tfl_op *op, enum qb_op_id kind, int inputs, struct qb_value *const *in,
	int field, struct qb_node **n)
{
	int act = qb_fb_byte(&op->options, field, TFL_ACT_NONE);
	struct qb_value *y, *x;

	QB_TRY(qb__tfl_result(op, &y));
	if (act == TFL_ACT_NONE) {
		return qb__tfl_add_node(op, kind, inputs, in, y, n);
	}
	x = qb__tfl_temporary(op->im, y->name, QB_F32);
	if (!x) {
		return qb__tfl_no_memory(op);
	}
	QB_TRY(qb__tfl_add_node(op, kind, inputs, in, x, n));
	return qb__tfl_activate(op, act, x, y);
}
