/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm_backward_levels.h"

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/f32/vector_avx2.h"

enum { MR = 6, NARROW_MR = 12 };
#define TO_MR QB__TO_6
#define TO_NARROW_MR QB__TO_12
#include "core/kernels/f32/gemm_backward_body.h"

void qb__f32_outer_avx2(const struct qb_f32_outer *p)
{
	product(p);
}
#endif
