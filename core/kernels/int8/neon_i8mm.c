/* SPDX-License-Identifier: Apache-2.0
 *
 * NEON with matrix products of bytes (I8MM): USMMLA adds the products of two pixels and two outputs, eight elements of
 * each, to four sums. Two pixels that are rows of a tile, P and Q, are one operand.
 */
#include "core/base/size.h"

#if defined(__aarch64__)
#include "core/kernels/int8/neon.h"

enum { MR = 6, DEPTH = 8 };

/* [blocks of 16 outputs][k / 8][16][8] */
static void pack(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_groups(m, rows, DEPTH);
}

/* The same with outputs o and o + 8 in the low and the high half of a byte. */
static void pack_nibbles(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_halves(m, rows, DEPTH, 0);
}

/* Four rows of 16 columns as four elements of each column, four columns a vector. */
INLINE void interleave(const uint8x16_t *x, uint8x16_t *to)
{
	uint16x8_t ab = vreinterpretq_u16_u8(vzip1q_u8(x[0], x[1])), cd = vreinterpretq_u16_u8(vzip1q_u8(x[2], x[3]));
	uint16x8_t ab2 = vreinterpretq_u16_u8(vzip2q_u8(x[0], x[1])), cd2 = vreinterpretq_u16_u8(vzip2q_u8(x[2], x[3]));

	to[0] = vreinterpretq_u8_u16(vzip1q_u16(ab, cd));
	to[1] = vreinterpretq_u8_u16(vzip2q_u16(ab, cd));
	to[2] = vreinterpretq_u8_u16(vzip1q_u16(ab2, cd2));
	to[3] = vreinterpretq_u8_u16(vzip2q_u16(ab2, cd2));
}

/* The weight of a row's sum is 128 less the zero point, for elements are packed less 128. */
DOT static void pack_product(struct qb_int8_matrix *m, const uint8_t *right, int64_t rows, int64_t stride, int zero,
	int left_zero)
{
	const uint8x16_t ones = vdupq_n_u8(1), half = vdupq_n_u8(128);
	const int32x4_t all = vdupq_n_s32((int32_t)m->k * zero);
	uint8_t *to = m->packed;

	for (int64_t o = 0; o < m->outputs; o += 16) {
		uint32x4_t sum[4] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};

		for (int64_t k = 0; k < m->k; k += DEPTH, to += 128) {
			uint8x16_t x[DEPTH], low[4], high[4];

			for (int i = 0; i < DEPTH; i++) {
				x[i] = k + i < rows ? vld1q_u8(right + (k + i) * stride + o) : vdupq_n_u8((uint8_t)zero);
			}
			interleave(x, low);
			interleave(x + 4, high);
			for (int i = 0; i < 4; i++) {
				uint32x4_t a = vreinterpretq_u32_u8(veorq_u8(low[i], half));
				uint32x4_t b = vreinterpretq_u32_u8(veorq_u8(high[i], half));

				sum[i] = vdotq_u32(vdotq_u32(sum[i], low[i], ones), high[i], ones);
				vst1q_u8(to + 32 * i, vreinterpretq_u8_u32(vzip1q_u32(a, b)));
				vst1q_u8(to + 32 * i + 16, vreinterpretq_u8_u32(vzip2q_u32(a, b)));
			}
		}
		for (int i = 0; i < 4; i++) {
			vst1q_s32(m->start + o + 4 * i,
				vmulq_n_s32(vsubq_s32(all, vreinterpretq_s32_u32(sum[i])), left_zero));
		}
	}
	m->row_weight = 128 - zero;
}

#define EACH_PAIR(M) M(0, 0, 1) M(1, 2, 3) M(2, 4, 5)
/* Sums of a pair of pixels and outputs 2 j and 2 j + 1; of 4-bit weights 16 times them, until all is added. */
#define START(j) vreinterpretq_s32_s64(vld1q_dup_s64((const int64_t *)(const void *)(a->start + 2 * (j))))
#define SUM(p, j, row) int32x4_t s##p##_##j = nibbles ? vdupq_n_s32(0) : vaddq_s32(row, START(j));
#define COMPLETE(p, j) \
	if (nibbles && p < PAIRS) { \
		s##p##_##j = vaddq_s32(vshrq_n_s32(s##p##_##j, 4), START(j)); \
	}
#define COMPLETE_PAIR(p, i, j) \
	COMPLETE(p, 0) COMPLETE(p, 1) COMPLETE(p, 2) COMPLETE(p, 3) \
	COMPLETE(p, 4) COMPLETE(p, 5) COMPLETE(p, 6) COMPLETE(p, 7)
#define DECLARE(p, i, j) \
	const uint8_t *x##i = a->x[i < a->pixels ? i : 0], *x##j = a->x[j < a->pixels ? j : 0]; \
	const int32x4_t row##p = vcombine_s32(vdup_n_s32(a->row_weight ? row_sum(x##i, a) : 0), \
		vdup_n_s32(a->row_weight ? row_sum(x##j, a) : 0)); \
	SUM(p, 0, row##p) SUM(p, 1, row##p) SUM(p, 2, row##p) SUM(p, 3, row##p) \
	SUM(p, 4, row##p) SUM(p, 5, row##p) SUM(p, 6, row##p) SUM(p, 7, row##p)
#define TAKE(p, i, j) const uint8x16_t v##p = vcombine_u8(vld1_u8(x##i + k), vld1_u8(x##j + k));
#define MULTIPLY(p, j) \
	if (p < PAIRS) { \
		s##p##_##j = vusmmlaq_s32(s##p##_##j, v##p, b); \
	}
#define STEP(j) \
	do { \
		int8x16_t b; \
		LOADS_STAY(); \
		b = load_weights(nibbles, w, j); \
		MULTIPLY(0, j) \
		MULTIPLY(1, j) \
		MULTIPLY(2, j) \
	} while (0)
/* Outputs 2 j to 2 j + 3 of the pair's first pixel, and of its second. */
#define FIRST(p, j, k) vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(s##p##_##j), vreinterpretq_s64_s32(s##p##_##k)))
#define SECOND(p, j, k) vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(s##p##_##j), vreinterpretq_s64_s32(s##p##_##k)))
#define STORE(p, i, j) \
	if (i < a->pixels) { \
		store_some(a->y + i * a->y_stride, requant_16(&r, FIRST(p, 0, 1), FIRST(p, 2, 3), FIRST(p, 4, 5), \
			FIRST(p, 6, 7)), a->left); \
	} \
	if (j < a->pixels) { \
		store_some(a->y + j * a->y_stride, requant_16(&r, SECOND(p, 0, 1), SECOND(p, 2, 3), SECOND(p, 4, 5), \
			SECOND(p, 6, 7)), a->left); \
	}

/* Eight weights of outputs 2 j and 2 j + 1; of 4-bit weights 16 times each: QB_INT8_K_MAX * 255 * 8 * 16 fits a sum. */
INLINE int8x16_t load_weights(const bool nibbles, const char *w, const int j)
{
	int8x16_t v = vld1q_s8((const int8_t *)w + 16 * (nibbles ? j % 4 : j));

	return !nibbles ? v : j < 4 ? vshlq_n_s8(v, 4) : vandq_s8(v, vdupq_n_s8(-16));
}

/* row_weight times the sum of the pixel's elements, of which there is one run. */
DOT INLINE int32_t row_sum(const uint8_t *x, const struct qb__neon_tile *a)
{
	uint32x4_t sum = vdupq_n_u32(0);
	uint32x2_t rest = vdup_n_u32(0);
	int64_t k = 0;

	for (; k + 16 <= a->chunk; k += 16) {
		sum = vdotq_u32(sum, vld1q_u8(x + k), vdupq_n_u8(1));
	}
	for (; k < a->chunk; k += DEPTH) {
		rest = vdot_u32(rest, vld1_u8(x + k), vdup_n_u8(1));
	}
	return (int32_t)(vaddvq_u32(sum) + vaddv_u32(rest)) * a->row_weight;
}

I8MM INLINE void tile(const int PAIRS, const bool nibbles, const struct qb__neon_tile *a)
{
	const int64_t *offset = a->offset, *last = offset + a->kernel_elements;
	const char *w = a->w;
	struct requant_block r;

	EACH_PAIR(DECLARE)
	for (; offset < last; offset++) {
		for (int64_t k = *offset, end = k + a->chunk; k < end; k += DEPTH, w += nibbles ? 64 : 128) {
			EACH_PAIR(TAKE)
			STEP(0);
			STEP(1);
			STEP(2);
			STEP(3);
			STEP(4);
			STEP(5);
			STEP(6);
			STEP(7);
		}
	}
	EACH_PAIR(COMPLETE_PAIR)
	r = load_requant(a->multiplier, a->offsets, a->lo, a->hi);
	EACH_PAIR(STORE)
}

#define TILES(name, nibbles) \
	I8MM static void name##_6(const struct qb__neon_tile *a) \
	{ \
		tile(3, nibbles, a); \
	} \
	I8MM static void name##_4(const struct qb__neon_tile *a) \
	{ \
		tile(2, nibbles, a); \
	} \
	I8MM static void name##_2(const struct qb__neon_tile *a) \
	{ \
		tile(1, nibbles, a); \
	} \
	static void name(const struct qb__neon_tile *a) \
	{ \
		(a->pixels > 4 ? name##_6 : a->pixels > 2 ? name##_4 : name##_2)(a); \
	}
TILES(bytes, false)
TILES(nibbles, true)

static void conv(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_neon_tiles(bytes, MR, 8, m, a);
}

static void conv_nibbles(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_neon_tiles(nibbles, MR, 4, m, a);
}

const struct qb_int8_kernels qb__int8_neon_i8mm = {"neon_i8mm",
	{{8, 1, 8, qb__int8_expand_bytes, pack, conv}, {8, 1, 8, qb__int8_expand_bytes, pack, conv},
		{4, 1, 8, qb__int8_expand_bytes, pack_nibbles, conv_nibbles}},
	NULL, {1, 8, 8, qb__int8_expand_bytes, pack_product, conv}, qb__int8_neon_dot_depthwise_bytes,
	qb__int8_neon_dot_pack_depthwise, qb__int8_neon_dot_depthwise, 16, qb__int8_neon_add, qb__int8_neon_average,
	qb__int8_neon_max, qb__int8_neon_quantize, qb__int8_neon_dequantize};
#endif
