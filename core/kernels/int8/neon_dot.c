/* SPDX-License-Identifier: Apache-2.0
 *
 * NEON with dot products. UDOT multiplies unsigned bytes alone: a weight w is packed as w + b with a bias b, and b times
 * the sum of a pixel's elements is taken off. Modulo 2^32 that is exact.
 */
#include "core/base/size.h"

#if defined(__aarch64__)
#include "core/kernels/int8/neon.h"

enum { MR = 4, BIAS = 128, NIBBLE_BIAS = 8 };

static void pack(struct qb_int8_matrix *m, const int8_t *rows)
{
	uint8_t *to = m->packed;

	qb__int8_pack_quads(m, rows);
	m->row_weight = -BIAS;
	for (size_t i = 0; i < qb_int8_packed_bytes(m->outputs, m->k, 8); i++) {
		to[i] ^= BIAS;
	}
}

static void pack_nibbles(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_nibbles(m, rows);
	m->row_weight = -NIBBLE_BIAS;
}

/* Quads as pack has them; the weight of a row's sum is the zero point's, so that elements stay as they are. */
DOT static void pack_product(struct qb_int8_matrix *m, const uint8_t *right, int64_t rows, int64_t stride, int zero,
	int left_zero)
{
	const uint8x16_t none = vdupq_n_u8((uint8_t)zero), ones = vdupq_n_u8(1);
	const int32x4_t all = vdupq_n_s32((int32_t)m->k * zero);
	uint8_t *to = m->packed;

	for (int64_t o = 0; o < m->outputs; o += 16) {
		uint32x4_t sum[4] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};

		for (int64_t k = 0; k < m->k; k += 4, to += 64) {
			const uint8_t *from = right + k * stride + o;
			uint8x16_t a = vld1q_u8(from), b = k + 1 < rows ? vld1q_u8(from + stride) : none;
			uint8x16_t c = k + 2 < rows ? vld1q_u8(from + 2 * stride) : none;
			uint8x16_t d = k + 3 < rows ? vld1q_u8(from + 3 * stride) : none;
			uint8x16x4_t four = {{a, b, c, d}};

			vst4q_u8(to, four);
			for (int i = 0; i < 4; i++) {
				sum[i] = vdotq_u32(sum[i], vld1q_u8(to + 16 * i), ones);
			}
		}
		for (int i = 0; i < 4; i++) {
			vst1q_s32(m->start + o + 4 * i,
				vmulq_n_s32(vsubq_s32(all, vreinterpretq_s32_u32(sum[i])), left_zero));
		}
	}
	m->row_weight = -zero;
}

/* Sums are variables of their own, since compilers keep an array of vectors in memory. */
#define EACH_I(M) M(0) M(1) M(2) M(3)
#define DECLARE(i) \
	const uint8_t *x##i = a->x[i < a->pixels ? i : 0]; \
	uint32x4_t s##i##_0 = vdupq_n_u32(0), s##i##_1 = s##i##_0, s##i##_2 = s##i##_0, s##i##_3 = s##i##_0, r##i = s##i##_0;
#define TAKE_SIXTEEN(i) \
	const uint8x16_t v##i = vld1q_u8(x##i + k); \
	r##i = vdotq_u32(r##i, v##i, ones);
/* Four elements, and zeros behind them. */
#define TAKE_FOUR(i) \
	const uint8x16_t v##i = \
		vreinterpretq_u8_u32(vld1q_lane_u32((const uint32_t *)(const void *)(x##i + k), vdupq_n_u32(0), 0)); \
	r##i = vdotq_u32(r##i, v##i, ones);
#define MULTIPLY(i, lane) \
	s##i##_0 = vdotq_laneq_u32(s##i##_0, b0, v##i, lane); \
	s##i##_1 = vdotq_laneq_u32(s##i##_1, b1, v##i, lane); \
	s##i##_2 = vdotq_laneq_u32(s##i##_2, b2, v##i, lane); \
	s##i##_3 = vdotq_laneq_u32(s##i##_3, b3, v##i, lane);
#define STEP(lane) \
	do { \
		uint8x16_t b0, b1, b2, b3; \
		LOADS_STAY(); \
		load_weights(nibbles, w, &b0, &b1, &b2, &b3); \
		w += nibbles ? 32 : 64; \
		MULTIPLY(0, lane) \
		MULTIPLY(1, lane) \
		MULTIPLY(2, lane) \
		MULTIPLY(3, lane) \
	} while (0)
#define TOTAL(i, j, row) vaddq_s32(vreinterpretq_s32_u32(s##i##_##j), vaddq_s32(row, t##j))
#define STORE(i) \
	if (i < a->pixels) { \
		const int32x4_t row = vdupq_n_s32((int32_t)vaddvq_u32(r##i) * a->row_weight); \
		store_some(a->y + i * a->y_stride, requant_16(&r, TOTAL(i, 0, row), TOTAL(i, 1, row), TOTAL(i, 2, row), \
			TOTAL(i, 3, row)), a->left); \
	}

/* Four weights of each of 16 outputs. */
INLINE void load_weights(const bool nibbles, const char *w, uint8x16_t *b0, uint8x16_t *b1, uint8x16_t *b2, uint8x16_t *b3)
{
	uint8x16_t p = vld1q_u8((const uint8_t *)w), q = vld1q_u8((const uint8_t *)w + 16);

	*b0 = nibbles ? vandq_u8(p, vdupq_n_u8(15)) : p;
	*b1 = nibbles ? vandq_u8(q, vdupq_n_u8(15)) : q;
	*b2 = nibbles ? vshrq_n_u8(p, 4) : vld1q_u8((const uint8_t *)w + 32);
	*b3 = nibbles ? vshrq_n_u8(q, 4) : vld1q_u8((const uint8_t *)w + 48);
}

DOT INLINE void tile(const bool nibbles, const struct qb__neon_tile *a)
{
	const uint8x16_t ones = vdupq_n_u8(1);
	const int64_t *offset = a->offset, *last = offset + a->kernel_elements;
	const char *w = a->w;
	struct requant_block r;
	int32x4_t t0, t1, t2, t3;

	EACH_I(DECLARE)
	for (; offset < last; offset++) {
		int64_t k = *offset;
		const int64_t end = k + a->chunk;

		for (; k + 16 <= end; k += 16) {
			EACH_I(TAKE_SIXTEEN)
			STEP(0);
			STEP(1);
			STEP(2);
			STEP(3);
		}
		for (; k < end; k += 4) {
			EACH_I(TAKE_FOUR)
			STEP(0);
		}
	}
	r = load_requant(a->multiplier, a->offsets, a->lo, a->hi);
	t0 = vld1q_s32(a->start);
	t1 = vld1q_s32(a->start + 4);
	t2 = vld1q_s32(a->start + 8);
	t3 = vld1q_s32(a->start + 12);
	EACH_I(STORE)
}

DOT static void tile_bytes(const struct qb__neon_tile *a)
{
	tile(false, a);
}

DOT static void tile_nibbles(const struct qb__neon_tile *a)
{
	tile(true, a);
}

static void conv(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_neon_tiles(tile_bytes, MR, 8, m, a);
}

static void conv_nibbles(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_neon_tiles(tile_nibbles, MR, 4, m, a);
}

/* Depthwise: SDOT of elements less 128. Packed are 128 times the sum of a channel's weights, which that takes off, then for
 * each block of 16 channels and quad of kernel elements the four weights of each channel, as byte interleaving leaves them. */

size_t qb__int8_neon_dot_depthwise_bytes(int64_t channels, int64_t kernel_elements)
{
	return qb_align_up((size_t)channels, 16) * (qb_align_up((size_t)kernel_elements, 4) + sizeof(int32_t));
}

/* Which kernel elements one instruction multiplies: of nine those of a column of 3 x 3, of others four. */
static int64_t quad_of(int64_t kernel_elements, int64_t t)
{
	return kernel_elements == 9 ? t % 3 : t / 4;
}

static int64_t place_in_quad(int64_t kernel_elements, int64_t t)
{
	return kernel_elements == 9 ? t / 3 : t % 4;
}

void qb__int8_neon_dot_pack_depthwise(int8_t *packed, const int8_t *w, int64_t channels, int64_t kernel_elements)
{
	const int64_t quads = (kernel_elements + 3) / 4;
	int32_t *start = (int32_t *)(void *)packed;
	int8_t *to = packed + qb_align_up((size_t)channels, 16) * sizeof(*start);

	memset(packed, 0, qb__int8_neon_dot_depthwise_bytes(channels, kernel_elements));
	for (int64_t t = 0; t < kernel_elements; t++) {
		for (int64_t c = 0; c < channels; c++) {
			to[(c / 16 * quads + quad_of(kernel_elements, t)) * 64 + c % 16 * 4 + place_in_quad(kernel_elements, t)] =
				w[t * channels + c];
			start[c] += 128 * w[t * channels + c];
		}
	}
}

struct quads {
	int8x16_t v0, v1, v2, v3;
};

struct sums {
	int32x4_t s0, s1, s2, s3;
};

INLINE int8x16_t less_128(const uint8_t *x)
{
	return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(x), vdupq_n_u8(128)));
}

/* Four rows of 16 channels, interleaved as the weights are. */
INLINE struct quads interleave(int8x16_t a, int8x16_t b, int8x16_t c, int8x16_t d)
{
	int16x8_t ab = vreinterpretq_s16_s8(vzip1q_s8(a, b)), cd = vreinterpretq_s16_s8(vzip1q_s8(c, d));
	int16x8_t ab2 = vreinterpretq_s16_s8(vzip2q_s8(a, b)), cd2 = vreinterpretq_s16_s8(vzip2q_s8(c, d));

	return (struct quads){vreinterpretq_s8_s16(vzip1q_s16(ab, cd)), vreinterpretq_s8_s16(vzip2q_s16(ab, cd)),
		vreinterpretq_s8_s16(vzip1q_s16(ab2, cd2)), vreinterpretq_s8_s16(vzip2q_s16(ab2, cd2))};
}

DOT INLINE void multiply_quads(struct sums *s, const struct quads *x, const int8_t *w)
{
	s->s0 = vdotq_s32(s->s0, x->v0, vld1q_s8(w));
	s->s1 = vdotq_s32(s->s1, x->v1, vld1q_s8(w + 16));
	s->s2 = vdotq_s32(s->s2, x->v2, vld1q_s8(w + 32));
	s->s3 = vdotq_s32(s->s3, x->v3, vld1q_s8(w + 48));
}

/* A column of a 3 x 3 kernel at one pixel: its three rows. */
INLINE struct quads column(const uint8_t *const *row, int64_t at)
{
	return interleave(less_128(row[0] + at), less_128(row[3] + at), less_128(row[6] + at), vdupq_n_s8(0));
}

/* What a block of 16 channels takes of its layer. */
struct block {
	struct sums start;
	struct requant_block r;
	const int8_t *w;
	int64_t left;
};

INLINE struct block block_of(const struct qb_int8_channels *d, int64_t c)
{
	const int32_t *own = (const int32_t *)(const void *)d->packed + c, *start = d->start + c;
	const size_t corrections = qb_align_up((size_t)d->channels, 16) * sizeof(*own);

	return (struct block){{vaddq_s32(vld1q_s32(start), vld1q_s32(own)),
			vaddq_s32(vld1q_s32(start + 4), vld1q_s32(own + 4)),
			vaddq_s32(vld1q_s32(start + 8), vld1q_s32(own + 8)),
			vaddq_s32(vld1q_s32(start + 12), vld1q_s32(own + 12))},
		load_requant(d->multiplier + c, d->offset + c, d->lo, d->hi),
		d->packed + corrections + c * ((d->kernel_elements + 3) / 4) * 4, d->channels - c};
}

INLINE void store_block(const struct block *b, const struct sums *s, uint8_t *y)
{
	store_some(y, requant_16(&b->r, s->s0, s->s1, s->s2, s->s3), b->left);
}

DOT static void depthwise_block(const struct qb_int8_channels *d, int64_t c, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	const int8x16_t none = vdupq_n_s8(0);
	const int64_t elements = d->kernel_elements;
	const struct block b = block_of(d, c);

	for (int64_t p = 0, at = c; p < pixels; p++, at += step, y += y_stride) {
		struct sums sum = b.start;
		const int8_t *w = b.w;

		for (int64_t t = 0; t < elements; t += 4, w += 64) {
			struct quads x = interleave(less_128(row[t] + at),
				t + 1 < elements ? less_128(row[t + 1] + at) : none,
				t + 2 < elements ? less_128(row[t + 2] + at) : none,
				t + 3 < elements ? less_128(row[t + 3] + at) : none);

			multiply_quads(&sum, &x, w);
		}
		store_block(&b, &sum, y + c);
	}
}

DOT INLINE void depthwise_pixel(const struct block *b, const struct quads *x0, const struct quads *x1, const struct quads *x2,
	uint8_t *y)
{
	struct sums sum = b->start;

	LOADS_STAY();
	multiply_quads(&sum, x0, b->w);
	multiply_quads(&sum, x1, b->w + 64);
	multiply_quads(&sum, x2, b->w + 128);
	store_block(b, &sum, y);
}

/* Nine elements by columns. slides: a column is the one before it of the next pixel, which need not interleave it again. */
DOT INLINE void depthwise_columns(const struct qb_int8_channels *d, int64_t c, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride, const bool slides)
{
	const struct block b = block_of(d, c);
	struct quads x0 = column(row, c), x1 = column(row + 1, c), x2;
	int64_t p = 0, at = c;

	if (slides) {
		/* Three pixels, so that no column moves to another register. */
		for (; p + 3 <= pixels; p += 3, at += 3 * step, y += 3 * y_stride) {
			x2 = column(row + 2, at);
			depthwise_pixel(&b, &x0, &x1, &x2, y + c);
			x0 = column(row + 2, at + step);
			depthwise_pixel(&b, &x1, &x2, &x0, y + c + y_stride);
			x1 = column(row + 2, at + 2 * step);
			depthwise_pixel(&b, &x2, &x0, &x1, y + c + 2 * y_stride);
		}
	}
	for (; p < pixels; p++, at += step, y += y_stride) {
		x0 = column(row, at);
		x1 = column(row + 1, at);
		x2 = column(row + 2, at);
		depthwise_pixel(&b, &x0, &x1, &x2, y + c);
	}
}

DOT static void depthwise_sliding(const struct qb_int8_channels *d, int64_t c, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	depthwise_columns(d, c, row, step, pixels, y, y_stride, true);
}

DOT static void depthwise_nine(const struct qb_int8_channels *d, int64_t c, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	depthwise_columns(d, c, row, step, pixels, y, y_stride, false);
}

void qb__int8_neon_dot_depthwise(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step, int64_t pixels,
	uint8_t *y, int64_t y_stride)
{
	const bool nine = d->kernel_elements == 9, slides = nine && qb__columns_slide(row, step);

	for (int64_t c = 0; c < d->channels; c += 16) {
		(slides ? depthwise_sliding : nine ? depthwise_nine : depthwise_block)(d, c, row, step, pixels, y, y_stride);
	}
}

const struct qb_int8_kernels qb__int8_neon_dot = {"neon_dot",
	{{8, 1, 4, qb__int8_expand_bytes, pack, conv}, {8, 1, 4, qb__int8_expand_bytes, pack, conv},
		{4, 1, 4, qb__int8_expand_bytes, pack_nibbles, conv_nibbles}},
	NULL, {1, 4, 8, qb__int8_expand_bytes, pack_product, conv}, qb__int8_neon_dot_depthwise_bytes,
	qb__int8_neon_dot_pack_depthwise, qb__int8_neon_dot_depthwise, 16, qb__int8_neon_add, qb__int8_neon_average,
	qb__int8_neon_max, qb__int8_neon_quantize, qb__int8_neon_dequantize};
#endif
