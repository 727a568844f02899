/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and biases that are inputs of a graph, and so are packed in every run: plans give what they give with the same
 * elements as constants, and none of their steps is an evaluation in plain C.
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
#include "core/base/random.h"
#include "core/base/size.h"
#include "core/exec/exec.h"
#include "tests/unit/exec/graph_maker.h"
#include "tests/unit/levels.h"

struct shape {
	int ndim;
	int64_t dim[5];
};

/* x, weights and bias; no bias where it has no dimensions. */
struct layer {
	enum qb_op_id op;
	struct shape shape[3];
	int64_t strides[3], dilations[3], pads[6], group; /* of convolutions */
	int64_t trans_b;                                  /* of Gemm */
	const char *text;
};

static int operands(const struct layer *l)
{
	return l->shape[2].ndim ? 3 : 2;
}

static size_t elements(const struct shape *s)
{
	size_t n = 1;

	for (int i = 0; i < s->ndim; i++) {
		n *= (size_t)s->dim[i];
	}
	return n;
}

static void set_attributes(struct graph_maker *m, struct qb_node *n, const struct layer *l)
{
	int spatial = l->shape[0].ndim - 2;

	if (l->op == QB_OP_Gemm) {
		qb_node_add_int(n, "transB", l->trans_b);
	}
	if (l->op == QB_OP_Gemm || l->op == QB_OP_MatMul) {
		return;
	}
	gm_ints(m, n, "strides", spatial, l->strides);
	gm_ints(m, n, "dilations", spatial, l->dilations);
	gm_ints(m, n, "pads", 2 * spatial, l->pads);
	qb_node_add_int(n, "group", l->group);
}

/* The layer with its weights as inputs, or as constants. */
static struct qb_graph *make(struct graph_maker *m, const struct layer *l, float *const data[3], bool computed)
{
	struct qb_value *in[3];
	struct qb_node *n;

	gm_init(m);
	for (int i = 0; i < operands(l); i++) {
		const struct shape *s = &l->shape[i];

		in[i] = i && !computed ? gm_constant(m, QB_F32, s->ndim, s->dim, data[i]) : gm_input(m, QB_F32, s->ndim, s->dim);
	}
	n = gm_node(m, l->op, 1, operands(l), in);
	set_attributes(m, n, l);
	gm_output(m, gm_add(m, n));
	return gm_finish(m);
}

static bool is_evaluated(const struct qb_plan *p)
{
	for (int i = 0; i < qb_plan_steps(p); i++) {
		if (!strcmp(qb_plan_step(p, i).implementation, "plain C")) {
			return true;
		}
	}
	return false;
}

static float *run(const struct layer *l, float *const data[3], enum qb_plan_mode mode, bool computed, size_t *count)
{
	struct graph_maker m;
	struct qb_graph *g = make(&m, l, data, computed);
	float *y = calloc(qb_value_size(g->output[0]), sizeof(*y));
	struct qb_plan *p = NULL;
	struct qb_session *s = NULL;
	struct qb_run r = {.input = (const void *const[]){data[0], data[1], data[2]}, .output = (void *const[]){y}};
	struct qb_errbuf eb = {0};

	assert_non_null(y);
	if (qb_plan_create(&p, g, mode, 1, NULL, &eb) || qb_session_create(&s, p, false, &eb) ||
		qb_session_check_steps(s, &eb)) {
		fail_msg("%s: %s", l->text, eb.text);
	}
	if (is_evaluated(p)) {
		fail_msg("%s is evaluated in plain C", l->text);
	}
	for (int i = 0; i < 2; i++) { /* what a run packs is not left to the next */
		if (qb_session_run(s, &r, &eb)) {
			fail_msg("%s: %s", l->text, eb.text);
		}
	}
	*count = qb_value_size(g->output[0]);
	qb_session_destroy(&s);
	qb_plan_destroy(&p);
	gm_fini(&m);
	return y;
}

static void check(const struct layer *l)
{
	float *data[3] = {NULL};

	for (int i = 0; i < operands(l); i++) {
		data[i] = malloc(elements(&l->shape[i]) * sizeof(**data));
		assert_non_null(data[i]);
		for (size_t k = 0; k < elements(&l->shape[i]); k++) {
			data[i][k] = (float)qb_random_normal(4711, (uint64_t)i, k);
		}
	}
	for (int mode = QB_PLAN_OBSERVED; mode <= QB_PLAN_FROZEN; mode++) {
		size_t n;
		float *want = run(l, data, (enum qb_plan_mode)mode, false, &n), *got = run(l, data, (enum qb_plan_mode)mode, true, &n);
		float top = 0;

		for (size_t i = 0; i < n; i++) {
			top = fmaxf(top, fabsf(want[i]));
		}
		for (size_t i = 0; i < n; i++) {
			if (!(fabsf(got[i] - want[i]) <= 1e-6f * top)) {
				fail_msg("%s: element %zu is %.9g, with constants it is %.9g", l->text, i, (double)got[i], (double)want[i]);
			}
		}
		free(want);
		free(got);
	}
	for (int i = 0; i < 3; i++) {
		free(data[i]);
	}
}

#define S(...) {sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}}
#define NONE {0, {0}}

static void conv__of_computed_weights__equals_constants(void **state)
{
	static const struct layer layers[] = {
		{QB_OP_Conv, {S(2, 9, 7, 8), S(20, 9, 1, 1), S(20)}, {1, 1}, {1, 1}, {0}, 1, 0, "pointwise"},
		{QB_OP_Conv, {S(2, 9, 7, 8), S(20, 9, 3, 3), S(20)}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0, "3 x 3"},
		{QB_OP_Conv, {S(2, 3, 17, 18), S(16, 3, 7, 7), NONE}, {2, 2}, {1, 1}, {3, 3, 3, 3}, 1, 0, "strided, without bias"},
		{QB_OP_Conv, {S(2, 33, 9, 7), S(10, 33, 3, 3), S(10)}, {1, 1}, {2, 3}, {2, 3, 2, 3}, 1, 0, "dilated"},
		{QB_OP_Conv, {S(2, 12, 9, 7), S(12, 1, 3, 3), S(12)}, {2, 1}, {1, 1}, {1, 1, 1, 1}, 12, 0, "depthwise"},
		{QB_OP_Conv, {S(2, 12, 9, 7), S(24, 1, 3, 3), S(24)}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 12, 0, "depthwise, two outputs each"},
		{QB_OP_Conv, {S(2, 32, 9, 7), S(48, 16, 3, 3), S(48)}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 2, 0, "two groups"},
		{QB_OP_Conv, {S(2, 18, 9, 7), S(12, 6, 3, 2), NONE}, {1, 1}, {1, 1}, {0, 1, 1, 0}, 3, 0, "three small groups"},
		{QB_OP_Conv, {S(2, 9, 21), S(20, 9, 4), S(20)}, {2}, {1}, {1, 2}, 1, 0, "one dimension"},
		{QB_OP_Conv, {S(1, 5, 6, 7, 4), S(9, 5, 3, 2, 3), S(9)}, {1, 2, 1}, {1, 1, 1}, {1, 0, 1, 1, 0, 1}, 1, 0, "three dimensions"},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(layers); i++) {
		check(&layers[i]);
	}
}

static void conv_transpose__of_computed_weights__equals_constants(void **state)
{
	static const struct layer layers[] = {
		{QB_OP_ConvTranspose, {S(2, 20, 9, 7), S(20, 17, 2, 2), S(17)}, {2, 2}, {1, 1}, {0}, 1, 0, "transposed"},
		{QB_OP_ConvTranspose, {S(2, 16, 7, 5), S(16, 16, 3, 3), NONE}, {2, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0, "transposed, square"},
		{QB_OP_ConvTranspose, {S(2, 24, 5, 6), S(24, 6, 3, 2), S(18)}, {1, 3}, {2, 1}, {2, 0, 1, 0}, 3, 0, "transposed, groups"},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(layers); i++) {
		check(&layers[i]);
	}
}

static void gemm__of_computed_weights__equals_constants(void **state)
{
	static const struct layer layers[] = {
		{QB_OP_Gemm, {S(5, 37), S(37, 21), S(21)}, .text = "Gemm"},
		{QB_OP_Gemm, {S(5, 37), S(21, 37), S(1, 21)}, .trans_b = 1, .text = "Gemm, transposed"},
		{QB_OP_Gemm, {S(1, 64), S(64, 64), NONE}, .text = "Gemm of one row, square"},
		{QB_OP_Gemm, {S(8, 64), S(64, 64), S(64)}, .trans_b = 1, .text = "Gemm, transposed and square"},
		{QB_OP_MatMul, {S(2, 5, 37), S(37, 21), NONE}, .text = "MatMul"},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(layers); i++) {
		check(&layers[i]);
	}
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(conv__of_computed_weights__equals_constants),
		cmocka_unit_test(conv_transpose__of_computed_weights__equals_constants),
		cmocka_unit_test(gemm__of_computed_weights__equals_constants),
	};

	return cmocka_run_group_tests_name("computed operands", all, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests);
}
