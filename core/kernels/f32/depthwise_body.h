/* SPDX-License-Identifier: Apache-2.0
 *
 * The vector kernels, included once for each instruction set, behind its vector_*.h and with MOST, LEAST, LEAK and IN_REGISTER
 * defined. whole_windows and run_segments are what it gives, for at least LANES channels.
 */
enum { TILE = QB__DEPTHWISE_TILE, SHORT_LINE = 8 /* pixels of a line that is one tile */ };

struct bounds {
	VECTOR lo, hi;
	bool leaky;
};

INLINE_TARGET struct bounds bounds_of(const struct qb_act *act)
{
	bool leaky = act->kind == QB_ACT_LEAKY, clips = act->kind == QB_ACT_RELU || act->kind == QB_ACT_CLIP;

	return (struct bounds){SET(clips || leaky ? act->lo : -INFINITY), SET(clips ? act->hi : INFINITY), leaky};
}

/* Comparisons in the order that lets NaN through, as plain C does. lo: also the slope of a leaky activation. */
INLINE_TARGET VECTOR activate(const struct bounds *b, VECTOR v)
{
	return b->leaky ? LEAK(v, b->lo) : LEAST(b->hi, MOST(b->lo, v));
}

/* TILE pixels and `blocks` registers of channels of a kernel of 3 x 3 that is inside: each element is loaded once for all
 * sums that take it. from: where the kernel begins on each line. */
INLINE_TARGET void kernel_3x3(const struct qb_f32_depthwise *d, const struct bounds *b, const float *const *from,
	const int stride, const int blocks, int64_t c, float *y)
{
	const int64_t channels = d->channels;
	const float *weights = d->weights + c, *bias = d->epilogue.bias;
	VECTOR sum[2][TILE];

#pragma GCC unroll 8
	for (int i = 0; i < blocks * TILE; i++) {
		sum[i / TILE][i % TILE] = ZERO();
	}
#pragma GCC unroll 3
	for (int r = 0; r < 3; r++) {
		const float *x = from[r] + c, *w = weights + 3 * r * channels;
		VECTOR weight[2][3];

#pragma GCC unroll 6
		for (int i = 0; i < blocks * 3; i++) {
			weight[i / 3][i % 3] = LOAD(w + i % 3 * channels + i / 3 * LANES);
		}
#pragma GCC unroll 9
		for (int j = 0; j < (TILE - 1) * stride + 3; j++, x += channels) {
#pragma GCC unroll 2
			for (int k = 0; k < blocks; k++) {
				VECTOR v = LOAD(x + k * LANES);

				IN_REGISTER(v); /* or it would be loaded for each sum */
#pragma GCC unroll 4
				for (int i = 0; i < TILE; i++) {
					if (j >= i * stride && j < i * stride + 3) {
						sum[k][i] = FMA(v, weight[k][j - i * stride], sum[k][i]);
					}
				}
			}
		}
	}
#pragma GCC unroll 2
	for (int k = 0; k < blocks; k++) {
		VECTOR more = bias ? LOAD(bias + c + k * LANES) : ZERO();

#pragma GCC unroll 4
		for (int i = 0; i < TILE; i++) {
			STORE(y + i * channels + c + k * LANES, activate(b, ADD(sum[k][i], more)));
		}
	}
}

/* A whole line of n pixels and one register of channels: padding is much of it, and columns outside are left out. */
INLINE_TARGET void short_line(const struct qb_f32_depthwise *d, const struct bounds *b, const float *const *line,
	const int columns, const int stride, const int n, int64_t c, float *y)
{
	const int64_t channels = d->channels, width = d->width, pad = d->pad;
	const float *w = d->weights + c;
	const VECTOR more = d->epilogue.bias ? LOAD(d->epilogue.bias + c) : ZERO();
	VECTOR sum[SHORT_LINE];

#pragma GCC unroll 8
	for (int i = 0; i < n; i++) {
		sum[i] = ZERO();
	}
	for (int64_t r = 0; r < d->rows; r++, w += columns * channels) {
		const float *x = line[r];
		VECTOR weight[5];

		if (!x) {
			continue;
		}
#pragma GCC unroll 5
		for (int i = 0; i < columns; i++) {
			weight[i] = LOAD(w + i * channels);
		}
#pragma GCC unroll 24
		for (int j = 0; j < (n - 1) * stride + columns; j++) {
			VECTOR v;

			if (j < pad || j - pad >= width) {
				continue;
			}
			v = LOAD(x + (j - pad) * channels + c);
#pragma GCC unroll 8
			for (int i = 0; i < n; i++) {
				if (j >= i * stride && j < i * stride + columns) {
					sum[i] = FMA(v, weight[j - i * stride], sum[i]);
				}
			}
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < n; i++) {
		STORE(y + i * channels + c, activate(b, ADD(sum[i], more)));
	}
}

/* mask: lanes to load; NULL: all. */
INLINE_TARGET VECTOR load_lanes(const float *x, const MASK *mask)
{
	return mask ? LOAD_SOME(x, *mask) : LOAD(x);
}

/* The general kernel: one or TILE pixels, one or TILE registers of channels. */
INLINE_TARGET void tile(const struct qb_f32_depthwise *d, const struct bounds *b, const struct qb__window *s,
	const int pixels, const int blocks, const MASK *mask, int64_t c, float *y)
{
	const int64_t channels = d->channels, next = d->stride * channels, step = d->dilation * channels;
	const int64_t at = (s->x * d->stride - d->pad) * channels + s->first * step + c;
	VECTOR sum[TILE];

#pragma GCC unroll 4
	for (int i = 0; i < TILE; i++) {
		sum[i] = ZERO();
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

				sum[i] = FMA(load_lanes(x + lane + (pixels > 1 ? i * next : 0), mask),
					load_lanes(w + lane, mask), sum[i]);
			}
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < QB_MAX(pixels, blocks); i++) {
		int64_t lane = c + (blocks > 1 ? i * LANES : 0);
		VECTOR more = d->epilogue.bias ? load_lanes(d->epilogue.bias + lane, mask) : ZERO();
		VECTOR v = activate(b, ADD(sum[i], more));
		float *to = y + lane + (pixels > 1 ? i * channels : 0);

		if (mask) {
			STORE_SOME(to, *mask, v);
		} else {
			STORE(to, v);
		}
	}
}

/* Where the register that takes channel c begins: the last one may take some channels again. */
static inline int64_t register_start(const struct qb_f32_depthwise *d, int64_t c)
{
	return c < d->channels && c + LANES > d->channels ? d->channels - LANES : c;
}

TARGET static void one_pixel(const struct qb_f32_depthwise *d, const struct qb__window *s, float *y)
{
	const struct bounds b = bounds_of(&d->epilogue.act);
	int64_t c = 0;

	for (; c + TILE * LANES <= d->channels; c += TILE * LANES) {
		tile(d, &b, s, 1, TILE, NULL, c, y);
	}
	for (c = register_start(d, c); c < d->channels; c = register_start(d, c + LANES)) {
		tile(d, &b, s, 1, 1, NULL, c, y);
	}
}

TARGET static void four_pixels(const struct qb_f32_depthwise *d, const struct qb__window *s, float *y)
{
	const struct bounds b = bounds_of(&d->epilogue.act);

	for (int64_t c = 0; c < d->channels; c = register_start(d, c + LANES)) {
		tile(d, &b, s, TILE, 1, NULL, c, y);
	}
}

INLINE_TARGET void pixels_3x3(const struct qb_f32_depthwise *d, const struct qb__window *s,
	const int stride, float *y)
{
	const struct bounds b = bounds_of(&d->epilogue.act);
	int64_t at = (s->x * d->stride - d->pad) * d->channels, c = 0;
	const float *const from[3] = {s->line[0] + at, s->line[1] + at, s->line[2] + at};

	for (; c + 2 * LANES <= d->channels; c += 2 * LANES) {
		kernel_3x3(d, &b, from, stride, 2, c, y);
	}
	for (c = register_start(d, c); c < d->channels; c = register_start(d, c + LANES)) {
		kernel_3x3(d, &b, from, stride, 1, c, y);
	}
}

TARGET static void pixels_3x3_s1(const struct qb_f32_depthwise *d, const struct qb__window *s, float *y)
{
	pixels_3x3(d, s, 1, y);
}

TARGET static void pixels_3x3_s2(const struct qb_f32_depthwise *d, const struct qb__window *s, float *y)
{
	pixels_3x3(d, s, 2, y);
}

typedef void short_fn(const struct qb_f32_depthwise *d, const float *const *line, float *y);

#define SHORT(columns, stride, n) \
	TARGET static void short_##columns##_by_##stride##_##n(const struct qb_f32_depthwise *d, \
		const float *const *line, float *y) \
	{ \
		const struct bounds b = bounds_of(&d->epilogue.act); \
\
		for (int64_t c = 0; c < d->channels; c = register_start(d, c + LANES)) { \
			short_line(d, &b, line, columns, stride, n, c, y); \
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

/* n is 1 or TILE. */
static void whole_windows(const struct qb_f32_depthwise *d, const struct qb__window *s, int n, float *y)
{
	y += s->x * d->channels;
	if (n == 1) {
		one_pixel(d, s, y);
	} else if (d->rows == 3 && d->columns == 3 && d->dilation == 1 && d->stride <= 2 && s->line[0] && s->line[1] &&
		   s->line[2]) {
		(d->stride == 1 ? pixels_3x3_s1 : pixels_3x3_s2)(d, s, y);
	} else {
		four_pixels(d, s, y);
	}
}
