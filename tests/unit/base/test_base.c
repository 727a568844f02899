/* SPDX-License-Identifier: Apache-2.0
 *
 * core/base: errors, arenas, checked sizes, random numbers.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/near.h"
#include "core/base/random.h"
#include "core/base/size.h"

static void err_fail__null_buffer__returns_the_code(void **state)
{
	(void)state;
	assert_int_equal(qb_fail(NULL, QB_EIO, "nobody reads %d", 1), QB_EIO);
	assert_int_equal(qb_fail_in(NULL, QB_EIO, "nobody reads %d", 1), QB_EIO);
}

static void err_fail_in__sentence_present__is_prefixed(void **state)
{
	struct qb_errbuf eb;

	(void)state;
	qb_fail(&eb, QB_ESHAPE, "weight has %d dimensions", 2);
	assert_int_equal(eb.code, QB_ESHAPE);
	assert_int_equal(qb_fail_in(&eb, QB_EONNX, "node %s", "conv1"), QB_EONNX);
	assert_int_equal(eb.code, QB_EONNX);
	assert_string_equal(eb.text, "node conv1: weight has 2 dimensions");
}

static void err_fail__long_text__is_cut_not_overrun(void **state)
{
	char text[3000];
	struct {
		struct qb_errbuf eb;
		char guard[16];
	} s;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(s.guard, 'g', sizeof(s.guard));
	qb_fail(&s.eb, QB_EINVAL, "%s", text);
	assert_int_equal(strlen(s.eb.text), sizeof(s.eb.text) - 1);
	qb_fail_in(&s.eb, QB_EINVAL, "%s", text);
	assert_int_equal(strlen(s.eb.text), sizeof(s.eb.text) - 1);
	for (size_t i = 0; i < sizeof(s.guard); i++) {
		assert_int_equal(s.guard[i], 'g');
	}
}

static void err_fail_field__path_of_a_job__is_a_json_pointer(void **state)
{
	static const struct {
		const char *at, *key, *path, *pointer;
	} rows[] = {
		{"", "metric", "metric", "/metric"},
		{"schemes[2].weights", "format", "schemes[2].weights.format", "/schemes/2/weights/format"},
		{"schemes[12]", "", "schemes[12]", "/schemes/12"},
		{"schemes[0].layers[\"a.b/[1]~c\"]", "weights", "schemes[0].layers[\"a.b/[1]~c\"].weights",
			"/schemes/0/layers/a.b~1[1]~0c/weights"},
		{"latency", "x.y/z", "latency.x.y/z", "/latency/x.y~1z"},
		{"", "", "", ""},
	};
	struct qb_errbuf eb;
	char text[200];

	(void)state;
	for (size_t i = 0; i < QB_COUNT(rows); i++) {
		assert_int_equal(qb_fail_field(&eb, QB_EJOB, rows[i].at, rows[i].key, "is %d", 3), QB_EJOB);
		snprintf(text, sizeof(text), "%s: is 3", rows[i].path);
		assert_string_equal(eb.text, text);
		assert_string_equal(eb.field, rows[i].pointer);
	}
	qb_fail(&eb, QB_EINVAL, "no");
	assert_string_equal(eb.field, "");
	qb_fail_in_entry(&eb, QB_EJOB, "formats", 3);
	assert_string_equal(eb.text, "formats[3]: no");
	assert_string_equal(eb.field, "/formats/3");
	assert_int_equal(qb_fail_field(NULL, QB_EJOB, "a", "b", "no"), QB_EJOB);
}

static void err_name__every_code__is_a_distinct_word(void **state)
{
	static const enum qb_err codes[] = {
#define X(code, name, text) code,
		QB_ERRORS(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(codes); i++) {
		const char *name = qb_err_name(codes[i]);

		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(name, qb_err_name(codes[j]));
		}
	}
	assert_string_equal(qb_err_name((enum qb_err)12345), "internal");
}

static void arena_alloc__many_sizes__aligned_zeroed_disjoint(void **state)
{
	enum { COUNT = 400 };
	static unsigned char *p[COUNT];
	static size_t size[COUNT];
	struct qb_arena *arena = qb_arena_create();

	(void)state;
	assert_non_null(arena);
	for (size_t i = 0; i < COUNT; i++) {
		size[i] = i % 37 == 0 ? 200000 + i : qb_random_u32(1, 0, i) % 5000;
		p[i] = qb_arena_alloc(arena, size[i], 1);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 64, 0);
		for (size_t j = 0; j < size[i]; j++) {
			assert_int_equal(p[i][j], 0);
		}
		memset(p[i], (int)(i % 251), size[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t j = 0; j < size[i]; j++) {
			assert_int_equal(p[i][j], i % 251);
		}
	}
	qb_arena_destroy(&arena);
	assert_null(arena);
	qb_arena_destroy(&arena);
}

static void arena_alloc__product_overflows__is_null(void **state)
{
	struct qb_arena *arena = qb_arena_create();

	(void)state;
	assert_null(qb_arena_alloc(arena, SIZE_MAX / 2, 3));
	assert_null(qb_arena_alloc(arena, SIZE_MAX, 1));
	assert_null(qb_arena_alloc(arena, SIZE_MAX - 63, 1));
	assert_null(qb_aligned_alloc(SIZE_MAX / 2, 3));
	assert_null(qb_aligned_alloc(SIZE_MAX - 1, 1));
	/* The arena still serves. */
	assert_non_null(qb_arena_alloc(arena, 10, 10));
	qb_arena_destroy(&arena);
}

static void arena_strings__copies__are_terminated(void **state)
{
	struct qb_arena *arena = qb_arena_create();

	(void)state;
	assert_string_equal(qb_arena_strdup(arena, ""), "");
	assert_string_equal(qb_arena_strndup(arena, "conv1/kernel", 5), "conv1");
	assert_string_equal(qb_arena_printf(arena, "%s.%d", "relu", 7), "relu.7");
	qb_arena_destroy(&arena);
}

static void size_helpers__edges__say_overflow(void **state)
{
	size_t n;

	(void)state;
	assert_true(qb_mul_overflows(SIZE_MAX, 2, &n));
	assert_false(qb_mul_overflows(SIZE_MAX, 1, &n));
	assert_true(qb_add_overflows(SIZE_MAX, 1, &n));
	assert_false(qb_add_overflows(SIZE_MAX - 1, 1, &n));
	assert_int_equal(qb_align_up(0, 64), 0);
	assert_int_equal(qb_align_up(1, 64), 64);
	assert_int_equal(qb_align_up(64, 64), 64);
}

/* The known answers that Random123 (the paper's own library) publishes for philox4x32-10;
 * its counter words 0..3 are index low, high, stream low, high, its key words the seed's. */
static void random_block__published_vectors__match(void **state)
{
	static const struct {
		uint64_t seed, stream, index;
		uint32_t out[4];
	} vectors[] = {
		{0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{UINT64_MAX, UINT64_MAX, UINT64_MAX,
			{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88,
			{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(vectors); i++) {
		uint32_t out[4];

		qb_random_block(vectors[i].seed, vectors[i].stream, vectors[i].index, out);
		for (int j = 0; j < 4; j++) {
			assert_int_equal(out[j], vectors[i].out[j]);
		}
	}
}

static void random_u32__index__is_a_word_of_its_block(void **state)
{
	uint32_t block[4];

	(void)state;
	qb_random_block(7, 3, 25, block);
	for (uint64_t j = 0; j < 4; j++) {
		assert_int_equal(qb_random_u32(7, 3, 100 + j), block[j]);
	}
}

/* Bounds at six standard errors of the estimates, so a right generator passes for any seed. */
static void random_moments__many_draws__fit_the_distributions(void **state)
{
	const double n = 200000;
	double u1 = 0, u2 = 0, g1 = 0, g2 = 0, g4 = 0;

	(void)state;
	for (uint64_t i = 0; i < (uint64_t)n; i++) {
		double u = qb_random_uniform(42, 0, i), g = qb_random_normal(42, 1, i);

		assert_true(u >= 0 && u < 1);
		assert_true(isfinite(g));
		u1 += u;
		u2 += u * u;
		g1 += g;
		g2 += g * g;
		g4 += g * g * g * g;
	}
	assert_true(fabs(u1 / n - 0.5) < 6 * sqrt(1 / 12.0 / n));
	assert_true(fabs(u2 / n - 1 / 3.0) < 6 * sqrt(4 / 45.0 / n));
	assert_true(fabs(g1 / n) < 6 * sqrt(1 / n));
	assert_true(fabs(g2 / n - 1) < 6 * sqrt(2 / n));
	assert_true(fabs(g4 / n - 3) < 6 * sqrt(96 / n));
}

static void near__mistyped_name__nearest_first(void **state)
{
	const char *const names[] = {"layer2.conv1", NULL, "fc", "layer1.conv2", "layer1.conv1",
		"layer1.conv1", "bn"};
	char out[64], small[8];

	(void)state;
	assert_int_equal(qb_near_distance("kitten", "sitting"), 3);
	assert_int_equal(qb_near_distance("", "abc"), 3);
	assert_int_equal(qb_near_distance("Conv", "conv"), 0);
	assert_string_equal(qb_near("layer1.con1", names, 7, out, sizeof(out)),
		"layer1.conv1, layer2.conv1, layer1.conv2");
	assert_string_equal(qb_near("x", names, 0, out, sizeof(out)), "");
	assert_string_equal(qb_near("layer1.con1", names, 7, small, sizeof(small)), "layer1.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_fail__null_buffer__returns_the_code),
		cmocka_unit_test(err_fail_in__sentence_present__is_prefixed),
		cmocka_unit_test(err_fail__long_text__is_cut_not_overrun),
		cmocka_unit_test(err_fail_field__path_of_a_job__is_a_json_pointer),
		cmocka_unit_test(err_name__every_code__is_a_distinct_word),
		cmocka_unit_test(arena_alloc__many_sizes__aligned_zeroed_disjoint),
		cmocka_unit_test(arena_alloc__product_overflows__is_null),
		cmocka_unit_test(arena_strings__copies__are_terminated),
		cmocka_unit_test(size_helpers__edges__say_overflow),
		cmocka_unit_test(random_block__published_vectors__match),
		cmocka_unit_test(random_u32__index__is_a_word_of_its_block),
		cmocka_unit_test(near__mistyped_name__nearest_first),
		cmocka_unit_test(random_moments__many_draws__fit_the_distributions),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
