/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX2 in the words of the kernels that are written once for each instruction set (*_body.h): the file that includes this is
 * of that set alone, and compiled where the compiler aims at x86-64.
 */
#ifndef QB_KERNELS_F32_VECTOR_AVX2_H
#define QB_KERNELS_F32_VECTOR_AVX2_H

#include "core/kernels/f32/avx2.h"

enum { LANES = 8 };
#define TARGET AVX2
#define INLINE_TARGET INLINE_AVX2
#define VECTOR __m256
#define MASK __m256i
#define FIRST_LANES lanes
#define ZERO _mm256_setzero_ps
#define SET _mm256_set1_ps
#define LOAD _mm256_loadu_ps
#define LOAD_SOME _mm256_maskload_ps
#define STORE _mm256_storeu_ps
#define STORE_SOME _mm256_maskstore_ps
#define ADD _mm256_add_ps
#define FMA _mm256_fmadd_ps

#endif
