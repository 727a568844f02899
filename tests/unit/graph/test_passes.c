/* SPDX-License-Identifier: Apache-2.0
 *
 * Every pass keeps the network's function: the same inputs through the operators' plain C before and after.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/graph/activation.h"
#include "core/graph/op.h"
#include "tests/unit/graph/model_builder.h"

enum { F32 = 1, I64 = 7 };

static const float *constant(struct model_builder *b, const char *name, int ndim, const int64_t *dim,
	float offset)
{
	static uint64_t stream;
	size_t n = 1;
	float *x;

	for (int i = 0; i < ndim; i++) {
		n *= (size_t)dim[i];
	}
	x = (float *)mb_random(b, ++stream, n);
	for (size_t i = 0; i < n; i++) {
		x[i] += offset;
	}
	mb_initializer(b, name, F32, ndim, dim, x, n * sizeof(*x));
	return x;
}

/* scale, shift, mean, variance of c channels under `prefix`, then the node. */
static void batch_norm(struct model_builder *b, const char *name, const char *x, const char *y, int64_t c)
{
	char in[256], p[64];
	static const char *const kinds[] = { "scale", "shift", "mean", "var" };

	for (int i = 0; i < 4; i++) {
		snprintf(p, sizeof(p), "%s.%s", name, kinds[i]);
		constant(b, p, 1, &c, i == 3 ? 1.5f : 0.2f);
	}
	snprintf(in, sizeof(in), "%s,%s.scale,%s.shift,%s.mean,%s.var", x, name, name, name, name);
	mb_attr_float(b, mb_node(b, "BatchNormalization", name, in, y), "epsilon", 1e-3f);
}

static struct qb_graph *import(struct model_builder *b)
{
	struct qb_graph *g = NULL;
	struct qb_errbuf eb = { 0 };

	if (mb_import(b, &g, &eb) != QB_OK) {
		print_error("%s\n", eb.text);
	}
	assert_non_null(g);
	return g;
}

static void eval(struct model_builder *b, const struct qb_graph *g, struct qb_tensor out[4])
{
	struct qb_tensor in = { .dtype = QB_F32, .ndim = g->input[0]->shape.ndim };
	const struct qb_tensor *args[1] = { &in };
	struct qb_errbuf eb = { 0 };
	enum qb_err err;

	for (int i = 0; i < in.ndim; i++) {
		in.dim[i] = g->input[0]->shape.dim[i] < 0 ? 2 : g->input[0]->shape.dim[i];
	}
	in.data = (void *)mb_random(b, 999, qb_tensor_size(&in));
	err = qb_graph_eval(g, args, out, &eb);
	if (err != QB_OK) {
		print_error("%s\n", eb.text);
	}
	assert_int_equal(err, QB_OK);
}

/* Imports, prepares, compares; leaves the prepared graph to look at. Differences are of float32 rounding of the
 * folded weights: at most a few parts in 2^24 of the largest term, with sums of some dozen terms. */
static struct qb_graph *check_same(struct model_builder *b, int nodes)
{
	struct qb_graph *g = import(b);
	struct qb_tensor before[4], after[4];
	struct qb_errbuf eb = { 0 };

	eval(b, g, before);
	if (qb_graph_prepare(g, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	eval(b, g, after);
	for (int o = 0; o < g->outputs; o++) {
		size_t n = qb_tensor_size(&before[o]);
		const float *x = before[o].data, *y = after[o].data;
		float largest = 1;

		assert_int_equal(n, qb_tensor_size(&after[o]));
		for (size_t i = 0; i < n; i++) {
			largest = QB_MAX(largest, x[i] < 0 ? -x[i] : x[i]);
		}
		for (size_t i = 0; i < n; i++) {
			if (!(x[i] - y[i] <= 2e-6f * largest && y[i] - x[i] <= 2e-6f * largest)) {
				fail_msg("output %d, element %zu: %.9g before, %.9g after", o, i, (double)x[i],
					(double)y[i]);
			}
		}
		free(before[o].data);
		free(after[o].data);
	}
	if (g->nodes != nodes) {
		qb_graph_print(g, stderr);
	}
	assert_int_equal(g->nodes, nodes);
	return g;
}

static void finish(struct model_builder *b, struct qb_graph *g)
{
	qb_graph_destroy(&g);
	mb_fini(b);
}

/* x [N,4,7,6] -> Conv [6, 4/group, 3, 3] -> "c" */
static Onnx__NodeProto *build_conv(struct model_builder *b, int64_t group, bool bias)
{
	int64_t channels = 6;
	Onnx__NodeProto *n;

	mb_init(b, 13);
	mb_input(b, "x", F32, 4, (int64_t[]){ MB_BATCH, 4, 7, 6 });
	constant(b, "w", 4, (int64_t[]){ 6, 4 / group, 3, 3 }, 0);
	if (bias) {
		constant(b, "b", 1, &channels, 0);
	}
	n = mb_node(b, "Conv", "conv", bias ? "x,w,b" : "x,w", "c");
	mb_attr_int(b, n, "group", group);
	return n;
}

static void fold_batch_norm__after_conv__is_in_the_weights(void **state)
{
	struct model_builder b;
	struct qb_graph *g;

	(void)state;
	for (int k = 0; k < 4; k++) {
		build_conv(&b, k & 1 ? 2 : 1, k & 2);
		batch_norm(&b, "bn", "c", "y", 6);
		mb_output(&b, "y", F32, -1, NULL);
		g = check_same(&b, 1);
		assert_string_equal(g->output[0]->name, "y");
		assert_int_equal(g->node[0]->inputs, 3);
		finish(&b, g);
	}
}

static void fold_batch_norm__twice__is_in_the_weights(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 1, true);
	batch_norm(&b, "bn1", "c", "d", 6);
	batch_norm(&b, "bn2", "d", "y", 6);
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 1));
}

static void fold_batch_norm__conv_used_twice__stays(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 1, true);
	batch_norm(&b, "bn", "c", "d", 6);
	mb_node(&b, "Add", "add", "c,d", "y");
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 3));
}

static void fold_batch_norm__conv_is_an_output__stays(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 1, true);
	batch_norm(&b, "bn", "c", "y", 6);
	mb_output(&b, "y", F32, -1, NULL);
	mb_output(&b, "c", F32, -1, NULL);
	finish(&b, check_same(&b, 2));
}

static void fold_batch_norm__after_relu__stays(void **state)
{
	struct model_builder b;
	struct qb_graph *g;

	(void)state;
	build_conv(&b, 1, true);
	mb_node(&b, "Relu", "relu", "c", "r");
	batch_norm(&b, "bn", "r", "y", 6);
	mb_output(&b, "y", F32, -1, NULL);
	g = check_same(&b, 3);
	assert_ptr_equal(qb_activation_of(g->node[0]->output[0]), g->node[1]);
	assert_int_equal(qb_node_activation(g->node[0]).kind, QB_ACT_RELU);
	finish(&b, g);
}

static void fold_batch_norm__shared_weights__copies_them(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 1, false);
	batch_norm(&b, "bn", "c", "d", 6);
	mb_node(&b, "Conv", "again", "x,w", "e");
	mb_node(&b, "Add", "add", "d,e", "y");
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 3));
}

static void fold_batch_norm__after_conv_transpose__is_in_the_weights(void **state)
{
	struct model_builder b;
	Onnx__NodeProto *n;

	(void)state;
	for (int64_t group = 1; group <= 2; group++) {
		mb_init(&b, 13);
		mb_input(&b, "x", F32, 4, (int64_t[]){ MB_BATCH, 4, 5, 4 });
		constant(&b, "w", 4, (int64_t[]){ 4, 3, 3, 2 }, 0);
		n = mb_node(&b, "ConvTranspose", "up", "x,w", "c");
		mb_attr_int(&b, n, "group", group);
		mb_attr_ints(&b, n, "strides", 2, (int64_t[]){ 2, 2 });
		batch_norm(&b, "bn", "c", "y", 3 * group);
		mb_output(&b, "y", F32, -1, NULL);
		finish(&b, check_same(&b, 1));
	}
}

static void fold_batch_norm__after_gemm__is_in_the_weights(void **state)
{
	struct model_builder b;
	Onnx__NodeProto *n;

	(void)state;
	for (int k = 0; k < 8; k++) {
		bool transposed = k & 1, bias = k & 2, scaled = k & 4;

		mb_init(&b, 13);
		mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 5 });
		constant(&b, "w", 2, transposed ? (int64_t[]){ 3, 5 } : (int64_t[]){ 5, 3 }, 0);
		constant(&b, "b", 1, (int64_t[]){ 3 }, 0);
		n = mb_node(&b, "Gemm", "gemm", bias ? "x,w,b" : "x,w", "c");
		mb_attr_int(&b, n, "transB", transposed);
		if (scaled) {
			mb_attr_float(&b, n, "alpha", 0.5f);
			mb_attr_float(&b, n, "beta", 3);
		}
		batch_norm(&b, "bn", "c", "y", 3);
		mb_output(&b, "y", F32, -1, NULL);
		finish(&b, check_same(&b, 1));
	}
}

static void fold_batch_norm__standing_alone__stays(void **state)
{
	struct model_builder b;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 4, (int64_t[]){ MB_BATCH, 4, 5, 4 });
	batch_norm(&b, "bn", "x", "y", 4);
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 1));
}

static void fold_affine__mul_and_add_of_constants__are_in_the_weights(void **state)
{
	static const char *const types[] = { "Mul", "Add", "Div", "Sub" };
	struct model_builder b;

	(void)state;
	for (size_t t = 0; t < QB_COUNT(types); t++) {
		for (int first = 0; first < (t < 2 ? 2 : 1); first++) {
			build_conv(&b, 1, t & 1);
			constant(&b, "k", 4, (int64_t[]){ 1, 6, 1, 1 }, 2);
			mb_node(&b, types[t], "affine", first ? "k,c" : "c,k", "y");
			mb_output(&b, "y", F32, -1, NULL);
			finish(&b, check_same(&b, 1));
		}
	}
}

static void fold_affine__constant_along_another_axis__stays(void **state)
{
	static const int64_t shapes[][4] = { { 1, 1, 5, 1 }, { 2, 6, 1, 1 }, { 1, 6, 5, 4 }, { 1, 1, 1, 4 } };
	struct model_builder b;

	(void)state;
	for (size_t i = 0; i < QB_COUNT(shapes); i++) {
		build_conv(&b, 1, true);
		constant(&b, "k", 4, shapes[i], 2);
		mb_node(&b, "Mul", "mul", "c,k", "y");
		mb_output(&b, "y", F32, -1, NULL);
		finish(&b, check_same(&b, 2));
	}
}

static void fold_affine__constant_minus_conv__stays(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 1, true);
	constant(&b, "k", 4, (int64_t[]){ 1, 6, 1, 1 }, 2);
	mb_node(&b, "Sub", "sub", "k,c", "y");
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 2));
}

static void fold_affine__constant_that_widens__stays(void **state)
{
	struct model_builder b;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 3, (int64_t[]){ MB_BATCH, 2, 5 });
	constant(&b, "w", 2, (int64_t[]){ 5, 1 }, 0);
	mb_node(&b, "MatMul", "mm", "x,w", "c"); /* [N,2,1] + [3] is [N,2,3] */
	constant(&b, "k", 1, (int64_t[]){ 3 }, 0);
	mb_node(&b, "Add", "add", "c,k", "y");
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 2));
}

static void fuse_bias__matmul_and_add__is_a_third_input(void **state)
{
	struct model_builder b;
	struct qb_graph *g;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 3, (int64_t[]){ MB_BATCH, 3, 5 });
	constant(&b, "w", 2, (int64_t[]){ 5, 4 }, 0);
	constant(&b, "k", 1, (int64_t[]){ 4 }, 0);
	mb_node(&b, "MatMul", "mm", "x,w", "c");
	mb_node(&b, "Add", "add", "k,c", "d");
	mb_node(&b, "Relu", "relu", "d", "y");
	mb_output(&b, "y", F32, -1, NULL);
	g = check_same(&b, 2);
	assert_int_equal(g->node[0]->inputs, 3);
	assert_int_equal(g->node[0]->input[2]->shape.dim[0], 4);
	finish(&b, g);
}

struct equation_case {
	const char *equation;
	int ndim;
	int64_t dim[3]; /* of the constant */
	int nodes;
};

/* x [N,3,4] and a constant. */
static void split_einsum__products__become_matmul(void **state)
{
	static const struct equation_case cases[] = {
		{"nab,bc->nac", 2, {4, 5}, 1},      /* a layer */
		{"nab,cb->nac", 2, {5, 4}, 1},      /* its weight turned beforehand */
		{"nab,bcd->nacd", 3, {4, 2, 5}, 2}, /* heads: Reshape behind it */
		{"nab,acb->nac", 3, {3, 5, 4}, 3},  /* a matrix for each a: between two Transposes */
		{"nab,bc->anc", 2, {4, 5}, 2},      /* Transpose before it */
		{"nab,ca->ncb", 2, {5, 3}, 1},      /* the constant from the left */
		{"nab,ab->nab", 2, {3, 4}, 1},      /* number by number */
		{"naa,ac->nc", 2, {3, 4}, 1},       /* a diagonal stays */
		{"nab,bc->nc", 2, {4, 5}, 1},       /* a sum over one operand stays */
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(cases); i++) {
		const struct equation_case *c = &cases[i];
		bool stays = i + 2 >= QB_COUNT(cases);
		struct model_builder b;
		struct qb_graph *g;

		mb_init(&b, 13);
		mb_input(&b, "x", F32, 3, (int64_t[]){MB_BATCH, 3, strstr(c->equation, "aa") ? 3 : 4});
		constant(&b, "k", c->ndim, c->dim, 0);
		mb_attr_string(&b, mb_node(&b, "Einsum", "product", "x,k", "y"), "equation", c->equation);
		mb_output(&b, "y", F32, -1, NULL);
		g = check_same(&b, c->nodes);
		for (int k = 0; k < g->nodes; k++) {
			assert_true(stays == !strcmp(g->node[k]->type, "Einsum"));
		}
		for (int k = 0; k < g->output[0]->shape.ndim; k++) {
			assert_true(g->output[0]->shape.dim[k] != QB_DIM_UNKNOWN);
		}
		assert_string_equal(g->output[0]->name, "y");
		finish(&b, g);
	}
}

/* One Clip, whose bounds are attributes, right behind the layer. */
static void join_activations__clips__compose(void **state)
{
	struct model_builder b;
	float lo = -0.25f, six = 0.5f;
	struct qb_graph *g;
	struct qb_act act;

	(void)state;
	build_conv(&b, 1, true);
	mb_initializer(&b, "lo", F32, 0, NULL, &lo, sizeof(lo));
	mb_initializer(&b, "six", F32, 0, NULL, &six, sizeof(six));
	mb_node(&b, "Clip", "clip", "c,lo,six", "d");
	mb_node(&b, "Relu", "relu", "d", "e");
	mb_node(&b, "Clip", "clip2", "e,,six", "y");
	mb_output(&b, "y", F32, -1, NULL);
	g = check_same(&b, 2);
	act = qb_node_activation(g->node[0]);
	assert_int_equal(act.kind, QB_ACT_CLIP);
	assert_float_equal(act.lo, 0, 0);
	assert_float_equal(act.hi, 0.5, 0);
	assert_true(qb_node_is(g->node[1], QB_OP_Clip) && g->node[1]->inputs == 1);
	assert_ptr_equal(qb_node_result(g->node[0]), g->output[0]);
	assert_ptr_equal(qb_value_layer(g->output[0]), g->node[0]);
	assert_string_equal(g->output[0]->name, "y");
	assert_string_equal(g->node[0]->output[0]->name, "y.linear");
	/* Apart, it is no longer the layer's. */
	assert_int_equal(qb_pass_split_activations(g, NULL), QB_OK);
	assert_null(qb_activation_of(g->node[0]->output[0]));
	assert_int_equal(qb_node_activation(g->node[0]).kind, QB_ACT_NONE);
	assert_ptr_equal(qb_node_result(g->node[0]), g->node[0]->output[0]);
	assert_ptr_equal(qb_value_layer(g->output[0]), g->node[1]);
	finish(&b, g);
}

static void join_activations__crossed_bounds__give_the_upper(void **state)
{
	struct model_builder b;
	float lo = 3, hi = 1;

	(void)state;
	build_conv(&b, 1, true);
	mb_initializer(&b, "lo", F32, 0, NULL, &lo, sizeof(lo));
	mb_initializer(&b, "hi", F32, 0, NULL, &hi, sizeof(hi));
	mb_node(&b, "Clip", "clip", "c,lo,hi", "y");
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 2));
}

static void join_activations__add_used_twice__stays(void **state)
{
	struct model_builder b;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	mb_node(&b, "Add", "add", "x,x", "a");
	mb_node(&b, "Relu", "relu", "a", "r");
	mb_node(&b, "Sub", "sub", "a,r", "y");
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 3));
}

static void build_padded(struct model_builder *b, int channel, const char *mode, float value)
{
	int64_t pads[8] = { 0, channel, 1, 2, 0, 0, 3, 0 };
	Onnx__NodeProto *n;

	mb_init(b, 13);
	mb_input(b, "x", F32, 4, (int64_t[]){ MB_BATCH, 4 - channel, 5, 5 });
	mb_initializer(b, "pads", I64, 1, (int64_t[]){ 8 }, pads, sizeof(pads));
	mb_initializer(b, "v", F32, 0, NULL, &value, sizeof(value));
	mb_attr_string(b, mb_node(b, "Pad", "pad", "x,pads,v", "p"), "mode", mode);
	constant(b, "w", 4, (int64_t[]){ 3, 4, 3, 3 }, 0);
	n = mb_node(b, "Conv", "conv", "p,w", "y");
	mb_attr_ints(b, n, "pads", 4, (int64_t[]){ 1, 0, 0, 1 });
	mb_output(b, "y", F32, -1, NULL);
}

static void fuse_pad__zeros_around_the_image__are_the_convs(void **state)
{
	struct model_builder b;
	const int64_t *pads;
	struct qb_graph *g;

	(void)state;
	build_padded(&b, 0, "constant", 0);
	g = check_same(&b, 1);
	assert_int_equal(qb_node_ints(g->node[0], "pads", &pads), 4);
	assert_int_equal(pads[0], 2);
	assert_int_equal(pads[1], 2);
	assert_int_equal(pads[2], 3);
	assert_int_equal(pads[3], 1);
	finish(&b, g);
}

static void fuse_pad__anything_else__stays(void **state)
{
	struct model_builder b;

	(void)state;
	build_padded(&b, 0, "constant", 1);
	finish(&b, check_same(&b, 2));
	build_padded(&b, 0, "edge", 0);
	finish(&b, check_same(&b, 2));
	build_padded(&b, 1, "constant", 0);
	finish(&b, check_same(&b, 2));
}

/* x [N,2,5,6] -> Pad by value -> two MaxPools of 3 x 3 that add up. */
static void build_pooled(struct model_builder *b, float value, int64_t width)
{
	const int64_t pads[8] = { 0, 0, 1, width, 0, 0, 2, 0 };

	mb_init(b, 13);
	mb_input(b, "x", F32, 4, (int64_t[]){ MB_BATCH, 2, 5, 6 });
	mb_initializer(b, "pads", I64, 1, (int64_t[]){ 8 }, pads, sizeof(pads));
	mb_initializer(b, "value", F32, 0, NULL, &value, sizeof(value));
	mb_node(b, "Pad", "pad", "x,pads,value", "p");
	mb_attr_ints(b, mb_node(b, "MaxPool", "a", "p", "u"), "kernel_shape", 2, (int64_t[]){ 3, 3 });
	mb_attr_ints(b, mb_node(b, "MaxPool", "b", "p", "v"), "kernel_shape", 2, (int64_t[]){ 3, 3 });
	mb_node(b, "Add", "sum", "u,v", "y");
	mb_output(b, "y", F32, -1, NULL);
}

static void fuse_pad__lowest_numbers__are_the_pools(void **state)
{
	struct model_builder b;

	(void)state;
	build_pooled(&b, -INFINITY, 2);
	finish(&b, check_same(&b, 3));
	build_pooled(&b, -65504, 2);
	finish(&b, check_same(&b, 3));
	build_pooled(&b, -1, 2);
	finish(&b, check_same(&b, 4));
	/* A window may lie outside altogether. */
	build_pooled(&b, -65504, 3);
	finish(&b, check_same(&b, 4));
}

/* w is a weight twice, a bias and an operand; s a bias twice. */
static void separate_constants__each_use__has_its_value(void **state)
{
	struct model_builder b;
	struct qb_graph *g;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	constant(&b, "w", 2, (int64_t[]){ 4, 4 }, 0);
	constant(&b, "s", 1, (int64_t[]){ 4 }, 0);
	mb_node(&b, "Gemm", "one", "x,w,s", "a");
	mb_attr_int(&b, mb_node(&b, "Gemm", "two", "a,w,s", "b"), "transB", 1);
	mb_node(&b, "Gemm", "three", "w,b,w", "c");
	mb_node(&b, "Mul", "four", "c,w", "y");
	mb_output(&b, "y", F32, -1, NULL);
	g = import(&b);
	if (qb_graph_prepare(g, NULL) != QB_OK) {
		fail();
	}
	assert_ptr_equal(g->node[0]->input[1], g->node[1]->input[1]);
	assert_ptr_equal(g->node[0]->input[1], g->node[2]->input[0]);
	assert_ptr_not_equal(g->node[0]->input[2], g->node[1]->input[2]);
	assert_ptr_not_equal(g->node[2]->input[2], g->node[2]->input[0]);
	assert_ptr_not_equal(g->node[3]->input[1], g->node[2]->input[0]);
	assert_ptr_equal(g->node[3]->input[1]->constant, g->node[2]->input[0]->constant);
	for (int i = 0; i < g->values; i++) {
		assert_int_equal(qb_graph_find(g, g->value[i]->name, g->values), i);
	}
	finish(&b, g);
}

static void simplify__nodes_that_do_nothing__are_gone(void **state)
{
	struct model_builder b;
	int64_t to[2] = { -1, 4 }, none[4] = { 0 }, shift[4] = { 0, 1, 0, -1 };
	struct qb_graph *g;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	mb_initializer(&b, "to", I64, 1, (int64_t[]){ 2 }, to, sizeof(to));
	mb_node(&b, "Identity", "id", "x", "a");
	mb_node(&b, "Dropout", "drop", "a", "b");
	mb_attr_int(&b, mb_node(&b, "Cast", "cast", "b", "c"), "to", F32);
	mb_node(&b, "Reshape", "reshape", "c,to", "d");
	mb_node(&b, "Relu", "relu", "d", "e");
	mb_initializer(&b, "none", I64, 1, (int64_t[]){ 4 }, none, sizeof(none));
	mb_initializer(&b, "shift", I64, 1, (int64_t[]){ 4 }, shift, sizeof(shift));
	mb_node(&b, "Pad", "pad", "e,none", "f");
	mb_node(&b, "Pad", "shifts", "f,shift", "h");
	mb_node(&b, "Flatten", "flat", "h", "y");
	mb_output(&b, "y", F32, -1, NULL);
	g = check_same(&b, 2);
	assert_string_equal(g->node[1]->name, "shifts");
	assert_string_equal(g->output[0]->name, "y");
	finish(&b, g);
}

static void simplify__input_to_output__keeps_a_node(void **state)
{
	struct model_builder b;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	mb_node(&b, "Identity", "id", "x", "y");
	mb_output(&b, "y", F32, -1, NULL);
	finish(&b, check_same(&b, 1));
}

static void simplify__one_value_under_two_names__keeps_both(void **state)
{
	struct model_builder b;
	struct qb_graph *g;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	mb_node(&b, "Relu", "relu", "x", "a");
	mb_node(&b, "Identity", "id", "a", "y");
	mb_output(&b, "a", F32, -1, NULL);
	mb_output(&b, "y", F32, -1, NULL);
	g = check_same(&b, 2);
	assert_string_equal(g->output[0]->name, "a");
	assert_string_equal(g->output[1]->name, "y");
	finish(&b, g);
}

static void remove_dead__unused_branch__is_gone(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 1, true);
	mb_node(&b, "Relu", "unused", "c", "u");
	mb_node(&b, "Exp", "unused2", "u", "v");
	mb_output(&b, "c", F32, -1, NULL);
	finish(&b, check_same(&b, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fold_batch_norm__after_conv__is_in_the_weights),
		cmocka_unit_test(fold_batch_norm__twice__is_in_the_weights),
		cmocka_unit_test(fold_batch_norm__conv_used_twice__stays),
		cmocka_unit_test(fold_batch_norm__conv_is_an_output__stays),
		cmocka_unit_test(fold_batch_norm__after_relu__stays),
		cmocka_unit_test(fold_batch_norm__shared_weights__copies_them),
		cmocka_unit_test(fold_batch_norm__after_conv_transpose__is_in_the_weights),
		cmocka_unit_test(fold_batch_norm__after_gemm__is_in_the_weights),
		cmocka_unit_test(fold_batch_norm__standing_alone__stays),
		cmocka_unit_test(fold_affine__mul_and_add_of_constants__are_in_the_weights),
		cmocka_unit_test(fold_affine__constant_along_another_axis__stays),
		cmocka_unit_test(fold_affine__constant_minus_conv__stays),
		cmocka_unit_test(fold_affine__constant_that_widens__stays),
		cmocka_unit_test(fuse_bias__matmul_and_add__is_a_third_input),
		cmocka_unit_test(split_einsum__products__become_matmul),
		cmocka_unit_test(join_activations__clips__compose),
		cmocka_unit_test(join_activations__crossed_bounds__give_the_upper),
		cmocka_unit_test(join_activations__add_used_twice__stays),
		cmocka_unit_test(fuse_pad__zeros_around_the_image__are_the_convs),
		cmocka_unit_test(fuse_pad__anything_else__stays),
		cmocka_unit_test(fuse_pad__lowest_numbers__are_the_pools),
		cmocka_unit_test(separate_constants__each_use__has_its_value),
		cmocka_unit_test(simplify__nodes_that_do_nothing__are_gone),
		cmocka_unit_test(simplify__input_to_output__keeps_a_node),
		cmocka_unit_test(simplify__one_value_under_two_names__keeps_both),
		cmocka_unit_test(remove_dead__unused_branch__is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
