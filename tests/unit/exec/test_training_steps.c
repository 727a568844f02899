/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of training plans: each lowering, forward with computed weights and backward, gives what the operator's plain
 * evaluation gives but for rounding, on random shapes; and at every level the same bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/exec/exec.h"
#include "tests/unit/exec/graph_maker.h"
#include "tests/unit/exec/training_check.h"
#include "tests/unit/levels.h"

/* ---- products ---- */

/* A layer and its gradients, as the rules have them. */
static void gemm__computed_operands__forward_and_gradients(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct draw d = {.seed = seed};
		int64_t rows = between(&d, 1, 300), k = between(&d, 1, 50), columns = between(&d, 1, 50), transposed = between(&d, 0, 1);
		struct graph_maker m;
		struct qb_value *x, *w, *bias, *dy;
		struct qb_node *n;

		gm_init(&m);
		x = gm_input(&m, QB_F32, 2, (int64_t[]){rows, k});
		w = gm_input(&m, QB_F32, 2, transposed ? (int64_t[]){columns, k} : (int64_t[]){k, columns});
		bias = gm_input(&m, QB_F32, between(&d, 1, 2) == 1 ? 1 : 2, (int64_t[]){1, columns});
		dy = gm_input(&m, QB_F32, 2, (int64_t[]){rows, columns});
		if (bias->shape.ndim == 1) {
			bias->shape.dim[0] = columns;
		}
		n = gm_node(&m, QB_OP_Gemm, 1, between(&d, 0, 1) ? 3 : 2, (struct qb_value *[]){x, w, bias});
		qb_node_add_int(n, "transB", transposed);
		gm_output(&m, gm_add(&m, n));
		n = gm_node(&m, QB_OP_Gemm, 1, 2, (struct qb_value *[]){dy, w});
		qb_node_add_int(n, "transB", !transposed);
		gm_output(&m, gm_add(&m, n));
		n = gm_node(&m, QB_OP_Gemm, 1, 2, transposed ? (struct qb_value *[]){dy, x} : (struct qb_value *[]){x, dy});
		qb_node_add_int(n, "transA", 1);
		gm_output(&m, gm_add(&m, n));
		check_training_steps(&m, seed, false);
	}
}

/* Gradients by weights of more rows, columns and depth than are computed at a time. */
static void gemm__large_transposed_product__as_evaluated(void **state)
{
	static const int64_t sizes[][3] = {{129, 257, 300}, {256, 30, 600}, {300, 515, 17}, {140, 20, 1100}};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(sizes); i++) {
		struct graph_maker m;
		struct qb_value *x, *dy;
		struct qb_node *n;

		gm_init(&m);
		x = gm_input(&m, QB_F32, 2, (int64_t[]){sizes[i][0], sizes[i][1]});
		dy = gm_input(&m, QB_F32, 2, (int64_t[]){sizes[i][0], sizes[i][2]});
		n = gm_node(&m, QB_OP_Gemm, 1, 2, (struct qb_value *[]){x, dy});
		qb_node_add_int(n, "transA", 1);
		gm_output(&m, gm_add(&m, n));
		check_training_steps(&m, i, false);
	}
}

/* Rows of several dimensions by one matrix, which may be a transposed view; and batches of products. */
static void matmul__computed_operands__as_evaluated(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct draw d = {.seed = seed};
		int64_t batch = between(&d, 1, 4), rows = between(&d, 1, seed % 8 ? 40 : 300), k = between(&d, 1, 40), columns = between(&d, 1, 40);
		struct graph_maker m;
		struct qb_value *x, *w, *other;
		struct qb_node *n;

		gm_init(&m);
		x = gm_input(&m, QB_F32, 3, (int64_t[]){batch, rows, k});
		w = gm_input(&m, QB_F32, 2, (int64_t[]){columns, k});
		other = gm_input(&m, QB_F32, 3, (int64_t[]){batch, rows, columns});
		n = gm_node(&m, QB_OP_Transpose, 1, 1, &w);
		gm_ints(&m, n, "perm", 2, (int64_t[]){1, 0});
		gm_output(&m, GM_OP(&m, QB_OP_MatMul, x, gm_add(&m, n)));
		n = gm_node(&m, QB_OP_Transpose, 1, 1, &x);
		gm_ints(&m, n, "perm", 3, (int64_t[]){0, 2, 1});
		gm_output(&m, GM_OP(&m, QB_OP_MatMul, gm_add(&m, n), other));
		check_training_steps(&m, seed, false);
	}
}

static int steps_of(const struct qb_graph *g, const char *type)
{
	struct qb_plan *p = NULL;
	struct qb_errbuf eb = {0};
	int count = 0;

	if (qb_plan_create(&p, g, QB_PLAN_TRAINING, 1, NULL, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	for (int i = 0; i < qb_plan_steps(p); i++) {
		count += !strcmp(qb_plan_step(p, i).node->type, type);
	}
	qb_plan_destroy(&p);
	return count;
}

enum bias { VECTOR, ROW, READ, MATRIX, MORE_ROWS, BIASES };

static void make_layer(struct graph_maker *m, enum bias kind)
{
	int64_t rows = kind == MORE_ROWS ? 1 : 5, columns = 37;
	struct qb_value *x, *w, *bias, *y;

	gm_init(m);
	x = gm_input(m, QB_F32, 2, (int64_t[]){rows, 20});
	w = gm_input(m, QB_F32, 2, (int64_t[]){20, columns});
	bias = kind == VECTOR || kind == READ ? gm_input(m, QB_F32, 1, &columns)
		: gm_input(m, QB_F32, 2, (int64_t[]){kind == ROW ? 1 : 5, columns});
	y = GM_OP(m, QB_OP_MatMul, x, w);
	gm_output(m, kind % 2 ? GM_OP(m, QB_OP_Add, bias, y) : GM_OP(m, QB_OP_Add, y, bias));
	if (kind == READ) {
		gm_output(m, GM_OP(m, QB_OP_Tanh, y));
	}
}

/* The bias of a layer is added by an operator of its own, on either side: a vector is part of the product's step, unless something
 * else reads the product; a matrix, or one that makes more rows, is not. */
static void matmul__bias_behind__is_added_by_the_product(void **state)
{
	(void)state;
	for (int i = 0; i < BIASES; i++) {
		struct graph_maker m;

		make_layer(&m, i);
		check_training_steps(&m, (uint64_t)i, false);
		make_layer(&m, i);
		assert_int_equal(steps_of(gm_finish(&m), "Add"), i > ROW);
		gm_fini(&m);
	}
}

/* ---- batch norms ---- */

static void add_norm_attributes(struct qb_node *n, int64_t count)
{
	qb_node_add_int(n, "count", count);
}

enum act { NO_ACT, RELU, CLIP, RELU_OUT /* and what is before it is read, too */, ACTS };

static struct qb_value *add_act(struct graph_maker *m, enum act act, struct qb_value *x)
{
	struct qb_value *lo = gm_constant(m, QB_F32, 0, NULL, (float[]){-0.25f}), *hi = gm_constant(m, QB_F32, 0, NULL, (float[]){0.75f});

	return act == NO_ACT ? x : act == CLIP ? GM_OP(m, QB_OP_Clip, x, lo, hi) : GM_OP(m, QB_OP_Relu, x);
}

static void add_float(struct graph_maker *m, struct qb_node *n, const char *name, float v)
{
	(void)m;
	n->attr[n->attrs++] = (struct qb_attr){.name = name, .kind = QB_ATTR_FLOAT, .f = v};
}

static struct qb_value *add_act_gradient(struct graph_maker *m, enum act act, struct qb_value *x, struct qb_value *dy)
{
	struct qb_node *n = gm_node(m, QB_OP_ActivationGradient, 1, 2, (struct qb_value *[]){x, dy});

	if (act == NO_ACT) {
		return dy;
	}
	qb_node_add_string(n, "operator", act == CLIP ? "Clip" : "Relu");
	if (act == CLIP) {
		add_float(m, n, "min", -0.25f);
		add_float(m, n, "max", 0.75f);
	}
	return gm_add(m, n);
}

/* Statistics, norm, activation, and backward through all of them. */
static void check_norm(uint64_t seed, enum act act)
{
	struct draw d = {.seed = seed};
	int ndim = (int)between(&d, 2, 5);
	int64_t dim[5], count = 1;
	struct graph_maker m;
	struct qb_value *x, *gain, *offset, *dy, *sums, *y, *z, *of_dy;
	struct qb_node *n;

	gm_init(&m);
	for (int i = 0; i < ndim; i++) {
		dim[i] = between(&d, i == 1 ? 1 : 3, i == 1 ? 40 : 6);
		count *= i == 1 ? 1 : dim[i];
	}
	x = gm_input(&m, QB_F32, ndim, dim);
	gain = gm_input(&m, QB_F32, 1, dim + 1);
	offset = gm_input(&m, QB_F32, 1, dim + 1);
	dy = gm_input(&m, QB_F32, ndim, dim);
	sums = GM_OP(&m, QB_OP_ShardSum, GM_OP(&m, QB_OP_BatchStatistics, x));
	n = gm_node(&m, QB_OP_BatchNormalizationTraining, 1, 4, (struct qb_value *[]){x, gain, offset, sums});
	add_norm_attributes(n, count);
	y = gm_add(&m, n);
	z = add_act(&m, act, y);
	gm_output(&m, z);
	dy = add_act_gradient(&m, act, y, dy);
	n = gm_node(&m, QB_OP_BatchNormalizationTrainingSums, 1, 3, (struct qb_value *[]){x, dy, sums});
	add_norm_attributes(n, count);
	of_dy = gm_add(&m, n);
	gm_output(&m, of_dy);
	of_dy = GM_OP(&m, QB_OP_ShardSum, of_dy);
	n = gm_node(&m, QB_OP_BatchNormalizationTrainingGradient, 1, 5, (struct qb_value *[]){x, dy, gain, sums, of_dy});
	add_norm_attributes(n, count);
	gm_output(&m, gm_add(&m, n));
	if (act == RELU_OUT) {
		gm_output(&m, y);
		gm_output(&m, dy);
	}
	gm_output(&m, sums);
	check_training_steps(&m, seed, false);
}

static void batch_norm__with_and_without_an_activation__forward_and_gradients(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		check_norm(seed, (enum act)(seed % ACTS));
	}
}

/* ---- activations ---- */

static const struct {
	const char *name;
	const char *a, *b;
	float a_value, b_value;
} activations[] = {
	{"Abs", NULL, NULL, 0, 0}, {"Clip", "min", "max", -0.5f, 0.75f}, {"Elu", "alpha", NULL, 0.7f, 0}, {"Erf", NULL, NULL, 0, 0},
	{"Exp", NULL, NULL, 0, 0}, {"Gelu", NULL, NULL, 0, 0}, {"Gelu", "approximate", NULL, 0, 0},
	{"HardSigmoid", "alpha", "beta", 0.3f, 0.4f}, {"HardSwish", NULL, NULL, 0, 0}, {"LeakyRelu", "alpha", NULL, 0.2f, 0},
	{"Neg", NULL, NULL, 0, 0}, {"Relu", NULL, NULL, 0, 0}, {"Sigmoid", NULL, NULL, 0, 0}, {"Softplus", NULL, NULL, 0, 0},
	{"Swish", NULL, NULL, 0, 0}, {"Tanh", NULL, NULL, 0, 0},
};

static void activation_gradient__every_kind__as_evaluated(void **state)
{
	(void)state;
	for (size_t i = 0; i < QB_COUNT(activations); i++) {
		struct graph_maker m;
		struct qb_value *x, *dy;
		struct qb_node *n;
		bool tanh = activations[i].a && strcmp(activations[i].a, "approximate") == 0;

		gm_init(&m);
		x = gm_input(&m, QB_F32, 2, (int64_t[]){37, 29});
		dy = gm_input(&m, QB_F32, 2, (int64_t[]){37, 29});
		n = gm_node(&m, QB_OP_ActivationGradient, 1, 2, (struct qb_value *[]){x, dy});
		qb_node_add_string(n, "operator", activations[i].name);
		if (tanh) {
			qb_node_add_string(n, "approximate", "tanh");
		} else if (activations[i].a) {
			add_float(&m, n, activations[i].a, activations[i].a_value);
		}
		if (activations[i].b) {
			add_float(&m, n, activations[i].b, activations[i].b_value);
		}
		gm_output(&m, gm_add(&m, n));
		check_training_steps(&m, i, false);
	}
}

/* A residual sum: the Relu behind it is part of its step, and tells where the gradient is 0. */
static void add__relu_behind_it__is_one_step_and_serves_the_gradient(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct graph_maker m;
		struct qb_value *a, *b, *y, *dy;

		gm_init(&m);
		a = gm_input(&m, QB_F32, 4, (int64_t[]){2, 5, 3, 4});
		b = gm_input(&m, QB_F32, 4, (int64_t[]){2, 5, 3, 4});
		dy = gm_input(&m, QB_F32, 4, (int64_t[]){2, 5, 3, 4});
		y = GM_OP(&m, QB_OP_Add, a, b);
		gm_output(&m, add_act(&m, (enum act)(seed % ACTS), y));
		gm_output(&m, add_act_gradient(&m, (enum act)(seed % ACTS), y, dy));
		check_training_steps(&m, seed, false);
	}
}

/* ---- resizing ---- */

static void resize_gradient__modes_and_scales__as_evaluated(void **state)
{
	static const char *const modes[] = {"nearest", "linear", "cubic"};
	static const char *const coordinates[] = {"half_pixel", "align_corners", "asymmetric"};

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct draw d = {.seed = seed};
		int64_t x[4] = {between(&d, 1, 3), between(&d, 1, 20), between(&d, 1, 9), between(&d, 1, 9)}, y[4];
		struct graph_maker m;
		struct qb_value *dy;
		struct qb_node *n;

		gm_init(&m);
		memcpy(y, x, sizeof(y));
		y[2] = between(&d, 1, 15);
		y[3] = between(&d, 1, 15);
		dy = gm_input(&m, QB_F32, 4, y);
		n = gm_node(&m, QB_OP_ResizeGradient, 1, 1, &dy);
		qb_node_add_string(n, "operator", "Resize");
		qb_node_add_string(n, "mode", modes[seed % 3]);
		qb_node_add_string(n, "coordinate_transformation_mode", coordinates[seed / 3 % 3]);
		gm_ints(&m, n, "sizes", 4, y);
		gm_ints(&m, n, "shape", 4, x);
		gm_output(&m, gm_add(&m, n));
		check_training_steps(&m, seed, false);
	}
}

/* ---- pools ---- */

static void pool_gradient__random_windows__as_evaluated(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct draw d = {.seed = seed};
		int ndim = (int)between(&d, 1, 2);
		int64_t xs[4] = {between(&d, 1, 3), between(&d, 1, 20)}, ys[4], kernel[2], stride[2], pad[4], include = between(&d, 0, 1);
		struct graph_maker m;
		struct qb_value *x, *dy;
		struct qb_node *n;

		gm_init(&m);
		memcpy(ys, xs, sizeof(ys));
		for (int i = 0; i < ndim; i++) {
			kernel[i] = between(&d, 1, 4);
			stride[i] = between(&d, 1, 3);
			pad[i] = between(&d, 0, kernel[i] - 1);
			pad[ndim + i] = between(&d, 0, kernel[i] - 1);
			xs[2 + i] = between(&d, kernel[i], 9);
			ys[2 + i] = (xs[2 + i] + pad[i] + pad[ndim + i] - kernel[i]) / stride[i] + 1;
		}
		x = gm_input(&m, QB_F32, 2 + ndim, xs);
		dy = gm_input(&m, QB_F32, 2 + ndim, ys);
		for (int k = 0; k < 2; k++) {
			n = k ? gm_node(&m, QB_OP_AveragePoolGradient, 1, 1, &dy)
				: gm_node(&m, QB_OP_MaxPoolGradient, 1, 2, (struct qb_value *[]){x, dy});
			gm_ints(&m, n, "kernel_shape", ndim, kernel);
			gm_ints(&m, n, "strides", ndim, stride);
			gm_ints(&m, n, "pads", 2 * ndim, pad);
			if (k) {
				qb_node_add_int(n, "count_include_pad", include);
				gm_ints(&m, n, "shape", 2 + ndim, xs);
			}
			gm_output(&m, gm_add(&m, n));
		}
		check_training_steps(&m, seed, false);
	}
}

/* ---- rows ---- */

static void rows__softmax_layer_norm_and_cross_entropy__as_evaluated(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct draw d = {.seed = seed};
		int64_t dim[3] = {between(&d, 1, 5), between(&d, 1, 5), between(&d, 8, 70)};
		struct graph_maker m;
		struct qb_value *x, *y, *dy, *gain, *shift, *weight, *dloss;
		struct qb_node *n;

		gm_init(&m);
		x = gm_input(&m, QB_F32, 3, dim);
		y = gm_input(&m, QB_F32, 3, dim);
		dy = gm_input(&m, QB_F32, 3, dim);
		gain = gm_input(&m, QB_F32, 1, dim + 2);
		shift = gm_input(&m, QB_F32, 1, dim + 2);
		weight = gm_input(&m, QB_F32, 2, between(&d, 0, 1) ? dim : (int64_t[]){1, 1});
		dloss = gm_input(&m, QB_F32, 0, NULL);
		gm_output(&m, GM_OP(&m, QB_OP_SoftmaxGradient, y, dy));
		gm_output(&m, GM_OP(&m, QB_OP_LayerNormalization, x, gain, shift));
		n = gm_node(&m, QB_OP_LayerNormalizationGradient, 3, 3, (struct qb_value *[]){x, gain, dy});
		gm_output(&m, gm_add(&m, n));
		gm_output(&m, n->output[1]);
		gm_output(&m, n->output[2]);
		n = gm_node(&m, QB_OP_SoftmaxCrossEntropy, 1, 3, (struct qb_value *[]){x, y, weight});
		add_float(&m, n, "temperature", 1.5f);
		gm_output(&m, gm_add(&m, n));
		n = gm_node(&m, QB_OP_SoftmaxCrossEntropyGradient, 1, 4, (struct qb_value *[]){x, y, weight, dloss});
		add_float(&m, n, "temperature", 1.5f);
		gm_output(&m, gm_add(&m, n));
		check_training_steps(&m, seed, false);
	}
}

static void gather_gradient__repeated_indices__rows_add_up(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct draw d = {.seed = seed};
		int64_t axis = between(&d, 0, 2), dim[3] = {between(&d, 1, 5), between(&d, 1, 5), between(&d, 1, 20)}, ys[4];
		struct graph_maker m;
		struct qb_node *n;

		gm_init(&m);
		for (int i = 0, k = 0; i < 3; i++) {
			ys[k++] = i == axis ? 2 : dim[i];
			if (i == axis) {
				ys[k++] = 6;
			}
		}
		n = gm_node(&m, QB_OP_GatherGradient, 1, 2, (struct qb_value *[]){gm_input(&m, between(&d, 0, 1) ? QB_I64 : QB_I32, 2,
			(int64_t[]){2, 6}), gm_input(&m, QB_F32, 4, ys)});
		qb_node_add_int(n, "axis", axis);
		gm_ints(&m, n, "shape", 3, dim);
		gm_output(&m, gm_add(&m, n));
		check_training_steps(&m, seed, false);
	}
}

/* ---- sums ---- */

static void sum_to__random_shapes__as_evaluated(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct draw d = {.seed = seed};
		int ndim = (int)between(&d, 1, 5), lead = (int)between(&d, 0, ndim - 1);
		int64_t dim[5], to[5];
		bool cut = lead > 0;
		struct graph_maker m;
		struct qb_node *n;

		gm_init(&m);
		for (int i = 0; i < ndim; i++) {
			dim[i] = between(&d, 2, 20 / ndim + 2);
			to[i] = between(&d, 0, 1) ? 1 : dim[i];
			cut = cut || (i >= lead && to[i] == 1);
		}
		to[ndim - 1] = cut ? to[ndim - 1] : 1;
		n = gm_node(&m, QB_OP_SumTo, 1, 1, (struct qb_value *[]){gm_input(&m, QB_F32, ndim, dim)});
		gm_ints(&m, n, "shape", ndim - lead, to + lead);
		gm_output(&m, gm_add(&m, n));
		check_training_steps(&m, seed, false);
	}
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(gemm__large_transposed_product__as_evaluated),
		cmocka_unit_test(gemm__computed_operands__forward_and_gradients),
		cmocka_unit_test(matmul__bias_behind__is_added_by_the_product),
		cmocka_unit_test(matmul__computed_operands__as_evaluated),
		cmocka_unit_test(batch_norm__with_and_without_an_activation__forward_and_gradients),
		cmocka_unit_test(activation_gradient__every_kind__as_evaluated),
		cmocka_unit_test(add__relu_behind_it__is_one_step_and_serves_the_gradient),
		cmocka_unit_test(resize_gradient__modes_and_scales__as_evaluated),
		cmocka_unit_test(pool_gradient__random_windows__as_evaluated),
		cmocka_unit_test(rows__softmax_layer_norm_and_cross_entropy__as_evaluated),
		cmocka_unit_test(gather_gradient__repeated_indices__rows_add_up),
		cmocka_unit_test(sum_to__random_shapes__as_evaluated),
	};

	return cmocka_run_group_tests_name("training steps", all, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests);
}
