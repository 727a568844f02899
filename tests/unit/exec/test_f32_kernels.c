/* SPDX-License-Identifier: Apache-2.0
 *
 * GEMM and depthwise: vectors against plain C bit for bit, both against sums in double. Functions against the C library's in
 * double precision.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/arena.h"
#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/base/size.h"
#include "core/kernels/f32/activation_backward.h"
#include "core/kernels/f32/depthwise.h"
#include "core/kernels/f32/gemm.h"
#include "core/kernels/f32/math.h"
#include "tests/unit/levels.h"

static float *random_elements(uint64_t stream, size_t n)
{
	float *x = qb_aligned_alloc(n, sizeof(*x));

	for (size_t i = 0; i < n; i++) {
		x[i] = 2 * (float)qb_random_uniform(7, stream, i) - 1;
	}
	return x;
}

static double exact(const struct qb_f32_gemm *p, const float *const *row, int64_t rows, int64_t i,
	int64_t o)
{
	double sum = p->epilogue.bias ? (double)p->epilogue.bias[o] : 0;

	for (int64_t r = 0; r < p->runs; r++) {
		for (int64_t k = 0; k < p->depth; k++) {
			int64_t at = ((o / 16 * p->runs + r) * p->depth + k) * 16 + o % 16;

			sum += (double)row[r * rows + i][p->x_offset + k + (o % 16 < 8 ? 0 : p->upper_offset)] * (double)p->weights[at];
		}
	}
	return sum;
}

/* Nothing; bias, residual and clip; bias, leaky activation, affine and a last residual. */
enum epilogue { BARE, CLIPPED, RESIDUAL_LAST };

static double with_epilogue(enum epilogue epilogue, double v, double add, double gain, double shift)
{
	return epilogue == BARE ? v : epilogue == CLIPPED ? fmin(fmax(v + add, -0.5), 2)
		: (v < 0 ? 0.25 * v : v) * gain + shift + add;
}

static void check_gemm(int64_t rows, int64_t runs, int64_t depth, int64_t outputs, enum epilogue epilogue)
{
	const enum qb_cpu_level level = qb_cpu_level();
	int64_t panels = (outputs + 15) / 16, stride = outputs + 3;
	int64_t x_offset = rows % 3, upper_offset = outputs % 16 || rows % 2 ? 0 : depth + 1, length = x_offset + upper_offset + depth;
	float *x = random_elements(1, (size_t)(rows * runs * length)), *w = random_elements(2, (size_t)(panels * runs * depth * 16));
	float *bias = random_elements(3, (size_t)outputs), *add = random_elements(4, (size_t)(rows * stride));
	float *y = random_elements(5, (size_t)(rows * stride)), *z = random_elements(5, (size_t)(rows * stride));
	const float **row = calloc((size_t)(rows * runs), sizeof(*row));
	float *gain = random_elements(6, (size_t)outputs), *shift = random_elements(7, (size_t)outputs);
	struct qb_f32_gemm p = {.outputs = outputs, .runs = runs, .depth = depth, .x_offset = x_offset,
		.upper_offset = upper_offset,
		.weights = w, .epilogue = {.bias = epilogue ? bias : NULL}};

	if (epilogue == CLIPPED) {
		p.epilogue.act = (struct qb_act){QB_ACT_CLIP, -0.5f, 2};
	} else if (epilogue == RESIDUAL_LAST) {
		p.epilogue.act = (struct qb_act){QB_ACT_LEAKY, 0.25f, 0};
		p.epilogue.affine = (struct qb_affine){gain, shift};
		p.epilogue.residual_last = true;
	}
	for (int64_t i = 0; i < rows * runs; i++) {
		row[i] = x + i * length;
	}
	qb_f32_gemm(&p, row, rows, 0, panels, epilogue ? add : NULL, y, stride);
	qb_cpu_mask(QB_CPU_PLAIN);
	qb_f32_gemm(&p, row, rows, 0, panels, epilogue ? add : NULL, z, stride);
	qb_cpu_mask(level);
	assert_memory_equal(y, z, (size_t)(rows * stride) * sizeof(*y));
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t o = 0; o < outputs; o++) {
			double want = exact(&p, row, rows, i, o);

			want = with_epilogue(epilogue, want, (double)add[i * stride + o], (double)gain[o], (double)shift[o]);
			assert_true(fabs(want - (double)y[i * stride + o]) <= 1e-6 * (double)(runs * depth) + 1e-6);
		}
	}
	free(x);
	free(w);
	free(bias);
	free(add);
	free(gain);
	free(shift);
	free(y);
	free(z);
	free(row);
}

static void gemm__any_shape__vectors_equal_plain_c(void **state)
{
	static const int64_t depths[] = {1, 3, 64, 255, 400, 900}, outputs[] = {1, 8, 15, 24, 17, 32};

	(void)state;
	for (int64_t rows = 1; rows <= 14; rows++) {
		for (size_t i = 0; i < QB_COUNT(depths); i++) {
			check_gemm(rows, 1 + rows % 4, depths[i], outputs[(i + (size_t)rows) % 6],
				(enum epilogue)(rows % 3));
		}
	}
	check_gemm(QB_F32_ROWS, 9, 64, 33, CLIPPED);
	check_gemm(QB_F32_ROWS, 9, 64, 33, RESIDUAL_LAST);
	for (int i = 0; i < 12; i++) { /* GEMV */
		check_gemm(1, 1 + i % 3, i < 6 ? 70 : 1900, 16 * (3 + i % 4) + i % 5 * 16 + i / 6 * 7, (enum epilogue)(i % 3));
	}
	for (int64_t rows = 1; rows <= 17; rows++) { /* every register tile */
		for (int64_t panels = 1; panels <= 9; panels++) {
			check_gemm(rows, 1, panels % 2 ? 21 : 900, 16 * panels - (rows + panels) % 3 * 5, (enum epilogue)((rows + panels) % 3));
		}
	}
	for (int64_t rows = 1; rows <= 14; rows++) { /* upper halves with inputs of their own among them */
		check_gemm(rows, 9, 8, 16 + rows % 3 * 8, (enum epilogue)(rows % 3));
		check_gemm(rows, 1, 900, 16, (enum epilogue)(rows % 4 / 2));
	}
}

static void check_products(int64_t rows, int64_t depth, int64_t outputs)
{
	enum { COUNT = 3 };
	const enum qb_cpu_level level = qb_cpu_level();
	size_t packed = (size_t)((outputs + 15) / 16 * 16 * depth), length = (size_t)(COUNT * rows * (outputs + 3) + 5 * COUNT);
	float *x = random_elements(1, (size_t)(COUNT * (rows * (depth + 2) + 7))), *w = random_elements(2, COUNT * packed);
	float *y = random_elements(3, length), *z = random_elements(3, length);
	const float *weights[COUNT] = {w + packed, w, w + 2 * packed};
	struct qb_f32_products p = {.count = COUNT, .rows = rows, .depth = depth, .outputs = outputs, .x = x, .x_product = rows * (depth + 2) + 7,
		.x_row = depth + 2, .weights = weights, .y = y, .y_product = rows * (outputs + 3) + 5, .y_row = outputs + 3};

	qb_f32_products(&p);
	qb_cpu_mask(QB_CPU_PLAIN);
	p.y = z;
	qb_f32_products(&p);
	qb_cpu_mask(level);
	assert_memory_equal(y, z, length * sizeof(*y)); /* what lies between rows stays as well */
	for (int64_t i = 0; i < COUNT * rows * outputs; i++) {
		int64_t product = i / outputs / rows, row = i / outputs % rows, o = i % outputs;
		double want = 0;

		for (int64_t k = 0; k < depth; k++) {
			want += (double)x[product * p.x_product + row * p.x_row + k] * (double)weights[product][(o / 16 * depth + k) * 16 + o % 16];
		}
		assert_true(fabs(want - (double)y[product * p.y_product + row * p.y_row + o]) <= 1e-6 * (double)depth + 1e-6);
	}
	free(x);
	free(w);
	free(y);
	free(z);
}

static void products__any_shape__vectors_equal_plain_c(void **state)
{
	(void)state;
	for (int64_t rows = 1; rows <= 33; rows++) { /* every register tile */
		for (int64_t panels = 1; panels <= 5; panels++) {
			check_products(rows, 1 + rows * panels % 19, 16 * panels - (rows + panels) % 3 * 5);
		}
	}
	check_products(QB_F32_ROWS + 5, 9, 40);
	check_products(7, 1000, 40); /* in blocks of the depth */
}

static void check_depthwise(const struct qb_f32_depthwise *shape, enum qb_act_kind kind, int missing)
{
	const enum qb_cpu_level level = qb_cpu_level();
	struct qb_f32_depthwise d = *shape;
	size_t weights = (size_t)(d.rows * d.columns * d.channels), outs = (size_t)(d.out_width * d.channels);
	float *x = random_elements(1, (size_t)(d.rows * d.width * d.channels)), *w = random_elements(2, weights), *bias = random_elements(3, outs);
	float *y = random_elements(4, outs), *z = random_elements(5, outs);
	const float *line[8];

	for (int r = 0; r < d.rows; r++) {
		line[r] = r == missing ? NULL : x + r * d.width * d.channels;
	}
	d.weights = w;
	d.epilogue.bias = bias;
	d.epilogue.act = (struct qb_act){kind, kind == QB_ACT_LEAKY ? 0.25f : -0.5f, 0.75f};
	qb_f32_depthwise_line(&d, line, y);
	qb_cpu_mask(QB_CPU_PLAIN);
	qb_f32_depthwise_line(&d, line, z);
	qb_cpu_mask(level);
	assert_memory_equal(y, z, outs * sizeof(*y));
	for (int64_t i = 0; i < (int64_t)outs; i++) {
		int64_t c = i % d.channels, at = i / d.channels * d.stride - d.pad;
		double sum = (double)bias[c];

		for (int64_t t = 0; t < d.rows * d.columns; t++) {
			int64_t ix = at + t % d.columns * d.dilation;

			if (line[t / d.columns] && ix >= 0 && ix < d.width) {
				sum += (double)line[t / d.columns][ix * d.channels + c] * (double)w[t * d.channels + c];
			}
		}
		sum = kind == QB_ACT_LEAKY ? (sum < 0 ? 0.25 * sum : sum)
			: kind == QB_ACT_CLIP ? fmin(fmax(sum, -0.5), 0.75) : sum;
		assert_true(fabs(sum - (double)y[i]) < 1e-5);
	}
	free(x);
	free(w);
	free(bias);
	free(y);
	free(z);
}

static void depthwise__any_line__vectors_equal_plain_c(void **state)
{
	static const struct qb_f32_depthwise shapes[] = {
		{.channels = 24, .width = 19, .out_width = 19, .rows = 3, .columns = 3, .stride = 1, .dilation = 1, .pad = 1},
		{.channels = 13, .width = 22, .out_width = 11, .rows = 3, .columns = 3, .stride = 2, .dilation = 1, .pad = 1},
		{.channels = 24, .width = 29, .out_width = 29, .rows = 5, .columns = 5, .stride = 1, .dilation = 1, .pad = 2},
		{.channels = 18, .width = 36, .out_width = 18, .rows = 5, .columns = 5, .stride = 2, .dilation = 1, .pad = 2},
		{.channels = 9, .width = 20, .out_width = 30, .rows = 2, .columns = 5, .stride = 1, .dilation = 1, .pad = 7},
		{.channels = 8, .width = 3, .out_width = 3, .rows = 5, .columns = 5, .stride = 1, .dilation = 1, .pad = 2},
		{.channels = 17, .width = 12, .out_width = 12, .rows = 3, .columns = 3, .stride = 1, .dilation = 7, .pad = 7},
		{.channels = 5, .width = 6, .out_width = 9, .rows = 1, .columns = 2, .stride = 1, .dilation = 2, .pad = 4},
		{.channels = 16, .width = 1, .out_width = 7, .rows = 2, .columns = 1, .stride = 3, .dilation = 1, .pad = 9},
	};
	static const enum qb_act_kind kinds[] = {QB_ACT_NONE, QB_ACT_CLIP, QB_ACT_LEAKY};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(shapes); i++) {
		for (int k = 0; k < 3; k++) {
			check_depthwise(&shapes[i], kinds[k], k - 1);
		}
	}
}

static void depthwise__every_short_line__vectors_equal_plain_c(void **state)
{
	(void)state;
	for (int i = 0; i < 4 * 9 * 4; i++) {
		struct qb_f32_depthwise d = {.channels = 16 + i % 3, .out_width = 1 + i / 4 % 9, .rows = 3,
			.columns = 3 + 2 * (i & 1), .stride = 1 + (i >> 1 & 1), .dilation = 1, .pad = i / 36};

		/* The least line that gives so many outputs. */
		d.width = QB_MAX((d.out_width - 1) * d.stride + d.columns - 2 * d.pad, 1);
		check_depthwise(&d, i % 2 ? QB_ACT_CLIP : QB_ACT_NONE, i % 5 - 1);
	}
}

static void pack__every_way_to_lie__is_the_matrix(void **state)
{
	static const int64_t sizes[][2] = {{64, 16}, {23, 16}, {8, 16}, {7, 16}, {40, 13}, {1, 1}};
	float *x = random_elements(10, 100 * 100), panel[64 * QB_F32_PANEL];

	(void)state;
	for (size_t i = 0; i < 3 * QB_COUNT(sizes); i++) {
		int64_t depth = sizes[i / 3][0], width = sizes[i / 3][1];
		int64_t row = (int64_t[]){1, 98, 5}[i % 3], column = (int64_t[]){97, 1, 401}[i % 3];

		memset(panel, 1, sizeof(panel));
		qb_f32_pack(x, row, column, depth, width, panel);
		for (int64_t k = 0; k < depth * QB_F32_PANEL; k++) {
			int64_t o = k % QB_F32_PANEL;
			float want = o < width ? x[k / QB_F32_PANEL * row + o * column] : 0;

			assert_true(panel[k] == want);
		}
	}
	free(x);
}

static double erf_of(double x) { return erf(x); }
static double exp_of(double x) { return exp(x); }
static double tanh_of(double x) { return tanh(x); }
static double sigmoid_of(double x) { return 1 / (1 + exp(-x)); }
static double silu_of(double x) { return x / (1 + exp(-x)); }
static double gelu_of(double x) { return 0.5 * x * erfc(-x / sqrt(2)); }
static double gelu_slope_of(double x) { return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * acos(-1)); }
static double hard_swish_of(double x) { return x * fmin(fmax(x / 6 + 0.5, 0), 1); }

/* Error against the exact value, relative to it or, if it is small, to the argument's size where the function cancels. */
static void check_function(qb_f32_unary_fn *fn, double (*want)(double), float from, float to, double bound,
	double floor)
{
	enum { N = 1 << 16 };
	static float x[N], y[N];

	for (int i = 0; i < N; i++) {
		x[i] = from + (to - from) * (float)i / (N - 1);
	}
	fn(x, y, N);
	for (int i = 0; i < N; i++) {
		double w = want((double)x[i]);

		if (!(fabs((double)y[i] - w) <= bound * fmax(fabs(w), floor))) {
			fail_msg("f(%.9g) = %.9g, exact %.9g", (double)x[i], (double)y[i], w);
		}
	}
}

static void gelu_slope(const float *x, float *y, int64_t n)
{
	float *ones = calloc((size_t)n, sizeof(*ones));

	for (int64_t i = 0; i < n; i++) {
		ones[i] = 1;
	}
	qb_f32_gelu_gradient(x, ones, y, n, 0, 0);
	free(ones);
}

static void functions__dense_arguments__are_near_the_exact_values(void **state)
{
	(void)state;
	check_function(qb_f32_exp, exp_of, -87, 88.7f, 4e-7, 0);
	check_function(qb_f32_erf, erf_of, -6, 6, 3e-7, 0);
	check_function(qb_f32_tanh, tanh_of, -12, 12, 4e-7, 0);
	check_function(qb_f32_sigmoid, sigmoid_of, -80, 80, 5e-7, 0);
	check_function(qb_f32_silu, silu_of, -80, 80, 5e-7, 0);
	check_function(qb_f32_hard_swish, hard_swish_of, -5, 5, 3e-7, 0.5);
	check_function(qb_f32_gelu, gelu_of, -8, 8, 4e-7, 0.3);
	check_function(gelu_slope, gelu_slope_of, -9, 9, 2e-7, 0.5);
}

enum { LINE = 1003, FUNCTIONS = 8 };

/* Every function of a line, into y [FUNCTIONS + 3][LINE]. */
static void all_functions(const float *x, const float *gain, const float *shift, float (*y)[LINE])
{
	static qb_f32_unary_fn *const functions[FUNCTIONS] = {qb_f32_exp, qb_f32_erf, qb_f32_tanh, qb_f32_sigmoid,
		qb_f32_silu, qb_f32_gelu, qb_f32_gelu_tanh, qb_f32_hard_swish};

	for (int i = 0; i < FUNCTIONS; i++) {
		functions[i](x, y[i], LINE);
	}
	qb_f32_softmax(x, 0.3f, shift, y[FUNCTIONS], LINE);
	qb_f32_layer_norm(x, gain, shift, 1e-5f, y[FUNCTIONS + 1], LINE);
	qb_f32_group_norm(x, gain, shift, 1e-5f, y[FUNCTIONS + 2], 17, LINE / 17);
}

static void functions__every_level__equal_plain_c(void **state)
{
	const enum qb_cpu_level level = qb_cpu_level();
	static float y[FUNCTIONS + 3][LINE], z[FUNCTIONS + 3][LINE];
	float *x = random_elements(20, LINE), *gain = random_elements(21, LINE), *shift = random_elements(22, LINE);

	(void)state;
	for (int i = 0; i < LINE; i++) {
		x[i] *= i % 5 ? 4 : 60;
	}
	all_functions(x, gain, shift, y);
	qb_cpu_mask(QB_CPU_PLAIN);
	all_functions(x, gain, shift, z);
	qb_cpu_mask(level);
	for (int i = 0; i < FUNCTIONS + 3; i++) {
		for (int k = 0; k < LINE; k++) {
			if (memcmp(&y[i][k], &z[i][k], sizeof(float)) != 0) {
				fail_msg("function %d of %a is %a, in plain C %a", i, (double)x[k], (double)y[i][k], (double)z[i][k]);
			}
		}
	}
	free(x);
	free(gain);
	free(shift);
}

static void gradients__every_level__equal_plain_c(void **state)
{
	static qb_f32_gradient_fn *const gradients[] = {qb_f32_elu_gradient, qb_f32_erf_gradient, qb_f32_exp_gradient,
		qb_f32_gelu_gradient, qb_f32_gelu_tanh_gradient, qb_f32_sigmoid_gradient, qb_f32_silu_gradient,
		qb_f32_softplus_gradient, qb_f32_tanh_gradient};
	const enum qb_cpu_level level = qb_cpu_level();
	float *x = random_elements(23, LINE), *dy = random_elements(24, LINE), y[LINE], z[LINE];

	(void)state;
	for (int i = 0; i < LINE; i++) {
		x[i] *= i % 5 ? 4 : 60;
	}
	for (size_t i = 0; i < QB_COUNT(gradients); i++) {
		gradients[i](x, dy, y, LINE, 0.7f, 0);
		qb_cpu_mask(QB_CPU_PLAIN);
		gradients[i](x, dy, z, LINE, 0.7f, 0);
		qb_cpu_mask(level);
		for (int k = 0; k < LINE; k++) {
			if (memcmp(&y[k], &z[k], sizeof(*y)) != 0) {
				fail_msg("gradient %zu at %a is %a, in plain C %a", i, (double)x[k], (double)y[k], (double)z[k]);
			}
		}
	}
	free(x);
	free(dy);
}

static void gelu_gradient__far_from_zero__is_that_of_a_line(void **state)
{
	const float x[8] = {-INFINITY, -1e30f, -14, -13, 13, 14, 1e30f, INFINITY}, dy[8] = {1, 1, 1, 1, 1, 1, 1, 1}, nan = NAN;
	float y[8], of_nan;

	(void)state;
	qb_f32_gelu_gradient(x, dy, y, 8, 0, 0);
	for (int i = 0; i < 8; i++) {
		if (!(i < 4 ? fabsf(y[i]) < 1e-30f : y[i] == 1)) {
			fail_msg("at %a: %a", (double)x[i], (double)y[i]);
		}
	}
	qb_f32_gelu_gradient(&nan, dy, &of_nan, 1, 0, 0);
	assert_true(isnan(of_nan));
}

static void exp__ends__are_zero_and_infinity(void **state)
{
	float x[4] = {-INFINITY, INFINITY, NAN, 0}, y[4];

	(void)state;
	qb_f32_exp(x, y, 4);
	assert_true(y[0] == 0 && isinf(y[1]) && isnan(y[2]) && y[3] == 1);
}

static void softmax__with_mask__sums_to_one(void **state)
{
	float *x = random_elements(8, 131), *mask = random_elements(9, 131), y[131];
	double sum = 0, want = 0, total = 0;

	(void)state;
	mask[5] = -3.4e38f;
	for (int i = 0; i < 131; i++) {
		sum += exp((double)x[i] * 3 + (double)mask[i]);
	}
	qb_f32_softmax(x, 3, mask, y, 131);
	for (int i = 0; i < 131; i++) {
		want = exp((double)x[i] * 3 + (double)mask[i]) / sum;
		total += (double)y[i];
		assert_true(fabs(want - (double)y[i]) <= 1e-6 * want + 1e-30);
	}
	assert_true(fabs(total - 1) < 1e-6 && y[5] == 0);
	free(x);
	free(mask);
}

static void layer_norm__any_length__equals_double(void **state)
{
	(void)state;
	for (int n = 1; n < 70; n += 3) {
		float *x = random_elements(10, (size_t)n), *gain = random_elements(11, (size_t)n), *shift = random_elements(12, (size_t)n), y[70];
		double mean = 0, var = 0;

		for (int i = 0; i < n; i++) {
			mean += (double)x[i] / n;
		}
		for (int i = 0; i < n; i++) {
			var += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
		}
		qb_f32_layer_norm(x, gain, shift, 1e-5f, y, n);
		for (int i = 0; i < n; i++) {
			double want = ((double)x[i] - mean) / sqrt(var + 1e-5) * (double)gain[i] + (double)shift[i];

			assert_true(fabs(want - (double)y[i]) < 2e-6);
		}
		free(x);
		free(gain);
		free(shift);
	}
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gemm__any_shape__vectors_equal_plain_c),
		cmocka_unit_test(products__any_shape__vectors_equal_plain_c),
		cmocka_unit_test(depthwise__any_line__vectors_equal_plain_c),
		cmocka_unit_test(depthwise__every_short_line__vectors_equal_plain_c),
		cmocka_unit_test(pack__every_way_to_lie__is_the_matrix),
		cmocka_unit_test(functions__dense_arguments__are_near_the_exact_values),
		cmocka_unit_test(functions__every_level__equal_plain_c),
		cmocka_unit_test(gradients__every_level__equal_plain_c),
		cmocka_unit_test(gelu_gradient__far_from_zero__is_that_of_a_line),
		cmocka_unit_test(exp__ends__are_zero_and_infinity),
		cmocka_unit_test(softmax__with_mask__sums_to_one),
		cmocka_unit_test(layer_norm__any_length__equals_double),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
