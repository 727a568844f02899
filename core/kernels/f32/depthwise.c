/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/depthwise.h"

#include <math.h>

#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/kernels/f32/depthwise_levels.h"
#include "core/kernels/f32/inside.h"
#include "core/kernels/f32/math.h"

enum { TILE = QB__DEPTHWISE_TILE };

static float epilogue_plain(const struct qb_f32_depthwise *d, int64_t c, float v)
{
	bool clips = d->epilogue.act.kind == QB_ACT_RELU || d->epilogue.act.kind == QB_ACT_CLIP;

	v += d->epilogue.bias ? d->epilogue.bias[c] : 0;
	if (d->epilogue.act.kind == QB_ACT_LEAKY) {
		return v < 0 ? v * d->epilogue.act.lo : v;
	}
	v = clips && v < d->epilogue.act.lo ? d->epilogue.act.lo : v;
	return clips && v > d->epilogue.act.hi ? d->epilogue.act.hi : v;
}

static void window_plain(const struct qb_f32_depthwise *d, const struct qb__window *s, float *y)
{
	int64_t at = s->x * d->stride - d->pad;

	for (int64_t c = 0; c < d->channels; c++) {
		float sum = 0;

		for (int64_t r = 0; r < d->rows; r++) {
			for (int64_t k = s->first; s->line[r] && k < s->last; k++) {
				sum = fmaf(s->line[r][(at + k * d->dilation) * d->channels + c],
					d->weights[(r * d->columns + k) * d->channels + c], sum);
			}
		}
		y[s->x * d->channels + c] = epilogue_plain(d, c, sum);
	}
}

static void windows_plain(const struct qb_f32_depthwise *d, const struct qb__window *s, int n, float *y)
{
	struct qb__window one = *s;

	for (int i = 0; i < n; i++, one.x++) {
		window_plain(d, &one, y);
	}
}

void qb__f32_depthwise_tiles(qb__windows_fn *windows, const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	int64_t from, to; /* the outputs for which all columns of the kernel are inside */

	qb_f32_inside(-d->pad, d->stride, d->out_width, d->width - 1 - (d->columns - 1) * d->dilation, &from, &to);
	for (int64_t x = 0, n; x < d->out_width; x += n) {
		struct qb__window s = {.line = line, .x = x};

		/* The last tile may compute some outputs again. */
		n = x >= from && x < to && to - from >= TILE ? QB_MIN((int64_t)TILE, to - x) : 1;
		s.x = n > 1 ? x + n - TILE : x;
		qb_f32_inside(s.x * d->stride - d->pad, d->dilation, d->columns, d->width - 1, &s.first, &s.last);
		windows(d, &s, n > 1 ? TILE : 1, y);
	}
}

static void line_plain(const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	qb__f32_depthwise_tiles(windows_plain, d, line, y);
}

/* In order of what they need of the processor, and of a line. */
static const struct {
	unsigned needs;
	int64_t channels;
	void (*line)(const struct qb_f32_depthwise *d, const float *const *line, float *y);
} levels[] = {
	{0, 1, line_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, 1, qb__f32_depthwise_line_avx2},
	{QB_FLAG_AVX2 | QB_FLAG_AVX512, 16, qb__f32_depthwise_line_avx512},
#endif
};

void qb_f32_depthwise_line(const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	int i = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[i].needs) || d->channels < levels[i].channels) {
		i--;
	}
	levels[i].line(d, line, y);
	qb_f32_activate(&d->epilogue.act, y, d->epilogue.act.kind > QB_ACT_LEAKY ? d->out_width * d->channels : 0);
}
