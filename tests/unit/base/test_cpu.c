/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU levels: what each admits, what the processor offers, and what QUANTBENCH_CPU is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dnnl.h>

#include "core/base/cpu.h"
#include "core/exec/lower/f32/choice.h"
#include "core/kernels/int8/kernels.h"
#include "core/kernels/quantize/kernels.h"

static const unsigned admitted[QB_CPU_LEVELS] = {
#define X(level, name, needs, admits, onednn) [level] = admits,
	QB_CPU_LEVELS_OF(X)
#undef X
};

static enum qb_cpu_level highest(void)
{
	int level = QB_CPU_LEVELS - 1;

	while (!qb_cpu_offers((enum qb_cpu_level)level)) {
		level--;
	}
	return (enum qb_cpu_level)level;
}

static void mask__each_level__admits_its_flags_alone(void **state)
{
	(void)state;
	for (int i = 0; i < QB_CPU_LEVELS; i++) {
		enum qb_cpu_level level = (enum qb_cpu_level)i;

		if (!qb_cpu_offers(level)) {
			continue;
		}
		assert_true(qb_cpu_mask(level));
		assert_int_equal(qb_cpu_level(), level);
		for (unsigned flag = 1; flag <= QB_FLAG_I8MM; flag *= 2) {
			assert_true((admitted[i] & flag) || !qb_cpu_has(flag));
		}
	}
}

static void mask__beyond_the_processor__changes_nothing(void **state)
{
	(void)state;
	assert_true(qb_cpu_mask(QB_CPU_PLAIN));
	for (int i = 0; i < QB_CPU_LEVELS; i++) {
		if (!qb_cpu_offers((enum qb_cpu_level)i)) {
			assert_false(qb_cpu_mask((enum qb_cpu_level)i));
		}
	}
	assert_int_equal(qb_cpu_level(), QB_CPU_PLAIN);
	assert_false(qb_cpu_has(QB_FLAG_AVX2));
}

static void kernels__each_level__are_those_it_admits(void **state)
{
	static const struct {
		const char *int8, *quantize;
		bool f32;
	} want[QB_CPU_LEVELS] = {
		[QB_CPU_PLAIN] = {"c", "c", false},
		[QB_CPU_AVX2] = {"avx2", "avx2", true},
		[QB_CPU_AVX512] = {"avx2", "avx512", true},
		[QB_CPU_AVX512_VNNI] = {"avx512_vnni", "avx512", true},
		[QB_CPU_NEON] = {"neon", "neon", false},
		[QB_CPU_NEON_DOT] = {"neon_dot", "neon", false},
		[QB_CPU_NEON_I8MM] = {"neon_i8mm", "neon", false},
	};

	(void)state;
	for (int i = 0; i < QB_CPU_LEVELS; i++) {
		if (qb_cpu_mask((enum qb_cpu_level)i)) {
			assert_string_equal(qb_int8_kernels()->name, want[i].int8);
			assert_string_equal(qb_kernels()->name, want[i].quantize);
			assert_int_equal(qb_f32_ours(QB_F32_LAYERS), want[i].f32);
		}
	}
	assert_true(qb_cpu_mask(highest()));
}

/* oneDNN asks the environment once: at the lowest level here, which every processor has. */
static void mask__before_onednn_is_used__holds_for_it(void **state)
{
	(void)state;
	assert_true(qb_cpu_mask(QB_CPU_PLAIN));
#if defined(__x86_64__)
	assert_int_equal(dnnl_get_effective_cpu_isa(), dnnl_cpu_isa_sse41);
#endif
	assert_true(qb_cpu_mask(highest()));
}

static void check__environment__takes_levels_of_this_processor(void **state)
{
	struct qb_errbuf eb = {0};

	(void)state;
	for (int i = 0; i < QB_CPU_LEVELS; i++) {
		const char *name = qb_cpu_level_name((enum qb_cpu_level)i);

		setenv("QUANTBENCH_CPU", name, 1);
		assert_int_equal(qb_cpu_check(&eb) == QB_OK, qb_cpu_offers((enum qb_cpu_level)i));
		assert_true(qb_cpu_offers((enum qb_cpu_level)i) || strstr(eb.text, "beyond this processor"));
	}
	setenv("QUANTBENCH_CPU", "AVX2", 1);
	assert_int_equal(qb_cpu_check(&eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "\"AVX2\", which is not a CPU level"));
	assert_non_null(strstr(eb.text, "offers plain"));
	setenv("QUANTBENCH_CPU", "", 1);
	assert_int_equal(qb_cpu_check(&eb), QB_OK);
	unsetenv("QUANTBENCH_CPU");
	assert_int_equal(qb_cpu_check(&eb), QB_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mask__before_onednn_is_used__holds_for_it),
		cmocka_unit_test(mask__each_level__admits_its_flags_alone),
		cmocka_unit_test(mask__beyond_the_processor__changes_nothing),
		cmocka_unit_test(kernels__each_level__are_those_it_admits),
		cmocka_unit_test(check__environment__takes_levels_of_this_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
