/* SPDX-License-Identifier: Apache-2.0
 *
 * What the NEON kernels share: requantization, stores of a part of a vector, and the functions that every level takes.
 */
#ifndef QB_KERNELS_INT8_NEON_H
#define QB_KERNELS_INT8_NEON_H

#include "core/kernels/int8/levels.h"

#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#define I8MM __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))

/* Loads stay behind it: GCC would begin with all of a loop's and spill sums for them. */
#define LOADS_STAY() __asm__ volatile("" ::: "memory")

/* The first n of 16 bytes. */
INLINE void store_some(uint8_t *y, uint8x16_t v, int64_t n)
{
	if (n >= 16) {
		vst1q_u8(y, v);
		return;
	}
	if (n & 8) {
		vst1_u8(y, vget_low_u8(v));
		v = vextq_u8(v, v, 8);
		y += 8;
	}
	if (n & 4) {
		vst1q_lane_u32((uint32_t *)(void *)y, vreinterpretq_u32_u8(v), 0);
		v = vextq_u8(v, v, 4);
		y += 4;
	}
	if (n & 2) {
		vst1q_lane_u16((uint16_t *)(void *)y, vreinterpretq_u16_u8(v), 0);
		v = vextq_u8(v, v, 2);
		y += 2;
	}
	if (n & 1) {
		vst1q_lane_u8(y, v, 0);
	}
}

/* The requantization of a block of 16 outputs. */
struct requant_block {
	float32x4_t m0, m1, m2, m3, o0, o1, o2, o3, lo, hi;
};

INLINE struct requant_block load_requant(const float *multiplier, const float *offset, int lo, int hi)
{
	return (struct requant_block){vld1q_f32(multiplier), vld1q_f32(multiplier + 4), vld1q_f32(multiplier + 8),
		vld1q_f32(multiplier + 12), vld1q_f32(offset), vld1q_f32(offset + 4), vld1q_f32(offset + 8),
		vld1q_f32(offset + 12), vdupq_n_f32((float)lo), vdupq_n_f32((float)hi)};
}

INLINE int32x4_t requant_4(int32x4_t sum, float32x4_t multiplier, float32x4_t offset, float32x4_t lo, float32x4_t hi)
{
	float32x4_t v = vfmaq_f32(offset, vcvtq_f32_s32(sum), multiplier);

	return vcvtnq_s32_f32(vminq_f32(vmaxq_f32(v, lo), hi));
}

/* Of integers from 0 to 255. */
INLINE uint8x16_t narrow(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d)
{
	int16x8_t ab = vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
	int16x8_t cd = vuzp1q_s16(vreinterpretq_s16_s32(c), vreinterpretq_s16_s32(d));

	return vuzp1q_u8(vreinterpretq_u8_s16(ab), vreinterpretq_u8_s16(cd));
}

INLINE uint8x16_t requant_16(const struct requant_block *r, int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d)
{
	return narrow(requant_4(a, r->m0, r->o0, r->lo, r->hi), requant_4(b, r->m1, r->o1, r->lo, r->hi),
		requant_4(c, r->m2, r->o2, r->lo, r->hi), requant_4(d, r->m3, r->o3, r->lo, r->hi));
}

/* A register tile: some pixels by a block of 16 outputs. */
struct qb__neon_tile {
	const char *w;          /* of the block */
	const void *const *x;   /* [pixels] */
	const int64_t *offset;  /* [kernel_elements] */
	int64_t kernel_elements, chunk, pixels;
	const int32_t *start;   /* of the block, as what follows */
	const float *multiplier, *offsets;
	int lo, hi;
	int32_t row_weight;
	uint8_t *y;
	int64_t y_stride, left; /* outputs from here on */
};

/* All tiles of a GEMM, of up to `most` pixels each; bits: of a packed weight. */
typedef void qb__neon_tile_fn(const struct qb__neon_tile *a);
void qb__int8_neon_tiles(qb__neon_tile_fn *tile, int64_t most, int bits, const struct qb_int8_matrix *m,
	const struct qb_int8_conv_args *a);

/* Of NEON with dot products, for I8MM as well. */
size_t qb__int8_neon_dot_depthwise_bytes(int64_t channels, int64_t kernel_elements);
void qb__int8_neon_dot_pack_depthwise(int8_t *packed, const int8_t *w, int64_t channels, int64_t kernel_elements);
void qb__int8_neon_dot_depthwise(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step, int64_t pixels,
	uint8_t *y, int64_t y_stride);

/* Of NEON, for all of its levels. */
void qb__int8_neon_add(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n);
void qb__int8_neon_average(const uint8_t *const *row, int64_t rows, int64_t channels, float multiplier, float offset,
	int lo, int hi, uint8_t *y);
void qb__int8_neon_max(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y);
void qb__int8_neon_quantize(const float *x, uint8_t *y, size_t n, float scale, int zero, int top);
void qb__int8_neon_dequantize(const uint8_t *x, float *y, size_t n, float scale, int zero);

#endif
