/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX2. vpmaddubsw would saturate (2 * 255 * 127 leaves 16 bits), so that products of whole bytes are taken in 16 bits,
 * two to each 32-bit sum, which is as many multiplications a cycle as vpmaddubsw and the vpmaddwd after it give.
 */
#include <string.h>

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/int8/avx2.h"

/* 16 elements as bytes, saturated. */
AVX2 INLINE __m128i narrow(__m256i a, __m256i b)
{
	__m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);

	return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* Convolution: register tiles of up to 6 pixels by 16 outputs. Activations are widened once for all kernel elements and
 * outputs, weights as they are loaded. */

AVX2 static void expand(const uint8_t *x, void *to, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		_mm256_storeu_si256((__m256i *)((int16_t *)to + i),
			_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(x + i))));
	}
}

/* [blocks of 16 outputs][k / 2][16][2] */
static void pack(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_groups(m, rows, 2);
}

/* The same of 16-bit weights, the zero point taken off, and what sums start with. Columns past the last hold arbitrary bytes: nothing is stored of them. */
AVX2 static void pack_product(struct qb_int8_matrix *m, const uint8_t *right, int64_t rows, int64_t stride, int zero,
	int left_zero)
{
	const __m256i z = _mm256_set1_epi16((short)zero), ones = _mm256_set1_epi16(1), minus = _mm256_set1_epi32(-left_zero);
	const __m128i none = _mm_set1_epi8((char)zero);
	int16_t *to = m->packed;

	for (int64_t o = 0; o < m->outputs; o += 16) {
		__m256i sum0 = _mm256_setzero_si256(), sum1 = sum0;

		for (int64_t k = 0; k < m->k; k += 2, to += 32) {
			const uint8_t *from = right + k * stride + o;
			__m128i a = _mm_loadu_si128((const __m128i *)from);
			__m128i b = k + 1 < rows ? _mm_loadu_si128((const __m128i *)(from + stride)) : none;
			__m256i w0 = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)), z);
			__m256i w1 = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)), z);

			_mm256_store_si256((__m256i *)to, w0);
			_mm256_store_si256((__m256i *)(to + 16), w1);
			sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(w0, ones));
			sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(w1, ones));
		}
		_mm256_storeu_si256((__m256i *)(m->start + o), _mm256_mullo_epi32(sum0, minus));
		_mm256_storeu_si256((__m256i *)(m->start + o + 8), _mm256_mullo_epi32(sum1, minus));
	}
}

#define DECLARE(i) \
	const int16_t *x##i = a->x[i < MR ? i : 0]; \
	__m256i s##i = _mm256_loadu_si256((const __m256i *)a->start); \
	__m256i t##i = _mm256_loadu_si256((const __m256i *)(a->start + 8));
#define MULTIPLY(i) \
	if (i < MR) { \
		int32_t two; \
		__m256i v; \
		memcpy(&two, x##i + k, 4); \
		v = _mm256_set1_epi32(two); \
		s##i = _mm256_add_epi32(s##i, _mm256_madd_epi16(v, b0)); \
		if (!half) { \
			t##i = _mm256_add_epi32(t##i, _mm256_madd_epi16(v, b1)); \
		} \
	}
/* Two weights of eight outputs. */
AVX2 INLINE __m256i weights(const char *w, const bool wide, int at)
{
	return wide ? _mm256_load_si256((const __m256i *)(w + 32 * at))
		    : _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(w + 16 * at)));
}

#define STORE_SUMS(i) \
	if (i < MR) { \
		_mm256_storeu_si256((__m256i *)(a->sums + i * a->y_stride), s##i); \
		_mm256_storeu_si256((__m256i *)(a->sums + i * a->y_stride + 8), t##i); \
	}

/* half: of the 16 outputs the first 8 alone; raw: the sums themselves. */
AVX2 INLINE void tile(const int MR, const bool wide, const bool half, const bool raw,
	const struct qb__avx2_tile *a)
{
	const int64_t step = wide ? 64 : 32;
	const int64_t *offset = a->offset, *last = offset + a->kernel_elements;
	const char *w = a->w;

	EACH_I(DECLARE)
	for (; offset < last; offset++) {
		int64_t k = *offset;

		for (const char *end = w + step / 2 * a->chunk; w < end; k += 2, w += step) {
			const __m256i b0 = weights(w, wide, 0), b1 = half ? b0 : weights(w, wide, 1);

			EACH_I(MULTIPLY)
		}
	}
	if (raw) {
		EACH_I(STORE_SUMS)
		return;
	}
	STORE_TILE;
}

#define TILE_OF(MR) \
	AVX2 static void tile_##MR(const struct qb__avx2_tile *a) \
	{ \
		tile(MR, false, false, false, a); \
	} \
	AVX2 static void half_##MR(const struct qb__avx2_tile *a) \
	{ \
		tile(MR, false, true, false, a); \
	} \
	AVX2 static void wide_##MR(const struct qb__avx2_tile *a) \
	{ \
		tile(MR, true, false, false, a); \
	} \
	AVX2 static void raw_##MR(const struct qb__avx2_tile *a) \
	{ \
		tile(MR, true, false, true, a); \
	}
TILE_OF(1) TILE_OF(2) TILE_OF(3) TILE_OF(4) TILE_OF(5) TILE_OF(6)

static qb__avx2_tile_fn *const tiles[] = {tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};
static qb__avx2_tile_fn *const halves[] = {half_1, half_2, half_3, half_4, half_5, half_6};
static qb__avx2_tile_fn *const wides[] = {wide_1, wide_2, wide_3, wide_4, wide_5, wide_6};
static qb__avx2_tile_fn *const raws[] = {raw_1, raw_2, raw_3, raw_4, raw_5, raw_6};

void qb__int8_avx2_tiles(qb__avx2_tile_fn *const *f, int bits, const struct qb_int8_matrix *m,
	const struct qb_int8_conv_args *a)
{
	struct qb__avx2_tile t = {.offset = a->offset, .kernel_elements = a->kernel_elements, .chunk = a->chunk,
		.lo = a->r->lo, .hi = a->r->hi, .y_stride = a->y_stride, .run = m->run};

	for (int64_t c = 0; c < m->outputs; c += 16) {
		t.w = (const char *)m->packed + c * m->k * bits / 8;
		t.start = m->start + c;
		t.multiplier = a->r->multiplier + c;
		t.offsets = a->r->offset + c;
		t.left = m->outputs - c;
		if (f == tiles && t.left <= 8) {
			f = halves;
		}
		for (int64_t p = 0; p < a->pixels; p += QB__AVX2_MR) {
			t.x = a->x + p;
			t.y = a->y + p * a->y_stride + c;
			f[QB_MIN(QB__AVX2_MR, a->pixels - p) - 1](&t);
		}
	}
}

void qb__int8_avx2_gemm_i32(const struct qb_int8_matrix *m, const void *const *x, int64_t rows, int32_t *y,
	int64_t y_stride)
{
	static const int32_t none[16];
	static const int64_t here;
	struct qb__avx2_tile a = {.offset = &here, .kernel_elements = 1, .chunk = m->k, .start = none, .y_stride = y_stride};

	for (int64_t c = 0; c < m->outputs; c += 16) {
		a.w = (const char *)m->packed + c * m->k * 2;
		for (int64_t p = 0; p < rows; p += QB__AVX2_MR) {
			a.x = x + p;
			a.sums = y + p * y_stride + c;
			raws[QB_MIN(QB__AVX2_MR, rows - p) - 1](&a);
		}
	}
}

static void conv(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_avx2_tiles(tiles, 8, m, a);
}

static void conv_product(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_avx2_tiles(wides, 16, m, a);
}

/* Depthwise. A weight is 16 * high + low, both within [-8, 8], so that eight pairs of products with bytes fit the 16
 * bits of vpmaddubsw: 8 * 2 * 255 * 8 = 32640. */

enum { BLOCK = 32, PAIRS = 8 };

static size_t depthwise_bytes(int64_t channels, int64_t kernel_elements)
{
	return qb_align_up((size_t)channels, BLOCK) * qb_align_up((size_t)kernel_elements, 2) * 2;
}

/* A block of 32 channels holds, for each pair of kernel elements, four vectors: low and high of the first 8 channels of each
 * 128-bit lane, then of the others; two kernel elements a channel, as byte unpacking leaves them. */
static void pack_depthwise(int8_t *packed, const int8_t *w, int64_t channels, int64_t kernel_elements)
{
	int64_t pairs = (kernel_elements + 1) / 2;

	memset(packed, 0, depthwise_bytes(channels, kernel_elements));
	for (int64_t t = 0; t < kernel_elements; t++) {
		for (int64_t c = 0; c < channels; c++) {
			int64_t in = c % BLOCK, half = in % 16 / 8;
			int8_t *to = packed + (c / BLOCK * pairs + t / 2) * 128 + half * 64 + in / 16 * 16 +
				in % 8 * 2 + t % 2;
			int v = w[t * channels + c], low = ((v + 8) & 15) - 8;

			to[0] = (int8_t)low;
			to[32] = (int8_t)((v - low) / 16);
		}
	}
}

/* Of one pixel: the low and the high sums of the first 8 channels of each lane, then of the others. */
struct halves {
	__m256i l0, h0, l1, h1;
};
struct whole {
	__m256i s0, s1, s2, s3;
};

AVX2 INLINE void accumulate(struct halves *h, __m256i a, __m256i b, __m256i w0, __m256i w1, __m256i w2,
	__m256i w3)
{
	__m256i x = _mm256_unpacklo_epi8(a, b), z = _mm256_unpackhi_epi8(a, b);

	h->l0 = _mm256_add_epi16(h->l0, _mm256_maddubs_epi16(x, w0));
	h->h0 = _mm256_add_epi16(h->h0, _mm256_maddubs_epi16(x, w1));
	h->l1 = _mm256_add_epi16(h->l1, _mm256_maddubs_epi16(z, w2));
	h->h1 = _mm256_add_epi16(h->h1, _mm256_maddubs_epi16(z, w3));
	/* Keeps them in registers: GCC would hoist later multiplications and spill. */
	__asm__("" : "+x"(h->l0), "+x"(h->h0), "+x"(h->l1), "+x"(h->h1));
}

AVX2 INLINE void combine(struct whole *s, const struct halves *h)
{
	const __m256i weigh = _mm256_set1_epi32(16 << 16 | 1);

	s->s0 = _mm256_add_epi32(s->s0, _mm256_madd_epi16(_mm256_unpacklo_epi16(h->l0, h->h0), weigh));
	s->s1 = _mm256_add_epi32(s->s1, _mm256_madd_epi16(_mm256_unpackhi_epi16(h->l0, h->h0), weigh));
	s->s2 = _mm256_add_epi32(s->s2, _mm256_madd_epi16(_mm256_unpacklo_epi16(h->l1, h->h1), weigh));
	s->s3 = _mm256_add_epi32(s->s3, _mm256_madd_epi16(_mm256_unpackhi_epi16(h->l1, h->h1), weigh));
}

AVX2 INLINE void requant_pixel(const struct qb_int8_channels *d, int64_t c, const struct whole *s, uint8_t *y)
{
	const __m256 hi = _mm256_set1_ps((float)d->hi);
	const float *m = d->multiplier + c, *o = d->offset + c;
	__m256i s0 = requant_8(s->s0, _mm256_load_ps(m), _mm256_load_ps(o), hi);
	__m256i s1 = requant_8(s->s1, _mm256_load_ps(m + 8), _mm256_load_ps(o + 8), hi);
	__m256i s2 = requant_8(s->s2, _mm256_load_ps(m + 16), _mm256_load_ps(o + 16), hi);
	__m256i s3 = requant_8(s->s3, _mm256_load_ps(m + 24), _mm256_load_ps(o + 24), hi);
	__m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(s0, s1), _mm256_packs_epi32(s2, s3));

	bytes = _mm256_max_epu8(bytes, _mm256_set1_epi8((char)d->lo));
	if (d->channels - c >= BLOCK) {
		_mm256_storeu_si256((__m256i *)(y + c), bytes);
		return;
	}
	store_some(y + c, _mm256_castsi256_si128(bytes), d->channels - c);
	store_some(y + c + 16, _mm256_extracti128_si256(bytes, 1), d->channels - c - 16);
}

AVX2 INLINE __m256i load_row(const uint8_t *const *row, int64_t t, int64_t end, int64_t at)
{
	return t < end ? _mm256_loadu_si256((const __m256i *)(row[t] + at)) : _mm256_setzero_si256();
}

/* A run of pixels: row[kernel_elements] of the first one, y [pixels][y_stride]. */
struct pixels {
	const uint8_t *const *row;
	int64_t step;
	uint8_t *y;
	int64_t y_stride;
};

/* One pixel, or two side by side, which share the loads of weights: loads are the bottleneck. */
AVX2 INLINE void depthwise_pixels(const struct qb_int8_channels *d, const int64_t kernel_elements, const bool two, int64_t c,
	const struct pixels *x, int64_t p)
{
	const uint8_t *const *row = x->row;
	const int64_t at = c + p * x->step, step = x->step;
	uint8_t *y = x->y + p * x->y_stride;
	const __m256i none = _mm256_setzero_si256(), *start = (const __m256i *)(d->start + c);
	const __m256i *v = (const __m256i *)(d->packed + c * ((kernel_elements + 1) / 2) * 4);
	struct whole s = {_mm256_load_si256(start), _mm256_load_si256(start + 1), _mm256_load_si256(start + 2),
		_mm256_load_si256(start + 3)}, s2 = s;

	for (int64_t first = 0; first < kernel_elements; first += 2 * PAIRS) {
		int64_t end = QB_MIN(first + 2 * PAIRS, kernel_elements);
		struct halves h = {none, none, none, none}, h2 = h;

#pragma GCC unroll 8
		for (int64_t t = first; t < end; t += 2, v += 4) {
			__m256i w0 = _mm256_load_si256(v), w1 = _mm256_load_si256(v + 1);
			__m256i w2 = _mm256_load_si256(v + 2), w3 = _mm256_load_si256(v + 3);

			accumulate(&h, load_row(row, t, end, at), load_row(row, t + 1, end, at), w0, w1, w2, w3);
			if (two) {
				accumulate(&h2, load_row(row, t, end, at + step), load_row(row, t + 1, end, at + step),
					w0, w1, w2, w3);
			}
		}
		combine(&s, &h);
		if (two) {
			combine(&s2, &h2);
		}
	}
	requant_pixel(d, c, &s, y);
	if (two) {
		requant_pixel(d, c, &s2, y + x->y_stride);
	}
}

AVX2 INLINE void depthwise_block(const struct qb_int8_channels *d, const int64_t kernel_elements, int64_t c,
	const struct pixels *x, int64_t count)
{
	int64_t p = 0;

	for (; p + 2 <= count; p += 2) {
		depthwise_pixels(d, kernel_elements, true, c, x, p);
	}
	if (p < count) {
		depthwise_pixels(d, kernel_elements, false, c, x, p);
	}
}

AVX2 static void depthwise(const struct qb_int8_channels *d, const uint8_t *const *row,
	int64_t step, int64_t pixels, uint8_t *y, int64_t y_stride)
{
	const struct pixels x = {row, step, y, y_stride};

	for (int64_t c = 0; c < d->channels; c += BLOCK) {
		if (d->kernel_elements == 9) {
			depthwise_block(d, 9, c, &x, pixels);
		} else {
			depthwise_block(d, d->kernel_elements, c, &x, pixels);
		}
	}
}

/* Elementwise operators and pools */

AVX2 INLINE __m256 load_bytes(const uint8_t *x)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)x)));
}

AVX2 static void add(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
	size_t n)
{
	const __m256 ma = _mm256_set1_ps(p->ma), mb = _mm256_set1_ps(p->mb);
	const __m256 offset = _mm256_set1_ps(p->offset);
	const __m256 lo = _mm256_set1_ps((float)p->lo), hi = _mm256_set1_ps((float)p->hi);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m256i q[2];

		for (size_t k = 0; k < 2; k++) {
			__m256 v = _mm256_mul_ps(load_bytes(a + i + 8 * k), ma);

			v = _mm256_add_ps(v, offset);
			v = _mm256_add_ps(v, _mm256_mul_ps(load_bytes(b + i + 8 * k), mb));
			q[k] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, lo), hi));
		}
		_mm_storeu_si128((__m128i *)(y + i), narrow(q[0], q[1]));
	}
	qb__int8_add_plain(p, a + i, b + i, y + i, n - i);
}

/* 16 channels: 256 bytes fit 16 bits, then on in 32. */
AVX2 static void average(const uint8_t *const *row, int64_t rows, int64_t channels,
	float multiplier, float offset, int lo, int hi, uint8_t *y)
{
	const __m256 m = _mm256_set1_ps(multiplier), o = _mm256_set1_ps(offset);
	const __m256 l = _mm256_set1_ps((float)lo), h = _mm256_set1_ps((float)hi);

	for (int64_t c = 0; c < channels; c += 16) {
		__m256i s = _mm256_setzero_si256(), t = s;
		__m256 v, w;

		for (int64_t first = 0; first < rows; first += 256) {
			int64_t end = QB_MIN(first + 256, rows);
			__m256i words = _mm256_setzero_si256();

			for (int64_t i = first; i < end; i++) {
				words = _mm256_add_epi16(words,
					_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(row[i] + c))));
			}
			s = _mm256_add_epi32(s, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(words)));
			t = _mm256_add_epi32(t, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1)));
		}
		v = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(s), m), o);
		w = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(t), m), o);
		s = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, l), h));
		t = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(w, l), h));
		store_some(y + c, narrow(s, t), channels - c);
	}
}

AVX2 static void max(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y)
{
	for (int64_t c = 0; c < channels; c += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(row[0] + c));

		for (int64_t i = 1; i < rows; i++) {
			v = _mm_max_epu8(v, _mm_loadu_si128((const __m128i *)(row[i] + c)));
		}
		store_some(y + c, v, channels - c);
	}
}

AVX2 INLINE __m256i quantize_8(const float *x, __m256 s, __m256i z, __m256i top)
{
	const __m256 big = _mm256_set1_ps(1e6f);
	__m256 v = _mm256_div_ps(_mm256_loadu_ps(x), s);
	__m256i q;

	v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_EQ_OQ));
	v = _mm256_min_ps(_mm256_max_ps(v, _mm256_sub_ps(_mm256_setzero_ps(), big)), big);
	q = _mm256_add_epi32(_mm256_cvtps_epi32(v), z);
	return _mm256_min_epi32(_mm256_max_epi32(q, _mm256_setzero_si256()), top);
}

AVX2 static void quantize(const float *x, uint8_t *y, size_t n, float scale, int zero, int top)
{
	const __m256 s = _mm256_set1_ps(scale);
	const __m256i z = _mm256_set1_epi32(zero), t = _mm256_set1_epi32(top);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		_mm_storeu_si128((__m128i *)(y + i),
			narrow(quantize_8(x + i, s, z, t), quantize_8(x + i + 8, s, z, t)));
	}
	qb__int8_quantize_plain(x + i, y + i, n - i, scale, zero, top);
}

AVX2 static void dequantize(const uint8_t *x, float *y, size_t n, float scale, int zero)
{
	const __m256 s = _mm256_set1_ps(scale);
	const __m256i z = _mm256_set1_epi32(zero);
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256i u = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(x + i)));

		_mm256_storeu_ps(y + i, _mm256_mul_ps(s, _mm256_cvtepi32_ps(_mm256_sub_epi32(u, z))));
	}
	qb__int8_dequantize_plain(x + i, y + i, n - i, scale, zero);
}

const struct qb_int8_kernels qb__int8_avx2 = {"avx2",
	{{8, 2, 2, expand, pack, conv},
		{8, 1, 4, qb__int8_expand_bytes, qb__int8_avx2_pack_small, qb__int8_avx2_conv_small},
		{4, 1, 4, qb__int8_expand_bytes, qb__int8_avx2_pack_nibbles, qb__int8_avx2_conv_nibbles}},
	&qb__int8_avx2_winograd,
	{2, 2, 16, expand, pack_product, conv_product}, depthwise_bytes, pack_depthwise, depthwise, BLOCK, add, average, max,
	quantize, dequantize};
#endif
