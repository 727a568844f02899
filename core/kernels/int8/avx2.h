/* SPDX-License-Identifier: Apache-2.0
 *
 * Register tiles of the AVX2 kernels: up to 6 pixels by 16 outputs.
 */
#ifndef QB_KERNELS_INT8_AVX2_H
#define QB_KERNELS_INT8_AVX2_H

#include "core/kernels/int8/levels.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline))

/* The first n of 16 bytes. */
AVX2 INLINE void store_some(uint8_t *y, __m128i v, int64_t n)
{
	uint8_t all[16];

	if (n >= 16) {
		_mm_storeu_si128((__m128i *)y, v);
		return;
	}
	_mm_storeu_si128((__m128i *)all, v);
	for (int64_t i = 0; i < n; i++) {
		y[i] = all[i];
	}
}

/* Rounded, at most hi; what lies below 0 becomes 0 when it is narrowed. */
AVX2 INLINE __m256i requant_8(__m256i sum, __m256 multiplier, __m256 offset, __m256 hi)
{
	return _mm256_cvtps_epi32(
		_mm256_min_ps(_mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), multiplier, offset), hi));
}

/* Twice 16 elements, each in a half. */
AVX2 INLINE __m256i narrow_two(__m256i a, __m256i b, __m256i c, __m256i d)
{
	__m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));

	return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

enum { QB__AVX2_MR = 6 };

/* A register tile: up to MR pixels by 16 outputs. */
struct qb__avx2_tile {
	const char *w;          /* of a block */
	const void *const *x;   /* [pixels] */
	const int64_t *offset;  /* [kernel_elements] */
	int64_t kernel_elements, chunk;
	const int32_t *start;   /* of the block, as what follows */
	const float *multiplier, *offsets;
	int lo, hi;
	uint8_t *y;
	int64_t y_stride, left; /* outputs from here on */
	int64_t run;            /* of the matrix */
	int32_t *sums;          /* in place of y, where no requantization follows */
};

/* All tiles of a GEMM: tiles[pixels - 1]; bits: of a packed weight. */
typedef void qb__avx2_tile_fn(const struct qb__avx2_tile *a);
void qb__int8_avx2_tiles(qb__avx2_tile_fn *const *tiles, int bits, const struct qb_int8_matrix *m,
	const struct qb_int8_conv_args *a);

void qb__int8_avx2_gemm_i32(const struct qb_int8_matrix *m, const void *const *x, int64_t rows, int32_t *y,
	int64_t y_stride);

/* The sums are variables of their own, s0 to s5 of the first eight outputs and t0 to t5, since compilers keep an array of
 * vectors in memory; the conditions are constant where a tile is instantiated. */
#define EACH_I(M) M(0) M(1) M(2) M(3) M(4) M(5)
/* Rows i and j; row j is not there where MR is odd. */
#define STORE(i, j) \
	if (i < MR) { \
		__m256i bytes = narrow_two(requant_8(s##i, m0, o0, hi), requant_8(t##i, m1, o1, hi), \
			requant_8(s##j, m0, o0, hi), requant_8(t##j, m1, o1, hi)); \
		bytes = _mm256_max_epu8(bytes, lo); \
		store_some(a->y + i * a->y_stride, _mm256_castsi256_si128(bytes), left); \
		if (j < MR) { \
			store_some(a->y + j * a->y_stride, _mm256_extracti128_si256(bytes, 1), left); \
		} \
	}
/* All rows, requantized. */
#define STORE_TILE \
	do { \
		const __m256 hi = _mm256_set1_ps((float)a->hi); \
		const __m256i lo = _mm256_set1_epi8((char)a->lo); \
		const __m256 m0 = _mm256_loadu_ps(a->multiplier), m1 = _mm256_loadu_ps(a->multiplier + 8); \
		const __m256 o0 = _mm256_loadu_ps(a->offsets), o1 = _mm256_loadu_ps(a->offsets + 8); \
		const int64_t left = a->left; \
		STORE(0, 1) \
		STORE(2, 3) \
		STORE(4, 5) \
	} while (0)

#endif
