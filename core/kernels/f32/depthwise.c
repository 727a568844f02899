/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/depthwise.h"

#include <math.h>

#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/kernels/f32/gemm.h"
#include "core/kernels/f32/math.h"

#if defined(__x86_64__)
#include "core/kernels/f32/avx2.h"
#endif

/* Pixels of a register tile, and those of a line that is one tile. */
enum { TILE = 4, SHORT_LINE = 8 };

/* The columns of the kernel that are inside for output x: [*first, *last). */
static void inside(const struct qb_f32_depthwise *d, int64_t x, int64_t *first, int64_t *last)
{
	int64_t at = x * d->stride - d->pad;

	*first = at >= 0 ? 0 : (-at + d->dilation - 1) / d->dilation;
	*last = at >= d->width ? 0 : QB_MIN((d->width - at - 1) / d->dilation + 1, d->columns);
}

/* Pixel x, or TILE pixels from x on, whose kernel columns [first, last) are inside. */
struct window {
	const float *const *line; /* [rows] */
	int64_t x, first, last;
};

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

static void window_plain(const struct qb_f32_depthwise *d, const struct window *s, float *y)
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

#if defined(__x86_64__)
enum { LANES = 8 };

struct bounds {
	__m256 lo, hi;
	bool leaky;
};

INLINE_AVX2 struct bounds bounds_of(const struct qb_act *act)
{
	bool leaky = act->kind == QB_ACT_LEAKY, clips = act->kind == QB_ACT_RELU || act->kind == QB_ACT_CLIP;

	return (struct bounds){_mm256_set1_ps(clips || leaky ? act->lo : -INFINITY),
		_mm256_set1_ps(clips ? act->hi : INFINITY), leaky};
}

/* Comparisons in the order that lets NaN through, as plain C does. lo: also the slope of a leaky activation. */
INLINE_AVX2 __m256 activate_avx2(const struct bounds *b, __m256 v)
{
	__m256 zero = _mm256_setzero_ps();

	return b->leaky ? _mm256_blendv_ps(v, _mm256_mul_ps(v, b->lo), _mm256_cmp_ps(v, zero, _CMP_LT_OQ))
		: _mm256_min_ps(b->hi, _mm256_max_ps(b->lo, v));
}

/* TILE pixels and `blocks` registers of channels of a kernel of 3 x 3 that is inside: each element is loaded once for all
 * sums that take it. from: where the kernel begins on each line. */
INLINE_AVX2 void kernel_3x3_avx2(const struct qb_f32_depthwise *d, const struct bounds *b, const float *const *from,
	const int stride, const int blocks, int64_t c, float *y)
{
	const int64_t channels = d->channels;
	const float *weights = d->weights + c, *bias = d->epilogue.bias;
	__m256 sum[2][TILE];

#pragma GCC unroll 8
	for (int i = 0; i < blocks * TILE; i++) {
		sum[i / TILE][i % TILE] = _mm256_setzero_ps();
	}
#pragma GCC unroll 3
	for (int r = 0; r < 3; r++) {
		const float *x = from[r] + c, *w = weights + 3 * r * channels;
		__m256 weight[2][3];

#pragma GCC unroll 6
		for (int i = 0; i < blocks * 3; i++) {
			weight[i / 3][i % 3] = _mm256_loadu_ps(w + i % 3 * channels + i / 3 * LANES);
		}
#pragma GCC unroll 9
		for (int j = 0; j < (TILE - 1) * stride + 3; j++, x += channels) {
#pragma GCC unroll 2
			for (int k = 0; k < blocks; k++) {
				__m256 v = _mm256_loadu_ps(x + k * LANES);

				__asm__("" : "+x"(v)); /* or it would be loaded for each sum */
#pragma GCC unroll 4
				for (int i = 0; i < TILE; i++) {
					if (j >= i * stride && j < i * stride + 3) {
						sum[k][i] = _mm256_fmadd_ps(v, weight[k][j - i * stride], sum[k][i]);
					}
				}
			}
		}
	}
#pragma GCC unroll 2
	for (int k = 0; k < blocks; k++) {
		__m256 more = bias ? _mm256_loadu_ps(bias + c + k * LANES) : _mm256_setzero_ps();

#pragma GCC unroll 4
		for (int i = 0; i < TILE; i++) {
			_mm256_storeu_ps(y + i * channels + c + k * LANES, activate_avx2(b, _mm256_add_ps(sum[k][i], more)));
		}
	}
}

/* A whole line of n pixels and one register of channels: padding is much of it, and columns outside are left out. */
INLINE_AVX2 void short_line_avx2(const struct qb_f32_depthwise *d, const struct bounds *b, const float *const *line,
	const int columns, const int stride, const int n, int64_t c, float *y)
{
	const int64_t channels = d->channels, width = d->width, pad = d->pad;
	const float *w = d->weights + c;
	const __m256 more = d->epilogue.bias ? _mm256_loadu_ps(d->epilogue.bias + c) : _mm256_setzero_ps();
	__m256 sum[SHORT_LINE];

#pragma GCC unroll 8
	for (int i = 0; i < n; i++) {
		sum[i] = _mm256_setzero_ps();
	}
	for (int64_t r = 0; r < d->rows; r++, w += columns * channels) {
		const float *x = line[r];
		__m256 weight[5];

		if (!x) {
			continue;
		}
#pragma GCC unroll 5
		for (int i = 0; i < columns; i++) {
			weight[i] = _mm256_loadu_ps(w + i * channels);
		}
#pragma GCC unroll 24
		for (int j = 0; j < (n - 1) * stride + columns; j++) {
			__m256 v;

			if (j < pad || j - pad >= width) {
				continue;
			}
			v = _mm256_loadu_ps(x + (j - pad) * channels + c);
#pragma GCC unroll 8
			for (int i = 0; i < n; i++) {
				if (j >= i * stride && j < i * stride + columns) {
					sum[i] = _mm256_fmadd_ps(v, weight[j - i * stride], sum[i]);
				}
			}
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < n; i++) {
		_mm256_storeu_ps(y + i * channels + c, activate_avx2(b, _mm256_add_ps(sum[i], more)));
	}
}

/* mask: lanes to load; NULL: all. */
INLINE_AVX2 __m256 load_lanes(const float *x, const __m256i *mask)
{
	return mask ? _mm256_maskload_ps(x, *mask) : _mm256_loadu_ps(x);
}

/* The general kernel: one or TILE pixels, one or TILE registers of channels. */
INLINE_AVX2 void tile_avx2(const struct qb_f32_depthwise *d, const struct bounds *b, const struct window *s,
	const int pixels, const int blocks, const __m256i *mask, int64_t c, float *y)
{
	const int64_t channels = d->channels, next = d->stride * channels, step = d->dilation * channels;
	const int64_t at = (s->x * d->stride - d->pad) * channels + s->first * step + c;
	__m256 sum[TILE];

#pragma GCC unroll 4
	for (int i = 0; i < TILE; i++) {
		sum[i] = _mm256_setzero_ps();
	}
	for (int64_t r = 0; r < d->rows; r++) {
		const float *x, *w = d->weights + (r * d->columns + s->first) * channels + c;

		if (!s->line[r]) {
			continue;
		}
		x = s->line[r] + at;
		for (int64_t k = s->first; k < s->last; k++, x += step, w += channels) {
#pragma GCC unroll 4
			for (int i = 0; i < QB_MAX(pixels, blocks); i++) {
				int64_t lane = blocks > 1 ? i * LANES : 0;

				sum[i] = _mm256_fmadd_ps(load_lanes(x + lane + (pixels > 1 ? i * next : 0), mask),
					load_lanes(w + lane, mask), sum[i]);
			}
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < QB_MAX(pixels, blocks); i++) {
		int64_t lane = c + (blocks > 1 ? i * LANES : 0);
		__m256 more = d->epilogue.bias ? load_lanes(d->epilogue.bias + lane, mask) : _mm256_setzero_ps();
		__m256 v = activate_avx2(b, _mm256_add_ps(sum[i], more));
		float *to = y + lane + (pixels > 1 ? i * channels : 0);

		if (mask) {
			_mm256_maskstore_ps(to, *mask, v);
		} else {
			_mm256_storeu_ps(to, v);
		}
	}
}

/* The same with fewer channels than a register has lanes. */
AVX2 static void few_channels(const struct qb_f32_depthwise *d, const struct window *s, int pixels,
	float *y)
{
	const struct bounds b = bounds_of(&d->epilogue.act);
	const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)d->channels),
		_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));

	if (pixels > 1) {
		tile_avx2(d, &b, s, TILE, 1, &mask, 0, y);
	} else {
		tile_avx2(d, &b, s, 1, 1, &mask, 0, y);
	}
}

/* Where the register that takes channel c begins: the last one may take some channels again. */
static inline int64_t register_start(const struct qb_f32_depthwise *d, int64_t c)
{
	return c < d->channels && c + LANES > d->channels ? d->channels - LANES : c;
}

AVX2 static void one_pixel(const struct qb_f32_depthwise *d, const struct window *s, float *y)
{
	const struct bounds b = bounds_of(&d->epilogue.act);
	int64_t c = 0;

	for (; c + TILE * LANES <= d->channels; c += TILE * LANES) {
		tile_avx2(d, &b, s, 1, TILE, NULL, c, y);
	}
	for (c = register_start(d, c); c < d->channels; c = register_start(d, c + LANES)) {
		tile_avx2(d, &b, s, 1, 1, NULL, c, y);
	}
}

AVX2 static void four_pixels(const struct qb_f32_depthwise *d, const struct window *s, float *y)
{
	const struct bounds b = bounds_of(&d->epilogue.act);

	for (int64_t c = 0; c < d->channels; c = register_start(d, c + LANES)) {
		tile_avx2(d, &b, s, TILE, 1, NULL, c, y);
	}
}

INLINE_AVX2 void pixels_3x3(const struct qb_f32_depthwise *d, const struct window *s,
	const int stride, float *y)
{
	const struct bounds b = bounds_of(&d->epilogue.act);
	int64_t at = (s->x * d->stride - d->pad) * d->channels, c = 0;
	const float *const from[3] = {s->line[0] + at, s->line[1] + at, s->line[2] + at};

	for (; c + 2 * LANES <= d->channels; c += 2 * LANES) {
		kernel_3x3_avx2(d, &b, from, stride, 2, c, y);
	}
	for (c = register_start(d, c); c < d->channels; c = register_start(d, c + LANES)) {
		kernel_3x3_avx2(d, &b, from, stride, 1, c, y);
	}
}

AVX2 static void pixels_3x3_s1(const struct qb_f32_depthwise *d, const struct window *s, float *y)
{
	pixels_3x3(d, s, 1, y);
}

AVX2 static void pixels_3x3_s2(const struct qb_f32_depthwise *d, const struct window *s, float *y)
{
	pixels_3x3(d, s, 2, y);
}

typedef void short_fn(const struct qb_f32_depthwise *d, const float *const *line, float *y);

#define SHORT(columns, stride, n) \
	AVX2 static void short_##columns##_by_##stride##_##n(const struct qb_f32_depthwise *d, \
		const float *const *line, float *y) \
	{ \
		const struct bounds b = bounds_of(&d->epilogue.act); \
\
		for (int64_t c = 0; c < d->channels; c = register_start(d, c + LANES)) { \
			short_line_avx2(d, &b, line, columns, stride, n, c, y); \
		} \
	}
#define SHORTS(columns, stride) \
	SHORT(columns, stride, 1) SHORT(columns, stride, 2) SHORT(columns, stride, 3) SHORT(columns, stride, 4) \
	SHORT(columns, stride, 5) SHORT(columns, stride, 6) SHORT(columns, stride, 7) SHORT(columns, stride, 8)
SHORTS(3, 1) SHORTS(3, 2) SHORTS(5, 1) SHORTS(5, 2)
#define NAMES(columns, stride) \
	{ \
		short_##columns##_by_##stride##_1, short_##columns##_by_##stride##_2, \
		short_##columns##_by_##stride##_3, short_##columns##_by_##stride##_4, \
		short_##columns##_by_##stride##_5, short_##columns##_by_##stride##_6, \
		short_##columns##_by_##stride##_7, short_##columns##_by_##stride##_8, \
	}
/* Of kernels with 3 and 5 columns and strides of 1 and 2. */
static short_fn *const shorts[2][2][SHORT_LINE] = {{NAMES(3, 1), NAMES(3, 2)}, {NAMES(5, 1), NAMES(5, 2)}};

/* Whole lines of such kernels, in segments of nearly equal length. */
static void run_segments(const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	int64_t segments = (d->out_width + SHORT_LINE - 1) / SHORT_LINE;

	for (int64_t i = 0; i < segments; i++) {
		int64_t from = d->out_width * i / segments, n = d->out_width * (i + 1) / segments - from;
		struct qb_f32_depthwise part = *d;

		part.pad -= from * d->stride;
		shorts[d->columns == 5][d->stride - 1][n - 1](&part, line, y + from * d->channels);
	}
}

static bool in_segments(const struct qb_f32_depthwise *d)
{
	return d->stride <= 2 && d->dilation == 1 && d->channels >= LANES &&
		(d->columns == 5 || (d->columns == 3 && d->out_width <= SHORT_LINE));
}

static void windows_avx2(const struct qb_f32_depthwise *d, const struct window *s, int n, float *y)
{
	y += s->x * d->channels;
	if (d->channels < LANES) {
		few_channels(d, s, n, y);
	} else if (n == 1) {
		one_pixel(d, s, y);
	} else if (d->rows == 3 && d->columns == 3 && d->dilation == 1 && d->stride <= 2 && s->line[0] && s->line[1] &&
		   s->line[2]) {
		(d->stride == 1 ? pixels_3x3_s1 : pixels_3x3_s2)(d, s, y);
	} else {
		four_pixels(d, s, y);
	}
}
#endif

static void windows_plain(const struct qb_f32_depthwise *d, const struct window *s, int n, float *y)
{
	struct window one = *s;

	for (int i = 0; i < n; i++, one.x++) {
		window_plain(d, &one, y);
	}
}

/* Outputs [*from, *to) have all columns of the kernel inside. */
static void find_inner(const struct qb_f32_depthwise *d, int64_t *from, int64_t *to)
{
	int64_t reach = d->width - 1 - (d->columns - 1) * d->dilation + d->pad;

	*from = QB_MIN((d->pad + d->stride - 1) / d->stride, d->out_width);
	*to = reach < 0 ? *from : QB_MAX(QB_MIN(reach / d->stride + 1, d->out_width), *from);
}

/* n is 1 or TILE. */
typedef void windows_fn(const struct qb_f32_depthwise *d, const struct window *s, int n, float *y);

static void run_tiles(windows_fn *windows, const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	int64_t from, to;

	find_inner(d, &from, &to);
	for (int64_t x = 0, n; x < d->out_width; x += n) {
		struct window s = {.line = line, .x = x};

		/* The last tile may compute some outputs again. */
		n = x >= from && x < to && to - from >= TILE ? QB_MIN((int64_t)TILE, to - x) : 1;
		s.x = n > 1 ? x + n - TILE : x;
		inside(d, s.x, &s.first, &s.last);
		windows(d, &s, n > 1 ? TILE : 1, y);
	}
}

static void line_plain(const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	run_tiles(windows_plain, d, line, y);
}

#if defined(__x86_64__)
static void line_avx2(const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	if (in_segments(d)) {
		run_segments(d, line, y);
	} else {
		run_tiles(windows_avx2, d, line, y);
	}
}
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	void (*line)(const struct qb_f32_depthwise *d, const float *const *line, float *y);
} levels[] = {
	{0, line_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, line_avx2},
#endif
};

void qb_f32_depthwise_line(const struct qb_f32_depthwise *d, const float *const *line, float *y)
{
	int i = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[i].needs)) {
		i--;
	}
	levels[i].line(d, line, y);
	qb_f32_activate(&d->epilogue.act, y, d->epilogue.act.kind > QB_ACT_LEAKY ? d->out_width * d->channels : 0);
}
