/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators on codes (ONNX's QLinearConv and QLinearMatMul, ONNX Runtime's com.microsoft ones) as what they mean: every
 * operand dequantized, the float operator, the result quantized.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"

/* An operand is three inputs: codes, scale, zero point. */
struct quantized_op {
	const char *domain, *type;
	enum qb_op_id becomes;
	int plain;    /* inputs before the operands that pass through */
	int operands; /* -1: all the rest */
	int result;   /* input of the result's scale; its zero point follows */
	int bias;     /* input of an int32 bias, -1: none */
	int weight;   /* operand whose scale may be per channel, -1: none */
};

static const struct quantized_op table[] = {
	{"", "QLinearConv", QB_OP_Conv, 0, 2, 6, 8, 1},
	{"", "QLinearMatMul", QB_OP_MatMul, 0, 2, 6, -1, 1},
	{"com.microsoft", "QLinearConv", QB_OP_Conv, 0, 2, 6, 8, 1},
	{"com.microsoft", "QGemm", QB_OP_Gemm, 0, 2, 7, 6, 1},
	{"com.microsoft", "QLinearAdd", QB_OP_Add, 0, 2, 6, -1, -1},
	{"com.microsoft", "QLinearMul", QB_OP_Mul, 0, 2, 6, -1, -1},
	{"com.microsoft", "QLinearWhere", QB_OP_Where, 1, 2, 7, -1, -1},
	{"com.microsoft", "QLinearSigmoid", QB_OP_Sigmoid, 0, 1, 3, -1, -1},
	{"com.microsoft", "QLinearLeakyRelu", QB_OP_LeakyRelu, 0, 1, 3, -1, -1},
	{"com.microsoft", "QLinearSoftmax", QB_OP_Softmax, 0, 1, 3, -1, -1},
	{"com.microsoft", "QLinearAveragePool", QB_OP_AveragePool, 0, 1, 3, -1, -1},
	{"com.microsoft", "QLinearGlobalAveragePool", QB_OP_GlobalAveragePool, 0, 1, 3, -1, -1},
	{"com.microsoft", "QLinearConcat", QB_OP_Concat, 2, -1, 0, -1, -1},
	{"com.microsoft", "QuantizeLinear", QB_OP_QuantizeLinear, 0, 0, -1, -1, -1},
	{"com.microsoft", "DequantizeLinear", QB_OP_DequantizeLinear, 0, 0, -1, -1, -1},
};

static const struct quantized_op *find(const char *domain, const char *type)
{
	for (size_t i = 0; i < QB_COUNT(table); i++) {
		if (!strcmp(table[i].domain, domain) && !strcmp(table[i].type, type)) {
			return &table[i];
		}
	}
	return NULL;
}

int qb__expanded_most(const struct qb_node *n)
{
	return n->inputs + 8;
}

struct expansion {
	struct qb_graph *g;
	struct qb_node *n;
	const struct quantized_op *row;
	struct qb_node **out;
	int cap, count;
	struct qb_errbuf *eb;
};

static enum qb_err no_memory(const struct expansion *e)
{
	return qb_node_fail(e->eb, QB_ENOMEM, e->n, "out of memory while importing it");
}

static struct qb_value *input(const struct qb_node *n, int i)
{
	return i >= 0 && i < n->inputs ? n->input[i] : NULL;
}

/* Adds TYPE(in...) with one new output; its attribute axis where it is not negative. */
static enum qb_err add(struct expansion *e, enum qb_op_id op, int inputs,
	struct qb_value *const *in, int64_t axis, struct qb_value *out, struct qb_errbuf *eb)
{
	const char *name = qb_arena_printf(e->g->arena, "%s:%s:%d", e->n->name, qb_op_of(op)->type, e->count);
	struct qb_node *n;

	if (e->count == e->cap) {
		return qb_node_fail(eb, QB_EINTERNAL, e->n, "too many parts");
	}
	n = name ? qb_node_create(e->g, op, name, QB_MAX((int)e->g->opset, 13), inputs, in, 1, &out)
		 : NULL;
	if (!n) {
		return no_memory(e);
	}
	if (axis >= 0) {
		qb_node_add_int(n, "axis", axis);
	}
	e->out[e->count++] = n;
	return QB_OK;
}

static struct qb_value *value(struct expansion *e, const char *of, const char *what)
{
	const char *name = qb_arena_printf(e->g->arena, "%s:%s", of, what);

	return name ? qb_graph_add_value(e->g, name, QB_DTYPE_NONE) : NULL;
}

/* The channel axis of the weight that a vector of scales runs along. */
static int64_t weight_axis(const struct expansion *e, const struct qb_value *w)
{
	if (e->row->becomes == QB_OP_Conv) {
		return 0;
	}
	if (e->row->becomes == QB_OP_Gemm) {
		return qb_node_int(e->n, "transB", 0) ? 0 : 1;
	}
	return w->shape.known && w->shape.ndim > 0 ? w->shape.ndim - 1 : 1;
}

static enum qb_err dequantize(struct expansion *e, int at, bool weight, struct qb_value **out)
{
	struct qb_value *in[3] = {input(e->n, at), input(e->n, at + 1), input(e->n, at + 2)};
	struct qb_value *y;

	if (!in[0] || !in[1]) {
		return qb_node_fail(e->eb, QB_EONNX, e->n, "input %d or its scale is left out", at);
	}
	y = value(e, in[0]->name, "real");
	if (!y) {
		return no_memory(e);
	}
	*out = y;
	return add(e, QB_OP_DequantizeLinear, in[2] ? 3 : 2, in, weight ? weight_axis(e, in[0]) : -1, y,
		e->eb);
}

/* codes * (scale of the first operand * scale of the second) */
static enum qb_err dequantize_bias(struct expansion *e, struct qb_value **out)
{
	struct qb_value *factor[2] = {e->n->input[1], e->n->input[4]};
	struct qb_value *bias = e->n->input[e->row->bias], *in[2] = {bias};

	in[1] = value(e, bias->name, "scale");
	*out = value(e, bias->name, "real");
	if (!in[1] || !*out) {
		return no_memory(e);
	}
	QB_TRY(add(e, QB_OP_Mul, 2, factor, -1, in[1], e->eb));
	return add(e, QB_OP_DequantizeLinear, 2, in, 0, *out, e->eb);
}

static bool is_ours(const struct qb_attr *a)
{
	static const char *const extra[] = {"channels_last", "opset"};

	for (size_t i = 0; i < QB_COUNT(extra); i++) {
		if (!strcmp(a->name, extra[i])) {
			return false;
		}
	}
	return true;
}

/* The float operator, with the attributes of the node; its output quantized where there is a scale. */
static enum qb_err compute(struct expansion *e, int inputs, struct qb_value *const *in)
{
	struct qb_value *codes = e->n->output[0], *scale = input(e->n, e->row->result), *y = codes;
	struct qb_value *q[3] = {NULL, scale, scale ? input(e->n, e->row->result + 1) : NULL};
	struct qb_attr *attr = qb_arena_alloc(e->g->arena, (size_t)e->n->attrs + 1, sizeof(*attr));
	struct qb_node *op;

	if (scale) {
		/* The float value is what the file's name is about. */
		y = qb_graph_add_value(e->g, codes->name, QB_DTYPE_NONE);
		q[0] = y;
		codes->name = qb_arena_printf(e->g->arena, "%s:codes", codes->name);
	}
	if (!y || !attr || !codes->name) {
		return no_memory(e);
	}
	QB_TRY(add(e, e->row->becomes, inputs, in, -1, y, e->eb));
	op = e->out[e->count - 1];
	op->name = e->n->name;
	op->attr = attr;
	op->opset = (int)qb_node_int(e->n, "opset", QB_MAX(e->g->opset, 1));
	for (int i = 0; i < e->n->attrs; i++) {
		if (is_ours(&e->n->attr[i])) {
			attr[op->attrs++] = e->n->attr[i];
		}
	}
	return scale ? add(e, QB_OP_QuantizeLinear, q[2] ? 3 : 2, q, -1, codes, e->eb) : QB_OK;
}

/* com.microsoft's QuantizeLinear is ONNX's at any opset. */
static enum qb_err rename_only(struct expansion *e)
{
	qb_node_set_op(e->n, e->row->becomes);
	e->n->opset = QB_MAX((int)e->g->opset, 21);
	e->out[e->count++] = e->n;
	return QB_OK;
}

enum qb_err qb__expand_quantized(struct qb_graph *g, struct qb_node *n, const char *domain,
	struct qb_node **out, int cap, int *count, struct qb_errbuf *eb)
{
	struct expansion e = {.g = g, .n = n, .row = find(domain, n->type), .out = out, .cap = cap,
		.eb = eb};
	const struct quantized_op *row = e.row;
	struct qb_value **in;
	int inputs = 0, operands, last;

	*count = 0;
	if (strcmp(domain, "com.microsoft") == 0 && strcmp(n->type, "DynamicQuantizeLSTM") == 0) {
		return qb__expand_lstm(g, n, out, count, eb);
	}
	if (!row) {
		return QB_OK;
	}
	if (row->operands == 0) {
		QB_TRY(rename_only(&e));
		*count = e.count;
		return QB_OK;
	}
	operands = row->operands < 0 ? (n->inputs - row->plain) / 3 : row->operands;
	last = row->plain + 3 * operands;
	if (n->inputs < last - 1 || operands < 1 || n->outputs != 1 || !n->output[0] ||
		(row->operands < 0 && n->inputs != last) ||
		(row->bias < 0 && !input(n, row->result))) {
		return qb_node_fail(eb, QB_EONNX, n, "it has %d inputs, which do not fit the operator",
			n->inputs);
	}
	if (input(n, row->bias) && qb_node_float(n, "alpha", 1) != 1) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "alpha with a bias is not supported");
	}
	if (qb_node_int(n, "channels_last", 0)) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "channels_last is not supported");
	}
	in = qb_arena_alloc(g->arena, (size_t)n->inputs + 1, sizeof(*in));
	if (!in) {
		return no_memory(&e);
	}
	for (int i = 0; row->result >= row->plain && i < row->plain; i++) {
		in[inputs++] = n->input[i];
	}
	for (int i = 0; i < operands; i++) {
		QB_TRY(dequantize(&e, row->plain + 3 * i, i == row->weight, &in[inputs++]));
	}
	if (input(n, row->bias)) {
		QB_TRY(dequantize_bias(&e, &in[inputs++]));
	}
	QB_TRY(compute(&e, inputs, in));
	*count = e.count;
	return QB_OK;
}
