/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of kernels take of cmocka, for processors that the machine has a compiler and an emulator for, but no
 * libraries. The first assertion that fails ends the program.
 */
#ifndef QB_TESTS_CROSS_CMOCKA_H
#define QB_TESTS_CROSS_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*run)(void **state);
};
#define cmocka_unit_test(f) {#f, f}
#define cmocka_run_group_tests(tests, setup, teardown) \
	((void)(setup), (void)(teardown), cross_run(tests, sizeof(tests) / sizeof(*(tests))))

static inline int cross_run(const struct CMUnitTest *test, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		void *state = NULL;

		test[i].run(&state);
		printf("[       OK ] %s\n", test[i].name);
		fflush(stdout);
	}
	return 0;
}

#define assert_true(c) \
	do { \
		if (!(c)) { \
			printf("%s:%d: %s is false\n", __FILE__, __LINE__, #c); \
			exit(1); \
		} \
	} while (0)
#define fail_msg(...) \
	do { \
		printf("%s:%d: ", __FILE__, __LINE__); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		exit(1); \
	} while (0)
#define assert_false(c) assert_true(!(c))
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, n) \
	do { \
		for (size_t cross_i = 0; cross_i < (size_t)(n); cross_i++) { \
			int cross_a = ((const unsigned char *)(a))[cross_i], cross_b = ((const unsigned char *)(b))[cross_i]; \
\
			if (cross_a != cross_b) { \
				printf("%s:%d: byte %zu of %s and %s: %d and %d\n", __FILE__, __LINE__, cross_i, #a, #b, \
					cross_a, cross_b); \
				exit(1); \
			} \
		} \
	} while (0)

#endif
