/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX2, Winograd F(4 x 4, 3 x 3) in integers (kernels.h): its transforms.
 *
 * B' d B of bytes fits 16 bits (at most 10 * 10 * 255); G g G', each row of G times what makes it integer (4, 6, 6, 24,
 * 24, 1), does as well (at most 7 * 7 * 128). Sums of their products and the output's transform are taken modulo 2^32, which
 * loses nothing: what comes out is 24, 12, 6 and 6 times the wanted rows and likewise columns, that is 9 times a power of
 * two, and 9 has an inverse modulo 2^32. The shift that is left needs room: QB_INT8_WINOGRAD_SUM_MAX.
 */
#include <string.h>

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/int8/avx2.h"

enum { IN = QB_INT8_WINOGRAD_IN, OUT = QB_INT8_WINOGRAD_OUT, POINTS = IN * IN };

typedef int16_t words __attribute__((vector_size(32)));
typedef uint32_t sums __attribute__((vector_size(32)));

static void pack(struct qb_int8_matrix *m, int64_t channels, const int8_t *rows)
{
	static const int g[IN][3] = {{1, 0, 0}, {-1, -1, -1}, {-1, 1, -1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 1}};

	for (int p = 0; p < POINTS; p++) {
		const int *gy = g[p / IN], *gx = g[p % IN];
		int16_t *to = m[p].packed;

		memset(to, 0, qb_int8_packed_bytes(m[p].outputs, m[p].k, 16));
		for (int64_t o = 0; o < m[p].outputs; o++) {
			for (int64_t k = 0; k < channels; k++) {
				const int8_t *f = rows + (o * channels + k) * 9;
				int sum = 0;

				for (int i = 0; i < 9; i++) {
					sum += gy[i / 3] * gx[i % 3] * f[i];
				}
				to[(o / 16 * (m[p].k / 2) + k / 2) * 32 + o % 16 * 2 + k % 2] = (int16_t)sum;
			}
		}
	}
}

/* One row or column of B' d. */
AVX2 INLINE void input_line(const words *d, int step, words *v, int to)
{
	const words d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
	const words a = d4 - (d2 << 2), b = d3 - (d1 << 2), c = d4 - d2, e = (d3 - d1) << 1;

	v[0] = ((d0 - d2) << 2) + c;
	v[to] = a + b;
	v[2 * to] = a - b;
	v[3 * to] = c + e;
	v[4 * to] = c - e;
	v[5 * to] = ((d1 - d3) << 2) + (d5 - d3);
}

AVX2 static void input(const uint8_t *const *row, int64_t channels, int16_t *v, int64_t v_step)
{
	for (int64_t c = 0; c < channels; c += 16) {
		words t[POINTS];

#pragma GCC unroll 6
		for (int j = 0; j < IN; j++) {
			words d[IN];

			for (int i = 0; i < IN; i++) {
				d[i] = (words)_mm256_cvtepu8_epi16(
					_mm_loadu_si128((const __m128i *)(row[i * IN + j] + c)));
			}
			input_line(d, 1, t + j, IN);
		}
#pragma GCC unroll 6
		for (int i = 0; i < IN; i++) {
			words u[IN];

			input_line(t + i * IN, 1, u, 1);
			for (int j = 0; j < IN; j++) {
				_mm256_storeu_si256((__m256i *)(v + (i * IN + j) * v_step + c), (__m256i)u[j]);
			}
		}
	}
}

/* One row or column of A' m, 24, 12, 6 and 6 times. */
AVX2 INLINE void output_line(const sums *m, int step, sums *y, int to)
{
	const sums m0 = m[0], m5 = m[5 * step];
	const sums a = m[step] + m[2 * step], b = m[step] - m[2 * step];
	const sums c = m[3 * step] + m[4 * step], e = m[3 * step] - m[4 * step];

	y[0] = ((m0 + a) << 2) + (m0 << 1) + c;
	y[to] = (b << 1) + e;
	y[2 * to] = a + c;
	y[3 * to] = b + ((e + m5 + (m5 << 1)) << 1);
}

/* The 16 sums of eight outputs. */
AVX2 INLINE void output_8(const int32_t *m, int64_t m_step, const int32_t *start, __m256i *y)
{
	static const int shift[OUT] = {3, 2, 1, 1};
	const sums ninth = (sums)_mm256_set1_epi32(954437177); /* 9 times it is 1 modulo 2^32 */
	const __m256i first = _mm256_loadu_si256((const __m256i *)start);
	sums t[OUT * IN], u[OUT * OUT];

#pragma GCC unroll 6
	for (int j = 0; j < IN; j++) {
		sums d[IN];

		for (int i = 0; i < IN; i++) {
			d[i] = (sums)_mm256_loadu_si256((const __m256i *)(m + (i * IN + j) * m_step));
		}
		output_line(d, 1, t + j, IN);
	}
#pragma GCC unroll 4
	for (int i = 0; i < OUT; i++) {
		output_line(t + i * IN, 1, u + i * OUT, 1);
#pragma GCC unroll 4
		for (int j = 0; j < OUT; j++) {
			y[i * OUT + j] = _mm256_add_epi32(first, _mm256_srai_epi32(
				(__m256i)(u[i * OUT + j] * ninth), shift[i] + shift[j]));
		}
	}
}

AVX2 static void output(const int32_t *m, int64_t m_step, int64_t outputs, const int32_t *start,
	const struct qb_requant *r, uint8_t *const *y)
{
	const __m256 hi = _mm256_set1_ps((float)r->hi);
	const __m256i lo = _mm256_set1_epi8((char)r->lo);

	for (int64_t c = 0; c < outputs; c += 16) {
		const __m256 m0 = _mm256_loadu_ps(r->multiplier + c), m1 = _mm256_loadu_ps(r->multiplier + c + 8);
		const __m256 o0 = _mm256_loadu_ps(r->offset + c), o1 = _mm256_loadu_ps(r->offset + c + 8);
		__m256i s[OUT * OUT], t[OUT * OUT];

		output_8(m + c, m_step, start + c, s);
		output_8(m + c + 8, m_step, start + c + 8, t);
		for (int i = 0; i < OUT * OUT; i += 2) {
			__m256i bytes = _mm256_max_epu8(lo,
				narrow_two(requant_8(s[i], m0, o0, hi), requant_8(t[i], m1, o1, hi),
					requant_8(s[i + 1], m0, o0, hi), requant_8(t[i + 1], m1, o1, hi)));

			if (y[i]) {
				store_some(y[i] + c, _mm256_castsi256_si128(bytes), outputs - c);
			}
			if (y[i + 1]) {
				store_some(y[i + 1] + c, _mm256_extracti128_si256(bytes, 1), outputs - c);
			}
		}
	}
}

const struct qb_int8_winograd qb__int8_avx2_winograd = {pack, input, qb__int8_avx2_gemm_i32, output};
#endif
