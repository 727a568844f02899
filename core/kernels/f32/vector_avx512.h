/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512 in the words of the kernels that are written once for each instruction set (*_body.h): the file that includes this is
 * of that set alone, and compiled where the compiler aims at x86-64.
 */
#ifndef QB_KERNELS_F32_VECTOR_AVX512_H
#define QB_KERNELS_F32_VECTOR_AVX512_H

#include "core/kernels/f32/avx512.h"

enum { LANES = 16 };
#define TARGET AVX512
#define INLINE_TARGET INLINE_AVX512
#define VECTOR __m512
#define MASK __mmask16
#define FIRST_LANES lanes_512
#define ZERO _mm512_setzero_ps
#define SET _mm512_set1_ps
#define LOAD _mm512_loadu_ps
#define LOAD_SOME(x, mask) _mm512_maskz_loadu_ps(mask, x)
#define STORE _mm512_storeu_ps
#define STORE_SOME _mm512_mask_storeu_ps
#define ADD _mm512_add_ps
#define FMA _mm512_fmadd_ps

#endif
