/* SPDX-License-Identifier: Apache-2.0
 *
 * com.microsoft's DynamicQuantizeLSTM: an LSTM with weights of 8 bits, whose input's range is taken of each input. Its weights
 * are the transposed ones of ONNX's LSTM, with a scale for each direction or each gate's row.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"

enum { X = 0, W = 1, R = 2, FIRST_SCALE = 8, PLAIN_INPUTS = 8 };

struct lstm {
	struct qb_graph *g;
	struct qb_node *n;
	struct qb_node **out;
	int count;
	struct qb_errbuf *eb;
};

static enum qb_err no_memory(const struct lstm *l)
{
	return qb_node_fail(l->eb, QB_ENOMEM, l->n, "out of memory while importing it");
}

static struct qb_value *input(const struct qb_node *n, int i)
{
	return i < n->inputs ? n->input[i] : NULL;
}

static enum qb_err add(struct lstm *l, enum qb_op_id op, int inputs, struct qb_value *const *in, struct qb_value **out)
{
	const char *name = qb_arena_printf(l->g->arena, "%s:%s:%d", l->n->name, qb_op_of(op)->type, l->count);
	struct qb_node *n;

	*out = name ? qb_graph_add_value(l->g, name, QB_DTYPE_NONE) : NULL;
	n = *out ? qb_node_create(l->g, op, name, QB_MAX((int)l->g->opset, 13), inputs, in, 1, out) : NULL;
	if (!n) {
		return no_memory(l);
	}
	l->out[l->count++] = n;
	return QB_OK;
}

/* As a vector, whatever its shape. */
static enum qb_err flat(struct lstm *l, struct qb_value **v)
{
	static int64_t all = -1;
	static const struct qb_tensor shape = {.dtype = QB_I64, .ndim = 1, .dim = {1}, .data = &all};
	struct qb_value *in[2] = {*v};

	if (!*v) {
		return QB_OK;
	}
	in[1] = qb_graph_add_constant(l->g, qb_arena_printf(l->g->arena, "%s:all", (*v)->name), &shape);
	return in[1] ? add(l, QB_OP_Reshape, 2, in, v) : no_memory(l);
}

/* codes [directions, in, 4 * hidden] become real [directions, 4 * hidden, in]. */
static enum qb_err weight(struct lstm *l, int at, int scale, struct qb_value **out)
{
	static const int64_t perm[] = {0, 2, 1};
	struct qb_value *codes, *shape, *in[3] = {NULL, input(l->n, scale), input(l->n, scale + 1)};
	bool rows = in[1] && in[1]->shape.known && in[1]->shape.ndim == 2;

	if (!in[1] || !in[1]->shape.known) {
		return qb_node_fail(l->eb, QB_EUNSUPPORTED, l->n, "input %d, a scale, has to be an initializer", scale);
	}
	QB_TRY(add(l, QB_OP_Transpose, 1, &l->n->input[at], &codes));
	qb_node_add_ints(l->out[l->count - 1], "perm", 3, perm);
	in[0] = codes;
	QB_TRY(flat(l, &in[1]));
	QB_TRY(flat(l, &in[2]));
	if (rows) {
		QB_TRY(add(l, QB_OP_Flatten, 1, &codes, &in[0]));
		qb_node_add_int(l->out[l->count - 1], "axis", 2);
	}
	QB_TRY(add(l, QB_OP_DequantizeLinear, in[2] ? 3 : 2, in, out));
	qb_node_add_int(l->out[l->count - 1], "axis", 0);
	if (rows) {
		QB_TRY(add(l, QB_OP_Shape, 1, &codes, &shape));
		in[0] = *out;
		in[1] = shape;
		QB_TRY(add(l, QB_OP_Reshape, 2, in, out));
	}
	return QB_OK;
}

enum qb_err qb__expand_lstm(struct qb_graph *g, struct qb_node *n, struct qb_node **out, int *count, struct qb_errbuf *eb)
{
	struct lstm l = {.g = g, .n = n, .out = out, .eb = eb};
	const struct qb_imported dynamic = {.code = QB_U8, .axis = -1};
	struct qb_value *in[PLAIN_INPUTS] = {NULL};
	int inputs = QB_MIN(n->inputs, (int)PLAIN_INPUTS);
	struct qb_node *lstm;

	if (n->inputs < FIRST_SCALE + 3 || !n->input[X] || !n->input[W] || !n->input[R] || n->outputs < 1) {
		return qb_node_fail(eb, QB_EONNX, n, "it has %d inputs and %d outputs, which do not fit the operator", n->inputs,
			n->outputs);
	}
	memcpy(in, n->input, (size_t)inputs * sizeof(*in));
	QB_TRY(weight(&l, W, FIRST_SCALE, &in[W]));
	QB_TRY(weight(&l, R, FIRST_SCALE + 2, &in[R]));
	while (!in[inputs - 1]) {
		inputs--;
	}
	in[X]->imported = in[X]->imported || in[X]->constant ? in[X]->imported : qb__keep_imported(g, &dynamic);
	lstm = qb_node_create(g, QB_OP_LSTM, n->name, QB_MAX((int)g->opset, 7), inputs, in, n->outputs, n->output);
	if (!lstm) {
		return no_memory(&l);
	}
	lstm->attr = n->attr;
	lstm->attrs = n->attrs;
	out[l.count++] = lstm;
	*count = l.count;
	return QB_OK;
}
