/* SPDX-License-Identifier: Apache-2.0
 *
 * NEON without dot products: elements of 16 bits, multiplied by an element of a pixel and added to 32-bit sums, four a
 * time (SMLAL by element).
 */
#include "core/base/size.h"

#if defined(__aarch64__)
#include "core/kernels/int8/neon.h"

static void expand(const uint8_t *x, void *to, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		uint8x16_t v = vld1q_u8(x + i);

		vst1q_u16((uint16_t *)to + i, vmovl_u8(vget_low_u8(v)));
		vst1q_u16((uint16_t *)to + i + 8, vmovl_high_u8(v));
	}
}

/* [blocks of 16 outputs][k][16] */
static void pack(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_groups(m, rows, 1);
}

/* The same with outputs o and o + 8 in the low and the high half of a byte. */
static void pack_nibbles(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_halves(m, rows, 1, 0);
}

static void pack_product(struct qb_int8_matrix *m, const uint8_t *right, int64_t rows, int64_t stride, int zero,
	int left_zero)
{
	const int16x8_t z = vdupq_n_s16((short)zero);
	int16_t *to = m->packed;

	for (int64_t o = 0; o < m->outputs; o += 16) {
		int32x4_t sum[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};

		for (int64_t k = 0; k < m->k; k++, to += 16) {
			uint8x16_t v = k < rows ? vld1q_u8(right + k * stride + o) : vdupq_n_u8((uint8_t)zero);
			int16x8_t a = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(v))), z);
			int16x8_t b = vsubq_s16(vreinterpretq_s16_u16(vmovl_high_u8(v)), z);

			vst1q_s16(to, a);
			vst1q_s16(to + 8, b);
			sum[0] = vaddw_s16(sum[0], vget_low_s16(a));
			sum[1] = vaddw_high_s16(sum[1], a);
			sum[2] = vaddw_s16(sum[2], vget_low_s16(b));
			sum[3] = vaddw_high_s16(sum[3], b);
		}
		for (int i = 0; i < 4; i++) {
			vst1q_s32(m->start + o + 4 * i, vmulq_n_s32(sum[i], -left_zero));
		}
	}
}

/* Sums are variables of their own, since compilers keep an array of vectors in memory; the conditions are constant where
 * a tile is instantiated. */
enum { MR = 4 };
enum weights { WHOLE, NIBBLES, WIDE };

#define EACH_I(M) M(0) M(1) M(2) M(3)
#define DECLARE(i) \
	const int16_t *x##i = a->x[i < a->pixels ? i : 0]; \
	int32x4_t s##i##_0 = vld1q_s32(a->start), s##i##_1 = vld1q_s32(a->start + 4); \
	int32x4_t s##i##_2 = vld1q_s32(a->start + 8), s##i##_3 = vld1q_s32(a->start + 12);
#define TAKE(i) const int16x4_t v##i = vld1_s16(x##i + k);
#define MULTIPLY(i, lane) \
	s##i##_0 = vmlal_lane_s16(s##i##_0, vget_low_s16(b0), v##i, lane); \
	s##i##_1 = vmlal_high_lane_s16(s##i##_1, b0, v##i, lane); \
	s##i##_2 = vmlal_lane_s16(s##i##_2, vget_low_s16(b1), v##i, lane); \
	s##i##_3 = vmlal_high_lane_s16(s##i##_3, b1, v##i, lane);
#define STEP(lane) \
	do { \
		int16x8_t b0, b1; \
		load_weights(of, w, &b0, &b1); \
		w += of == WIDE ? 32 : of == WHOLE ? 16 : 8; \
		MULTIPLY(0, lane) \
		MULTIPLY(1, lane) \
		MULTIPLY(2, lane) \
		MULTIPLY(3, lane) \
	} while (0)
#define STORE(i) \
	if (i < a->pixels) { \
		store_some(a->y + i * a->y_stride, requant_16(&r, s##i##_0, s##i##_1, s##i##_2, s##i##_3), a->left); \
	}

/* Of 16 outputs. */
INLINE void load_weights(const enum weights of, const char *w, int16x8_t *b0, int16x8_t *b1)
{
	if (of == WIDE) {
		*b0 = vld1q_s16((const int16_t *)(const void *)w);
		*b1 = vld1q_s16((const int16_t *)(const void *)w + 8);
	} else if (of == WHOLE) {
		int8x16_t v = vld1q_s8((const int8_t *)w);

		*b0 = vmovl_s8(vget_low_s8(v));
		*b1 = vmovl_high_s8(v);
	} else {
		int8x8_t v = vld1_s8((const int8_t *)w);

		*b0 = vmovl_s8(vshr_n_s8(vshl_n_s8(v, 4), 4));
		*b1 = vmovl_s8(vshr_n_s8(v, 4));
	}
}

INLINE void tile(const enum weights of, const struct qb__neon_tile *a)
{
	const struct requant_block r = load_requant(a->multiplier, a->offsets, a->lo, a->hi);
	const int64_t *offset = a->offset, *last = offset + a->kernel_elements;
	const char *w = a->w;

	EACH_I(DECLARE)
	for (; offset < last; offset++) {
		for (int64_t k = *offset, end = k + a->chunk; k < end; k += 4) {
			EACH_I(TAKE)
			STEP(0);
			STEP(1);
			STEP(2);
			STEP(3);
		}
	}
	EACH_I(STORE)
}

static void tile_whole(const struct qb__neon_tile *a)
{
	tile(WHOLE, a);
}

static void tile_nibbles(const struct qb__neon_tile *a)
{
	tile(NIBBLES, a);
}

static void tile_wide(const struct qb__neon_tile *a)
{
	tile(WIDE, a);
}

void qb__int8_neon_tiles(qb__neon_tile_fn *f, int64_t most, int bits, const struct qb_int8_matrix *m,
	const struct qb_int8_conv_args *a)
{
	struct qb__neon_tile t = {.offset = a->offset, .kernel_elements = a->kernel_elements, .chunk = a->chunk,
		.lo = a->r->lo, .hi = a->r->hi, .y_stride = a->y_stride, .row_weight = m->row_weight};

	for (int64_t c = 0; c < m->outputs; c += 16) {
		t.w = (const char *)m->packed + c * m->k * bits / 8;
		t.start = m->start + c;
		t.multiplier = a->r->multiplier + c;
		t.offsets = a->r->offset + c;
		t.left = m->outputs - c;
		for (int64_t p = 0; p < a->pixels; p += most) {
			t.x = a->x + p;
			t.y = a->y + p * a->y_stride + c;
			t.pixels = QB_MIN(most, a->pixels - p);
			f(&t);
		}
	}
}

static void conv(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_neon_tiles(tile_whole, MR, 8, m, a);
}

static void conv_nibbles(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_neon_tiles(tile_nibbles, MR, 4, m, a);
}

static void conv_product(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_neon_tiles(tile_wide, MR, 16, m, a);
}

/* Depthwise: blocks of 16 channels, [kernel_elements][16] bytes each. */

static size_t depthwise_bytes(int64_t channels, int64_t kernel_elements)
{
	return qb_align_up((size_t)channels, 16) * (size_t)kernel_elements;
}

static void pack_depthwise(int8_t *packed, const int8_t *w, int64_t channels, int64_t kernel_elements)
{
	memset(packed, 0, depthwise_bytes(channels, kernel_elements));
	for (int64_t t = 0; t < kernel_elements; t++) {
		for (int64_t c = 0; c < channels; c++) {
			packed[(c / 16 * kernel_elements + t) * 16 + c % 16] = w[t * channels + c];
		}
	}
}

static void depthwise_block(const struct qb_int8_channels *d, int64_t c, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	const struct requant_block r = load_requant(d->multiplier + c, d->offset + c, d->lo, d->hi);

	for (int64_t p = 0; p < pixels; p++) {
		int32x4_t s0 = vld1q_s32(d->start + c), s1 = vld1q_s32(d->start + c + 4);
		int32x4_t s2 = vld1q_s32(d->start + c + 8), s3 = vld1q_s32(d->start + c + 12);
		const int8_t *w = d->packed + c * d->kernel_elements;

		for (int64_t t = 0; t < d->kernel_elements; t++, w += 16) {
			uint8x16_t u = vld1q_u8(row[t] + p * step + c);
			int8x16_t v = vld1q_s8(w);
			int16x8_t u0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(u))), v0 = vmovl_s8(vget_low_s8(v));
			int16x8_t u1 = vreinterpretq_s16_u16(vmovl_high_u8(u)), v1 = vmovl_high_s8(v);

			s0 = vmlal_s16(s0, vget_low_s16(u0), vget_low_s16(v0));
			s1 = vmlal_high_s16(s1, u0, v0);
			s2 = vmlal_s16(s2, vget_low_s16(u1), vget_low_s16(v1));
			s3 = vmlal_high_s16(s3, u1, v1);
		}
		store_some(y + p * y_stride + c, requant_16(&r, s0, s1, s2, s3), d->channels - c);
	}
}

static void depthwise(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step, int64_t pixels, uint8_t *y,
	int64_t y_stride)
{
	for (int64_t c = 0; c < d->channels; c += 16) {
		depthwise_block(d, c, row, step, pixels, y, y_stride);
	}
}

/* Elementwise operators and pools */

/* Four of 16 bytes, from 4 * i on. */
INLINE float32x4_t floats(uint8x16_t v, const int i)
{
	uint16x8_t half = i < 2 ? vmovl_u8(vget_low_u8(v)) : vmovl_high_u8(v);

	return vcvtq_f32_u32(i % 2 ? vmovl_high_u16(half) : vmovl_u16(vget_low_u16(half)));
}

void qb__int8_neon_add(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n)
{
	const float32x4_t ma = vdupq_n_f32(p->ma), mb = vdupq_n_f32(p->mb), offset = vdupq_n_f32(p->offset);
	const float32x4_t lo = vdupq_n_f32((float)p->lo), hi = vdupq_n_f32((float)p->hi);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		const uint8x16_t u = vld1q_u8(a + i), w = vld1q_u8(b + i);
		int32x4_t q[4];

		for (int k = 0; k < 4; k++) {
			float32x4_t v = vaddq_f32(vmulq_f32(floats(u, k), ma), offset);

			v = vaddq_f32(v, vmulq_f32(floats(w, k), mb));
			q[k] = vcvtnq_s32_f32(vminq_f32(vmaxq_f32(v, lo), hi));
		}
		vst1q_u8(y + i, narrow(q[0], q[1], q[2], q[3]));
	}
	qb__int8_add_plain(p, a + i, b + i, y + i, n - i);
}

/* 16 channels: 256 bytes fit 16 bits, then on in 32. */
void qb__int8_neon_average(const uint8_t *const *row, int64_t rows, int64_t channels, float multiplier, float offset,
	int lo, int hi, uint8_t *y)
{
	const float32x4_t m = vdupq_n_f32(multiplier), o = vdupq_n_f32(offset);
	const float32x4_t l = vdupq_n_f32((float)lo), h = vdupq_n_f32((float)hi);

	for (int64_t c = 0; c < channels; c += 16) {
		uint32x4_t sum[4] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};
		int32x4_t q[4];

		for (int64_t first = 0; first < rows; first += 256) {
			int64_t end = QB_MIN(first + 256, rows);
			uint16x8_t low = vdupq_n_u16(0), high = low;

			for (int64_t i = first; i < end; i++) {
				uint8x16_t v = vld1q_u8(row[i] + c);

				low = vaddw_u8(low, vget_low_u8(v));
				high = vaddw_high_u8(high, v);
			}
			sum[0] = vaddw_u16(sum[0], vget_low_u16(low));
			sum[1] = vaddw_high_u16(sum[1], low);
			sum[2] = vaddw_u16(sum[2], vget_low_u16(high));
			sum[3] = vaddw_high_u16(sum[3], high);
		}
		for (int k = 0; k < 4; k++) {
			float32x4_t v = vaddq_f32(vmulq_f32(vcvtq_f32_u32(sum[k]), m), o);

			q[k] = vcvtnq_s32_f32(vminq_f32(vmaxq_f32(v, l), h));
		}
		store_some(y + c, narrow(q[0], q[1], q[2], q[3]), channels - c);
	}
}

void qb__int8_neon_max(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y)
{
	for (int64_t c = 0; c < channels; c += 16) {
		uint8x16_t v = vld1q_u8(row[0] + c);

		for (int64_t i = 1; i < rows; i++) {
			v = vmaxq_u8(v, vld1q_u8(row[i] + c));
		}
		store_some(y + c, v, channels - c);
	}
}

void qb__int8_neon_quantize(const float *x, uint8_t *y, size_t n, float scale, int zero, int top)
{
	const float32x4_t s = vdupq_n_f32(scale), big = vdupq_n_f32(1e6f), small = vdupq_n_f32(-1e6f);
	const int32x4_t z = vdupq_n_s32(zero), none = vdupq_n_s32(0), t = vdupq_n_s32(top);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		int32x4_t q[4];

		for (int k = 0; k < 4; k++) {
			float32x4_t v = vdivq_f32(vld1q_f32(x + i + 4 * k), s);

			v = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), vceqq_f32(v, v)));
			q[k] = vaddq_s32(vcvtnq_s32_f32(vminq_f32(vmaxq_f32(v, small), big)), z);
			q[k] = vminq_s32(vmaxq_s32(q[k], none), t);
		}
		vst1q_u8(y + i, narrow(q[0], q[1], q[2], q[3]));
	}
	qb__int8_quantize_plain(x + i, y + i, n - i, scale, zero, top);
}

void qb__int8_neon_dequantize(const uint8_t *x, float *y, size_t n, float scale, int zero)
{
	const float32x4_t s = vdupq_n_f32(scale), z = vdupq_n_f32((float)zero);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		const uint8x16_t v = vld1q_u8(x + i);

		/* Differences of bytes are exact. */
		for (int k = 0; k < 4; k++) {
			vst1q_f32(y + i + 4 * k, vmulq_f32(s, vsubq_f32(floats(v, k), z)));
		}
	}
	qb__int8_dequantize_plain(x + i, y + i, n - i, scale, zero);
}

const struct qb_int8_kernels qb__int8_neon = {"neon",
	{{8, 2, 4, expand, pack, conv}, {8, 2, 4, expand, pack, conv}, {4, 2, 4, expand, pack_nibbles, conv_nibbles}},
	NULL, {2, 4, 16, expand, pack_product, conv_product}, depthwise_bytes, pack_depthwise, depthwise, 16,
	qb__int8_neon_add, qb__int8_neon_average, qb__int8_neon_max, qb__int8_neon_quantize, qb__int8_neon_dequantize};
#endif
