/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processor can: found once, before main, and asked for here alone. Levels are what a person names (in
 * QUANTBENCH_CPU, in results, in a test's log); flags are what kernels ask for. A mask below the processor's own level
 * makes it a lesser processor for our kernels and for oneDNN alike.
 */
#ifndef QB_BASE_CPU_H
#define QB_BASE_CPU_H

#include <stdbool.h>

#include "core/base/err.h"

enum qb_cpu_flag {
	QB_FLAG_AVX2 = 1,   /* AVX2 and FMA */
	QB_FLAG_AVX512 = 2, /* F, BW, DQ and VL */
	QB_FLAG_VNNI = 4,   /* AVX512_VNNI */
	QB_FLAG_VBMI = 8,   /* AVX512_VBMI: not all processors of the level that admits it have it */
	QB_FLAG_NEON = 16,
	QB_FLAG_DOTPROD = 32, /* SDOT and UDOT */
	QB_FLAG_I8MM = 64,    /* products of 2 x 8 by 8 x 2 bytes */
};

/* level, name, the flags it needs, those it admits, and oneDNN's name of the same (NULL: oneDNN is left alone) */
#define QB_CPU_LEVELS_OF(X) \
	X(QB_CPU_PLAIN, "plain", 0, 0, "SSE41") \
	X(QB_CPU_AVX2, "avx2", QB_FLAG_AVX2, QB_FLAG_AVX2, "AVX2") \
	X(QB_CPU_AVX512, "avx512", QB_FLAG_AVX2 | QB_FLAG_AVX512, QB_FLAG_AVX2 | QB_FLAG_AVX512, "AVX512_CORE") \
	X(QB_CPU_AVX512_VNNI, "avx512_vnni", QB_FLAG_AVX2 | QB_FLAG_AVX512 | QB_FLAG_VNNI, \
		QB_FLAG_AVX2 | QB_FLAG_AVX512 | QB_FLAG_VNNI | QB_FLAG_VBMI, "AVX512_CORE_VNNI") \
	X(QB_CPU_NEON, "neon", QB_FLAG_NEON, QB_FLAG_NEON, NULL) \
	X(QB_CPU_NEON_DOT, "neon_dot", QB_FLAG_NEON | QB_FLAG_DOTPROD, QB_FLAG_NEON | QB_FLAG_DOTPROD, NULL) \
	X(QB_CPU_NEON_I8MM, "neon_i8mm", QB_FLAG_NEON | QB_FLAG_DOTPROD | QB_FLAG_I8MM, \
		QB_FLAG_NEON | QB_FLAG_DOTPROD | QB_FLAG_I8MM, NULL)

enum qb_cpu_level {
#define X(level, name, needs, admits, onednn) level,
	QB_CPU_LEVELS_OF(X)
#undef X
	QB_CPU_LEVELS
};

/* Has the processor all of these flags, at the level in force? */
bool qb_cpu_has(unsigned flags);

/* In force: the processor's highest, or what QUANTBENCH_CPU or qb_cpu_mask chose. */
enum qb_cpu_level qb_cpu_level(void);
const char *qb_cpu_level_name(enum qb_cpu_level level);
/* Has the processor this level, in force or not? */
bool qb_cpu_offers(enum qb_cpu_level level);

/* Kernels follow at once, plans when they are made; oneDNN only before the process first uses it. false: the processor has
 * no such level. Not while other threads run. */
bool qb_cpu_mask(enum qb_cpu_level level);

/* Programs call it first: QB_EINVAL where QUANTBENCH_CPU in the environment is not a level of this processor. */
enum qb_err qb_cpu_check(struct qb_errbuf *eb);

#endif
