/* SPDX-License-Identifier: Apache-2.0
 *
 * What the levels of gemm_backward.c share.
 */
#ifndef QB_KERNELS_F32_GEMM_BACKWARD_LEVELS_H
#define QB_KERNELS_F32_GEMM_BACKWARD_LEVELS_H

#include "core/kernels/f32/gemm_backward.h"

#if defined(__x86_64__)
/* The heights of register tiles, by which functions and their tables are made. */
#define QB__TO_6(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define QB__TO_12(X) QB__TO_6(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define QB__TO_24(X) QB__TO_12(X) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24)

void qb__f32_outer_avx2(const struct qb_f32_outer *p);
void qb__f32_outer_avx512(const struct qb_f32_outer *p);
#endif

#endif
