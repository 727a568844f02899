/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/int8_kernels.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#endif

static bool forced_plain;

bool qb_int8_is_fast(void)
{
#if defined(__x86_64__)
	return !forced_plain && __builtin_cpu_supports("avx512vnni") &&
		__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512dq");
#else
	return false;
#endif
}

void qb_int8_force_plain(bool plain)
{
	forced_plain = plain;
}

/* Nearest even, as the vector conversion rounds; far outside the bytes anything will do. */
static int nearest(float v)
{
	v = v < -1e6f ? -1e6f : v > 1e6f ? 1e6f : v;
	return (int)((v + 12582912.0f) - 12582912.0f);
}

static uint8_t requant_one(const struct qb_requant *r, int64_t c, int32_t sum)
{
	float v = fmaf((float)sum, r->multiplier[c], r->offset[c]);

	v = v < (float)r->lo ? (float)r->lo : v;
	return (uint8_t)nearest(v > (float)r->hi ? (float)r->hi : v);
}

/* Packing */

size_t qb_int8_packed_bytes(int64_t outputs, int64_t k)
{
	return qb_align_up((size_t)outputs, 16) * (size_t)k;
}

/* Position of weight (output o, byte k) in a packed matrix. */
static size_t packed_at(int64_t k_bytes, int64_t o, int64_t k)
{
	return (size_t)((o / 16 * (k_bytes / 4) + k / 4) * 64 + o % 16 * 4 + k % 4);
}

void qb_int8_pack(struct qb_int8_matrix *m, const int8_t *rows)
{
	memset(m->packed, 0, qb_int8_packed_bytes(m->outputs, m->k));
	for (int64_t o = 0; o < m->outputs; o++) {
		for (int64_t k = 0; k < m->k; k++) {
			m->packed[packed_at(m->k, o, k)] = rows[o * m->k + k];
		}
	}
}

size_t qb_int8_depthwise_bytes(int64_t channels, int64_t taps)
{
	return qb_align_up((size_t)channels, 64) * qb_align_up((size_t)taps, 4);
}

/* A block of 64 channels holds, for each group of 4 taps, four vectors; vector i has in its 128-bit lane l the
 * channels 16 l + 4 i .. + 3, four taps each: the order in which byte unpacking leaves them. */
static size_t depthwise_at(int64_t taps, int64_t c, int64_t t)
{
	int64_t groups = (taps + 3) / 4, in = c % 64;

	return (size_t)(((c / 64 * groups + t / 4) * 4 + in % 16 / 4) * 64 + in / 16 * 16 + in % 4 * 4 +
		t % 4);
}

void qb_int8_pack_depthwise(int8_t *packed, const int8_t *w, int64_t channels, int64_t taps)
{
	memset(packed, 0, qb_int8_depthwise_bytes(channels, taps));
	for (int64_t t = 0; t < taps; t++) {
		for (int64_t c = 0; c < channels; c++) {
			packed[depthwise_at(taps, c, t)] = w[t * channels + c];
		}
	}
}

/* Plain C */

static void conv_plain(const struct qb_int8_matrix *m, const uint8_t *const *row, int64_t pixels,
	int64_t taps, int64_t chunk, const struct qb_requant *r, uint8_t *y, int64_t y_stride)
{
	for (int64_t p = 0; p < pixels; p++) {
		for (int64_t o = 0; o < m->outputs; o++) {
			int32_t sum = m->start[o];

			for (int64_t t = 0; t < taps; t++) {
				const uint8_t *x = row[p * taps + t];

				for (int64_t k = 0; k < chunk; k++) {
					sum += x[k] * m->packed[packed_at(m->k, o, t * chunk + k)];
				}
			}
			y[p * y_stride + o] = requant_one(r, o, sum);
		}
	}
}

/* Where channel c stands in unpacked order. */
static int64_t unpacked_at(int64_t c)
{
	int64_t in = c % 64;

	return c / 64 * 64 + in % 16 / 4 * 16 + in / 16 * 4 + in % 4;
}

void qb_int8_unpacked_order(const void *from, void *to, int64_t channels)
{
	for (int64_t c = 0; c < (int64_t)qb_align_up((size_t)channels, 64); c++) {
		memcpy((char *)to + unpacked_at(c) * 4, (const char *)from + c * 4, 4);
	}
}

static void depthwise_plain(const struct qb_int8_channels *d, const uint8_t *const *row,
	int64_t step, int64_t pixels, uint8_t *y, int64_t y_stride)
{
	const struct qb_requant r = {d->multiplier, d->offset, d->lo, d->hi};

	for (int64_t p = 0; p < pixels; p++) {
		for (int64_t c = 0; c < d->channels; c++) {
			int32_t sum = d->start[unpacked_at(c)];

			for (int64_t t = 0; t < d->taps; t++) {
				sum += row[t][p * step + c] * d->packed[depthwise_at(d->taps, c, t)];
			}
			y[p * y_stride + c] = requant_one(&r, unpacked_at(c), sum);
		}
	}
}

static void add_plain(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
	size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int v = nearest(((float)a[i] * p->ma + p->offset) + (float)b[i] * p->mb);

		y[i] = (uint8_t)(v < p->lo ? p->lo : v > p->hi ? p->hi : v);
	}
}

static void quantize_plain(const float *x, uint8_t *y, size_t n, float scale, int zero, int top)
{
	for (size_t i = 0; i < n; i++) {
		float v = x[i] / scale;
		int q;

		q = nearest(v == v ? v : 0) + zero;
		y[i] = (uint8_t)(q < 0 ? 0 : q > top ? top : q);
	}
}

/* AVX-512 VNNI */

#if defined(__x86_64__)
#define INLINE static inline __attribute__((always_inline))

VNNI INLINE __m512i requant_16(__m512i sum, const float *multiplier, const float *offset, __m512 lo,
	__m512 hi)
{
	__m512 v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(multiplier),
		_mm512_loadu_ps(offset));

	return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, lo), hi));
}

/* A tile is MR pixels by NR blocks of 16 outputs, all of its sums in registers. They are variables of their own, sIxJ,
 * since compilers keep an array of vectors in memory; the conditions are constant where a tile is instantiated. */
#define EACH_J(M, i) M(i, 0) M(i, 1) M(i, 2) M(i, 3)
#define EACH_I(M) \
	M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define EACH_IJ(M) \
	EACH_J(M, 0) EACH_J(M, 1) EACH_J(M, 2) EACH_J(M, 3) EACH_J(M, 4) EACH_J(M, 5) EACH_J(M, 6) \
		EACH_J(M, 7) EACH_J(M, 8) EACH_J(M, 9) EACH_J(M, 10) EACH_J(M, 11)

#define DECLARE(i, j) \
	__m512i s##i##x##j = i < MR && j < NR ? _mm512_loadu_si512(m->start + (block + j) * 16) \
					      : _mm512_setzero_si512();
#define TAKE_ROW(i) const uint8_t *x##i = i < MR ? row[i * taps + t] : NULL;
#define MULTIPLY(i, j) \
	if (i < MR && j < NR) { \
		/* Written out: GCC 12 stores every sum of the intrinsic's loop to the stack. */ \
		__asm__("vpdpbusd %2, %1, %0" : "+v"(s##i##x##j) : "v"(a), "v"(b##j)); \
	}
#define STEP_ROW(i) \
	if (i < MR) { \
		int32_t four; \
		__m512i a; \
		memcpy(&four, x##i + k, 4); \
		a = _mm512_set1_epi32(four); \
		EACH_J(MULTIPLY, i) \
	}
#define REQUANT(i, j) \
	if (i < MR && j < NR) { \
		s##i##x##j = requant_16(s##i##x##j, r->multiplier + c + 16 * j, r->offset + c + 16 * j, lo, \
			hi); \
	}
#define STORE_BLOCK(i, j) \
	if (i < MR && j < NR && NR < 4) { \
		int64_t some = left - 16 * j; \
		__mmask16 mask = some >= 16 ? 0xffff : (__mmask16)((1u << (some > 0 ? some : 0)) - 1); \
		_mm_mask_storeu_epi8(y + i * y_stride + c + 16 * j, mask, \
			_mm512_cvtepi32_epi8(s##i##x##j)); \
	}
/* Packing works inside 128-bit lanes; the permutation puts groups of four bytes back in order. */
#define STORE_ROW(i) \
	if (i < MR && NR == 4) { \
		__m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(s##i##x0, s##i##x1), \
			_mm512_packs_epi32(s##i##x2, s##i##x3)); \
		_mm512_mask_storeu_epi8(y + i * y_stride + c, all, \
			_mm512_permutexvar_epi32(order, bytes)); \
	}

VNNI INLINE void tile(const int MR, const int NR, const struct qb_int8_matrix *m, int64_t block,
	const uint8_t *const *row, int64_t taps, int64_t chunk, const struct qb_requant *r,
	uint8_t *y, int64_t y_stride)
{
	const int64_t block_bytes = m->k * 16, c = block * 16, left = m->outputs - c;
	const int8_t *w = m->packed + block * block_bytes;
	const __m512 lo = _mm512_set1_ps((float)r->lo), hi = _mm512_set1_ps((float)r->hi);
	const __m512i order =
		_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	const __mmask64 all = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;

	EACH_IJ(DECLARE)
	for (int64_t t = 0; t < taps; t++) {
		EACH_I(TAKE_ROW)
		for (int64_t k = 0; k < chunk; k += 4, w += 64) {
			const __m512i b0 = _mm512_loadu_si512(w);
			const __m512i b1 = NR > 1 ? _mm512_loadu_si512(w + block_bytes) : b0;
			const __m512i b2 = NR > 2 ? _mm512_loadu_si512(w + 2 * block_bytes) : b0;
			const __m512i b3 = NR > 3 ? _mm512_loadu_si512(w + 3 * block_bytes) : b0;

			EACH_I(STEP_ROW)
		}
	}
	EACH_IJ(REQUANT)
	EACH_IJ(STORE_BLOCK)
	EACH_I(STORE_ROW)
}

#define TILE(MR, NR) \
	VNNI static void tile_##MR##_##NR(const struct qb_int8_matrix *m, int64_t block, \
		const uint8_t *const *row, int64_t taps, int64_t chunk, const struct qb_requant *r, \
		uint8_t *y, int64_t y_stride) \
	{ \
		tile(MR, NR, m, block, row, taps, chunk, r, y, y_stride); \
	}
#define TILES_6(NR) TILE(1, NR) TILE(2, NR) TILE(3, NR) TILE(4, NR) TILE(5, NR) TILE(6, NR)
#define TILES_12(NR) \
	TILES_6(NR) TILE(7, NR) TILE(8, NR) TILE(9, NR) TILE(10, NR) TILE(11, NR) TILE(12, NR)
TILES_12(1)
TILES_12(2)
TILES_6(3) TILE(7, 3) TILE(8, 3)
TILES_6(4)

typedef void tile_fn(const struct qb_int8_matrix *m, int64_t block, const uint8_t *const *row,
	int64_t taps, int64_t chunk, const struct qb_requant *r, uint8_t *y, int64_t y_stride);

#define ROW_6(NR) tile_1_##NR, tile_2_##NR, tile_3_##NR, tile_4_##NR, tile_5_##NR, tile_6_##NR
#define ROW_12(NR) \
	ROW_6(NR), tile_7_##NR, tile_8_##NR, tile_9_##NR, tile_10_##NR, tile_11_##NR, tile_12_##NR
static tile_fn *const tiles[4][12] = {
	{ROW_12(1)}, {ROW_12(2)}, {ROW_6(3), tile_7_3, tile_8_3}, {ROW_6(4)}};
/* Pixels of a tile by its blocks: as many sums as there are registers for. */
static const int tile_pixels[4] = {12, 12, 8, 6};

static void conv_vnni(const struct qb_int8_matrix *m, const uint8_t *const *row, int64_t pixels,
	int64_t taps, int64_t chunk, const struct qb_requant *r, uint8_t *y, int64_t y_stride)
{
	int64_t blocks = (m->outputs + 15) / 16;

	/* The weights of four blocks stay in the first-level cache while the pixels pass. */
	for (int64_t b = 0; b < blocks; b += 4) {
		int nr = (int)QB_MIN(4, blocks - b), most = tile_pixels[nr - 1];

		for (int64_t p = 0; p < pixels; p += most) {
			int mr = (int)QB_MIN(most, pixels - p);

			tiles[nr - 1][mr - 1](m, b, row + p * taps, taps, chunk, r, y + p * y_stride,
				y_stride);
		}
	}
}

/* Four vectors of 16 channels in unpacked order, back to 64 bytes. */
VNNI INLINE __m512i requant_64(const __m512i *sum, const float *multiplier, const float *offset,
	__m512 lo, __m512 hi)
{
	return _mm512_packus_epi16(
		_mm512_packs_epi32(requant_16(sum[0], multiplier, offset, lo, hi),
			requant_16(sum[1], multiplier + 16, offset + 16, lo, hi)),
		_mm512_packs_epi32(requant_16(sum[2], multiplier + 32, offset + 32, lo, hi),
			requant_16(sum[3], multiplier + 48, offset + 48, lo, hi)));
}

VNNI static void depthwise_block(const struct qb_int8_channels *d, int64_t c,
	const uint8_t *const *row, int64_t step, int64_t pixels, uint8_t *y, int64_t y_stride)
{
	const __m512i none = _mm512_setzero_si512();
	const __m512 lo = _mm512_set1_ps((float)d->lo), hi = _mm512_set1_ps((float)d->hi);
	const int64_t taps = d->taps, left = d->channels - c;
	const __mmask64 mask = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
	const int8_t *w = d->packed + c * ((taps + 3) / 4) * 4;

	for (int64_t p = 0, at = c; p < pixels; p++, at += step, y += y_stride) {
		const int8_t *v = w;
		__m512i acc[4];

		for (int i = 0; i < 4; i++) {
			acc[i] = _mm512_load_si512(d->start + c + 16 * i);
		}
		for (int64_t t = 0; t < taps; t += 4, v += 256) {
			__m512i x0 = _mm512_maskz_loadu_epi8(mask, row[t] + at), ab, cd, ab2, cd2;
			__m512i x1 = t + 1 < taps ? _mm512_maskz_loadu_epi8(mask, row[t + 1] + at) : none;
			__m512i x2 = t + 2 < taps ? _mm512_maskz_loadu_epi8(mask, row[t + 2] + at) : none;
			__m512i x3 = t + 3 < taps ? _mm512_maskz_loadu_epi8(mask, row[t + 3] + at) : none;

			ab = _mm512_unpacklo_epi8(x0, x1);
			cd = _mm512_unpacklo_epi8(x2, x3);
			ab2 = _mm512_unpackhi_epi8(x0, x1);
			cd2 = _mm512_unpackhi_epi8(x2, x3);
			acc[0] = _mm512_dpbusd_epi32(acc[0], _mm512_unpacklo_epi16(ab, cd),
				_mm512_loadu_si512(v));
			acc[1] = _mm512_dpbusd_epi32(acc[1], _mm512_unpackhi_epi16(ab, cd),
				_mm512_loadu_si512(v + 64));
			acc[2] = _mm512_dpbusd_epi32(acc[2], _mm512_unpacklo_epi16(ab2, cd2),
				_mm512_loadu_si512(v + 128));
			acc[3] = _mm512_dpbusd_epi32(acc[3], _mm512_unpackhi_epi16(ab2, cd2),
				_mm512_loadu_si512(v + 192));
		}
		_mm512_mask_storeu_epi8(y + c, mask,
			requant_64(acc, d->multiplier + c, d->offset + c, lo, hi));
	}
}

static void depthwise_vnni(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	for (int64_t c = 0; c < d->channels; c += 64) {
		depthwise_block(d, c, row, step, pixels, y, y_stride);
	}
}

VNNI static size_t add_vnni(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b,
	uint8_t *y, size_t n)
{
	const __m512 ma = _mm512_set1_ps(p->ma), mb = _mm512_set1_ps(p->mb);
	const __m512 offset = _mm512_set1_ps(p->offset);
	const __m512i lo = _mm512_set1_epi32(p->lo), hi = _mm512_set1_epi32(p->hi);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m512 x = _mm512_cvtepi32_ps(
			_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(a + i))));
		__m512 z = _mm512_cvtepi32_ps(
			_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(b + i))));
		__m512 v = _mm512_add_ps(_mm512_add_ps(_mm512_mul_ps(x, ma), offset),
			_mm512_mul_ps(z, mb));
		__m512i q = _mm512_min_epi32(_mm512_max_epi32(_mm512_cvtps_epi32(v), lo), hi);

		_mm_storeu_si128((__m128i *)(y + i), _mm512_cvtepi32_epi8(q));
	}
	return i;
}

VNNI static size_t quantize_vnni(const float *x, uint8_t *y, size_t n, float scale, int zero,
	int top)
{
	const __m512 s = _mm512_set1_ps(scale), big = _mm512_set1_ps(1e6f);
	const __m512i z = _mm512_set1_epi32(zero), t = _mm512_set1_epi32(top);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m512 v = _mm512_div_ps(_mm512_loadu_ps(x + i), s);
		__m512i q;

		v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_EQ_OQ), v);
		v = _mm512_min_ps(_mm512_max_ps(v, _mm512_sub_ps(_mm512_setzero_ps(), big)), big);
		q = _mm512_add_epi32(_mm512_cvtps_epi32(v), z);
		q = _mm512_min_epi32(_mm512_max_epi32(q, _mm512_setzero_si512()), t);
		_mm_storeu_si128((__m128i *)(y + i), _mm512_cvtepi32_epi8(q));
	}
	return i;
}
#endif

/* Public */

void qb_int8_conv(const struct qb_int8_matrix *m, const uint8_t *const *row, int64_t pixels,
	int64_t taps, int64_t chunk, const struct qb_requant *r, uint8_t *y, int64_t y_stride)
{
#if defined(__x86_64__)
	if (qb_int8_is_fast()) {
		conv_vnni(m, row, pixels, taps, chunk, r, y, y_stride);
		return;
	}
#endif
	conv_plain(m, row, pixels, taps, chunk, r, y, y_stride);
}

void qb_int8_depthwise(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
#if defined(__x86_64__)
	if (qb_int8_is_fast()) {
		depthwise_vnni(d, row, step, pixels, y, y_stride);
		return;
	}
#endif
	depthwise_plain(d, row, step, pixels, y, y_stride);
}

void qb_int8_add(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
	size_t n)
{
	size_t done = 0;

#if defined(__x86_64__)
	if (qb_int8_is_fast()) {
		done = add_vnni(p, a, b, y, n);
	}
#endif
	add_plain(p, a + done, b + done, y + done, n - done);
}

#if defined(__x86_64__)
/* Sums of 64 channels, in pieces of 16. */
VNNI static void column_sums(const uint8_t *const *row, int64_t rows, int64_t c, int64_t n,
	int32_t *sum)
{
	for (int64_t k = 0; k < n; k += 16) {
		__mmask16 mask = n - k >= 16 ? 0xffff : (__mmask16)((1u << (n - k)) - 1);
		__m512i s = _mm512_setzero_si512();

		for (int64_t i = 0; i < rows; i++) {
			s = _mm512_add_epi32(s,
				_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, row[i] + c + k)));
		}
		_mm512_storeu_si512(sum + k, s);
	}
}
#endif

static void column_sums_plain(const uint8_t *const *row, int64_t rows, int64_t c, int64_t n,
	int32_t *sum)
{
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t k = 0; k < n; k++) {
			sum[k] += row[i][c + k];
		}
	}
}

void qb_int8_average(const uint8_t *const *row, int64_t rows, int64_t channels, float multiplier,
	float offset, int lo, int hi, uint8_t *y)
{
	enum { BLOCK = 64 };

	for (int64_t c = 0; c < channels; c += BLOCK) {
		int64_t n = QB_MIN(BLOCK, channels - c);
		int32_t sum[BLOCK] = {0};

#if defined(__x86_64__)
		if (qb_int8_is_fast()) {
			column_sums(row, rows, c, n, sum);
		} else
#endif
		{
			column_sums_plain(row, rows, c, n, sum);
		}
		for (int64_t k = 0; k < n; k++) {
			int v = nearest((float)sum[k] * multiplier + offset);

			y[c + k] = (uint8_t)(v < lo ? lo : v > hi ? hi : v);
		}
	}
}

void qb_int8_max(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y)
{
	memcpy(y, row[0], (size_t)channels);
	for (int64_t i = 1; i < rows; i++) {
		for (int64_t c = 0; c < channels; c++) {
			y[c] = QB_MAX(y[c], row[i][c]);
		}
	}
}

void qb_int8_quantize(const float *x, uint8_t *y, size_t n, float scale, int zero, int top)
{
	size_t done = 0;

#if defined(__x86_64__)
	if (qb_int8_is_fast()) {
		done = quantize_vnni(x, y, n, scale, zero, top);
	}
#endif
	quantize_plain(x + done, y + done, n - done, scale, zero, top);
}

void qb_int8_dequantize(const uint8_t *x, float *y, size_t n, float scale, int zero)
{
	for (size_t i = 0; i < n; i++) {
		y[i] = scale * (float)((int)x[i] - zero);
	}
}
