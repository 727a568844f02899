/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/depthwise_levels.h"

#include <math.h>

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/f32/vector_avx2.h"

#define MOST _mm256_max_ps
#define LEAST _mm256_min_ps
#define LEAK(v, slope) _mm256_blendv_ps(v, _mm256_mul_ps(v, slope), _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ))
#define IN_REGISTER(v) __asm__("" : "+x"(v))
#include "core/kernels/f32/depthwise_body.h"

/* The same with fewer channels than a register has lanes. */
AVX2 static void few_channels(const struct qb_f32_depthwise *d, const struct qb__window *s, int pixels, float *y)
{
	const struct bounds b = bounds_of(&d->epilogue.act);
	const __m256i mask = lanes((int)d->channels);

	if (pixels > 1) {
		tile(d, &b, s, TILE, 1, &mask, 0, y);
	} else {
		tile(d, &b, s, 1, 1, &mask, 0, y);
	}
}

static void windows(const struct qb_f32_depthwise *d, const struct qb__window *s, int n, float *y)
{
	if (d->channels < LANES) {
		few_channels(d, s, n, y + s->x * d->channels);
	} else {
		whole_windows(d, s, n, y);
	}
}

void qb__f32_depthwise_line_avx2(const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	if (in_segments(d)) {
		run_segments(d, line, y);
	} else {
		qb__f32_depthwise_tiles(windows, d, line, y);
	}
}
#endif
