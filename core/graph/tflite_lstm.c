/* SPDX-License-Identifier: Apache-2.0
 *
 * UNIDIRECTIONAL_SEQUENCE_LSTM: ONNX's LSTM over [time, batch, units], whose gates stand in one tensor in the order input,
 * output, forget, cell. The state starts at zero.
 */
#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/tflite_ops.h"

enum { LSTM_ACTIVATION = 0, LSTM_CELL_CLIP = 1, LSTM_PROJ_CLIP = 2, LSTM_TIME_MAJOR = 3 };
/* Inputs. Gates stand in the order input, forget, cell, output. */
enum { LSTM_X = 0, LSTM_W = 1, LSTM_R = 5, LSTM_PEEPHOLE = 9, LSTM_B = 12, LSTM_PROJECTION = 16, LSTM_STATE = 18, LSTM_NORM = 20,
	LSTM_INPUTS = 24 };

static enum qb_err check(struct tfl_op *op)
{
	const struct tfl_tensor *x = qb__tfl_in(op, LSTM_X);

	if (!x || x->ndim != 3) {
		return qb__tfl_fail(op, QB_ESHAPE, "its input needs three dimensions: time, batch and features");
	}
	for (int i = LSTM_W; i < LSTM_PEEPHOLE; i++) {
		const struct tfl_tensor *w = qb__tfl_in(op, i);

		if (!w || !w->data || w->ndim != 2) {
			return qb__tfl_fail(op, QB_EUNSUPPORTED, "input %d has to be a matrix that the file holds; coupled "
				"input and forget gates are not supported", i);
		}
	}
	for (int i = LSTM_PEEPHOLE; i < LSTM_INPUTS; i++) {
		bool state = i == LSTM_STATE || i == LSTM_STATE + 1, bias = i >= LSTM_B && i < LSTM_PROJECTION;

		if (!state && !bias && qb__tfl_in(op, i)) {
			return qb__tfl_fail(op, QB_EUNSUPPORTED, "%s are not supported", i < LSTM_B ? "peepholes"
				: i < LSTM_STATE ? "projections" : "layer norms inside of it");
		}
		if (state && qb__tfl_in(op, i) && (qb__tfl_in(op, i)->data || qb__tfl_in(op, i)->value)) {
			return qb__tfl_fail(op, QB_EUNSUPPORTED, "its state has to start at zero");
		}
	}
	if (qb_fb_byte(&op->options, LSTM_ACTIVATION, 0) != TFL_ACT_TANH ||
		qb_fb_float(&op->options, LSTM_CELL_CLIP, 0) > 0 || qb_fb_float(&op->options, LSTM_PROJ_CLIP, 0) > 0) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs tanh as its activation and no clipping");
	}
	return QB_OK;
}

/* A tensor of all gates in ONNX's order with one axis in front for the direction. */
static enum qb_err gates(struct tfl_op *op, int first, struct qb_value **out)
{
	static const int order[4] = {0, 3, 1, 2};
	static const int64_t front = 0;
	const char *of = qb__tfl_out(op)->name;
	struct qb_value *in[4], *all = qb__tfl_temporary(op->im, of, QB_F32);
	struct qb_node *n = NULL;

	*out = qb__tfl_temporary(op->im, of, QB_F32);
	if (!all || !*out) {
		return qb__tfl_no_memory(op);
	}
	for (int k = 0; k < 4; k++) {
		QB_TRY(qb__tfl_constant(op->im, op->input[first + order[k]], NULL, -1, NULL, &in[k]));
	}
	QB_TRY(qb__tfl_add_node(op, QB_OP_Concat, 4, in, all, &n));
	qb_node_add_int(n, "axis", 0);
	QB_TRY(qb__tfl_add_node(op, QB_OP_Unsqueeze, 1, &all, *out, &n));
	n->opset = 11;
	return qb__tfl_add_ints(op, n, "axes", 1, &front);
}

/* The input's biases, and zeros for those that ONNX adds to the recurrent product. */
static enum qb_err biases(struct tfl_op *op, int64_t units, struct qb_value **out)
{
	struct qb_value *in[2], *zeros;
	float *zero;
	struct qb_node *n = NULL;

	*out = NULL;
	for (int k = 0; k < 4; k++) {
		const struct tfl_tensor *b = qb__tfl_in(op, LSTM_B + k);

		if (b && (!b->data || b->ndim != 1 || b->dim[0] != units || (b->dtype != QB_F32 && !b->scales))) {
			return qb__tfl_fail(op, QB_EUNSUPPORTED, "bias %d is no vector of real numbers that the file holds", k);
		}
		if (!b != !qb__tfl_in(op, LSTM_B)) {
			return qb__tfl_fail(op, QB_EFORMAT, "some of its gates have a bias and others none");
		}
	}
	if (!qb__tfl_in(op, LSTM_B)) {
		return QB_OK;
	}
	QB_TRY(gates(op, LSTM_B, &in[0]));
	zero = qb_arena_alloc(op->im->g->arena, 4 * (size_t)units, sizeof(*zero));
	zeros = zero ? qb__tfl_floats(op->im, qb__tfl_out(op)->name, (int)(4 * units), zero) : NULL;
	in[1] = qb__tfl_temporary(op->im, qb__tfl_out(op)->name, QB_F32);
	*out = qb__tfl_temporary(op->im, qb__tfl_out(op)->name, QB_F32);
	if (!zeros || !in[1] || !*out) {
		return qb__tfl_no_memory(op);
	}
	QB_TRY(qb__tfl_add_node(op, QB_OP_Unsqueeze, 1, &zeros, in[1], &n));
	n->opset = 11;
	QB_TRY(qb__tfl_add_ints(op, n, "axes", 1, &(int64_t){0}));
	QB_TRY(qb__tfl_add_node(op, QB_OP_Concat, 2, in, *out, &n));
	qb_node_add_int(n, "axis", 1);
	return QB_OK;
}

static enum qb_err swap(struct tfl_op *op, struct qb_value *x, struct qb_value *y)
{
	static const int64_t perm[3] = {1, 0, 2};
	struct qb_node *n = NULL;

	QB_TRY(qb__tfl_add_node(op, QB_OP_Transpose, 1, &x, y, &n));
	return qb__tfl_add_ints(op, n, "perm", 3, perm);
}

enum qb_err qb__tfl_sequence_lstm(struct tfl_op *op)
{
	static const int64_t direction = 1;
	bool time_major = qb_fb_byte(&op->options, LSTM_TIME_MAJOR, 0);
	struct qb_value *in[4] = {NULL}, *y, *all, *rows;
	struct qb_node *n = NULL;
	int64_t units;

	QB_TRY(check(op));
	units = qb__tfl_in(op, LSTM_W)->dim[0];
	if (units < 1 || units > 1 << 20) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it has %lld units", (long long)units);
	}
	QB_TRY(qb__tfl_operand(op, LSTM_X, &in[0]));
	QB_TRY(gates(op, LSTM_W, &in[1]));
	QB_TRY(gates(op, LSTM_R, &in[2]));
	QB_TRY(biases(op, units, &in[3]));
	QB_TRY(qb__tfl_result(op, &y));
	all = qb__tfl_temporary(op->im, y->name, QB_F32);
	rows = time_major ? y : qb__tfl_temporary(op->im, y->name, QB_F32);
	if (!all || !rows) {
		return qb__tfl_no_memory(op);
	}
	if (!time_major) {
		struct qb_value *x = in[0];

		in[0] = qb__tfl_temporary(op->im, x->name, QB_F32);
		if (!in[0]) {
			return qb__tfl_no_memory(op);
		}
		in[0]->imported = x->imported;
		QB_TRY(swap(op, x, in[0]));
	}
	QB_TRY(qb__tfl_add_node(op, QB_OP_LSTM, in[3] ? 4 : 3, in, all, &n));
	qb_node_add_int(n, "hidden_size", units);
	QB_TRY(qb__tfl_add_node(op, QB_OP_Squeeze, 1, &all, rows, &n));
	n->opset = 11;
	QB_TRY(qb__tfl_add_ints(op, n, "axes", 1, &direction));
	return time_major ? QB_OK : swap(op, rows, y);
}
