/* SPDX-License-Identifier: Apache-2.0
 *
 * Small networks, one for each kind of float step: the plan that is observed and the plan that is fused as far as
 * possible give what plain C gives, at one thread and at two.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/exec/exec.h"
#include "core/exec/lower/f32/choice.h"
#include "core/exec/onednn.h"
#include "tests/unit/graph/model_builder.h"
#include "tests/unit/levels.h"

enum { F32 = 1, I64 = 7 };

static uint64_t stream; /* of random numbers; each network begins anew */

/* The step that the fused plan must have at each level, by implementation: in the order of enum qb_cpu_level. Float kernels of
 * our own are what a plan takes from AVX2 on; at other levels oneDNN's are the better choice. NULL: any. */
#define ONEDNN ":" /* as in "jit:avx2", which is oneDNN's to choose */
#define FROM_AVX2(name) {ONEDNN, name, name, name, ONEDNN}
#define AVX2_ALONE(name) {ONEDNN, name, NULL, NULL, ONEDNN} /* with AVX-512 transforms cost more than they spare */
#define ANYWHERE(name) {name, name, name, name, name}
#define AS_IT_LIES(name) {NULL, name, name, name, NULL} /* where the layout is channels last, which oneDNN chooses elsewhere */
#define EXPECT(...) memcpy(made, (const char *const[QB_CPU_LEVELS])__VA_ARGS__, sizeof(made))
static const char *made[QB_CPU_LEVELS];
static const char *unmade = "plain C"; /* the step that must not be there, or that fusing must have spared; NULL: none */

static const float *constant(struct model_builder *b, const char *name, int ndim, const int64_t *dim)
{
	size_t n = 1;
	const float *x;

	for (int i = 0; i < ndim; i++) {
		n *= (size_t)dim[i];
	}
	x = mb_random(b, ++stream, n);
	mb_initializer(b, name, F32, ndim, dim, x, n * sizeof(*x));
	return x;
}

static void positive(struct model_builder *b, const char *name, int64_t n)
{
	const float *any = mb_random(b, 99, (size_t)n);
	float *x = qb_arena_alloc(b->arena, (size_t)n, sizeof(*x));

	for (int64_t i = 0; i < n; i++) {
		x[i] = fabsf(any[i]) + 0.25f;
	}
	mb_initializer(b, name, F32, 1, &n, x, (size_t)n * sizeof(*x));
}

static void scalar(struct model_builder *b, const char *name, float v)
{
	float *x = qb_arena_alloc(b->arena, 1, sizeof(*x));

	*x = v;
	mb_initializer(b, name, F32, 0, NULL, x, sizeof(*x));
}

static void shape(struct model_builder *b, const char *name, int n, const int64_t *dim)
{
	int64_t count = n, *copy = qb_arena_alloc(b->arena, (size_t)n, sizeof(*copy));

	memcpy(copy, dim, (size_t)n * sizeof(*copy));
	mb_initializer(b, name, I64, 1, &count, copy, (size_t)n * sizeof(*copy));
}

#define DIMS(...) (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}

static void start(struct model_builder *b, int ndim, const int64_t *dim)
{
	stream = 0;
	mb_init(b, 17);
	mb_input(b, "x", F32, ndim, dim);
}

static bool has_step(const struct qb_plan *p, const char *what)
{
	for (int i = 0; i < qb_plan_steps(p); i++) {
		const char *name = qb_plan_step(p, i).implementation;

		if (!strcmp(what, ONEDNN) ? strstr(name, what) && !strstr(name, "ref") : !strcmp(name, what)) {
			return true;
		}
	}
	return false;
}

static void assert_steps(const struct qb_plan *p)
{
	const char *want = made[qb_cpu_level()];

	if (!qb_dnn_is_present() && (!want || !strcmp(want, ONEDNN))) {
		return; /* ours, or an evaluation */
	}
	if (want && !has_step(p, want)) {
		for (int i = 0; i < qb_plan_steps(p); i++) {
			print_message("step %d: %s\n", i, qb_plan_step(p, i).implementation);
		}
		fail_msg("no step \"%s\"", strcmp(want, ONEDNN) ? want : "of oneDNN");
	}
	assert_false(qb_dnn_is_present() && unmade && has_step(p, unmade));
}

static float *run_plan(const struct qb_plan *p, const float *x, size_t n)
{
	float *y = calloc(n, sizeof(*y));
	struct qb_session *s = NULL;
	struct qb_run run = {.input = (const void *const[]){x}, .output = (void *const[]){y}};
	struct qb_errbuf eb = {0};

	if (qb_session_create(&s, p, false, &eb) != QB_OK || qb_session_check_steps(s, &eb) != QB_OK ||
		qb_session_run(s, &run, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	qb_session_destroy(&s);
	return y;
}

/* The same plan with its kernels in plain C: oneDNN's part stays as it was planned. */
static void assert_plain_c_alike(const struct qb_plan *p, const float *x, const float *y, size_t n)
{
	const enum qb_cpu_level level = qb_cpu_level();
	float *plain;

	qb_cpu_mask(QB_CPU_PLAIN);
	plain = run_plan(p, x, n);
	qb_cpu_mask(level);
	assert_memory_equal(y, plain, n * sizeof(*y));
	free(plain);
}

/* Takes what one thread gave, or gives it: more threads give the same numbers. */
static void run_and_compare(const struct qb_plan *p, const float *x, const struct qb_tensor *want, float **alone)
{
	size_t n = qb_tensor_size(want);
	float *y = run_plan(p, x, n), top = 0;

	if (!*alone && qb_cpu_level() != QB_CPU_PLAIN) {
		assert_plain_c_alike(p, x, y, n);
	}
	for (size_t i = 0; i < n; i++) {
		top = fmaxf(top, fabsf(((const float *)want->data)[i]));
	}
	for (size_t i = 0; i < n; i++) {
		float w = ((const float *)want->data)[i];

		/* Winograd F(m, r) loses a few bits: its intermediate sums are some twenty times larger. */
		if (!(fabsf(y[i] - w) <= 3e-5f * top)) {
			fail_msg("number %zu is %.9g, plain C says %.9g", i, (double)y[i], (double)w);
		}
	}
	if (*alone) {
		assert_memory_equal(y, *alone, n * sizeof(*y));
		free(*alone);
		free(y);
		*alone = NULL;
	} else {
		*alone = y;
	}
}

/* Plans at both numbers of threads, observed and not. */
static void check(struct model_builder *b)
{
	struct qb_graph *model = NULL, *bound = NULL, *fused = NULL;
	struct qb_errbuf eb = {0};
	struct qb_tensor in = {.dtype = QB_F32}, out[4] = {{0}};
	const struct qb_tensor *args[1] = {&in};
	float *alone[2] = {NULL};

	mb_output(b, "y", F32, -1, NULL);
	if (mb_import(b, &model, &eb) || qb_graph_bind(&bound, model, 2, &eb)) {
		fail_msg("%s", eb.text);
	}
	in.ndim = bound->input[0]->shape.ndim;
	memcpy(in.dim, bound->input[0]->shape.dim, sizeof(in.dim));
	in.data = (void *)mb_random(b, 4711, qb_tensor_size(&in));
	if (qb_graph_eval(bound, args, out, &eb)) {
		fail_msg("%s", eb.text);
	}
	qb_graph_destroy(&bound);
	if (qb_graph_prepare(model, &eb) || qb_graph_bind(&bound, model, 2, &eb) ||
		qb_graph_bind(&fused, model, 2, &eb) || qb_pass_join_frozen(fused, &eb)) {
		fail_msg("%s", eb.text);
	}
	for (int threads = 1; threads <= 2; threads++) {
		bool *observed = calloc((size_t)bound->values + 1, sizeof(*observed));
		struct qb_plan *p = NULL, *q = NULL;

		for (int i = 0; i < bound->values; i++) {
			observed[i] = !bound->value[i]->constant && bound->value[i]->dtype == QB_F32;
		}
		if (qb_plan_create(&p, bound, QB_PLAN_OBSERVED, threads, observed, &eb) ||
			qb_plan_create(&q, fused, QB_PLAN_FROZEN, threads, NULL, &eb)) {
			fail_msg("%s", eb.text);
		}
		run_and_compare(p, in.data, &out[0], &alone[0]);
		run_and_compare(q, in.data, &out[0], &alone[1]);
		assert_steps(q);
		qb_plan_destroy(&p);
		qb_plan_destroy(&q);
		free(observed);
	}
	free(out[0].data);
	qb_graph_destroy(&fused);
	qb_graph_destroy(&bound);
	qb_graph_destroy(&model);
	mb_fini(b);
	memset(made, 0, sizeof(made));
	unmade = "plain C";
}

struct conv_case {
	int64_t c, o, h, w, kernel[2], stride[2], dilation[2], pads[4], group;
	const char *made[QB_CPU_LEVELS];
};

/* On x and w, with a bias or without and one activation or the other behind it, as case i has them. */
static Onnx__NodeProto *add_conv(struct model_builder *b, const char *type, const struct conv_case *c, size_t i)
{
	Onnx__NodeProto *n;

	constant(b, "bias", DIMS(c->o));
	n = mb_node(b, type, "conv", i % 2 ? "x,w" : "x,w,bias", "c");
	mb_attr_ints(b, n, "strides", 2, c->stride);
	mb_attr_ints(b, n, "dilations", 2, c->dilation);
	mb_attr_ints(b, n, "pads", 4, c->pads);
	mb_attr_int(b, n, "group", c->group);
	mb_attr_float(b, mb_node(b, i % 3 ? "Relu" : "LeakyRelu", "act", "c", "y"), "alpha", 0.1f);
	return n;
}

static void conv__every_way__equals_plain_c(void **state)
{
	static const struct conv_case cases[] = {
		{3, 20, 17, 13, {7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}, 1, FROM_AVX2("implicit gemm by kernel row")},
		{33, 20, 17, 13, {3, 2}, {1, 2}, {2, 1}, {3, 1, 0, 1}, 1, FROM_AVX2("implicit gemm by kernel row")},
		{5, 16, 9, 11, {2, 2}, {1, 1}, {2, 2}, {1, 1, 1, 1}, 1, FROM_AVX2("im2col gemm")},
		{24, 33, 10, 9, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, FROM_AVX2("gemm")},
		{24, 33, 10, 9, {1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1, FROM_AVX2("implicit gemm")},
		{300, 16, 5, 6, {3, 1}, {1, 1}, {1, 1}, {1, 0, 0, 0}, 1, FROM_AVX2("implicit gemm")},
		{500, 18, 5, 6, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, FROM_AVX2("gemm")},
		{32, 48, 9, 7, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 2, FROM_AVX2("implicit gemm")},
		{32, 32, 9, 7, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 8, FROM_AVX2("implicit gemm")},
		{40, 30, 9, 7, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 10, FROM_AVX2("implicit gemm")},
		{40, 40, 9, 7, {3, 3}, {2, 1}, {1, 1}, {1, 1, 1, 1}, 5, FROM_AVX2("implicit gemm")},
		{48, 48, 13, 14, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 6, FROM_AVX2("implicit gemm")},
		{24, 24, 13, 14, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 6, FROM_AVX2("implicit gemm")},
		{36, 42, 7, 5, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 6, FROM_AVX2("gemm")},
		{160, 40, 9, 10, {3, 3}, {1, 1}, {12, 12}, {12, 12, 12, 12}, 5, FROM_AVX2("implicit gemm by output tile")},
		{512, 512, 6, 6, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 8, FROM_AVX2("implicit gemm")},
		{16, 12, 9, 7, {3, 2}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 2, FROM_AVX2("implicit gemm")},
		{40, 24, 9, 10, {3, 3}, {1, 1}, {4, 6}, {4, 6, 4, 6}, 1, FROM_AVX2("implicit gemm by output tile")},
		{40, 24, 9, 10, {3, 3}, {1, 1}, {12, 12}, {12, 12, 12, 12}, 1, FROM_AVX2("implicit gemm by output tile")},
		{80, 24, 13, 10, {3, 3}, {2, 1}, {6, 4}, {5, 9, 6, 1}, 2, FROM_AVX2("implicit gemm by output tile")},
		{40, 24, 9, 4, {3, 3}, {1, 1}, {3, 3}, {20, 20, 0, 0}, 1, FROM_AVX2("implicit gemm by output tile")},
		{40, 24, 10, 9, {3, 3}, {1, 1}, {3, 1}, {0, 0, 6, 0}, 1, FROM_AVX2("implicit gemm")}, /* by output tile, the first of which has all elements */
		/* two pixels in a panel */
		{3, 8, 11, 16, {3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}, 1, FROM_AVX2("implicit gemm by kernel row")},
		{1, 8, 9, 10, {5, 4}, {1, 1}, {1, 1}, {2, 2, 2, 1}, 1, FROM_AVX2("implicit gemm by kernel row")},
		{34, 35, 23, 18, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, FROM_AVX2("winograd 4x4")},
		{64, 68, 26, 21, {3, 3}, {1, 1}, {3, 3}, {3, 2, 3, 4}, 1, AVX2_ALONE("winograd 4x4")},
		{64, 16, 16, 16, {3, 3}, {1, 1}, {1, 1}, {0, 0, 2, 2}, 1, FROM_AVX2("winograd 4x4")},
		{96, 98, 18, 17, {3, 3}, {1, 1}, {2, 2}, {2, 2, 2, 2}, 1, FROM_AVX2("winograd 3x3")},
		{128, 128, 4, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, AVX2_ALONE("winograd 2x2")},
		{128, 120, 6, 6, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {ONEDNN, "winograd 3x3", "winograd 2x2", "winograd 2x2", ONEDNN}},
		{96, 90, 20, 16, {2, 2}, {1, 1}, {1, 1}, {0, 1, 1, 0}, 1, FROM_AVX2("winograd 4x4 of 2x2")},
		{48, 48, 31, 31, {2, 2}, {1, 1}, {2, 2}, {1, 1, 1, 1}, 1, AVX2_ALONE("winograd 4x4 of 2x2")},
		{100, 90, 32, 31, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 1, AVX2_ALONE("winograd 4x4, stride 2")},
		{96, 100, 24, 23, {3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 2}, 1, FROM_AVX2("winograd 4x4, stride 2")},
		{12, 12, 9, 8, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 12, FROM_AVX2("depthwise")},
		{24, 24, 19, 18, {5, 3}, {2, 2}, {1, 1}, {2, 1, 2, 1}, 24, FROM_AVX2("depthwise")},
		{12, 24, 9, 8, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 12, ANYWHERE(ONEDNN)},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(cases); i++) {
		const struct conv_case *c = &cases[i];
		struct model_builder b;

		start(&b, DIMS(MB_BATCH, c->c, c->h, c->w));
		constant(&b, "w", DIMS(c->o, c->c / c->group, c->kernel[0], c->kernel[1]));
		add_conv(&b, "Conv", c, i);
		memcpy(made, c->made, sizeof(made));
		check(&b);
	}
}

static void conv__preferring_onednn__is_a_step_of_onednn(void **state)
{
	static const int64_t groups[] = {1, 40}, kernels[] = {1, 3};

	(void)state;
	for (int i = 0; i < 4; i++) {
		int64_t kernel = kernels[i % 2], pad = kernel / 2;
		struct model_builder b;
		Onnx__NodeProto *n;

		for (int t = 0; t < QB_F32_TECHNIQUES; t++) {
			qb_f32_prefer((enum qb_f32_technique)t, QB_F32_ONEDNN);
		}
		start(&b, DIMS(MB_BATCH, 40, 14, 15));
		constant(&b, "w", DIMS(40, 40 / groups[i / 2], kernel, kernel));
		n = mb_node(&b, "Conv", "conv", "x,w", "c");
		mb_attr_ints(&b, n, "pads", 4, (int64_t[]){pad, pad, pad, pad});
		mb_attr_int(&b, n, "group", groups[i / 2]);
		mb_node(&b, "LeakyRelu", "act", "c", "y");
		EXPECT(ANYWHERE(ONEDNN));
		check(&b);
		for (int t = 0; t < QB_F32_TECHNIQUES; t++) {
			qb_f32_prefer((enum qb_f32_technique)t, QB_F32_BY_COST);
		}
	}
}

static void conv_transpose__every_way__equals_plain_c(void **state)
{
	static const struct {
		struct conv_case as;
		int64_t more[2]; /* output_padding */
	} cases[] = {
		{{20, 17, 9, 7, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1, ANYWHERE(ONEDNN)}, {0, 0}},
		{{33, 24, 6, 8, {4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 1, ANYWHERE(ONEDNN)}, {0, 0}},
		{{16, 16, 7, 5, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 1, ANYWHERE(ONEDNN)}, {1, 1}},
		{{24, 18, 5, 6, {3, 2}, {1, 3}, {2, 1}, {2, 0, 1, 0}, 3, ANYWHERE(ONEDNN)}, {0, 1}},
		{{12, 12, 6, 5, {3, 3}, {2, 1}, {1, 1}, {1, 1, 0, 1}, 12, ANYWHERE(ONEDNN)}, {0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(cases); i++) {
		const struct conv_case *c = &cases[i].as;
		struct model_builder b;

		start(&b, DIMS(MB_BATCH, c->c, c->h, c->w));
		constant(&b, "w", DIMS(c->c, c->o / c->group, c->kernel[0], c->kernel[1]));
		mb_attr_ints(&b, add_conv(&b, "ConvTranspose", c, i), "output_padding", 2, cases[i].more);
		memcpy(made, c->made, sizeof(made));
		check(&b);
	}
}

static void normalization__of_groups__equals_plain_c(void **state)
{
	static const struct {
		const char *type;
		int opset;
		int64_t groups, parameters;
	} cases[] = {{"InstanceNormalization", 17, 0, 24}, {"GroupNormalization", 18, 4, 4},
		{"GroupNormalization", 21, 3, 24}};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(cases); i++) {
		struct model_builder b;
		Onnx__NodeProto *n;

		stream = 0;
		mb_init(&b, cases[i].opset);
		mb_input(&b, "x", F32, DIMS(MB_BATCH, 24, 9, 7));
		constant(&b, "gain", DIMS(cases[i].parameters));
		constant(&b, "shift", DIMS(cases[i].parameters));
		n = mb_node(&b, cases[i].type, "norm", "x,gain,shift", "n");
		mb_attr_float(&b, n, "epsilon", 1e-3f);
		if (cases[i].groups) {
			mb_attr_int(&b, n, "num_groups", cases[i].groups);
		}
		mb_node(&b, "Tanh", "then", "n", "y");
		EXPECT(ANYWHERE("group norm"));
		check(&b);
	}
}

static void residual__sum_and_relu__equal_plain_c(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct model_builder b;
		Onnx__NodeProto *n;
		int64_t kernel = 1 + i % 2 * 2, pad = kernel / 2, pads[4] = {pad, pad, pad, pad}, groups = i < 2 ? 1 : 5;

		start(&b, DIMS(MB_BATCH, 40, 14, 15));
		constant(&b, "w", DIMS(40, 40 / groups, kernel, kernel));
		n = mb_node(&b, "Conv", "conv", "x,w", "c");
		mb_attr_ints(&b, n, "pads", 4, pads);
		mb_attr_int(&b, n, "group", groups);
		mb_node(&b, "Add", "add", "c,x", "s");
		mb_node(&b, "Relu", "relu", "s", "y");
		EXPECT(FROM_AVX2(kernel == 3 && groups == 1 ? "winograd 4x4" : kernel == 1 ? "gemm" : "implicit gemm"));
		check(&b);
	}
	for (int last = 0; last < 2; last++) { /* where rows lie apart */
		struct model_builder b;
		Onnx__NodeProto *n;

		start(&b, DIMS(MB_BATCH, 40, 9, 11));
		constant(&b, "w", DIMS(40, 40, 3, 3));
		n = mb_node(&b, "Conv", "conv", "x,w", "c");
		mb_attr_ints(&b, n, "pads", 4, (int64_t[]){7, 8, 7, 8});
		mb_attr_ints(&b, n, "dilations", 2, (int64_t[]){7, 8});
		mb_node(&b, "Relu", "relu", last ? "c" : "s", last ? "r" : "y");
		mb_node(&b, "Add", "add", last ? "x,r" : "c,x", last ? "y" : "s");
		if (!last) {
			Onnx__NodeProto **all = b.graph->node, *add = all[b.graph->n_node - 1];

			all[b.graph->n_node - 1] = all[b.graph->n_node - 2];
			all[b.graph->n_node - 2] = add;
		}
		EXPECT(FROM_AVX2("implicit gemm by output tile"));
		check(&b);
	}
}

static void bottleneck__in_one_step__equals_plain_c(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		int64_t stride = 1 + i % 2, strides[2] = {stride, stride}, pads[4] = {1, 1, 1, 1}, narrow = stride > 1 ? 21 : 16;
		struct model_builder b;
		Onnx__NodeProto *n;

		start(&b, DIMS(MB_BATCH, 16, 53, 37));
		constant(&b, "w0", DIMS(72, 16, 1, 1));
		constant(&b, "w1", DIMS(72, 1, 3, 3));
		constant(&b, "w2", DIMS(narrow, 72, 1, 1));
		constant(&b, "b0", DIMS(72));
		constant(&b, "b1", DIMS(72));
		mb_node(&b, "Conv", "wide", "x,w0,b0", "wide");
		mb_node(&b, i / 2 % 2 ? "LeakyRelu" : "Relu", "act0", "wide", "a0");
		n = mb_node(&b, "Conv", "middle", "a0,w1,b1", "middle");
		mb_attr_ints(&b, n, "pads", 4, pads);
		mb_attr_ints(&b, n, "strides", 2, strides);
		mb_attr_int(&b, n, "group", 72);
		mb_node(&b, i / 4 ? "HardSwish" : "Relu", "act1", "middle", "a1");
		mb_node(&b, "Conv", "narrow", "a1,w2", stride > 1 ? "y" : "narrow");
		if (stride == 1) {
			mb_node(&b, "Add", "add", "x,narrow", "y");
		}
		EXPECT(FROM_AVX2("bottleneck by lines"));
		check(&b);
	}
}

/* x * sigmoid(x), as exporters write it: behind layers narrow and wide, with gaps between rows, and behind none. */
static void gate__of_the_same_value__is_the_layers_activation(void **state)
{
	static const int64_t outputs[] = {12, 150, 72, 40}, groups[] = {1, 1, 72, 2};

	(void)state;
	for (int i = 0; i < 10; i++) {
		bool hard = i % 2, layer = i < 8;
		struct model_builder b;
		Onnx__NodeProto *n;

		start(&b, DIMS(MB_BATCH, 72, 14, 15));
		constant(&b, "w", DIMS(outputs[i / 2 % 4], 72 / groups[i / 2 % 4], 1, 1));
		n = mb_node(&b, layer ? "Conv" : "Neg", "layer", layer ? "x,w" : "x", "c");
		if (layer) {
			mb_attr_int(&b, n, "group", groups[i / 2 % 4]);
		}
		n = mb_node(&b, hard ? "HardSigmoid" : "Sigmoid", "gate", "c", "s");
		if (hard) {
			mb_attr_float(&b, n, "alpha", 1.0f / 6);
		}
		mb_node(&b, "Mul", "mul", i % 3 ? "c,s" : "s,c", "y");
		EXPECT(ANYWHERE(layer ? NULL : hard ? "HardSwish" : "Swish"));
		unmade = "binary";
		check(&b);
	}
}

/* A normalization that no weights can hold, for an activation lies between, and a sum behind it. */
static void residual__behind_a_normalized_activation__equals_plain_c(void **state)
{
	static const char *const acts[] = {"LeakyRelu", "Relu"};

	(void)state;
	for (int i = 0; i < 12; i++) {
		struct model_builder b;
		Onnx__NodeProto *n;
		int64_t kernel = i % 3 == 0 ? 1 : 3, pad = kernel / 2, pads[4] = {pad, pad, pad, pad};
		int64_t group = i % 3 == 2 ? 42 : 1;

		start(&b, DIMS(MB_BATCH, 42, 14, 15));
		constant(&b, "w", DIMS(42, 42 / group, kernel, kernel));
		constant(&b, "gain", DIMS(42));
		constant(&b, "shift", DIMS(42));
		constant(&b, "mean", DIMS(42));
		positive(&b, "variance", 42);
		n = mb_node(&b, "Conv", "conv", "x,w", "c");
		mb_attr_ints(&b, n, "pads", 4, pads);
		mb_attr_int(&b, n, "group", group);
		mb_node(&b, acts[i / 6], "act", "c", "a");
		mb_node(&b, "BatchNormalization", "norm", "a,gain,shift,mean,variance", i % 2 ? "y" : "m");
		if (i % 2 == 0) {
			mb_node(&b, "Add", "add", "x,m", "y");
		}
		EXPECT(FROM_AVX2(group > 1 ? NULL : kernel == 3 ? "winograd 4x4" : kernel == 1 ? "gemm" : "implicit gemm"));
		unmade = "affine";
		check(&b);
	}
}

/* LayerNormalization and Gelu in pieces around a dense layer with a residual. */
static void transformer_block__in_pieces__equals_plain_c(void **state)
{
	struct model_builder b;
	int64_t last = -1;

	(void)state;
	start(&b, DIMS(MB_BATCH, 7, 40));
	scalar(&b, "two", 2);
	scalar(&b, "eps", 1e-5f);
	scalar(&b, "root2", 1.41421356f);
	scalar(&b, "one", 1);
	scalar(&b, "half", 0.5f);
	constant(&b, "gain", DIMS(40));
	constant(&b, "shift", DIMS(40));
	constant(&b, "w", DIMS(40, 56));
	constant(&b, "bias", DIMS(56));
	constant(&b, "w2", DIMS(56, 40));
	mb_attr_ints(&b, mb_node(&b, "ReduceMean", "m1", "x", "mean"), "axes", 1, &last);
	mb_node(&b, "Sub", "sub", "x,mean", "d");
	mb_node(&b, "Pow", "pow", "d,two", "d2");
	mb_attr_ints(&b, mb_node(&b, "ReduceMean", "m2", "d2", "var"), "axes", 1, &last);
	mb_node(&b, "Add", "add eps", "var,eps", "ve");
	mb_node(&b, "Sqrt", "sqrt", "ve", "sd");
	mb_node(&b, "Div", "div", "d,sd", "n");
	mb_node(&b, "Mul", "mul", "n,gain", "ng");
	mb_node(&b, "Add", "add", "ng,shift", "ln");
	mb_node(&b, "MatMul", "fc1", "ln,w", "f");
	mb_node(&b, "Add", "add bias", "f,bias", "fb");
	mb_node(&b, "Div", "div root", "fb,root2", "r");
	mb_node(&b, "Erf", "erf", "r", "e");
	mb_node(&b, "Add", "add one", "e,one", "e1");
	mb_node(&b, "Mul", "mul x", "fb,e1", "xe");
	mb_node(&b, "Mul", "mul half", "xe,half", "g");
	mb_node(&b, "MatMul", "fc2", "g,w2", "p");
	mb_node(&b, "Add", "residual", "x,p", "y");
	EXPECT(ANYWHERE("layer norm"));
	check(&b);
}

/* Large enough for seven products of quarters: odd rows, a last group of fewer panels, several parts. */
static void product__in_seven_of_quarters__equals_plain_c(void **state)
{
	static const char *const acts[] = {"Identity", "Relu", "Tanh"};

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct model_builder b;
		bool gemm = i % 2;
		int64_t rows = i < 4 ? 35 : 301;

		start(&b, gemm ? 2 : 3, gemm ? (int64_t[]){MB_BATCH, 258} : (int64_t[]){MB_BATCH, rows, 258});
		if (gemm) {
			constant(&b, "rest", DIMS(rows - 2, 258));
			mb_attr_int(&b, mb_node(&b, "Concat", "rows", "x,rest", "r"), "axis", 0);
		}
		constant(&b, "w", DIMS(gemm ? 416 : 258, gemm ? 258 : 416));
		constant(&b, "bias", DIMS(416));
		if (gemm) {
			mb_attr_int(&b, mb_node(&b, "Gemm", "fc", "r,w,bias", "f"), "transB", 1);
		} else {
			mb_node(&b, "MatMul", "fc", "x,w", "p");
			mb_node(&b, "Add", "add bias", "p,bias", "f");
		}
		mb_node(&b, acts[i / 2], "act", "f", "y");
		qb_f32_prefer(QB_F32_STRASSEN, QB_F32_OURS); /* whatever it costs at this level */
		EXPECT(FROM_AVX2(gemm && rows < 64 ? "gemm" : "strassen"));
		unmade = gemm ? NULL : unmade; /* the rows are joined in plain C */
		check(&b);
		qb_f32_prefer(QB_F32_STRASSEN, QB_F32_BY_COST);
	}
}

/* As many rows as columns: the addend is one column, which a bias of that many elements is not. */
static void gemm__adding_a_column__equals_plain_c(void **state)
{
	struct model_builder b;

	(void)state;
	start(&b, DIMS(MB_BATCH, 40));
	constant(&b, "w", DIMS(40, 2));
	constant(&b, "column", DIMS(2, 1));
	mb_node(&b, "Gemm", "fc", "x,w,column", "y");
	unmade = NULL;
	check(&b);
}

/* What padding leaves must stay exactly zero: here a factor makes the least noise visible, as a division by a norm would. */
static void product__in_seven_of_quarters__keeps_rows_of_zeros(void **state)
{
	struct model_builder b;
	float *mask;
	int64_t rows = 150; /* two parts, whose halves have their zeros in different rows */

	(void)state;
	start(&b, DIMS(MB_BATCH, rows, 256));
	mask = qb_arena_alloc(b.arena, (size_t)rows, sizeof(*mask));
	for (int64_t i = 0; i < rows; i++) {
		mask[i] = i % 4 ? 1 : 0;
	}
	mb_initializer(&b, "mask", F32, 2, (int64_t[]){rows, 1}, mask, (size_t)rows * sizeof(*mask));
	scalar(&b, "much", 1e8f);
	scalar(&b, "low", -1);
	scalar(&b, "high", 1);
	constant(&b, "w", DIMS(256, 256));
	mb_node(&b, "Mul", "drop", "x,mask", "m");
	mb_node(&b, "MatMul", "fc", "m,w", "p");
	mb_node(&b, "Mul", "magnify", "p,much", "q");
	mb_node(&b, "Clip", "clip", "q,low,high", "y");
	qb_f32_prefer(QB_F32_STRASSEN, QB_F32_OURS);
	EXPECT(FROM_AVX2("strassen"));
	check(&b);
	qb_f32_prefer(QB_F32_STRASSEN, QB_F32_BY_COST);
}

static void attention__views__equal_plain_c(void **state)
{
	struct model_builder b;

	(void)state;
	start(&b, DIMS(MB_BATCH, 9, 48));
	shape(&b, "heads", DIMS(0, 9, 3, 16));
	shape(&b, "flat", DIMS(0, 9, 48));
	scalar(&b, "scale", 0.25f);
	constant(&b, "mask", DIMS(1, 1, 9, 9));
	constant(&b, "w", DIMS(48, 48));
	mb_node(&b, "MatMul", "project", "x,w", "p");
	mb_node(&b, "Reshape", "q", "p,heads", "q0");
	mb_node(&b, "Reshape", "k", "x,heads", "k0");
	mb_attr_ints(&b, mb_node(&b, "Transpose", "qt", "q0", "q1"), "perm", 4, (int64_t[]){0, 2, 1, 3});
	mb_attr_ints(&b, mb_node(&b, "Transpose", "kt", "k0", "k1"), "perm", 4, (int64_t[]){0, 2, 3, 1});
	mb_attr_ints(&b, mb_node(&b, "Transpose", "vt", "k0", "v1"), "perm", 4, (int64_t[]){0, 2, 1, 3});
	mb_node(&b, "MatMul", "scores", "q1,k1", "s0");
	mb_node(&b, "Mul", "scaled", "s0,scale", "s1");
	mb_node(&b, "Add", "masked", "s1,mask", "s2");
	mb_attr_int(&b, mb_node(&b, "Softmax", "softmax", "s2", "a"), "axis", -1);
	mb_node(&b, "MatMul", "context", "a,v1", "c0");
	mb_attr_ints(&b, mb_node(&b, "Transpose", "ct", "c0", "c1"), "perm", 4, (int64_t[]){0, 2, 1, 3});
	mb_node(&b, "Reshape", "out", "c1,flat", "y");
	EXPECT(FROM_AVX2("batched tiles"));
	check(&b);
}

/* x [N,6,5,8] with itself and with constants. */
static void einsum__of_two_operands__is_a_product_of_the_fast_steps(void **state)
{
	static const char *const equations[] = {"nhqc,nhkc->nhqk", "nqhc,nkhc->nhqk", "nqhc,nkhc->nqhk", "nhqc,hkc->nhqk",
		"nhqc,hkc->nqhk", "hkc,nhqc->nhkq", "nhqc,nhqc->nhq", "nabc,nabc->cb"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(equations); i++) {
		bool weight = i >= 3 && i <= 5;
		struct model_builder b;

		start(&b, DIMS(MB_BATCH, 6, 5, 8));
		constant(&b, "k", DIMS(6, 7, 8));
		mb_node(&b, "Tanh", "other", "x", "t");
		mb_attr_string(&b, mb_node(&b, "Einsum", "product", weight ? i == 5 ? "k,t" : "t,k" : "x,t", "y"),
			"equation", equations[i]);
		EXPECT(FROM_AVX2("batched tiles"));
		check(&b);
	}
	for (int i = 0; i < 2; i++) { /* heads out of a layer, and back */
		struct model_builder b;

		start(&b, DIMS(MB_BATCH, 6, 5, 8));
		constant(&b, "k", 3, i ? (int64_t[]){5, 8, 20} : (int64_t[]){8, 4, 6});
		mb_attr_string(&b, mb_node(&b, "Einsum", "product", "x,k", "y"), "equation",
			i ? "nthd,hdo->nto" : "nabd,dhk->nabhk");
		EXPECT(FROM_AVX2("gemm"));
		check(&b);
	}
}

/* A convolution first, so that what follows lies channels last. */
static void image(struct model_builder *b, int64_t channels)
{
	start(b, DIMS(MB_BATCH, 8, 6, 5));
	constant(b, "w0", DIMS(channels, 8, 1, 1));
	mb_node(b, "Conv", "first", "x,w0", "i");
}

static void images__moved_joined_resized__equal_plain_c(void **state)
{
	struct model_builder b;

	(void)state;
	image(&b, 16);
	mb_attr_int(&b, mb_node(&b, "DepthToSpace", "shuffle", "i", "y"), "blocksize", 2);
	EXPECT(ANYWHERE("move"));
	check(&b);

	image(&b, 16);
	mb_attr_int(&b, mb_node(&b, "Concat", "join", "i,x,i", "y"), "axis", 1);
	EXPECT(AS_IT_LIES("concat"));
	check(&b);

	image(&b, 16);
	mb_attr_int(&b, mb_node(&b, "Concat", "join", "i,i", "y"), "axis", 2);
	check(&b);

	image(&b, 10);
	shape(&b, "from", DIMS(1, 2));
	shape(&b, "to", DIMS(9, 6));
	shape(&b, "axes", DIMS(1, 2));
	mb_node(&b, "Slice", "slice", "i,from,to,axes", "y");
	EXPECT(ANYWHERE("move"));
	check(&b);

	for (int i = 0; i < 3; i++) {
		Onnx__NodeProto *n;

		image(&b, 10);
		shape(&b, "sizes", DIMS(2, 10, 11 + i, 13));
		n = mb_node(&b, "Resize", "resize", "i,,,sizes", "y");
		mb_attr_string(&b, n, "mode", i == 1 ? "nearest" : "linear");
		mb_attr_string(&b, n, "coordinate_transformation_mode", i == 2 ? "align_corners" : i == 1
			? "asymmetric" : "pytorch_half_pixel");
		EXPECT(ANYWHERE("resize"));
		check(&b);
	}
	image(&b, 21);
	mb_attr_int(&b, mb_node(&b, "Softmax", "softmax", "i", "y"), "axis", 1);
	EXPECT(AS_IT_LIES("softmax"));
	check(&b);
}

static void pad__by_a_constant__equals_plain_c(void **state)
{
	static const int64_t pads[][8] = { /* before and behind */
		{0, 8, 0, 0, 0, 8, 0, 0}, {0, 0, 1, 2, 0, 0, 3, 0}, {0, 1, -2, 1, 0, -3, 4, -1}, {0, 0, -6, 0, 0, 0, 7, 0}, {0, 0, 40, 50, 0, 0, 40, 50},
	};
	static const float fills[] = {0, -1.5f, -0.0f};
	struct model_builder b;

	(void)state;
	for (size_t i = 0; i < QB_COUNT(pads) * QB_COUNT(fills); i++) {
		image(&b, 16);
		shape(&b, "pads", 8, pads[i % QB_COUNT(pads)]);
		scalar(&b, "fill", fills[i / QB_COUNT(pads)]);
		mb_node(&b, "Pad", "pad", i < QB_COUNT(pads) ? "i,pads" : "i,pads,fill", "y");
		EXPECT(ANYWHERE("pad"));
		check(&b);
	}
	for (int i = 0; i < 2; i++) { /* row-major, as rows lie and transposed */
		start(&b, DIMS(MB_BATCH, 5, 6));
		mb_attr_ints(&b, mb_node(&b, "Transpose", "turn", "x", "t"), "perm", 3, i ? (int64_t[]){0, 2, 1} : (int64_t[]){0, 1, 2});
		shape(&b, "pads", DIMS(0, 1, 0, 0, 2, 3));
		mb_node(&b, "Pad", "pad", "t,pads", "y");
		EXPECT(ANYWHERE("pad"));
		check(&b);
	}
	image(&b, 16);
	shape(&b, "pads", DIMS(0, 0, 1, 1, 0, 0, 1, 1));
	mb_attr_string(&b, mb_node(&b, "Pad", "pad", "i,pads", "y"), "mode", "reflect");
	unmade = "pad";
	check(&b);
}

static void shuffle__of_channels__is_one_move(void **state)
{
	(void)state;
	for (int64_t groups = 2; groups <= 4; groups++) {
		struct model_builder b;

		image(&b, 24);
		shape(&b, "split", DIMS(0, groups, 24 / groups, 6, 5));
		shape(&b, "join", DIMS(0, 24, 6, 5));
		mb_node(&b, "Reshape", "split", "i,split", "s");
		mb_attr_ints(&b, mb_node(&b, "Transpose", "turn", "s", "t"), "perm", 5, (int64_t[]){0, 2, 1, 3, 4});
		mb_node(&b, "Reshape", "join", "t,join", "u");
		constant(&b, "w1", DIMS(9, 24, 1, 1));
		mb_node(&b, "Conv", "last", "u,w1", "y");
		EXPECT(ANYWHERE("move"));
		check(&b);
	}
}

static void pools__of_the_largest__equal_plain_c(void **state)
{
	static const int64_t cases[][8] = { /* kernel, strides, dilations, pads before and behind */
		{3, 3, 2, 2, 1, 1, 1, 1}, {2, 2, 2, 2, 1, 1, 0, 0}, {3, 2, 1, 1, 1, 2, 0, 1}, {1, 1, 2, 2, 1, 1, 0, 0},
		{5, 4, 3, 1, 1, 1, 2, 2},
	};

	(void)state;
	for (int i = 0; i < 10; i++) {
		const int64_t *c = cases[i / 2];
		int64_t pads[4] = {c[6], c[7], c[6], c[7]};
		struct model_builder b;
		Onnx__NodeProto *n;

		image(&b, i % 2 ? 37 : 16);
		n = mb_node(&b, "MaxPool", "pool", "i", "y");
		mb_attr_ints(&b, n, "kernel_shape", 2, c);
		mb_attr_ints(&b, n, "strides", 2, c + 2);
		mb_attr_ints(&b, n, "dilations", 2, c + 4);
		mb_attr_ints(&b, n, "pads", 4, pads);
		mb_attr_int(&b, n, "ceil_mode", i % 2);
		EXPECT(AS_IT_LIES("largest"));
		check(&b);
	}
}

static void reductions__every_side_and_layout__equal_plain_c(void **state)
{
	static const char *const types[] = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2",
		"ReduceSumSquare"};
	static const int64_t axes[][3] = {{2, 3, 3}, {1, 1, 1}, {-1, -1, -1}, {0, 2, 2}, {1, 2, 3}, {2, 2, 2}};

	(void)state;
	for (int i = 0; i < 84; i++) {
		const int64_t *a = axes[i / 14];
		int count = a[1] == a[0] ? 1 : a[2] == a[1] ? 2 : 3;
		bool sums = i / 2 % 7 == 1; /* whose axes are an input in this opset */
		struct model_builder b;
		Onnx__NodeProto *n;

		if (i % 2) {
			image(&b, i % 3 ? 37 : 16); /* channels last */
		} else {
			start(&b, DIMS(MB_BATCH, 19, 6, 5));
		}
		if (sums) {
			shape(&b, "axes", count, a);
		}
		n = mb_node(&b, types[i / 2 % 7], "reduce", i % 2 ? sums ? "i,axes" : "i" : sums ? "x,axes" : "x", "r");
		mb_attr_int(&b, n, "keepdims", i / 14 % 2);
		if (!sums) {
			mb_attr_ints(&b, n, "axes", count, a);
		}
		mb_node(&b, "Tanh", "then", "r", "y");
		EXPECT(ANYWHERE("reduction"));
		check(&b);
	}
}

static void broadcasts__every_side__equal_plain_c(void **state)
{
	static const char *const types[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(types); i++) {
		struct model_builder b;

		image(&b, 10);
		constant(&b, "channel", DIMS(10, 1, 1));
		constant(&b, "line", DIMS(5));
		constant(&b, "image", DIMS(10, 6, 5));
		mb_attr_int(&b, mb_node(&b, "GlobalAveragePool", "pool", "i", "p"), "unused", 0);
		mb_node(&b, types[i], "a", "i,channel", "a");
		mb_node(&b, types[i], "b", "line,a", "c");
		mb_node(&b, types[i], "c", "c,image", "d");
		mb_node(&b, types[i], "d", "p,d", "y");
		if (!strcmp(types[i], "Div")) {
			b.graph->node[b.graph->n_node - 3]->op_type = (char *)"Mul"; /* no division by near zero */
		}
		EXPECT(ANYWHERE("binary"));
		check(&b);
	}
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conv__every_way__equals_plain_c),
		cmocka_unit_test(conv__preferring_onednn__is_a_step_of_onednn),
		cmocka_unit_test(conv_transpose__every_way__equals_plain_c),
		cmocka_unit_test(normalization__of_groups__equals_plain_c),
		cmocka_unit_test(residual__sum_and_relu__equal_plain_c),
		cmocka_unit_test(bottleneck__in_one_step__equals_plain_c),
		cmocka_unit_test(gate__of_the_same_value__is_the_layers_activation),
		cmocka_unit_test(residual__behind_a_normalized_activation__equals_plain_c),
		cmocka_unit_test(transformer_block__in_pieces__equals_plain_c),
		cmocka_unit_test(product__in_seven_of_quarters__equals_plain_c),
		cmocka_unit_test(gemm__adding_a_column__equals_plain_c),
		cmocka_unit_test(product__in_seven_of_quarters__keeps_rows_of_zeros),
		cmocka_unit_test(attention__views__equal_plain_c),
		cmocka_unit_test(einsum__of_two_operands__is_a_product_of_the_fast_steps),
		cmocka_unit_test(images__moved_joined_resized__equal_plain_c),
		cmocka_unit_test(pad__by_a_constant__equals_plain_c),
		cmocka_unit_test(shuffle__of_channels__is_one_move),
		cmocka_unit_test(pools__of_the_largest__equal_plain_c),
		cmocka_unit_test(reductions__every_side_and_layout__equal_plain_c),
		cmocka_unit_test(broadcasts__every_side__equal_plain_c),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	/* In a build without oneDNN all levels choose alike. */
	return qb_dnn_is_present() ? run_at_every_level(tests_at_a_level) : tests_at_a_level();
}
