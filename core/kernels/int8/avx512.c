/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512 with vpdpbusd: four bytes of activations by four of weights added to each 32-bit sum.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/kernels/int8/levels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#ifndef VNNI /* where tests emulate it */
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
/* Written out: GCC 12 stores every sum of the intrinsic's loop to the stack. */
#define DPBUSD(sum, a, b) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b))
#endif
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
#define ADD_ROW(i, j) \
	if (i < MR && j < NR) { \
		s##i##x##j = _mm512_add_epi32(s##i##x##j, _mm512_set1_epi32(part->row[i])); \
	}
#define RESUME(i, j) \
	if (i < MR && j < NR) { \
		s##i##x##j = _mm512_loadu_si512(part->sums + i * SUMS + j * 16); \
	}
#define KEEP(i, j) \
	if (i < MR && j < NR) { \
		_mm512_storeu_si512(part->sums + i * SUMS + j * 16, s##i##x##j); \
	}
#define TAKE_ROW(i) const uint8_t *x##i = i < MR ? (const uint8_t *)x[i] + offset[t] : NULL;
#define ASK_ROW(i) \
	if (i < MR) { \
		const char *next##i = (const char *)part->ahead.x[i] + part->ahead.offset[t] + from; \
\
		__builtin_prefetch(next##i); \
		__builtin_prefetch(next##i + 64); \
	}
#define MULTIPLY(i, j) \
	if (i < MR && j < NR) { \
		DPBUSD(s##i##x##j, a, b##j); \
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

enum { SUMS = 64 };

/* What a tile asks the caches for while it multiplies, because it is read next. Both lie in pieces too short for processors to foresee. */
enum asks { ASK_NOTHING, ASK_WEIGHTS, ASK_ALL };
struct ahead {
	const void *const *x;  /* [MR], of as many elements, and ... */
	const int64_t *offset; /* ... [elements] of the next tile */
	const int8_t *weights; /* as many bytes as a block's of this tile */
};
enum { ASKED = 128 }; /* bytes of a pixel at a time */

/* Which part of its sums a tile computes. */
struct part {
	const int32_t *row; /* [MR]: what is added to a row's; NULL: nothing */
	int32_t *sums;      /* [MR][SUMS]: sums that are not whole */
	int64_t done;       /* of the matrix's k before these */
	bool last;
	struct ahead ahead;
};

/* Four weights of sixteen outputs. */
VNNI INLINE __m512i weights(const int8_t *w, const bool nibbles)
{
	__m256i pairs;

	if (!nibbles) {
		return _mm512_loadu_si512(w);
	}
	pairs = _mm256_loadu_si256((const __m256i *)w);
	return _mm512_sub_epi8(_mm512_and_si512(_mm512_inserti64x4(_mm512_castsi256_si512(pairs),
		_mm256_srli_epi16(pairs, 4), 1), _mm512_set1_epi8(15)), _mm512_set1_epi8(8));
}

VNNI INLINE void tile(const int MR, const int NR, const bool nibbles, const enum asks asks, const struct qb_int8_matrix *m, int64_t block,
	const struct qb_int8_conv_args *args, const struct part *part)
{
	const void *const *x = args->x;
	const int64_t *offset = args->offset, elements = args->kernel_elements, chunk = args->chunk;
	const struct qb_requant *r = args->r;
	uint8_t *y = args->y;
	const int64_t y_stride = args->y_stride;
	const int64_t block_bytes = m->k * (nibbles ? 8 : 16), c = block * 16, left = m->outputs - c;
	const int8_t *w = (const int8_t *)m->packed + block * block_bytes + part->done * (nibbles ? 8 : 16);
	const __m512 lo = _mm512_set1_ps((float)r->lo), hi = _mm512_set1_ps((float)r->hi);
	const __m512i order =
		_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	const __mmask64 all = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
	const int64_t ahead = asks == ASK_NOTHING ? 0 : part->ahead.weights - w;

	EACH_IJ(DECLARE)
	if (part->done) {
		EACH_IJ(RESUME)
	} else if (part->row) {
		EACH_IJ(ADD_ROW)
	}
	for (int64_t t = 0; t < elements; t++) {
		EACH_I(TAKE_ROW)
		for (int64_t from = 0, k = 0; k < chunk; from += ASKED) {
			const int64_t to = asks == ASK_ALL ? QB_MIN(from + ASKED, chunk) : chunk;

			if (asks == ASK_ALL) {
				EACH_I(ASK_ROW)
			}
			for (; k < to; k += 4, w += nibbles ? 32 : 64) {
				const __m512i b0 = weights(w, nibbles);
				const __m512i b1 = NR > 1 ? weights(w + block_bytes, nibbles) : b0;
				const __m512i b2 = NR > 2 ? weights(w + 2 * block_bytes, nibbles) : b0;
				const __m512i b3 = NR > 3 ? weights(w + 3 * block_bytes, nibbles) : b0;

				if (asks != ASK_NOTHING) {
					__builtin_prefetch(w + ahead, 0, 2);
				}
				EACH_I(STEP_ROW)
			}
		}
	}
	if (!part->last) {
		EACH_IJ(KEEP)
		return;
	}
	EACH_IJ(REQUANT)
	EACH_IJ(STORE_BLOCK)
	EACH_I(STORE_ROW)
}

#define TILE_OF(name, nibbles, MR, NR) \
	VNNI static void name##_##MR##_##NR(const struct qb_int8_matrix *m, int64_t block, \
		const struct qb_int8_conv_args *a, const struct part *part) \
	{ \
		tile(MR, NR, nibbles, ASK_NOTHING, m, block, a, part); \
	}
#define TILE(MR, NR) TILE_OF(bytes, false, MR, NR) TILE_OF(nibbles, true, MR, NR)
#define TILES_6(NR) TILE(1, NR) TILE(2, NR) TILE(3, NR) TILE(4, NR) TILE(5, NR) TILE(6, NR)
#define TILES_12(NR) \
	TILES_6(NR) TILE(7, NR) TILE(8, NR) TILE(9, NR) TILE(10, NR) TILE(11, NR) TILE(12, NR)
TILES_12(1)
TILES_12(2)
TILES_6(3) TILE(7, 3) TILE(8, 3)
TILES_6(4)

typedef void tile_fn(const struct qb_int8_matrix *m, int64_t block, const struct qb_int8_conv_args *a, const struct part *part);

#define ROW_6(name, NR) name##_1_##NR, name##_2_##NR, name##_3_##NR, name##_4_##NR, name##_5_##NR, name##_6_##NR
#define ROW_8(name, NR) ROW_6(name, NR), name##_7_##NR, name##_8_##NR
#define ROW_12(name, NR) \
	ROW_8(name, NR), name##_9_##NR, name##_10_##NR, name##_11_##NR, name##_12_##NR
#define TILES(name) {{ROW_12(name, 1)}, {ROW_12(name, 2)}, {ROW_8(name, 3)}, {ROW_6(name, 4)}}
static tile_fn *const tiles[2][4][12] = {TILES(bytes), TILES(nibbles)};
/* Pixels of a tile by its blocks: as many sums as there are registers for. */
static const int tile_pixels[4] = {12, 12, 8, 6};

VNNI static void bytes_ask_weights(const struct qb_int8_matrix *m, int64_t block, const struct qb_int8_conv_args *a,
	const struct part *part)
{
	tile(6, 4, false, ASK_WEIGHTS, m, block, a, part);
}

VNNI static void bytes_ask(const struct qb_int8_matrix *m, int64_t block, const struct qb_int8_conv_args *a,
	const struct part *part)
{
	tile(6, 4, false, ASK_ALL, m, block, a, part);
}

/* The sum of n bytes. */
VNNI INLINE int64_t sum_of(const uint8_t *x, int64_t n)
{
	__m512i sum = _mm512_setzero_si512();
	int64_t lane[8];

	for (int64_t i = 0; i < n; i += 64) {
		__mmask64 mask = n - i >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (n - i)) - 1;

		sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_maskz_loadu_epi8(mask, x + i), _mm512_setzero_si512()));
	}
	_mm512_storeu_si512(lane, sum);
	return lane[0] + lane[1] + lane[2] + lane[3] + lane[4] + lane[5] + lane[6] + lane[7];
}

/* Of k at once: the weights of four blocks stay in the first-level cache while the pixels pass. Packed weights that are there already
 * need not be asked for, nor short runs of pixels. */
enum { DEPTH_MAX = 512, GROUP_PIXELS = QB_INT8_PIXELS, ASK_WEIGHTS_FROM = 1 << 17, ASK_RUNS_FROM = 448 };

/* Which part of the sums is next, and the offsets of its elements: NULL where they are more or fewer than this part's. */
struct next {
	int64_t block, done;
	const int64_t *offset;
};

static int64_t blocks_of(const struct qb_int8_matrix *m)
{
	return (m->outputs + 15) / 16;
}

static tile_fn *tile_for(bool nibbles, int mr, int nr, const struct qb_int8_matrix *m, int64_t run, const struct ahead *ahead)
{
	if (nibbles || mr != 6 || nr != 4 || m->k * m->outputs < ASK_WEIGHTS_FROM) {
		return tiles[nibbles][nr - 1][mr - 1];
	}
	return run >= ASK_RUNS_FROM && ahead->offset ? bytes_ask : bytes_ask_weights;
}

/* One part of the sums of all pixels and four blocks of outputs. */
static void conv_part(bool nibbles, const struct qb_int8_matrix *m, int64_t block, const struct qb_int8_conv_args *a,
	const struct part *part, const struct next *next)
{
	const int nr = (int)QB_MIN(4, blocks_of(m) - block), most = tile_pixels[nr - 1];

	for (int64_t p = 0, i = 0; p < a->pixels; p += most, i++) {
		const int mr = (int)QB_MIN(most, a->pixels - p);
		const bool end = p + mr == a->pixels;
		const int64_t next_block = QB_MIN(next->block + i % nr, blocks_of(m) - 1);
		struct qb_int8_conv_args tile = *a;
		struct part of = *part;

		tile.x += p;
		tile.pixels = mr;
		tile.y += p * a->y_stride;
		of.row = part->row ? part->row + p : NULL;
		of.sums = part->sums + p * SUMS;
		of.ahead.x = end ? a->x : a->x + QB_MIN(p + most, a->pixels - mr);
		of.ahead.offset = end ? next->offset : a->offset;
		of.ahead.weights = (const int8_t *)m->packed + next_block * m->k * 16 + next->done * 16;
		tile_for(nibbles, mr, nr, m, a->chunk, &of.ahead)(m, block, &tile, &of);
	}
}

/* Long sums of at most GROUP_PIXELS pixels in parts: some kernel elements, or some of the elements of one. after: the block that is
 * next when they are whole. */
static void conv_long(bool nibbles, const struct qb_int8_matrix *m, int64_t block, const struct qb_int8_conv_args *a,
	const int32_t *row, int64_t after)
{
	const int64_t parts = (a->chunk + DEPTH_MAX - 1) / DEPTH_MAX;
	const int64_t depth = (int64_t)qb_align_up((size_t)((a->chunk + parts - 1) / parts), 4);
	const int64_t together = QB_MAX(1, DEPTH_MAX / a->chunk);
	int32_t sums[GROUP_PIXELS * SUMS];
	struct part part = {.row = row, .sums = sums};

	for (int64_t t = 0; t < a->kernel_elements; t += together) {
		for (int64_t k = 0, n; k < a->chunk; k += n) {
			const int64_t offset = a->offset[t] + k;
			int64_t next_offset = a->offset[0], done;
			struct qb_int8_conv_args some = *a;
			struct next next = {block, 0, &next_offset};

			n = QB_MIN(depth, a->chunk - k);
			some.offset = parts > 1 ? &offset : a->offset + t;
			some.kernel_elements = QB_MIN(together, a->kernel_elements - t);
			some.chunk = n;
			done = part.done + some.kernel_elements * n;
			part.last = done == m->k;
			if (part.last) {
				next.block = after;
			} else {
				next.done = done;
				next_offset = k + n < a->chunk ? offset + n : a->offset[t + some.kernel_elements];
			}
			next.offset = some.kernel_elements == 1 ? &next_offset : NULL;
			conv_part(nibbles, m, block, &some, &part, &next);
			part.done = done;
		}
	}
}

/* How many of so many pixels are next: groups are equal, of whole tiles where they can be. */
static int64_t group_of(int64_t pixels)
{
	const int64_t groups = (pixels + GROUP_PIXELS - 1) / GROUP_PIXELS, equal = (pixels + groups - 1) / groups;

	return QB_MIN((equal + 5) / 6 * 6, QB_MIN(pixels, GROUP_PIXELS));
}

/* row [pixels]: what is added to the sums of a pixel; NULL: nothing. */
static void conv_of(bool nibbles, const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a, const int32_t *row)
{
	for (int64_t block = 0; block < blocks_of(m); block += 4) {
		const int64_t next = block + 4 < blocks_of(m) ? block + 4 : 0;

		if (m->k <= DEPTH_MAX) {
			conv_part(nibbles, m, block, a, &(struct part){.row = row, .last = true}, &(struct next){next, 0, a->offset});
			continue;
		}
		for (int64_t p = 0, n; p < a->pixels; p += n) {
			struct qb_int8_conv_args group = *a;

			n = group_of(a->pixels - p);
			group.x += p;
			group.pixels = n;
			group.y += p * a->y_stride;
			conv_long(nibbles, m, block, &group, row ? row + p : NULL, p + n < a->pixels ? block : next);
		}
	}
}

static void conv(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	conv_of(false, m, a, NULL);
}

static void conv_nibbles(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	conv_of(true, m, a, NULL);
}

/* Products of two activations. The right operand is packed as weights are, less 128; what that leaves out is a multiple of
 * the sum of the left one's row. */

VNNI INLINE __m128i row_of(const uint8_t *from, int64_t k, int64_t rows, __m128i none)
{
	return _mm_xor_si128(k < rows ? _mm_loadu_si128((const __m128i *)from) : none, _mm_set1_epi8(-128));
}

VNNI static void pack_product(struct qb_int8_matrix *m, const uint8_t *right, int64_t rows, int64_t stride, int zero,
	int left_zero)
{
	const __m128i none = _mm_set1_epi8((char)zero);
	const __m512i ones = _mm512_set1_epi8(1), all = _mm512_set1_epi32((int32_t)m->k * (zero - 128));
	int8_t *to = m->packed;

	for (int64_t o = 0; o < m->outputs; o += 16) {
		__m512i sum = _mm512_setzero_si512();

		for (int64_t k = 0; k < m->k; k += 4, to += 64) {
			const uint8_t *from = right + k * stride + o;
			__m128i a = row_of(from, k, rows, none), b = row_of(from + stride, k + 1, rows, none);
			__m128i c = row_of(from + 2 * stride, k + 2, rows, none), d = row_of(from + 3 * stride, k + 3, rows, none);
			__m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);
			__m128i ab2 = _mm_unpackhi_epi8(a, b), cd2 = _mm_unpackhi_epi8(c, d);
			__m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi16(ab, cd)),
				_mm_unpackhi_epi16(ab, cd), 1);
			__m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi16(ab2, cd2)),
				_mm_unpackhi_epi16(ab2, cd2), 1);
			__m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);

			_mm512_storeu_si512(to, v);
			sum = _mm512_dpbusd_epi32(sum, ones, v);
		}
		_mm512_storeu_si512(m->start + o,
			_mm512_mullo_epi32(_mm512_sub_epi32(all, sum), _mm512_set1_epi32(left_zero)));
	}
	m->row_weight = 128 - zero;
}

VNNI static void conv_product(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	enum { PIXELS = 24 };
	struct qb_int8_conv_args part = *a;
	int32_t row[PIXELS];

	for (int64_t p = 0; p < a->pixels; p += PIXELS) {
		part.x = a->x + p;
		part.pixels = QB_MIN(PIXELS, a->pixels - p);
		part.y = a->y + p * a->y_stride;
		for (int64_t i = 0; i < part.pixels; i++) {
			row[i] = m->row_weight * (int32_t)sum_of((const uint8_t *)part.x[i] + a->offset[0], m->k);
		}
		conv_of(false, m, &part, row);
	}
}

static size_t depthwise_bytes(int64_t channels, int64_t kernel_elements)
{
	return qb_align_up((size_t)channels, 64) * qb_align_up((size_t)kernel_elements, 4);
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

/* A block of 64 channels holds, for each quad of kernel elements, four vectors; vector i has in its 128-bit lane l the
 * channels 16 l + 4 i .. + 3, four kernel elements each: the order in which byte unpacking leaves them. */
static size_t depthwise_at(int64_t kernel_elements, int64_t c, int64_t t)
{
	int64_t quads = (kernel_elements + 3) / 4, in = c % 64;

	return (size_t)(((c / 64 * quads + quad_of(kernel_elements, t)) * 4 + in % 16 / 4) * 64 + in / 16 * 16 + in % 4 * 4 +
		place_in_quad(kernel_elements, t));
}

static void pack_depthwise(int8_t *packed, const int8_t *w, int64_t channels, int64_t kernel_elements)
{
	memset(packed, 0, depthwise_bytes(channels, kernel_elements));
	for (int64_t t = 0; t < kernel_elements; t++) {
		for (int64_t c = 0; c < channels; c++) {
			packed[depthwise_at(kernel_elements, c, t)] = w[t * channels + c];
		}
	}
}

/* Rounded, at most hi; what lies below 0 becomes 0 when it is narrowed. */
VNNI INLINE __m512i requant_below(__m512i sum, const float *multiplier, const float *offset, __m512 hi)
{
	__m512 v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(multiplier), _mm512_loadu_ps(offset));

	return _mm512_cvtps_epi32(_mm512_min_ps(v, hi));
}

/* Four vectors of 16 channels in unpacked order, back to 64 bytes. */
VNNI INLINE __m512i requant_64(const __m512i *sum, const float *multiplier, const float *offset,
	__m512i lo, __m512 hi)
{
	return _mm512_max_epu8(lo, _mm512_packus_epi16(
		_mm512_packs_epi32(requant_below(sum[0], multiplier, offset, hi),
			requant_below(sum[1], multiplier + 16, offset + 16, hi)),
		_mm512_packs_epi32(requant_below(sum[2], multiplier + 32, offset + 32, hi),
			requant_below(sum[3], multiplier + 48, offset + 48, hi))));
}

struct quads {
	__m512i v[4];
};

/* Four rows of 64 channels, interleaved as the weights are. */
VNNI INLINE struct quads interleave(__m512i x0, __m512i x1, __m512i x2, __m512i x3)
{
	__m512i ab = _mm512_unpacklo_epi8(x0, x1), cd = _mm512_unpacklo_epi8(x2, x3);
	__m512i ab2 = _mm512_unpackhi_epi8(x0, x1), cd2 = _mm512_unpackhi_epi8(x2, x3);

	return (struct quads){{_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd), _mm512_unpacklo_epi16(ab2, cd2),
		_mm512_unpackhi_epi16(ab2, cd2)}};
}

VNNI INLINE void multiply_quads(struct quads *sum, const struct quads *x, const int8_t *w)
{
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		sum->v[i] = _mm512_dpbusd_epi32(sum->v[i], x->v[i], _mm512_loadu_si512(w + 64 * i));
	}
}

VNNI INLINE struct quads quads_from(const int32_t *from)
{
	return (struct quads){{_mm512_load_si512(from), _mm512_load_si512(from + 16), _mm512_load_si512(from + 32),
		_mm512_load_si512(from + 48)}};
}

/* A column of a 3 x 3 kernel at one pixel: its three rows. */
VNNI INLINE struct quads column(const uint8_t *const *row, int64_t at, __mmask64 mask)
{
	return interleave(_mm512_maskz_loadu_epi8(mask, row[0] + at), _mm512_maskz_loadu_epi8(mask, row[3] + at),
		_mm512_maskz_loadu_epi8(mask, row[6] + at), _mm512_setzero_si512());
}

VNNI static void depthwise_block(const struct qb_int8_channels *d, int64_t c,
	const uint8_t *const *row, int64_t step, int64_t pixels, uint8_t *y, int64_t y_stride)
{
	const __m512i none = _mm512_setzero_si512();
	const __m512i lo = _mm512_set1_epi8((char)d->lo);
	const __m512 hi = _mm512_set1_ps((float)d->hi);
	const int64_t kernel_elements = d->kernel_elements, left = d->channels - c;
	const __mmask64 mask = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
	const int8_t *w = d->packed + c * ((kernel_elements + 3) / 4) * 4;

	for (int64_t p = 0, at = c; p < pixels; p++, at += step, y += y_stride) {
		struct quads sum = quads_from(d->start + c);
		const int8_t *v = w;

		for (int64_t t = 0; t < kernel_elements; t += 4, v += 256) {
			struct quads x = interleave(_mm512_maskz_loadu_epi8(mask, row[t] + at),
				t + 1 < kernel_elements ? _mm512_maskz_loadu_epi8(mask, row[t + 1] + at) : none,
				t + 2 < kernel_elements ? _mm512_maskz_loadu_epi8(mask, row[t + 2] + at) : none,
				t + 3 < kernel_elements ? _mm512_maskz_loadu_epi8(mask, row[t + 3] + at) : none);

			multiply_quads(&sum, &x, v);
		}
		_mm512_mask_storeu_epi8(y + c, mask, requant_64(sum.v, d->multiplier + c, d->offset + c, lo, hi));
	}
}

/* Nine elements by columns. slides: a column is the one before it of the next pixel, which need not interleave it again. */
VNNI INLINE void depthwise_columns(const struct qb_int8_channels *d, int64_t c, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride, const bool slides)
{
	const __m512i lo = _mm512_set1_epi8((char)d->lo);
	const __m512 hi = _mm512_set1_ps((float)d->hi);
	const int64_t left = d->channels - c;
	const __mmask64 mask = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
	const int8_t *w = d->packed + c * 12;
	struct quads x0 = column(row, c, mask), x1 = column(row + 1, c, mask);

	for (int64_t p = 0, at = c; p < pixels; p++, at += step, y += y_stride) {
		struct quads sum = quads_from(d->start + c), x2 = column(row + 2, at, mask);

		if (!slides) {
			x0 = column(row, at, mask);
			x1 = column(row + 1, at, mask);
		}
		multiply_quads(&sum, &x0, w);
		multiply_quads(&sum, &x1, w + 256);
		multiply_quads(&sum, &x2, w + 512);
		_mm512_mask_storeu_epi8(y + c, mask, requant_64(sum.v, d->multiplier + c, d->offset + c, lo, hi));
		x0 = x1;
		x1 = x2;
	}
}

VNNI static void depthwise_sliding(const struct qb_int8_channels *d, int64_t c, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	depthwise_columns(d, c, row, step, pixels, y, y_stride, true);
}

VNNI static void depthwise_nine(const struct qb_int8_channels *d, int64_t c, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	depthwise_columns(d, c, row, step, pixels, y, y_stride, false);
}

static void depthwise(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	bool nine = d->kernel_elements == 9, slides = nine && qb__columns_slide(row, step);

	for (int64_t c = 0; c < d->channels; c += 64) {
		(slides ? depthwise_sliding : nine ? depthwise_nine : depthwise_block)(d, c, row, step, pixels, y, y_stride);
	}
}

/* 2^23 + x for 64 bytes x, in unpacked order: words 0x4b00 above them make them the floats' last bits. */
VNNI INLINE struct quads above_2_23(__m512i x)
{
	const __m512i none = _mm512_setzero_si512(), exponent = _mm512_set1_epi16(0x4b00);
	__m512i low = _mm512_unpacklo_epi8(x, none), high = _mm512_unpackhi_epi8(x, none);

	return (struct quads){{_mm512_unpacklo_epi16(low, exponent), _mm512_unpackhi_epi16(low, exponent),
		_mm512_unpacklo_epi16(high, exponent), _mm512_unpackhi_epi16(high, exponent)}};
}

VNNI INLINE void add_64(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y, __mmask64 mask)
{
	const __m512 ma = _mm512_set1_ps(p->ma), mb = _mm512_set1_ps(p->mb), offset = _mm512_set1_ps(p->offset);
	/* (2^23 + x) m - 2^23 m is x m rounded once, as a product is. */
	const __m512 more_a = _mm512_set1_ps(-0x1p23f * p->ma), more_b = _mm512_set1_ps(-0x1p23f * p->mb);
	const __m512 hi = _mm512_set1_ps((float)p->hi);
	const struct quads x = above_2_23(_mm512_maskz_loadu_epi8(mask, a)), z = above_2_23(_mm512_maskz_loadu_epi8(mask, b));
	__m512i q[4];

#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		__m512 v = _mm512_fmadd_ps(_mm512_castsi512_ps(x.v[i]), ma, more_a);
		__m512 w = _mm512_fmadd_ps(_mm512_castsi512_ps(z.v[i]), mb, more_b);

		v = _mm512_add_ps(_mm512_add_ps(v, offset), w);
		q[i] = _mm512_cvtps_epi32(_mm512_min_ps(v, hi));
	}
	_mm512_mask_storeu_epi8(y, mask, _mm512_max_epu8(_mm512_set1_epi8((char)p->lo),
		_mm512_packus_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]))));
}

VNNI static void add(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n)
{
	size_t i = 0;

	for (; i + 64 <= n; i += 64) {
		add_64(p, a + i, b + i, y + i, ~UINT64_C(0));
	}
	if (i < n) {
		add_64(p, a + i, b + i, y + i, (UINT64_C(1) << (n - i)) - 1);
	}
}

/* x / scale without the divider, rounded to nearest as well (Markstein, IBM J. Res. Dev. 34, 1990): scales are in the middle of
 * float32's range, x at most 2^21 of them, and tiny quotients, which may be wrong, round to 0 either way. */
VNNI INLINE __m512 quotient(__m512 x, __m512 scale, __m512 inverse)
{
	__m512 q = _mm512_mul_ps(x, inverse);

	q = _mm512_fmadd_ps(_mm512_fmadd_ps(-q, scale, x), inverse, q);
	return _mm512_fmadd_ps(_mm512_fmadd_ps(-q, scale, x), inverse, q);
}

VNNI static void quantize(const float *x, uint8_t *y, size_t n, float scale, int zero,
	int top)
{
	const bool fast = scale > 0x1p-40f && scale < 0x1p40f;
	const __m512 s = _mm512_set1_ps(scale), inverse = _mm512_set1_ps(1 / scale);
	const __m512 most = _mm512_set1_ps(0x1p21f * scale), least = _mm512_set1_ps(-0x1p21f * scale);
	const __m512i z = _mm512_set1_epi32(zero), t = _mm512_set1_epi32(top);
	size_t i = 0;

	for (; fast && i + 16 <= n; i += 16) {
		__m512 v = _mm512_loadu_ps(x + i);
		__m512i q;

		v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_EQ_OQ), v);
		v = quotient(_mm512_min_ps(_mm512_max_ps(v, least), most), s, inverse);
		q = _mm512_add_epi32(_mm512_cvtps_epi32(v), z);
		q = _mm512_min_epi32(_mm512_max_epi32(q, _mm512_setzero_si512()), t);
		_mm_storeu_si128((__m128i *)(y + i), _mm512_cvtepi32_epi8(q));
	}
	qb__int8_quantize_plain(x + i, y + i, n - i, scale, zero, top);
}

VNNI static void average(const uint8_t *const *row, int64_t rows, int64_t channels,
	float multiplier, float offset, int lo, int hi, uint8_t *y)
{
	const __m512 m = _mm512_set1_ps(multiplier), a = _mm512_set1_ps(offset);
	const __m512 l = _mm512_set1_ps((float)lo), h = _mm512_set1_ps((float)hi);

	for (int64_t c = 0; c < channels; c += 16) {
		__mmask16 mask =
			channels - c >= 16 ? 0xffff : (__mmask16)((1u << (channels - c)) - 1);
		__m512i s = _mm512_setzero_si512();
		__m512 v;

		for (int64_t i = 0; i < rows; i++) {
			s = _mm512_add_epi32(s,
				_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, row[i] + c)));
		}
		v = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(s), m), a);
		s = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, l), h));
		_mm_mask_storeu_epi8(y + c, mask, _mm512_cvtepi32_epi8(s));
	}
}

VNNI static void max(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y)
{
	for (int64_t c = 0; c < channels; c += 64) {
		__mmask64 mask =
			channels - c >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (channels - c)) - 1;
		__m512i v = _mm512_maskz_loadu_epi8(mask, row[0] + c);

		for (int64_t i = 1; i < rows; i++) {
			v = _mm512_max_epu8(v, _mm512_maskz_loadu_epi8(mask, row[i] + c));
		}
		_mm512_mask_storeu_epi8(y + c, mask, v);
	}
}

VNNI static void dequantize(const uint8_t *x, float *y, size_t n, float scale, int zero)
{
	const __m512 s = _mm512_set1_ps(scale);
	const __m512i z = _mm512_set1_epi32(zero);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m512i u = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(x + i)));

		_mm512_storeu_ps(y + i, _mm512_mul_ps(s, _mm512_cvtepi32_ps(_mm512_sub_epi32(u, z))));
	}
	qb__int8_dequantize_plain(x + i, y + i, n - i, scale, zero);
}

const struct qb_int8_kernels qb__int8_avx512 = {"avx512_vnni",
	{{8, 1, 4, qb__int8_expand_bytes, qb__int8_pack_quads, conv},
		{8, 1, 4, qb__int8_expand_bytes, qb__int8_pack_quads, conv},
		{4, 1, 4, qb__int8_expand_bytes, qb__int8_pack_nibbles, conv_nibbles}},
	NULL, {1, 4, 8, qb__int8_expand_bytes, pack_product, conv_product}, depthwise_bytes, pack_depthwise, depthwise, 64,
	add, average, max, quantize, dequantize};
#endif
