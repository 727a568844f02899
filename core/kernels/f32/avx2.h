/* SPDX-License-Identifier: Apache-2.0
 *
 * What the AVX2 kernels share; for files that are compiled where the compiler aims at x86-64.
 */
#ifndef QB_KERNELS_F32_AVX2_H
#define QB_KERNELS_F32_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "core/base/size.h"

#define AVX2 __attribute__((target("avx2,fma")))
#define INLINE_AVX2 __attribute__((target("avx2,fma"), always_inline)) static inline

/* A mask of the first `width` lanes of 8, which may be less than none or more than all. */
INLINE_AVX2 __m256i lanes(int width)
{
	static const int32_t on[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

	width = QB_MAX(0, QB_MIN(8, width));
	return _mm256_loadu_si256((const void *)(on + 8 - width));
}

#endif
