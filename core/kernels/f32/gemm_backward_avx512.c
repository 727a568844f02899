/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm_backward_levels.h"

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/f32/avx512.h"

enum { LANES = 16, MR = 12, NARROW_MR = 24 };
#define TO_MR QB__TO_12
#define TO_NARROW_MR QB__TO_24
#define TARGET AVX512
#define INLINE_TARGET INLINE_AVX512
#define VECTOR __m512
#define MASK __mmask16
#define ZERO _mm512_setzero_ps
#define SET _mm512_set1_ps
#define LOAD _mm512_loadu_ps
#define LOAD_SOME(x, mask) _mm512_maskz_loadu_ps(mask, x)
#define STORE _mm512_storeu_ps
#define STORE_SOME _mm512_mask_storeu_ps
#define FIRST_LANES lanes_512
#define ADD _mm512_add_ps
#define FMA _mm512_fmadd_ps
#include "core/kernels/f32/gemm_backward_body.h"

void qb__f32_outer_avx512(const struct qb_f32_outer *p)
{
	product(p);
}
#endif
