/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/depthwise_levels.h"

#include <math.h>

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/f32/vector_avx512.h"

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
