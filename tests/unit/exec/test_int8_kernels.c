/* SPDX-License-Identifier: Apache-2.0
 *
 * The byte kernels: the fast path against plain C bit for bit, and both against sums in double precision.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/ops/int8_kernels.h"

enum { PIXELS = 29, OUTPUTS_MAX = 150, TAPS_MAX = 9, CHUNK_MAX = 20 };

static uint32_t draw(uint64_t *i)
{
	return qb_random_u32(7, 0, (*i)++);
}

/* The byte that exact arithmetic gives, or one beside it where the float32 product decides the tie. */
static void assert_requant(const struct qb_requant *r, int64_t c, int64_t sum, uint8_t got)
{
	double v = (double)sum * (double)r->multiplier[c] + (double)r->offset[c];

	v = fmin(fmax(v, r->lo), r->hi);
	assert_true(fabs((double)got - v) <= 0.5001);
}

static void conv__any_size__fast_equals_plain_equals_sums(void **state)
{
	static const int64_t outputs[] = {1, 7, 16, 20, 33, 48, 64, 65, OUTPUTS_MAX};
	static uint8_t x[PIXELS * TAPS_MAX * CHUNK_MAX + 64], fast[PIXELS * OUTPUTS_MAX];
	static uint8_t plain[PIXELS * OUTPUTS_MAX];
	static float multiplier[256], offset[256];
	const uint8_t *row[PIXELS * TAPS_MAX];
	uint64_t seed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(x); i++) {
		x[i] = (uint8_t)draw(&seed);
	}
	for (int i = 0; i < 256; i++) {
		multiplier[i] = 0.0005f + (float)(draw(&seed) % 1000) * 1e-6f;
		offset[i] = (float)(draw(&seed) % 2560) * 0.1f;
	}
	for (size_t o = 0; o < QB_COUNT(outputs); o++) {
		int64_t taps = 1 + (int64_t)(o * 2) % TAPS_MAX, chunk = 4 + 4 * (int64_t)(o % 5);
		int64_t k = taps * chunk;
		struct qb_int8_matrix m = {.outputs = outputs[o], .k = k};
		struct qb_requant r = {multiplier, offset, (int)(o % 2) * 30, 255 - (int)(o % 3)};
		int8_t *rows = malloc((size_t)(m.outputs * k));

		m.packed = aligned_alloc(64, qb_align_up(qb_int8_packed_bytes(m.outputs, k), 64));
		m.start = aligned_alloc(64, qb_align_up((size_t)m.outputs, 16) * 4);
		memset(m.start, 0, qb_align_up((size_t)m.outputs, 16) * 4);
		for (int64_t i = 0; i < m.outputs * k; i++) {
			rows[i] = (int8_t)(draw(&seed) % 255 - 127);
		}
		for (int64_t i = 0; i < m.outputs; i++) {
			m.start[i] = (int32_t)(draw(&seed) % 20000) - 10000;
		}
		for (int64_t i = 0; i < PIXELS * taps; i++) {
			row[i] = x + draw(&seed) % (PIXELS * TAPS_MAX) * CHUNK_MAX;
		}
		qb_int8_pack(&m, rows);
		memset(fast, 0xaa, sizeof(fast));
		memset(plain, 0xaa, sizeof(plain));
		qb_int8_conv(&m, row, PIXELS, taps, chunk, &r, fast, OUTPUTS_MAX);
		qb_int8_force_plain(true);
		qb_int8_conv(&m, row, PIXELS, taps, chunk, &r, plain, OUTPUTS_MAX);
		qb_int8_force_plain(false);
		assert_memory_equal(fast, plain, sizeof(fast));
		for (int64_t p = 0; p < PIXELS; p++) {
			for (int64_t c = 0; c < m.outputs; c++) {
				int64_t sum = m.start[c];

				for (int64_t i = 0; i < k; i++) {
					sum += row[p * taps + i / chunk][i % chunk] * rows[c * k + i];
				}
				assert_requant(&r, c, sum, fast[p * OUTPUTS_MAX + c]);
			}
		}
		free(rows);
		free(m.packed);
		free(m.start);
	}
}

static void average__any_channels__is_the_rounded_mean(void **state)
{
	static const int64_t channels[] = {1, 10, 64, 100, 128};
	static uint8_t x[12][192];
	const uint8_t *row[12];
	uint8_t fast[192], plain[192];
	uint64_t seed = 99;

	(void)state;
	for (int i = 0; i < 12; i++) {
		row[i] = x[i];
		for (int c = 0; c < 192; c++) {
			x[i][c] = (uint8_t)draw(&seed);
		}
	}
	for (size_t k = 0; k < QB_COUNT(channels); k++) {
		qb_int8_average(row, 12, channels[k], 1.0f / 12, 0, 0, 255, fast);
		qb_int8_force_plain(true);
		qb_int8_average(row, 12, channels[k], 1.0f / 12, 0, 0, 255, plain);
		qb_int8_force_plain(false);
		assert_memory_equal(fast, plain, (size_t)channels[k]);
		for (int64_t c = 0; c < channels[k]; c++) {
			double sum = 0;

			for (int i = 0; i < 12; i++) {
				sum += x[i][c];
			}
			assert_true(fabs(fast[c] - sum / 12) <= 0.5001);
		}
	}
}

static void add__all_pairs__fast_equals_plain_equals_doubles(void **state)
{
	static uint8_t a[65536], b[65536], fast[65536], plain[65536];
	const struct qb_int8_add p = {.ma = 0.37f, .mb = 0.81f, .offset = -12.25f, .lo = 3, .hi = 250};

	(void)state;
	for (int i = 0; i < 65536; i++) {
		a[i] = (uint8_t)i;
		b[i] = (uint8_t)(i >> 8);
	}
	qb_int8_add(&p, a, b, fast, 65536);
	qb_int8_force_plain(true);
	qb_int8_add(&p, a, b, plain, 65536);
	qb_int8_force_plain(false);
	assert_memory_equal(fast, plain, sizeof(fast));
	for (int i = 0; i < 65536; i++) {
		double v = a[i] * (double)p.ma + b[i] * (double)p.mb + (double)p.offset;

		assert_true(fabs(fast[i] - fmin(fmax(v, p.lo), p.hi)) <= 0.5001);
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
	qb_int8_quantize(x, y, QB_COUNT(x), 1, 100, 255);
	assert_memory_equal(y, want, sizeof(want));
	qb_int8_force_plain(true);
	qb_int8_quantize(x, y, QB_COUNT(x), 1, 100, 255);
	qb_int8_force_plain(false);
	assert_memory_equal(y, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conv__any_size__fast_equals_plain_equals_sums),
		cmocka_unit_test(average__any_channels__is_the_rounded_mean),
		cmocka_unit_test(add__all_pairs__fast_equals_plain_equals_doubles),
		cmocka_unit_test(quantize__ties_and_nan__nearest_even_and_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
