/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm_backward_levels.h"

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/f32/vector_avx512.h"

enum { MR = 12, NARROW_MR = 24 };
#define TO_MR QB__TO_12
#define TO_NARROW_MR QB__TO_24
#include "core/kernels/f32/gemm_backward_body.h"

void qb__f32_outer_avx512(const struct qb_f32_outer *p)
{
	product(p);
}
#endif
