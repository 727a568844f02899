/* SPDX-License-Identifier: Apache-2.0
 *
 * What the AVX-512 kernels share; for files that are compiled where the compiler aims at x86-64.
 */
#ifndef QB_KERNELS_F32_AVX512_H
#define QB_KERNELS_F32_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "core/base/vectorized.h"

#define AVX512 QB_AVX512_TARGET
#define INLINE_AVX512 QB_AVX512_TARGET __attribute__((always_inline)) static inline

/* A mask of the first `width` lanes of 16, which may be less than none or more than all. */
static inline __mmask16 lanes_512(int64_t width)
{
	return width >= 16 ? 0xffff : width <= 0 ? 0 : (__mmask16)((1u << width) - 1);
}

#endif
