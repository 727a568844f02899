/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite in: the operators, as a table, and the graph around them. Everything the file says is checked here, in the
 * operators' files, or in an operator's shape rule.
 */
#include "core/graph/tflite.h"

#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"
#include "core/graph/tflite_ops.h"

static const struct {
	int code; /* BuiltinOperator */
	const char *name;
	enum qb_err (*add)(struct tfl_op *op);
} operators[] = {
	{0, "ADD", qb__tfl_binary},
	{1, "AVERAGE_POOL_2D", qb__tfl_pool_2d},
	{2, "CONCATENATION", qb__tfl_concatenation},
	{3, "CONV_2D", qb__tfl_conv_2d},
	{4, "DEPTHWISE_CONV_2D", qb__tfl_conv_2d},
	{5, "DEPTH_TO_SPACE", qb__tfl_depth_space},
	{6, "DEQUANTIZE", qb__tfl_quantize},
	{8, "FLOOR", qb__tfl_unary},
	{9, "FULLY_CONNECTED", qb__tfl_fully_connected},
	{11, "L2_NORMALIZATION", qb__tfl_l2_normalization},
	{14, "LOGISTIC", qb__tfl_unary},
	{17, "MAX_POOL_2D", qb__tfl_pool_2d},
	{18, "MUL", qb__tfl_binary},
	{19, "RELU", qb__tfl_unary},
	{20, "RELU_N1_TO_1", qb__tfl_unary},
	{21, "RELU6", qb__tfl_unary},
	{22, "RESHAPE", qb__tfl_reshape},
	{23, "RESIZE_BILINEAR", qb__tfl_resize},
	{25, "SOFTMAX", qb__tfl_softmax},
	{26, "SPACE_TO_DEPTH", qb__tfl_depth_space},
	{28, "TANH", qb__tfl_unary},
	{34, "PAD", qb__tfl_pad},
	{36, "GATHER", qb__tfl_gather},
	{37, "BATCH_TO_SPACE_ND", qb__tfl_batch_to_space},
	{38, "SPACE_TO_BATCH_ND", qb__tfl_space_to_batch},
	{39, "TRANSPOSE", qb__tfl_transpose_op},
	{40, "MEAN", qb__tfl_reduce},
	{41, "SUB", qb__tfl_binary},
	{42, "DIV", qb__tfl_binary},
	{43, "SQUEEZE", qb__tfl_reshape},
	{44, "UNIDIRECTIONAL_SEQUENCE_LSTM", qb__tfl_sequence_lstm},
	{45, "STRIDED_SLICE", qb__tfl_strided_slice},
	{47, "EXP", qb__tfl_unary},
	{49, "SPLIT", qb__tfl_split},
	{50, "LOG_SOFTMAX", qb__tfl_softmax},
	{53, "CAST", qb__tfl_cast},
	{54, "PRELU", qb__tfl_binary},
	{55, "MAXIMUM", qb__tfl_binary},
	{56, "ARG_MAX", qb__tfl_arg_max},
	{57, "MINIMUM", qb__tfl_binary},
	{59, "NEG", qb__tfl_unary},
	{60, "PADV2", qb__tfl_pad},
	{65, "SLICE", qb__tfl_slice},
	{66, "SIN", qb__tfl_unary},
	{67, "TRANSPOSE_CONV", qb__tfl_transpose_conv},
	{70, "EXPAND_DIMS", qb__tfl_reshape},
	{73, "LOG", qb__tfl_unary},
	{74, "SUM", qb__tfl_reduce},
	{75, "SQRT", qb__tfl_unary},
	{76, "RSQRT", qb__tfl_rsqrt},
	{78, "POW", qb__tfl_binary},
	{79, "ARG_MIN", qb__tfl_arg_max},
	{82, "REDUCE_MAX", qb__tfl_reduce},
	{83, "PACK", qb__tfl_pack},
	{88, "UNPACK", qb__tfl_unpack},
	{89, "REDUCE_MIN", qb__tfl_reduce},
	{92, "SQUARE", qb__tfl_square},
	{97, "RESIZE_NEAREST_NEIGHBOR", qb__tfl_resize},
	{98, "LEAKY_RELU", qb__tfl_unary},
	{99, "SQUARED_DIFFERENCE", qb__tfl_squared_difference},
	{100, "MIRROR_PAD", qb__tfl_pad},
	{101, "ABS", qb__tfl_unary},
	{102, "SPLIT_V", qb__tfl_split},
	{104, "CEIL", qb__tfl_unary},
	{108, "COS", qb__tfl_unary},
	{111, "ELU", qb__tfl_unary},
	{114, "QUANTIZE", qb__tfl_quantize},
	{116, "ROUND", qb__tfl_unary},
	{117, "HARD_SWISH", qb__tfl_unary},
	{126, "BATCH_MATMUL", qb__tfl_batch_matmul},
	{150, "GELU", qb__tfl_unary},
};

static enum qb_err add_operator(struct tfl_op *op)
{
	for (size_t i = 0; i < QB_COUNT(operators); i++) {
		if (operators[i].code == op->code) {
			op->type = operators[i].name;
			if (op->outputs < 1 || op->output[0] < 0) {
				return qb__tfl_fail(op, QB_EFORMAT, "it has no output");
			}
			return operators[i].add(op);
		}
	}
	return qb__tfl_fail(op, QB_EUNSUPPORTED, "TFLite's operator %d is not supported%s", op->code,
		op->code == 32 ? " (a custom operator)" : "");
}

static enum qb_err read_inputs(struct tfl *im)
{
	struct qb_fb_vector list = qb_fb_list(&im->graph, TFL_GRAPH_INPUTS, 4);
	struct qb_graph *g = im->g;
	bool one = true;

	g->input = qb_arena_alloc(g->arena, list.count + 1, sizeof(*g->input));
	if (!g->input || list.count > INT32_MAX) {
		return qb__tfl_out_of_memory(im);
	}
	for (size_t i = 0; i < list.count; i++) {
		int k = qb_fb_int_at(&list, i);
		struct tfl_tensor *t = k >= 0 && k < im->tensors ? &im->tensor[k] : NULL;
		struct qb_value *v;

		if (!t || t->value || t->data) {
			return qb_fail(im->eb, QB_EFORMAT, "input %zu of the network is tensor %d, which is %s", i, k,
				!t ? "not there" : t->data ? "a constant" : "an input already");
		}
		QB_TRY(qb__tfl_value(im, k, &v));
		v->shape = qb_shape_ranked(t->ndim);
		for (int d = 0; d < t->ndim; d++) {
			v->shape.dim[d] = t->dim[t->ndim == 4 ? qb__tfl_image[d] : d];
		}
		one = one && t->ndim > 0 && t->dim[0] == 1;
		g->input[g->inputs++] = v;
	}
	/* Files are converted for one sample; most networks run any number. */
	for (int i = 0; one && i < g->inputs; i++) {
		g->input[i]->shape.dim[0] = -1;
	}
	return QB_OK;
}

/* Who reads each tensor; networks' outputs count as one reader more. */
static enum qb_err count_uses(struct tfl *im)
{
	struct qb_fb_vector list = qb_fb_list(&im->graph, TFL_GRAPH_OUTPUTS, 4);
	size_t count = qb_fb_tables(&im->graph, TFL_GRAPH_OPERATORS);

	for (size_t i = 0; i < count; i++) {
		struct tfl_op op;

		QB_TRY(qb__tfl_read_operator(im, i, &op));
		for (int k = 0; k < op.inputs; k++) {
			if (op.input[k] >= 0) {
				im->tensor[op.input[k]].uses++;
				im->tensor[op.input[k]].user = (int)i;
			}
		}
	}
	for (size_t i = 0; i < list.count; i++) {
		int k = qb_fb_int_at(&list, i);

		if (k >= 0 && k < im->tensors) {
			im->tensor[k].uses++;
		}
	}
	return QB_OK;
}

/* What the shape rules rely on. */
static enum qb_err check_nodes(const struct tfl_op *op, int from)
{
	for (int i = from; i < op->im->g->nodes; i++) {
		const struct qb_node *n = op->im->g->node[i];

		for (int k = 0; k < n->op->min_inputs; k++) {
			if (k >= n->inputs || !n->input[k]) {
				return qb__tfl_fail(op, QB_EFORMAT, "input %d is left out", k);
			}
		}
	}
	return QB_OK;
}

static enum qb_err read_operators(struct tfl *im)
{
	size_t count = qb_fb_tables(&im->graph, TFL_GRAPH_OPERATORS);

	QB_TRY(count_uses(im));
	for (size_t i = 0; i < count; i++) {
		int before = im->g->nodes;
		struct tfl_op op;

		QB_TRY(qb__tfl_read_operator(im, i, &op));
		QB_TRY(add_operator(&op));
		QB_TRY(check_nodes(&op, before));
		if (im->fb.damaged) {
			return qb__tfl_damaged(im);
		}
	}
	return QB_OK;
}

/* The scores that a last ArgMax takes classes from: what metrics want, and what can be compared in decibels. */
static struct qb_value *before_arg_max(struct qb_value *v)
{
	const struct qb_node *n = v->producer;

	return n && qb_node_is(n, QB_OP_ArgMax) && qb_node_int(n, "axis", 0) == 1 ? n->input[0] : v;
}

static enum qb_err read_outputs(struct tfl *im)
{
	struct qb_fb_vector list = qb_fb_list(&im->graph, TFL_GRAPH_OUTPUTS, 4);
	struct qb_graph *g = im->g;

	g->output = qb_arena_alloc(g->arena, list.count + 1, sizeof(*g->output));
	if (!g->output || list.count > INT32_MAX) {
		return qb__tfl_out_of_memory(im);
	}
	for (size_t i = 0; i < list.count; i++) {
		int k = qb_fb_int_at(&list, i);

		if (k < 0 || k >= im->tensors) {
			return qb_fail(im->eb, QB_EFORMAT, "output %zu of the network is tensor %d, which is not there",
				i, k);
		}
		QB_TRY(qb__tfl_value(im, k, &g->output[i]));
		g->output[i] = before_arg_max(g->output[i]);
		g->outputs++;
	}
	return g->outputs ? QB_OK : qb_fail(im->eb, QB_EFORMAT, "the network has no outputs");
}

static enum qb_err import(struct tfl *im)
{
	struct qb_fb_table model = im->model = qb_fb_root(&im->fb);
	size_t graphs = qb_fb_tables(&model, TFL_MODEL_SUBGRAPHS);

	if (im->fb.damaged) {
		return qb__tfl_damaged(im);
	}
	if (qb_fb_uint(&model, TFL_MODEL_VERSION, 0) != 3 || graphs != 1) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "the .tflite file is of schema version %u with %zu subgraphs; "
			"version 3 with one is supported", qb_fb_uint(&model, TFL_MODEL_VERSION, 0), graphs);
	}
	im->graph = qb_fb_table_at(&model, TFL_MODEL_SUBGRAPHS, 0);
	QB_TRY(qb__tfl_read_tensors(im));
	im->g->opset = TFL_OPSET;
	im->g->name = "";
	im->g->producer = "TFLite";
	im->g->format = "tflite";
	QB_TRY(read_inputs(im));
	QB_TRY(read_operators(im));
	QB_TRY(read_outputs(im));
	QB_TRY(qb_graph_relink(im->g, im->eb));
	QB_TRY(qb_pass_remove_dead(im->g, im->eb));
	QB_TRY(qb_graph_infer(im->g, im->eb));
	QB_TRY(qb__graph_fix_batch(im->g, im->eb));
	return qb__graph_infer_batch(im->g);
}

bool qb__is_tflite(const void *bytes, size_t size)
{
	return size >= 8 && memcmp((const uint8_t *)bytes + 4, "TFL3", 4) == 0;
}

enum qb_err qb__import_tflite(struct qb_graph **out, const void *bytes, size_t size,
	struct qb_errbuf *eb)
{
	struct tfl im = {.g = qb_graph_create(), .fb = {bytes, size, false}, .eb = eb};
	enum qb_err err = im.g ? import(&im) : qb__tfl_out_of_memory(&im);

	qb_names_fini(&im.known);
	if (err == QB_OK) {
		*out = im.g;
	} else {
		qb_graph_destroy(&im.g);
	}
	return err;
}
