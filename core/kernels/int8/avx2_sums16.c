/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX2, 16-bit accumulators for small weights. vpmaddubsw multiplies 32 bytes but saturates at 16 bits, as accumulating
 * its results would.
 * 255 * 128 still fits: as long as the positive weights that meet in one 16-bit lane add up to 128 at most, and the
 * negative ones to -128 at least, no activations leave its range. That holds for eight groups of any 4-bit weights, for
 * two of any from -32 to 32, and for many more of those that networks have. How many, packing finds out.
 */
#include <string.h>

#include "core/base/size.h"

#if defined(__x86_64__)
#include "core/kernels/int8/avx2.h"

enum { LIMIT = 128, RUN_MAX = 64 };

/* Do whole runs of so many groups keep within the limit in every 16-bit lane, that is for each pair of four weights? */
static bool fits(const int8_t *rows, int64_t outputs, int64_t k, int64_t run)
{
	for (int64_t i = 0; i < 2 * outputs; i++) {
		const int8_t *w = rows + i / 2 * k + i % 2 * 2;

		for (int64_t first = 0; first < k; first += 4 * run) {
			int64_t end = QB_MIN(first + 4 * run, k);
			int above = 0, below = 0;

			for (int64_t at = first; at < end; at += 4) {
				above += QB_MAX(w[at], 0) + QB_MAX(w[at + 1], 0);
				below -= QB_MIN(w[at], 0) + QB_MIN(w[at + 1], 0);
			}
			if (above > LIMIT || below > LIMIT) {
				return false;
			}
		}
	}
	return true;
}

static int64_t longest_run(const int8_t *rows, int64_t outputs, int64_t k)
{
	int64_t run = RUN_MAX;

	while (run > 2 && !fits(rows, outputs, k, run)) {
		run -= run > 16 ? 8 : 1;
	}
	return run;
}

void qb__int8_avx2_pack_small(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_quads(m, rows);
	m->run = longest_run(rows, m->outputs, m->k);
}

void qb__int8_avx2_pack_nibbles(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_nibbles(m, rows);
	m->run = longest_run(rows, m->outputs, m->k);
}

/* Sums of 16 bits are in registers, those of 32 in memory, where each run ends. */
#define DECLARE(i) \
	const uint8_t *x##i = a->x[i < MR ? i : 0]; \
	__m256i s##i = _mm256_setzero_si256(), t##i = s##i;
#define BEGIN(i) \
	if (i < MR) { \
		sum[2 * i] = _mm256_loadu_si256((const __m256i *)a->start); \
		sum[2 * i + 1] = _mm256_loadu_si256((const __m256i *)(a->start + 8)); \
	}
#define MULTIPLY(i) \
	if (i < MR) { \
		int32_t four; \
		__m256i v; \
		memcpy(&four, x##i + k, 4); \
		v = _mm256_set1_epi32(four); \
		s##i = _mm256_add_epi16(s##i, _mm256_maddubs_epi16(v, b0)); \
		t##i = _mm256_add_epi16(t##i, _mm256_maddubs_epi16(v, b1)); \
	}
#define WIDEN(i) \
	if (i < MR) { \
		sum[2 * i] = _mm256_add_epi32(sum[2 * i], _mm256_madd_epi16(s##i, ones)); \
		sum[2 * i + 1] = _mm256_add_epi32(sum[2 * i + 1], _mm256_madd_epi16(t##i, ones)); \
		s##i = t##i = _mm256_setzero_si256(); \
	}
#define TAKE(i) \
	s##i = i < MR ? sum[2 * i] : s0; \
	t##i = i < MR ? sum[2 * i + 1] : t0;

AVX2 INLINE void tile(const int MR, const bool nibbles, const struct qb__avx2_tile *a)
{
	const __m256i low = _mm256_set1_epi8(15), eight = _mm256_set1_epi8(8);
	const __m256i ones = _mm256_set1_epi16(1);
	const int64_t *offset = a->offset, *last = offset + a->kernel_elements;
	const char *w = a->w;
	int64_t room = a->run;
	__m256i sum[2 * QB__AVX2_MR];

	EACH_I(DECLARE)
	EACH_I(BEGIN)
	for (; offset < last; offset++) {
		int64_t k = *offset;

		for (int64_t left = a->chunk / 4, n; left; left -= n) {
			n = QB_MIN(left, room);
			room -= n;
			for (int64_t end = k + 4 * n; k < end; k += 4, w += nibbles ? 32 : 64) {
				__m256i b0 = _mm256_load_si256((const __m256i *)w), b1;

				if (nibbles) {
					b1 = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(b0, 4), low),
						eight);
					b0 = _mm256_sub_epi8(_mm256_and_si256(b0, low), eight);
				} else {
					b1 = _mm256_load_si256((const __m256i *)(w + 32));
				}
				EACH_I(MULTIPLY)
			}
			if (!room) {
				EACH_I(WIDEN)
				room = a->run;
			}
		}
	}
	EACH_I(WIDEN)
	EACH_I(TAKE)
	STORE_TILE;
}

#define TILE_OF(MR) \
	AVX2 static void small_##MR(const struct qb__avx2_tile *a) \
	{ \
		tile(MR, false, a); \
	} \
	AVX2 static void nibbles_##MR(const struct qb__avx2_tile *a) \
	{ \
		tile(MR, true, a); \
	}
TILE_OF(1) TILE_OF(2) TILE_OF(3) TILE_OF(4) TILE_OF(5) TILE_OF(6)

static qb__avx2_tile_fn *const smalls[] = {small_1, small_2, small_3, small_4, small_5, small_6};
static qb__avx2_tile_fn *const nibbles[] = {nibbles_1, nibbles_2, nibbles_3, nibbles_4, nibbles_5,
	nibbles_6};

void qb__int8_avx2_conv_small(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_avx2_tiles(smalls, 8, m, a);
}

void qb__int8_avx2_conv_nibbles(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	qb__int8_avx2_tiles(nibbles, 4, m, a);
}
#endif
