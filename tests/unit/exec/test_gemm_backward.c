/* SPDX-License-Identifier: Apache-2.0
 *
 * The GEMM of gradients by weights: at every level the chains of fused multiply-adds that its header promises, to the bit.
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
#include "core/kernels/f32/gemm_backward.h"
#include "tests/unit/levels.h"

static float *random_elements(uint64_t stream, size_t n)
{
	float *x = malloc((n + 1) * sizeof(*x));

	assert_non_null(x);
	for (size_t i = 0; i < n; i++) {
		x[i] = (float)qb_random_normal(8, stream, i);
	}
	return x;
}

/* Rows and columns that begin `offset` elements into rows of A and B, as those of groups do. */
static void check_outer(int64_t depth, int64_t rows, int64_t columns, int64_t offset, bool first)
{
	int64_t a_row = rows + 2 * offset, b_row = columns + 2 * offset, stride = columns + offset;
	float *a = random_elements(1, (size_t)(depth * a_row)), *b = random_elements(2, (size_t)(depth * b_row));
	float *y = random_elements(3, (size_t)(rows * stride)), *want = random_elements(3, (size_t)(rows * stride));
	const float *a_at[QB_F32_OUTER_DEPTH], *b_at[QB_F32_OUTER_DEPTH];

	for (int64_t k = 0; k < depth; k++) {
		a_at[k] = a + k * 7 % depth * a_row;
		b_at[k] = b + k * 3 % depth * b_row;
	}
	for (int64_t r = 0; r < rows; r++) {
		for (int64_t c = 0; c < columns; c++) {
			float sum = 0;

			for (int64_t k = 0; k < depth; k++) {
				sum = fmaf(a_at[k][offset + r], b_at[k][offset + c], sum);
			}
			want[r * stride + c] = first ? sum : want[r * stride + c] + sum;
		}
	}
	qb_f32_outer(&(struct qb_f32_outer){.depth = depth, .rows = rows, .columns = columns, .a = a_at, .b = b_at, .a_offset = offset,
		.b_offset = offset, .y = y, .y_stride = stride, .first = first});
	for (int64_t i = 0; i < rows * stride; i++) {
		if (memcmp(&y[i], &want[i], sizeof(*y))) {
			fail_msg("%d x %d x %d, offset %d: element %d is %.9g and not %.9g", (int)depth, (int)rows, (int)columns, (int)offset,
				(int)i, (double)y[i], (double)want[i]);
		}
	}
	free(a);
	free(b);
	free(y);
	free(want);
}

/* Around every bound of the tiling: tiles of 6 x 16, 12 x 8, 12 x 32 and 24 x 16, columns copied together, rows copied together, chunks of rows. */
static void outer__shapes_around_its_bounds__are_chains_of_products(void **state)
{
	static const int64_t sizes[] = {1, 5, 6, 7, 8, 9, 12, 16, 17, 24, 31, 32, 33, 48, 95, 96, 97, 100, 113, 191, 193, 256, 257, 513};
	static const int64_t depths[] = {1, 2, 31, QB_F32_OUTER_DEPTH};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(sizes); i++) {
		for (size_t k = 0; k < QB_COUNT(sizes); k++) {
			check_outer(depths[(i + k) % QB_COUNT(depths)], sizes[i], sizes[k], (int64_t)((i + 2 * k) % 4), (i + k / 2) % 2);
		}
	}
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outer__shapes_around_its_bounds__are_chains_of_products),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests);
}
