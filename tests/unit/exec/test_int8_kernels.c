/* SPDX-License-Identifier: Apache-2.0
 *
 * The byte kernels: every table that this processor can run against plain C bit for bit, and plain C against sums in
 * 64 bits and double precision.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/base/size.h"
#include "core/kernels/int8/kernels.h"
#include "core/kernels/int8/lookup.h"
#include "tests/unit/levels.h"

enum { PIXELS = 29, PIXELS_MAX = QB_INT8_PIXELS + 1, OUTPUTS_MAX = 150, KERNEL_MAX = 49, SLACK = 64 };

/* What the bytes and weights are drawn from: anything, the largest products of one sign, the largest of both. */
enum kind { ANY, ALL_HIGH, MIXED, KINDS };

static uint64_t drawn;

static uint32_t draw(void)
{
	return qb_random_u32(7, 0, drawn++);
}

static uint8_t draw_byte(enum kind kind)
{
	return kind == ANY ? (uint8_t)draw() : kind == ALL_HIGH ? 255 : draw() % 2 ? 255 : 0;
}

static int8_t draw_weight(enum kind kind)
{
	return kind == ANY ? (int8_t)(draw() % 256 - 128) : kind == ALL_HIGH ? 127 : draw() % 2 ? 127 : -128;
}

/* The same within what a form takes. */
static int8_t draw_weight_of(enum qb_int8_width width, enum kind kind)
{
	static const int lo[] = {-128, -32, -8}, hi[] = {127, 32, 7};

	return kind == ANY ? (int8_t)((int)(draw() % (uint32_t)(hi[width] - lo[width] + 1)) + lo[width])
		: (int8_t)(kind == ALL_HIGH || draw() % 2 ? hi[width] : lo[width]);
}

/* Memory that ends where the kernels may read to, so that a sanitizer sees what lies further. */
static void *room(size_t bytes)
{
	void *p = aligned_alloc(64, qb_align_up(bytes + SLACK, 64));

	assert_non_null(p);
	memset(p, 0, qb_align_up(bytes + SLACK, 64));
	return p;
}

/* The byte that exact arithmetic gives, or one beside it where the float32 product decides the tie. */
static void assert_requant(const struct qb_requant *r, int64_t c, int64_t sum, uint8_t got)
{
	double v = (double)sum * (double)r->multiplier[c] + (double)r->offset[c];

	v = fmin(fmax(v, r->lo), r->hi);
	assert_true(fabs((double)got - v) <= 0.5001 + fabs((double)sum) * 1e-7 * r->multiplier[c]);
}

struct requant_room {
	float multiplier[256], offset[256];
};

/* Multipliers that spread sums of k products over the bytes. */
static struct qb_requant make_requant(struct requant_room *room_, int64_t k, enum kind kind)
{
	struct qb_requant r = {room_->multiplier, room_->offset, (int)(draw() % 2) * 30,
		255 - (int)(draw() % 3)};
	float spread = kind == ALL_HIGH ? 1.0f / (float)(k * 127) : 0.02f / sqrtf((float)k);

	for (int i = 0; i < 256; i++) {
		room_->multiplier[i] = spread * (0.2f + (float)(draw() % 1000) * 1e-3f);
		room_->offset[i] = (float)(draw() % 2560) * 0.1f;
	}
	return r;
}

static void check_conv_of(enum qb_int8_width width, int64_t outputs, int64_t kernel_elements, int64_t chunk,
	int64_t pixels, enum kind kind)
{
	int64_t k = kernel_elements * chunk, x_bytes = 4 * k;
	struct qb_int8_matrix m = {.outputs = outputs};
	struct requant_room numbers;
	struct qb_requant r = make_requant(&numbers, k, kind);
	uint8_t *x = room((size_t)x_bytes);
	uint8_t *want = room((size_t)(pixels * OUTPUTS_MAX)), *got = room((size_t)(pixels * OUTPUTS_MAX));
	int8_t *rows = room((size_t)(outputs * k));
	char *elements = room((size_t)x_bytes * 2 + SLACK);
	const void *at[PIXELS_MAX];
	int64_t pixel[PIXELS_MAX], offset[KERNEL_MAX];

	m.packed = room(qb_int8_packed_bytes(outputs, kernel_elements * (chunk + SLACK), 8));
	m.start = room(qb_align_up((size_t)outputs, 16) * sizeof(*m.start));
	for (int64_t i = 0; i < x_bytes; i++) {
		x[i] = draw_byte(kind);
	}
	for (int64_t i = 0; i < outputs * k; i++) {
		rows[i] = draw_weight_of(width, kind);
	}
	for (int64_t i = 0; i < outputs; i++) {
		m.start[i] = (int32_t)(draw() % 20000) - 10000;
	}
	for (int64_t i = 0; i < pixels; i++) {
		pixel[i] = draw() % (uint32_t)(x_bytes / 2 - chunk + 1);
	}
	for (int64_t i = 0; i < kernel_elements; i++) {
		offset[i] = draw() % (uint32_t)(x_bytes / 2);
	}
	for (int i = 0; qb_int8_kernels_at(i); i++) {
		const struct qb_int8_form *form = &qb_int8_kernels_at(i)->form[width];
		int64_t whole = (int64_t)qb_align_up((size_t)chunk, (size_t)form->group);
		int8_t *padded = room((size_t)(outputs * kernel_elements * whole));
		uint8_t *y = i ? got : want;

		for (int64_t j = 0; j < outputs * kernel_elements; j++) {
			memcpy(padded + j * whole, rows + j * chunk, (size_t)chunk);
		}
		m.k = kernel_elements * whole;
		memset(y, 0xaa, (size_t)(pixels * OUTPUTS_MAX));
		form->expand(x, elements, x_bytes);
		for (int64_t p = 0; p < pixels; p++) {
			at[p] = elements + pixel[p] * form->element_bytes;
		}
		form->pack(&m, padded);
		form->conv(&m, &(struct qb_int8_conv_args){at, pixels, offset, kernel_elements, whole, &r, y, OUTPUTS_MAX});
		free(padded);
		assert_memory_equal(y, want, (size_t)(pixels * OUTPUTS_MAX));
	}
	for (int64_t p = 0; p < pixels; p++) {
		for (int64_t c = 0; c < outputs; c++) {
			int64_t sum = m.start[c];

			for (int64_t i = 0; i < k; i++) {
				sum += x[pixel[p] + offset[i / chunk] + i % chunk] * rows[c * k + i];
			}
			assert_requant(&r, c, sum, want[p * OUTPUTS_MAX + c]);
		}
	}
	free(elements);
	free(rows);
	free(x);
	free(want);
	free(got);
	free(m.packed);
	free(m.start);
}

static void check_conv(int64_t outputs, int64_t kernel_elements, int64_t chunk, int64_t pixels, enum kind kind)
{
	for (int width = 0; width < QB_INT8_WIDTHS; width++) {
		check_conv_of((enum qb_int8_width)width, outputs, kernel_elements, chunk, pixels, kind);
	}
}

static void conv__any_size__all_tables_equal_sums(void **state)
{
	static const int64_t outputs[] = {1, 7, 16, 20, 33, 48, 64, 65, OUTPUTS_MAX};

	(void)state;
	for (size_t o = 0; o < QB_COUNT(outputs); o++) {
		for (int kind = 0; kind < KINDS; kind++) {
			check_conv(outputs[o], 1 + (int64_t)(o * 2) % 9, 4 + 4 * (int64_t)(o % 5), PIXELS,
				(enum kind)kind);
		}
	}
	for (int64_t pixels = 1; pixels <= 13; pixels++) {
		check_conv(24, 1, 12 + 4 * pixels, pixels, ANY);
	}
}

static void conv__long_sums__all_tables_equal_sums(void **state)
{
	(void)state;
	check_conv(17, 1, 4096, 13, ANY);
	check_conv(3, 1, 22000, 7, MIXED);
	check_conv(2, 1, QB_INT8_K_MAX, 2, ALL_HIGH);
	/* Pixels that share weights, and more; outputs of one group of blocks and of the next. */
	check_conv(OUTPUTS_MAX, 3, 260, QB_INT8_PIXELS - 3, ANY);
	check_conv(40, 1, 1036, QB_INT8_PIXELS + 1, ANY);
	/* Weights and pixels that tiles ask for ahead of their use: of several elements a part, of several parts an element. */
	check_conv(OUTPUTS_MAX, 9, 100, QB_INT8_PIXELS + 1, ANY);
	check_conv(OUTPUTS_MAX, 2, 1036, 14, ANY);
}

/* A tile by Winograd is the same bytes as the convolution, up to the largest sums it promises. */
static void check_winograd(const struct qb_int8_winograd *winograd, int64_t channels, int64_t outputs, enum kind kind)
{
	enum { IN = QB_INT8_WINOGRAD_IN, OUT = QB_INT8_WINOGRAD_OUT, POINTS = IN * IN };
	const struct qb_int8_form *plain = &qb_int8_kernels_at(0)->form[QB_INT8_WHOLE];
	const int64_t depth = (int64_t)qb_align_up((size_t)channels, 16);
	const int64_t width = (int64_t)qb_align_up((size_t)outputs, 16);
	struct qb_int8_matrix direct = {.outputs = outputs, .k = 9 * channels}, m[POINTS];
	struct requant_room numbers;
	struct qb_requant r = make_requant(&numbers, 9 * channels, kind);
	uint8_t *x = room((size_t)(POINTS * channels)), *want = room((size_t)(OUT * OUT * outputs));
	uint8_t *got = room((size_t)(OUT * OUT * outputs)), *y[OUT * OUT];
	int8_t *rows = room((size_t)(9 * channels * outputs)), *by_element = room((size_t)(9 * channels * outputs));
	int16_t *v = room((size_t)(POINTS * depth * 2));
	int32_t *sums = room((size_t)(POINTS * width * 4));
	const uint8_t *pixel[POINTS];
	const void *at[OUT * OUT];
	int64_t offset[9];

	direct.packed = room(qb_int8_packed_bytes(outputs, 9 * channels, 8));
	direct.start = room((size_t)width * sizeof(*direct.start));
	for (int64_t i = 0; i < POINTS * channels; i++) {
		x[i] = draw_byte(kind);
	}
	for (int64_t i = 0; i < 9 * channels * outputs; i++) {
		rows[i] = draw_weight(kind);
		by_element[(i / 9 / channels * 9 + i % 9) * channels + i / 9 % channels] = rows[i];
	}
	for (int64_t i = 0; i < outputs; i++) {
		direct.start[i] = (int32_t)(draw() % 20000) - 10000;
	}
	for (int i = 0; i < POINTS; i++) {
		m[i] = (struct qb_int8_matrix){.outputs = outputs, .k = channels + channels % 2};
		m[i].packed = room(qb_int8_packed_bytes(outputs, m[i].k, 16));
		pixel[i] = x + i * channels;
	}
	for (int i = 0; i < OUT * OUT; i++) {
		at[i] = pixel[i / OUT * IN + i % OUT];
		y[i] = i == 5 ? NULL : got + i * outputs;
	}
	for (int i = 0; i < 9; i++) {
		offset[i] = (i / 3 * IN + i % 3) * channels;
	}
	plain->pack(&direct, by_element);
	plain->conv(&direct, &(struct qb_int8_conv_args){at, OUT * OUT, offset, 9, channels, &r, want, outputs});
	winograd->pack(m, channels, rows);
	winograd->input(pixel, channels, v, depth);
	for (int i = 0; i < POINTS; i++) {
		winograd->gemm(&m[i], (const void *const[]){v + i * depth}, 1, sums + i * width, width);
		free(m[i].packed);
	}
	winograd->output(sums, width, outputs, direct.start, &r, y);
	memcpy(got + 5 * outputs, want + 5 * outputs, (size_t)outputs);
	assert_memory_equal(got, want, (size_t)(OUT * OUT * outputs));
	free(x);
	free(want);
	free(got);
	free(rows);
	free(by_element);
	free(v);
	free(sums);
	free(direct.packed);
	free(direct.start);
}

static void winograd__any_size__equals_convolution(void **state)
{
	/* 115 channels of the largest weights and bytes come within a thousandth of the largest sum allowed. */
	static const int64_t channels[] = {1, 16, 17, 48, 115}, outputs[] = {1, 16, 20, 33};
	int checked = 0;

	(void)state;
	for (int i = 0; qb_int8_kernels_at(i); i++) {
		for (size_t j = 0; qb_int8_kernels_at(i)->winograd && j < QB_COUNT(channels) * QB_COUNT(outputs); j++) {
			for (int kind = 0; kind < KINDS; kind++) {
				check_winograd(qb_int8_kernels_at(i)->winograd, channels[j / QB_COUNT(outputs)],
					outputs[j % QB_COUNT(outputs)], (enum kind)kind);
				checked++;
			}
		}
	}
	/* Kernels of Winograd's algorithm are AVX2's alone. */
	assert_int_equal(checked > 0, qb_cpu_level() >= QB_CPU_AVX2 && qb_cpu_level() <= QB_CPU_AVX512_VNNI);
}

/* y [pixels][outputs] of bytes [pixels][k] and [k][outputs], with zero points on both sides. */
static void check_product(int64_t outputs, int64_t k, int64_t pixels, enum kind kind)
{
	int64_t stride = outputs + 3;
	int zero = kind == ALL_HIGH ? 0 : (int)(draw() % 256), left_zero = kind == ALL_HIGH ? 0 : (int)(draw() % 256);
	struct qb_int8_matrix m = {.outputs = outputs, .k = k};
	struct requant_room numbers;
	struct qb_requant r = make_requant(&numbers, k, kind);
	uint8_t *x = room((size_t)(pixels * k)), *w = room((size_t)(k * stride));
	uint8_t *want = room((size_t)(pixels * OUTPUTS_MAX)), *got = room((size_t)(pixels * OUTPUTS_MAX));
	char *elements = room((size_t)(pixels * k) * 2 + SLACK);
	const void *at[PIXELS];
	const int64_t offset = 0;

	m.packed = room(qb_int8_packed_bytes(outputs, k + SLACK, 16));
	m.start = room(qb_align_up((size_t)outputs, 16) * sizeof(*m.start));
	for (int64_t i = 0; i < pixels * k; i++) {
		x[i] = draw_byte(kind);
	}
	for (int64_t i = 0; i < k * stride; i++) {
		w[i] = draw_byte(kind);
	}
	for (int i = 0; qb_int8_kernels_at(i); i++) {
		const struct qb_int8_product *product = &qb_int8_kernels_at(i)->product;
		uint8_t *y = i ? got : want;

		memset(y, 0xaa, (size_t)(pixels * OUTPUTS_MAX));
		product->expand(x, elements, pixels * k);
		for (int64_t p = 0; p < pixels; p++) {
			at[p] = elements + p * k * product->element_bytes;
		}
		m.k = (int64_t)qb_align_up((size_t)k, (size_t)product->group);
		product->pack(&m, w, k, stride, zero, left_zero);
		product->conv(&m, &(struct qb_int8_conv_args){at, pixels, &offset, 1, m.k, &r, y, OUTPUTS_MAX});
		assert_memory_equal(y, want, (size_t)(pixels * OUTPUTS_MAX));
	}
	for (int64_t p = 0; p < pixels; p++) {
		for (int64_t c = 0; c < outputs; c++) {
			int64_t sum = 0;

			for (int64_t i = 0; i < k; i++) {
				sum += (x[p * k + i] - left_zero) * (w[i * stride + c] - zero);
			}
			assert_requant(&r, c, sum, want[p * OUTPUTS_MAX + c]);
		}
	}
	free(elements);
	free(x);
	free(w);
	free(want);
	free(got);
	free(m.packed);
	free(m.start);
}

static void product__any_size__all_tables_equal_sums(void **state)
{
	static const int64_t outputs[] = {1, 15, 16, 50, OUTPUTS_MAX};

	(void)state;
	for (size_t o = 0; o < QB_COUNT(outputs); o++) {
		for (int kind = 0; kind < KINDS; kind++) {
			check_product(outputs[o], 1 + 7 * (int64_t)o, 1 + 7 * (int64_t)o, (enum kind)kind);
		}
	}
	check_product(16, QB_INT8_K_MAX / 2, 2, ALL_HIGH);
}

/* columns: each kernel element reads one step behind the one before it in its line of three, as inside an image. */
static void check_depthwise(int64_t channels, int64_t kernel_elements, int64_t pixels, bool columns, enum kind kind)
{
	int64_t step = (int64_t)qb_align_up((size_t)channels, 4), x_bytes = (pixels + 3) * step;
	struct requant_room numbers;
	struct qb_requant r = make_requant(&numbers, kernel_elements, kind);
	uint8_t *x = room((size_t)x_bytes);
	uint8_t *want = room((size_t)(pixels * step)), *got = room((size_t)(pixels * step));
	int8_t *w = room((size_t)(kernel_elements * channels));
	int32_t start[256];
	const uint8_t *row[KERNEL_MAX];

	for (int64_t i = 0; i < x_bytes; i++) {
		x[i] = draw_byte(kind);
	}
	for (int64_t i = 0; i < kernel_elements * channels; i++) {
		w[i] = draw_weight(kind);
	}
	for (int i = 0; i < 256; i++) {
		start[i] = (int32_t)(draw() % 20000) - 10000;
	}
	for (int64_t t = 0; t < kernel_elements; t++) {
		row[t] = columns && t % 3 ? row[t - 1] + step : x + draw() % (columns ? 2 : 4) * (uint32_t)step;
	}
	for (int i = 0; qb_int8_kernels_at(i); i++) {
		const struct qb_int8_kernels *k = qb_int8_kernels_at(i);
		_Alignas(64) int32_t ordered_start[256];
		_Alignas(64) float multiplier[256], offset[256];
		int8_t *packed = room(k->depthwise_bytes(channels, kernel_elements));
		struct qb_int8_channels d = {packed, ordered_start, multiplier, offset, r.lo, r.hi,
			channels, kernel_elements};
		uint8_t *y = i ? got : want;

		qb_int8_unpacked_order(k, start, ordered_start, channels);
		qb_int8_unpacked_order(k, r.multiplier, multiplier, channels);
		qb_int8_unpacked_order(k, r.offset, offset, channels);
		k->pack_depthwise(packed, w, channels, kernel_elements);
		memset(y, 0xaa, (size_t)(pixels * step));
		k->depthwise(&d, row, step, pixels, y, step);
		assert_memory_equal(y, want, (size_t)(pixels * step));
		free(packed);
	}
	for (int64_t p = 0; p < pixels; p++) {
		for (int64_t c = 0; c < channels; c++) {
			int64_t sum = start[c];

			for (int64_t t = 0; t < kernel_elements; t++) {
				sum += row[t][p * step + c] * w[t * channels + c];
			}
			assert_requant(&r, c, sum, want[p * step + c]);
		}
	}
	free(x);
	free(w);
	free(want);
	free(got);
}

static void depthwise__any_size__all_tables_equal_sums(void **state)
{
	static const int64_t channels[] = {1, 5, 16, 31, 32, 33, 64, 100, 144};
	static const int64_t kernel_elements[] = {1, 4, 9, 16, 17, 25, KERNEL_MAX};

	(void)state;
	for (size_t c = 0; c < QB_COUNT(channels); c++) {
		for (size_t t = 0; t < QB_COUNT(kernel_elements); t++) {
			for (int kind = 0; kind < KINDS; kind++) {
				int64_t pixels = 1 + (int64_t)(c + t) % 6;

				check_depthwise(channels[c], kernel_elements[t], pixels, false, (enum kind)kind);
				check_depthwise(channels[c], kernel_elements[t], pixels, true, (enum kind)kind);
			}
		}
	}
}

static void average_and_max__any_channels__all_tables_equal_doubles(void **state)
{
	enum { ROWS = 700 };
	static const int64_t channels[] = {1, 10, 64, 100, 128}, rows[] = {1, 12, 256, 257, ROWS};
	static uint8_t x[ROWS][256];
	const uint8_t *row[ROWS];

	(void)state;
	for (int i = 0; i < ROWS; i++) {
		row[i] = x[i];
		for (int c = 0; c < 256; c++) {
			/* Some channels are full: their sums are the largest. */
			x[i][c] = c % 3 ? (uint8_t)draw() : 255;
		}
	}
	for (size_t j = 0; j < QB_COUNT(channels) * QB_COUNT(rows); j++) {
		int64_t n = channels[j % QB_COUNT(channels)], many = rows[j / QB_COUNT(channels)];
		float m = 0.9f / (float)many;

		for (int i = 0; qb_int8_kernels_at(i); i++) {
			uint8_t mean[256], top[256];

			qb_int8_kernels_at(i)->average(row, many, n, m, 7.25f, 9, 230, mean);
			qb_int8_kernels_at(i)->max(row, many, n, top);
			for (int64_t c = 0; c < n; c++) {
				double sum = 0;
				uint8_t largest = 0;

				for (int64_t k = 0; k < many; k++) {
					sum += x[k][c];
					largest = QB_MAX(largest, x[k][c]);
				}
				sum = fmin(fmax(sum * (double)m + 7.25, 9), 230);
				assert_true(fabs(mean[c] - sum) <= 0.5001);
				assert_int_equal(top[c], largest);
			}
		}
	}
}

static void add__all_pairs__all_tables_equal_doubles(void **state)
{
	static uint8_t a[65536], b[65536], want[65536], got[65536];
	const struct qb_int8_add p = {.ma = 0.37f, .mb = 0.81f, .offset = -12.25f, .lo = 3, .hi = 250};

	(void)state;
	for (int i = 0; i < 65536; i++) {
		a[i] = (uint8_t)i;
		b[i] = (uint8_t)(i >> 8);
	}
	for (int i = 0; qb_int8_kernels_at(i); i++) {
		qb_int8_kernels_at(i)->add(&p, a, b, i ? got : want, 65536 - (i ? 5 : 0));
		assert_memory_equal(i ? got : want, want, 65536 - 5);
	}
	for (size_t n = 0; n <= 130; n++) {
		for (int i = 0; qb_int8_kernels_at(i); i++) {
			memset(got, 0xaa, sizeof(got));
			qb_int8_kernels_at(i)->add(&p, a + 256 * n, b + 256 * n, got, n);
			assert_memory_equal(got, want + 256 * n, n);
			assert_int_equal(got[n], 0xaa);
		}
	}
	for (int i = 0; i < 65536; i++) {
		double v = a[i] * (double)p.ma + b[i] * (double)p.mb + (double)p.offset;

		assert_true(fabs(want[i] - fmin(fmax(v, p.lo), p.hi)) <= 0.5001);
	}
}

static void quantize__ties_and_nan__nearest_even_and_zero(void **state)
{
	static const float x[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN,
		126.5f, 127.5f, 3, -3, 0, -0.0f, 0.49f};
	static const uint8_t want[] = {100, 102, 102, 100, 98, 255, 0, 255, 0, 100, 226, 228, 103, 97, 100,
		100, 100};
	uint8_t y[QB_COUNT(x)];

	(void)state;
	for (int i = 0; qb_int8_kernels_at(i); i++) {
		qb_int8_kernels_at(i)->quantize(x, y, QB_COUNT(x), 1, 100, 255);
		assert_memory_equal(y, want, sizeof(want));
	}
}

static void quantize_and_back__many_numbers__all_tables_agree(void **state)
{
	enum { N = 1003 };
	float x[N], back[2][N];
	uint8_t y[2][N];

	(void)state;
	for (int i = 0; i < N; i++) {
		x[i] = ((float)draw() - 2147483648.0f) * 3e-9f;
	}
	for (int i = 0; qb_int8_kernels_at(i); i++) {
		const struct qb_int8_kernels *k = qb_int8_kernels_at(i);

		k->quantize(x, y[i > 0], N, 0.0371f, 111, 254);
		assert_memory_equal(y[i > 0], y[0], N);
		k->dequantize(y[0], back[i > 0], N, 0.0371f, 111);
		assert_memory_equal(back[i > 0], back[0], sizeof(back[0]));
	}
	for (int i = 0; i < N; i++) {
		assert_true(fabsf(back[0][i]) > 4.1f || fabsf(back[0][i] - x[i]) <= 0.0186f);
	}
}

static void map__any_table_and_length__wide_equals_plain(void **state)
{
	uint8_t table[256], *x = room(1024), *want = room(1024), *got = room(1024);

	(void)state;
	for (int64_t n = 0; n < 300; n++) {
		for (int i = 0; i < 256; i++) {
			table[i] = (uint8_t)draw();
		}
		/* Each byte, wherever it stands. */
		for (int64_t i = 0; i < n; i++) {
			x[i] = (uint8_t)(i * 7 + n * 11);
			got[i] = 0;
		}
		got[n] = 77;
		qb_int8_lut_plain(table, x, want, n);
		qb_int8_lut(table, x, got, n);
		assert_memory_equal(want, got, (size_t)n);
		assert_int_equal(got[n], 77);
	}
	free(x);
	free(want);
	free(got);
}

static void check_softmax(int64_t n, float scale, bool masked)
{
	uint8_t *x = room((size_t)n), *keep = room((size_t)n), *want = room((size_t)n), *got = room((size_t)n);
	int32_t *place = room((size_t)n * 4);
	struct qb_int8_softmax s;
	double sum = 0, top = 0;

	qb_int8_softmax_init(&s, n, scale, 1.0f / 255, 3, 255);
	for (int64_t i = 0; i < n; i++) {
		x[i] = draw_byte(ANY);
		keep[i] = !masked || draw() % 3 || !i ? 255 : 0;
		top = keep[i] ? fmax(top, x[i]) : top;
	}
	qb_int8_softmax_plain(&s, x, masked ? keep : NULL, place, want, n);
	qb_int8_softmax(&s, x, masked ? keep : NULL, place, got, n);
	assert_memory_equal(want, got, (size_t)n);
	for (int64_t i = 0; i < n; i++) {
		sum += keep[i] ? exp((double)scale * (x[i] - top)) : 0;
	}
	for (int64_t i = 0; i < n; i++) {
		double v = keep[i] ? exp((double)scale * (x[i] - top)) / sum * 255 + 3 : 3;

		assert_true(fabs(fmin(v, 255) - got[i]) < 0.501);
	}
	free(x);
	free(keep);
	free(want);
	free(got);
	free(place);
}

static void softmax__any_length_and_mask__wide_equals_plain_and_doubles(void **state)
{
	static const int64_t length[] = {1, 7, 8, 31, 32, 33, 128, 197, 1000, 5000, 40000};
	static const float scale[] = {0.001f, 0.03f, 0.5f};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(length); i++) {
		for (size_t k = 0; k < QB_COUNT(scale); k++) {
			check_softmax(length[i], scale[k], false);
			check_softmax(length[i], scale[k], true);
		}
	}
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conv__any_size__all_tables_equal_sums),
		cmocka_unit_test(conv__long_sums__all_tables_equal_sums),
		cmocka_unit_test(winograd__any_size__equals_convolution),
		cmocka_unit_test(product__any_size__all_tables_equal_sums),
		cmocka_unit_test(depthwise__any_size__all_tables_equal_sums),
		cmocka_unit_test(average_and_max__any_channels__all_tables_equal_doubles),
		cmocka_unit_test(add__all_pairs__all_tables_equal_doubles),
		cmocka_unit_test(quantize__ties_and_nan__nearest_even_and_zero),
		cmocka_unit_test(map__any_table_and_length__wide_equals_plain),
		cmocka_unit_test(softmax__any_length_and_mask__wide_equals_plain_and_doubles),
		cmocka_unit_test(quantize_and_back__many_numbers__all_tables_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
