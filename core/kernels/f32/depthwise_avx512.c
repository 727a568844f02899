/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/depthwise_levels.h"

#include <math.h>

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/f32/avx512.h"

enum { LANES = 16 };
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
#define ADD _mm512_add_ps
#define FMA _mm512_fmadd_ps
#define MOST _mm512_max_ps
#define LEAST _mm512_min_ps
#define LEAK(v, slope) _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v, slope)
#ifndef IN_REGISTER /* where tests emulate registers */
#define IN_REGISTER(v) __asm__("" : "+v"(v))
#endif
#include "core/kernels/f32/depthwise_body.h"

void qb__f32_depthwise_line_avx512(const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	if (in_segments(d)) {
		run_segments(d, line, y);
	} else {
		qb__f32_depthwise_tiles(whole_windows, d, line, y);
	}
}
#endif
