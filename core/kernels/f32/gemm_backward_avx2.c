/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm_backward_levels.h"

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/f32/avx2.h"

enum { LANES = 8, MR = 6, NARROW_MR = 12 };
#define TO_MR QB__TO_6
#define TO_NARROW_MR QB__TO_12
#define TARGET AVX2
#define INLINE_TARGET INLINE_AVX2
#define VECTOR __m256
#define MASK __m256i
#define ZERO _mm256_setzero_ps
#define SET _mm256_set1_ps
#define LOAD _mm256_loadu_ps
#define LOAD_SOME _mm256_maskload_ps
#define STORE _mm256_storeu_ps
#define STORE_SOME _mm256_maskstore_ps
#define FIRST_LANES lanes
#define ADD _mm256_add_ps
#define FMA _mm256_fmadd_ps
#include "core/kernels/f32/gemm_backward_body.h"

void qb__f32_outer_avx2(const struct qb_f32_outer *p)
{
	product(p);
}
#endif
