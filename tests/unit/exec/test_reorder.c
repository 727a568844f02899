/* SPDX-License-Identifier: Apache-2.0
 *
 * Reorders between layouts and the matrix product of core/exec/onednn.h against their definitions. Linked twice: with oneDNN's,
 * and with what a build without it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/exec/layout.h"
#include "core/exec/onednn.h"
#include "core/exec/threads.h"
#include "tests/unit/levels.h"

static uint64_t state_of_random = 1;

static int64_t pick(int64_t n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)(state_of_random >> 33) % n;
}

/* Where element i, in row-major order, lies: the definition in core/exec/layout.h. */
static int64_t place(const struct qb_layout *l, int64_t i)
{
	int64_t index[QB_LAYOUT_DIMS], at = 0, step = 1;

	for (int d = l->ndim - 1; d >= 0; d--) {
		index[d] = i % l->dim[d];
		i /= l->dim[d];
	}
	for (int k = l->blocks - 1; k >= 0; k--) {
		int64_t *in = &index[l->block[k].dim];

		at += *in % l->block[k].size * step;
		*in /= l->block[k].size;
		step *= l->block[k].size;
	}
	for (int d = 0; d < l->ndim; d++) {
		at += index[d] * l->stride[d];
	}
	return at;
}

/* Each element is its own, so that one in a wrong place is seen; what y held before is not read. */
static void check_reorder(const struct qb_layout *from, const struct qb_layout *to)
{
	struct qb_errbuf eb = {0};
	size_t padded = qb_layout_elements(to);
	float *x = calloc(qb_layout_elements(from), sizeof(*x)), *y = calloc(padded, sizeof(*y));
	int64_t n = 1;
	size_t zeros = 0;

	for (int d = 0; d < from->ndim; d++) {
		n *= from->dim[d];
	}
	for (int64_t i = 0; i < n; i++) {
		x[place(from, i)] = (float)(i + 1);
	}
	for (size_t i = 0; i < padded; i++) {
		y[i] = -1;
	}
	if (qb__reorder_now(from, x, to, y, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	for (int64_t i = 0; i < n; i++) {
		assert_true(y[place(to, i)] == (float)(i + 1));
	}
	for (size_t i = 0; i < padded; i++) {
		zeros += y[i] == 0;
	}
	assert_int_equal(zeros, padded - (size_t)n);
	free(x);
	free(y);
}

static void reorder__between_layouts__puts_each_element_in_its_place(void **state)
{
	static const int orders[][4] = {{0, 1, 2, 3}, {0, 2, 3, 1}, {1, 0, 3, 2}, {3, 2, 1, 0}};

	(void)state;
	for (int k = 0; k < 400; k++) {
		int64_t blocked = pick(2), dim[4];
		struct qb_layout from, to;

		for (int d = 0; d < 4; d++) {
			dim[d] = 1 + pick(5);
		}
		dim[blocked] += pick(20);
		from = qb_layout_ordered(4, dim, orders[pick(4)], (int)blocked, pick(3) ? 1 : 8);
		to = qb_layout_ordered(4, dim, orders[pick(4)], (int)blocked, pick(3) ? 8 : 1);
		check_reorder(&from, &to);
	}
}

static void reorder__of_one_element_or_many__by_one_thread_or_two(void **state)
{
	static const int rows_first[] = {0, 1, 2}, columns_first[] = {0, 2, 1};
	static const int64_t dims[][3] = {{1, 1, 1}, {1, 70000, 1}, {3, 149, 152}};
	int before = qb_threads_use(1);

	(void)state;
	for (int threads = 1; threads <= 2; threads++) {
		qb_threads_use(threads);
		for (size_t i = 0; i < QB_COUNT(dims); i++) {
			struct qb_layout a = qb_layout_ordered(3, dims[i], rows_first, 0, 1), b = qb_layout_ordered(3, dims[i], columns_first, 1, 16);

			check_reorder(&a, &b);
			check_reorder(&b, &a);
		}
	}
	qb_threads_use(before);
}

/* Products of small integers, which float32 holds. */
static void check_sgemm(int form, int m, int n, int k, float alpha, float beta)
{
	const int row = (m > n ? m > k ? m : k : n > k ? n : k) + 2;
	float *a = calloc((size_t)row * (size_t)row, sizeof(*a)), *b = calloc((size_t)row * (size_t)row, sizeof(*b));
	float *c = calloc((size_t)m * (size_t)row, sizeof(*c)), *want = calloc((size_t)m * (size_t)row, sizeof(*want));
	struct qb_sgemm p = {.a_transposed = form & 1, .b_transposed = form & 2, .m = m, .n = n, .k = k, .alpha = alpha,
		.beta = beta, .a = a, .b = b, .c = c, .a_row = row, .b_row = row, .c_row = row};
	struct qb_errbuf eb = {0};

	for (int i = 0; i < row * row; i++) {
		a[i] = (float)(pick(17) - 8);
		b[i] = (float)(pick(17) - 8);
	}
	for (int i = 0; i < m * row; i++) {
		want[i] = c[i] = (float)(pick(17) - 8);
	}
	for (int i = 0; i < m; i++) {
		for (int j = 0; j < n; j++) {
			float sum = 0;

			for (int l = 0; l < k; l++) {
				sum += a[p.a_transposed ? l * row + i : i * row + l] * b[p.b_transposed ? j * row + l : l * row + j];
			}
			want[i * row + j] = alpha * sum + beta * want[i * row + j];
		}
	}
	if (qb_sgemm(&p, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	assert_memory_equal(c, want, (size_t)m * (size_t)row * sizeof(*c));
	free(a);
	free(b);
	free(c);
	free(want);
}

static void sgemm__each_transposition__equals_its_definition(void **state)
{
	int before = qb_threads_use(1);

	(void)state;
	for (int form = 0; form < 4; form++) {
		check_sgemm(form, 5, 7, 9, 2, 3);
		check_sgemm(form, 1, 1, 1, 1, 0);
		check_sgemm(form, 150, 16, 33, 1, 0);
		qb_threads_use(2); /* wider than one thread takes at once, and deeper than a block of the GEMM */
		check_sgemm(form, 146, 140, 800, 1, 0);
		check_sgemm(form, 3, 129, 20, -1, 1);
		qb_threads_use(1);
	}
	qb_threads_use(before);
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reorder__between_layouts__puts_each_element_in_its_place),
		cmocka_unit_test(reorder__of_one_element_or_many__by_one_thread_or_two),
		cmocka_unit_test(sgemm__each_transposition__equals_its_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
