/* SPDX-License-Identifier: Apache-2.0
 *
 * A layer as a matrix product over its im2col rows equals the operator's own evaluation.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/ptq/im2col.h"
#include "tests/unit/levels.h"

struct layer_case {
	const char *type;
	int ndim, wdim;
	int64_t x[5], w[5];
	int64_t group, stride, dilation, pad[6];
	bool trans_b;
};

static const struct layer_case cases[] = {
	{"Conv", 4, 4, {2, 3, 7, 6}, {4, 3, 3, 2}, 1, 1, 1, {1, 0, 1, 2}, false},
	{"Conv", 4, 4, {2, 6, 9, 9}, {6, 1, 3, 3}, 6, 2, 1, {1, 1, 1, 1}, false},
	{"Conv", 4, 4, {1, 4, 8, 8}, {6, 2, 3, 3}, 2, 1, 2, {2, 2, 2, 2}, false},
	{"Conv", 3, 3, {3, 4, 11}, {5, 4, 4}, 1, 3, 1, {0, 2}, false},
	{"Conv", 5, 5, {1, 2, 4, 5, 6}, {3, 2, 2, 3, 2}, 1, 1, 1, {1, 0, 1, 0, 1, 0}, false},
	{"Gemm", 2, 2, {5, 7}, {7, 4}, 1, 1, 1, {0}, false},
	{"Gemm", 2, 2, {5, 7}, {4, 7}, 1, 1, 1, {0}, true},
	{"MatMul", 3, 2, {2, 3, 5}, {5, 4}, 1, 1, 1, {0}, false},
	{"MatMul", 4, 2, {2, 3, 4, 5}, {5, 6}, 1, 1, 1, {0}, false},
};

static float *random_numbers(uint64_t stream, size_t n)
{
	float *x = calloc(n, sizeof(*x));

	assert_non_null(x);
	for (size_t i = 0; i < n; i++) {
		x[i] = (float)qb_random_normal(3, stream, i);
	}
	return x;
}

static void set_value(struct qb_value *v, struct qb_tensor *t, const int64_t *dim, int ndim, float *data)
{
	*t = (struct qb_tensor){.dtype = QB_F32, .ndim = ndim, .data = data};
	*v = (struct qb_value){.name = "v", .dtype = QB_F32, .shape = {.known = true, .ndim = ndim}};
	memcpy(t->dim, dim, (size_t)ndim * sizeof(*dim));
	memcpy(v->shape.dim, dim, (size_t)ndim * sizeof(*dim));
}

/* [N,C,...] to [N,...,C], as an ordered observer has it. */
static float *channels_last(const struct qb_tensor *t)
{
	size_t n = qb_tensor_size(t);
	int64_t c = t->dim[1], inner = 1;
	float *y = calloc(n, sizeof(*y));

	assert_non_null(y);
	for (int i = 2; i < t->ndim; i++) {
		inner *= t->dim[i];
	}
	for (size_t i = 0; i < n; i++) {
		int64_t s = (int64_t)i % inner, k = (int64_t)i / inner % c, b = (int64_t)i / inner / c;

		y[(b * inner + s) * c + k] = ((const float *)t->data)[i];
	}
	return y;
}

static void check_case(const struct layer_case *c)
{
	int64_t strides[3] = {c->stride, c->stride, c->stride};
	int64_t dilations[3] = {c->dilation, c->dilation, c->dilation};
	struct qb_attr attr[] = {
		{.name = "group", .kind = QB_ATTR_INT, .i = c->group},
		{.name = "strides", .kind = QB_ATTR_INTS, .count = c->ndim - 2, .ints = strides},
		{.name = "dilations", .kind = QB_ATTR_INTS, .count = c->ndim - 2, .ints = dilations},
		{.name = "pads", .kind = QB_ATTR_INTS, .count = 2 * (c->ndim - 2), .ints = c->pad},
		{.name = "transB", .kind = QB_ATTR_INT, .i = 1},
	};
	bool conv = !strcmp(c->type, "Conv");
	struct qb_value x, w, y = {.name = "y"};
	struct qb_tensor tx, tw, ty;
	struct qb_value *input[2] = {&x, &w}, *output[1] = {&y};
	struct qb_node n = {.op = qb_op_find("", c->type), .name = "n", .type = c->type, .opset = 13, .inputs = 2,
		.outputs = 1, .input = input, .output = output, .attr = conv ? attr : attr + 4,
		.attrs = conv ? 4 : c->trans_b};
	const struct qb_tensor *in[2] = {&tx, &tw};
	size_t nx = 1, nw = 1, ny;
	float *seen, *row;
	struct qb_im2col p;
	int64_t rows, inner, per_group;

	for (int i = 0; i < c->ndim; i++) {
		nx *= (size_t)c->x[i];
	}
	for (int i = 0; i < c->wdim; i++) {
		nw *= (size_t)c->w[i];
	}
	set_value(&x, &tx, c->x, c->ndim, random_numbers(1, nx));
	set_value(&w, &tw, c->w, c->wdim, random_numbers(2, nw));
	w.constant = &tw;
	assert_int_equal(n.op->infer(NULL, &n, NULL), QB_OK);
	ty = (struct qb_tensor){.dtype = QB_F32, .ndim = y.shape.ndim};
	memcpy(ty.dim, y.shape.dim, sizeof(ty.dim));
	ny = qb_tensor_size(&ty);
	ty.data = calloc(ny, sizeof(float));
	assert_int_equal(n.op->eval(&n, in, &ty, NULL), QB_OK);

	assert_true(qb_im2col_of(&p, &n));
	rows = conv || c->trans_b ? c->w[0] : c->w[1];
	assert_int_equal(p.positions * rows, ny);
	assert_int_equal(p.groups, c->group);
	seen = c->ndim >= 4 ? channels_last(&tx) : tx.data;
	row = calloc((size_t)(p.groups * (p.k + 1)), sizeof(*row));
	inner = conv ? p.positions / c->x[0] : 1;
	per_group = rows / p.groups;
	for (int64_t at = 0; at < p.positions; at++) {
		qb_im2col_row(&p, seen, at, row, p.k + 1);
		for (int64_t i = 0; i < rows; i++) {
			double sum = 0, expected;

			for (int64_t j = 0; j < p.k; j++) {
				const float *weight = tw.data;

				sum += (double)row[i / per_group * (p.k + 1) + j] *
					(double)weight[conv || c->trans_b ? i * p.k + j : j * rows + i];
			}
			expected = (double)((float *)ty.data)[conv ? (at / inner * rows + i) * inner + at % inner
								   : at * rows + i];
			if (!(fabs(sum - expected) < 1e-5 * (1 + fabs(expected)))) {
				fail_msg("case %d, position %d, row %d: %g, evaluated %g", (int)(c - cases), (int)at, (int)i,
					sum, expected);
			}
		}
	}
	if (seen != tx.data) {
		free(seen);
	}
	free(row);
	free(tx.data);
	free(tw.data);
	free(ty.data);
}

static void im2col__convolutions_and_products__equal_the_evaluation(void **state)
{
	(void)state;
	for (size_t i = 0; i < QB_COUNT(cases); i++) {
		check_case(&cases[i]);
	}
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(im2col__convolutions_and_products__equal_the_evaluation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
