/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/int8/lookup.h"

#include <math.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/size.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#ifndef VBMI /* where tests emulate it */
#define VBMI __attribute__((target("avx512vbmi,avx512bw")))
#endif
#define INLINE static inline __attribute__((always_inline))
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Lookup tables */

void qb_int8_lut_plain(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[i] = table[x[i]];
	}
}

#if defined(__x86_64__)
/* Of each 16 entries the difference to the 16 before: vpshufb gives 0 where a byte's top bit is set, that is where x is
 * still below these 16, and the exclusive or of all that it gives is the entry. Each half of the table by itself. */
AVX2 INLINE __m256i of_half(const __m256i *difference, __m256i x)
{
	const __m256i sixteen = _mm256_set1_epi8(16);
	__m256i y = _mm256_shuffle_epi8(difference[0], x);

	for (int h = 1; h < 8; h++) {
		x = _mm256_sub_epi8(x, sixteen);
		y = _mm256_xor_si256(y, _mm256_shuffle_epi8(difference[h], x));
	}
	return y;
}

AVX2 static void lut_avx2(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n)
{
	const __m256i flip = _mm256_set1_epi8(-128);
	__m256i difference[16];
	int64_t i = 0;

	for (int h = 0; h < 16; h++) {
		__m128i now = _mm_loadu_si128((const __m128i *)(table + 16 * h));

		if (h % 8) {
			now = _mm_xor_si128(now, _mm_loadu_si128((const __m128i *)(table + 16 * h - 16)));
		}
		difference[h] = _mm256_broadcastsi128_si256(now);
	}
	for (; i + 32 <= n; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(x + i));

		v = _mm256_blendv_epi8(of_half(difference, v),
			of_half(difference + 8, _mm256_xor_si256(v, flip)), v);
		_mm256_storeu_si256((__m256i *)(y + i), v);
	}
	qb_int8_lut_plain(table, x + i, y + i, n - i);
}

VBMI static void lut_vbmi(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n)
{
	const __m512i a = _mm512_loadu_si512(table), b = _mm512_loadu_si512(table + 64);
	const __m512i c = _mm512_loadu_si512(table + 128), d = _mm512_loadu_si512(table + 192);
	int64_t i = 0;

	for (; i + 64 <= n; i += 64) {
		__m512i v = _mm512_loadu_si512(x + i);

		v = _mm512_mask_blend_epi8(_mm512_movepi8_mask(v), _mm512_permutex2var_epi8(a, v, b),
			_mm512_permutex2var_epi8(c, v, d));
		_mm512_storeu_si512(y + i, v);
	}
	qb_int8_lut_plain(table, x + i, y + i, n - i);
}
#elif defined(__aarch64__)
/* TBL takes 64 entries and gives 0 for an index beyond them; TBX leaves the byte then. */
static void lut_neon(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n)
{
	const uint8x16x4_t a = vld1q_u8_x4(table), b = vld1q_u8_x4(table + 64);
	const uint8x16x4_t c = vld1q_u8_x4(table + 128), d = vld1q_u8_x4(table + 192);
	const uint8x16_t next = vdupq_n_u8(64);
	int64_t i = 0;

	for (; i + 16 <= n; i += 16) {
		uint8x16_t v = vld1q_u8(x + i), to = vqtbl4q_u8(a, v);

		v = vsubq_u8(v, next);
		to = vqtbx4q_u8(to, b, v);
		v = vsubq_u8(v, next);
		to = vqtbx4q_u8(to, c, v);
		v = vsubq_u8(v, next);
		vst1q_u8(y + i, vqtbx4q_u8(to, d, v));
	}
	qb_int8_lut_plain(table, x + i, y + i, n - i);
}
#endif

/* In order of what they need of the processor, and from which length on they win. */
static const struct {
	unsigned needs;
	int64_t least;
	void (*lut)(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n);
} luts[] = {
	{0, 0, qb_int8_lut_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, 32, lut_avx2},
	{QB_FLAG_AVX512 | QB_FLAG_VBMI, 64, lut_vbmi},
#elif defined(__aarch64__)
	{QB_FLAG_NEON, 16, lut_neon},
#endif
};

void qb_int8_lut(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n)
{
	int i = QB_COUNT(luts) - 1;

	while (n < luts[i].least || !qb_cpu_has(luts[i].needs)) {
		i--;
	}
	luts[i].lut(table, x, y, n);
}

/* Softmax */

void qb_int8_softmax_init(struct qb_int8_softmax *s, int64_t n, float x_scale, float y_scale, int zero,
	int top)
{
	int bits = 22;

	/* Each of eight lanes sums in 32 bits. */
	while (bits > 1 && (n / 8 + 2) << bits > INT32_MAX) {
		bits--;
	}
	for (int i = 0; i < 16; i++) {
		s->high[i] = (float)exp(-(double)x_scale * 16 * i);
		s->low[i] = (float)ldexp(exp(-(double)x_scale * i), bits);
	}
	s->y_scale = y_scale;
	s->zero = zero;
	s->top = top;
}

static float reciprocal(const struct qb_int8_softmax *s, int64_t sum)
{
	return (float)(1 / ((double)sum * s->y_scale));
}

static int largest(const uint8_t *x, const uint8_t *keep, int64_t n)
{
	int top = 0;

	for (int64_t i = 0; i < n; i++) {
		top = QB_MAX(top, keep ? x[i] & keep[i] : x[i]);
	}
	return top;
}

static int64_t weights(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep, int top,
	int32_t *room, int64_t n)
{
	int64_t sum = 0;

	for (int64_t i = 0; i < n; i++) {
		int d = (uint8_t)(top - x[i]);

		room[i] = keep && !keep[i] ? 0 : (int32_t)lrintf(s->high[d >> 4] * s->low[d & 15]);
		sum += room[i];
	}
	return sum;
}

static void normalize(const struct qb_int8_softmax *s, float factor, const int32_t *room, uint8_t *y,
	int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		int v = (int)lrintf((float)room[i] * factor) + s->zero;

		y[i] = (uint8_t)QB_MIN(QB_MAX(v, 0), s->top);
	}
}

void qb_int8_softmax_plain(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep,
	int32_t *room, uint8_t *y, int64_t n)
{
	int64_t sum = weights(s, x, keep, largest(x, keep, n), room, n);

	normalize(s, reciprocal(s, sum), room, y, n);
}

#if defined(__x86_64__)
AVX2 INLINE int largest_avx2(const uint8_t *x, const uint8_t *keep, int64_t n)
{
	__m256i top = _mm256_setzero_si256();
	uint8_t lane[32];
	int64_t i = 0;

	for (; i + 32 <= n; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(x + i));

		if (keep) {
			v = _mm256_and_si256(v, _mm256_loadu_si256((const __m256i *)(keep + i)));
		}
		top = _mm256_max_epu8(top, v);
	}
	_mm256_storeu_si256((__m256i *)lane, top);
	return QB_MAX(largest(lane, NULL, 32), largest(x + i, keep ? keep + i : NULL, n - i));
}

/* table[index] of 16 entries in two halves; the fourth bit of the index is the top one of `fourth`. */
AVX2 INLINE __m256 of_sixteen(__m256 first, __m256 second, __m256i index, __m256i fourth)
{
	return _mm256_blendv_ps(_mm256_permutevar8x32_ps(first, index),
		_mm256_permutevar8x32_ps(second, index), _mm256_castsi256_ps(fourth));
}

AVX2 INLINE int64_t sum_of(__m256i v)
{
	int32_t lane[8];
	int64_t sum = 0;

	_mm256_storeu_si256((__m256i *)lane, v);
	for (int i = 0; i < 8; i++) {
		sum += lane[i];
	}
	return sum;
}

AVX2 INLINE int64_t weights_avx2(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep,
	int top, int32_t *room, int64_t n)
{
	const __m256 high_0 = _mm256_loadu_ps(s->high), high_1 = _mm256_loadu_ps(s->high + 8);
	const __m256 low_0 = _mm256_loadu_ps(s->low), low_1 = _mm256_loadu_ps(s->low + 8);
	const __m128i top_16 = _mm_set1_epi8((char)top);
	__m256i sum = _mm256_setzero_si256();
	int64_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m128i far = _mm_sub_epi8(top_16, _mm_loadl_epi64((const __m128i *)(x + i)));
		__m256i d = _mm256_cvtepu8_epi32(far);
		__m256 high = of_sixteen(high_0, high_1, _mm256_srli_epi32(d, 4), _mm256_slli_epi32(d, 24));
		__m256 low = of_sixteen(low_0, low_1, d, _mm256_slli_epi32(d, 28));
		__m256i w = _mm256_cvtps_epi32(_mm256_mul_ps(high, low));

		if (keep) {
			w = _mm256_and_si256(w,
				_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(keep + i))));
		}
		sum = _mm256_add_epi32(sum, w);
		_mm256_storeu_si256((__m256i *)(room + i), w);
	}
	return sum_of(sum) + weights(s, x + i, keep ? keep + i : NULL, top, room + i, n - i);
}

AVX2 INLINE void normalize_avx2(const struct qb_int8_softmax *s, float factor, const int32_t *room,
	uint8_t *y, int64_t n)
{
	const __m256 times = _mm256_set1_ps(factor);
	const __m256i zero = _mm256_set1_epi32(s->zero), order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	const __m256i top = _mm256_set1_epi8((char)s->top);
	int64_t i = 0;

	for (; i + 32 <= n; i += 32) {
		__m256i v[4];

		for (int k = 0; k < 4; k++) {
			v[k] = _mm256_loadu_si256((const __m256i *)(room + i + 8 * k));
			v[k] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(v[k]), times));
			v[k] = _mm256_add_epi32(v[k], zero);
		}
		v[0] = _mm256_packus_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
		v[0] = _mm256_min_epu8(_mm256_permutevar8x32_epi32(v[0], order), top);
		_mm256_storeu_si256((__m256i *)(y + i), v[0]);
	}
	normalize(s, factor, room + i, y + i, n - i);
}

AVX2 static void softmax_avx2(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep,
	int32_t *room, uint8_t *y, int64_t n)
{
	int top = largest_avx2(x, keep, n);
	int64_t sum = keep ? weights_avx2(s, x, keep, top, room, n) : weights_avx2(s, x, NULL, top, room, n);

	normalize_avx2(s, reciprocal(s, sum), room, y, n);
}
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	void (*softmax)(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep, int32_t *room,
		uint8_t *y, int64_t n);
} softmaxes[] = {
	{0, qb_int8_softmax_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, softmax_avx2},
#endif
};

void qb_int8_softmax(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep,
	int32_t *room, uint8_t *y, int64_t n)
{
	int i = QB_COUNT(softmaxes) - 1;

	while (!qb_cpu_has(softmaxes[i].needs)) {
		i--;
	}
	softmaxes[i].softmax(s, x, keep, room, y, n);
}
