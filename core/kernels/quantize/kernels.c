/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/quantize/kernels.h"

#include <math.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/base/vectorized.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* The largest float32 that a number must exceed to lie nearer to b than to a (a < b). Ties go to b with ties_up. */
static float cut_between(float a, float b, bool ties_up)
{
	double sum = (double)a + b, part = sum - a, error = (a - (sum - part)) + (b - part);
	double middle = sum / 2;
	float cut = (float)middle;

	if (cut > middle || ((double)cut == middle && (error < 0 || (error == 0 && ties_up)))) {
		cut = nextafterf(cut, -INFINITY);
	}
	return cut;
}

static void init_table(struct qb_grid *g, const struct qb_format *f)
{
	g->steps = 2;
	while (g->steps < f->table_count) {
		g->steps *= 2;
	}
	memcpy(g->value, f->table, (size_t)f->table_count * sizeof(*g->value));
	for (int i = 0; i < g->steps || i < 16; i++) {
		/* Ties go to the even index. */
		g->cut[i] = i + 1 < f->table_count ? cut_between(f->table[i], f->table[i + 1], i % 2)
						   : INFINITY;
	}
	for (int i = 0; i < 16; i++) {
		int at = -i & 15;

		g->quarter[at] = g->cut[4 * (i & 3) + 1];
		g->eighth[at] = g->cut[2 * (i & 7)];
		g->low[at] = g->value[i & 7];
		g->high[at] = g->value[8 + (i & 7)];
	}
}

static void init_float(struct qb_grid *g, const struct qb_format *f)
{
	int min_exponent = f->no_zero ? -f->bias : 1 - f->bias;
	int drop = 23 - f->man_bits;
	bool nan = qb_format_has_nan(f);

	g->kind = QB_FORMAT_FLOAT;
	g->drop = drop;
	g->kept = ~((1u << drop) - 1);
	g->last = f->man_bits ? 1u << drop : 0;
	g->below_half = (1u << (drop - 1)) - (f->man_bits ? 1 : 0);
	/* The first octave of normal numbers has the subnormals' step. */
	g->small = ldexpf(1, min_exponent + 1);
	g->magic = ldexpf(1, 23 + min_exponent - f->man_bits);
	g->flush = f->no_subnormals || f->no_zero ? ldexpf(1, min_exponent) : 0;
	g->zero_to = f->no_zero ? -1 : g->flush;
	g->floor = f->is_signed ? -INFINITY : f->no_zero ? 0x1p-149f : 0;
	g->below = f->is_signed ? -INFINITY : f->no_zero ? NAN : 0;
	g->nan = nan ? NAN : 0;
	g->over = !f->overflows ? g->hi : f->specials == QB_SPECIALS_IEEE ? INFINITY : NAN;
	g->sign = f->is_signed ? 0x80000000u : 0;
	g->zero_sign = f->specials == QB_SPECIALS_FNUZ ? 0 : g->sign;
	g->even = f->is_signed && !f->no_subnormals && !f->no_zero;
	g->lift = ldexpf(1, drop);
	g->simple = !f->overflows && !f->no_subnormals && !f->no_zero &&
		f->specials != QB_SPECIALS_FNUZ && isfinite(g->hi * g->lift);
	g->overflowing = g->even && isinf(g->over) && f->specials != QB_SPECIALS_FNUZ && isfinite(2 * g->hi * g->lift);
	g->over_sign = g->over != g->over ? 0 : g->sign;
}

void qb_grid_init(struct qb_grid *g, const struct qb_format *f)
{
	memset(g, 0, sizeof(*g));
	g->kind = f->kind;
	g->lo = (float)qb_format_min(f);
	g->hi = (float)qb_format_max(f);
	if (f->kind == QB_FORMAT_TABLE) {
		init_table(g, f);
	} else if (f->kind != QB_FORMAT_INT) {
		init_float(g, f);
	}
}

/* Whether tiny quotients, which division by a reciprocal may have wrong, all lie between the same cuts. */
static bool tiny_are_alike(const struct qb_grid *g)
{
	bool alike = g->lo > -0x1p40f;

	for (int i = 0; i < g->steps; i++) {
		alike = alike && fabsf(g->cut[i]) > 0x1p-20f;
	}
	return alike;
}

bool qb_grid_divides_fast(const struct qb_grid *g, float scale)
{
	if (!(scale > 0x1p-40f && scale < 0x1p40f && g->hi < 0x1p40f)) {
		return false;
	}
	return g->kind == QB_FORMAT_INT || (g->kind == QB_FORMAT_TABLE ? tiny_are_alike(g) : g->small > 0x1p-20f);
}

bool qb_grid_takes_blocks(const struct qb_grid *g, size_t block)
{
	return block >= 16 && (block & (block - 1)) == 0 &&
		(g->kind != QB_FORMAT_FLOAT || (g->simple && g->sign));
}

bool qb_grid_fits(const struct qb_grid *g)
{
	return g->kind == QB_FORMAT_INT || (g->kind == QB_FORMAT_FLOAT && g->simple);
}

/* The prefetch distances in bytes: of blocks, whose next chunk it is, and of runs past the caches, page by page. */
#define QB_AHEAD (4 * 4096)
#define QB_AHEAD_STREAMING 512
/* Elements of a page. */
#define QB_PAGE 1024

/* Before a loop that writes element j only where it read element j: its iterations are independent. */
#ifdef __clang__
#define QB_SAME_PLACE _Pragma("clang loop vectorize(assume_safety)")
#else
#define QB_SAME_PLACE _Pragma("GCC ivdep")
#endif

/* Without a fused multiply-add the divider is what there is. */
#define QB_DIVIDE(x, s, r, most) ((x) / (s))
#define QB_STREAM(y, t) memcpy(y, t, sizeof(t))
#define QB_STREAM_END() ((void)0)
#define QB_TARGET
#define QB_WIDTH 16
#define QB_NAME(x) c_##x
#include "core/kernels/quantize/kernels_body.h"

#undef QB_DIVIDE
#undef QB_STREAM
#undef QB_STREAM_END

#if defined(__x86_64__) || defined(__aarch64__)
/* Markstein's division (IBM J. Res. Dev. 34, 1990): r is 1 / s rounded to nearest. The first step leaves a quotient
 * within one unit of the last place, the second rounds it correctly, if nothing under- or overflows on the way:
 * elements beyond twice the range are clipped, which keeps them beyond it, and tiny ones round to 0 either way. */
#define QB_DIVIDE(x, s, r, most) QB_NAME(divide)(x, s, r, most)
#define QB_DIVIDE_BODY \
	float q; \
	x = x < -most ? -most : x; \
	x = x > most ? most : x; \
	q = x * r; \
	q = __builtin_fmaf(__builtin_fmaf(-q, s, x), r, q); \
	return __builtin_fmaf(__builtin_fmaf(-q, s, x), r, q);
#endif

#if defined(__aarch64__)
/* NEON and its multiply-add are part of the architecture. */
#define QB_STREAM(y, t) memcpy(y, t, sizeof(t))
#define QB_STREAM_END() ((void)0)
#define QB_TARGET
#define QB_WIDTH 16
#define QB_FMA(a, b, c) vfmaq_f32((c), (a), (b))
#define QB_NAME(x) neon_##x
#include "core/kernels/quantize/kernels_body.h"
#elif defined(__x86_64__)
#define QB_STREAM_END() _mm_sfence()
#define QB_STREAM(y, t) \
	do { \
		for (int q = 0; q < 64; q += 8) { \
			_mm256_stream_ps((y) + q, _mm256_load_ps((t) + q)); \
		} \
	} while (0)
#define QB_TARGET __attribute__((target("avx2,fma")))
#define QB_WIDTH 32
#define QB_PICK(table, at) _mm256_permutevar8x32_ps((table), (__m256i)(at))
#define QB_MOST(a, b) _mm256_max_ps((a), (b))
#define QB_LEAST(a, b) _mm256_min_ps((a), (b))
#define QB_FMA(a, b, c) _mm256_fmadd_ps((a), (b), (c))
#define QB_NAME(x) avx2_##x
#include "core/kernels/quantize/kernels_body.h"

#undef QB_STREAM
#define QB_STREAM(y, t) \
	do { \
		for (int q = 0; q < 64; q += 16) { \
			_mm512_stream_ps((y) + q, _mm512_load_ps((t) + q)); \
		} \
	} while (0)
#define QB_TARGET QB_AVX512_TARGET
#define QB_WIDTH 64
/* Lanes of two vectors interleaved, and their maxima: half as many lanes of each are left. */
#define QB_FOLD(a, b, how) _mm512_max_epi32(_mm512_unpacklo_##how((a), (b)), _mm512_unpackhi_##how((a), (b)))
#define QB_FOLD_QUARTERS(a, b) \
	_mm512_max_epi32(_mm512_shuffle_i32x4((a), (b), 0x88), _mm512_shuffle_i32x4((a), (b), 0xdd))

/* The largest magnitudes of 16 blocks of 16, as integers. */
QB_TARGET static inline __m512i avx512_max_16(const float *x)
{
	const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
	__m512i m[16];

#pragma GCC unroll 16
	for (int i = 0; i < 16; i++) {
		m[i] = _mm512_and_si512(_mm512_loadu_si512(x + 16 * i), magnitude);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++) {
		m[i] = QB_FOLD(m[i], m[i + 8], epi32);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		m[i] = QB_FOLD(m[i], m[i + 4], epi64);
	}
	/* Every quarter of m[i] holds those of blocks i, i + 8, i + 4 and i + 12. */
	m[0] = QB_FOLD_QUARTERS(m[0], m[1]);
	m[2] = QB_FOLD_QUARTERS(m[2], m[3]);
	m[0] = QB_FOLD_QUARTERS(m[0], m[2]);
	return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15), m[0]);
}

#define QB_MAX_16(x, max) _mm512_storeu_si512((max), avx512_max_16(x))
#define QB_PICK(table, at) _mm512_permutexvar_ps((__m512i)(at), (table))
/* at + n where w > cut */
#define QB_ADD_ABOVE(at, w, cut, n) \
	(QB_NAME(masks))_mm512_mask_add_epi32((__m512i)(at), _mm512_cmp_ps_mask((w), (cut), _CMP_GT_OQ), (__m512i)(at), \
		_mm512_set1_epi32(n))
#define QB_MOST(a, b) _mm512_max_ps((a), (b))
#define QB_LEAST(a, b) _mm512_min_ps((a), (b))
#define QB_FMA(a, b, c) _mm512_fmadd_ps((a), (b), (c))
#define QB_NAME(x) avx512_##x
#include "core/kernels/quantize/kernels_body.h"
#undef QB_MAX_16
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	struct qb_kernels kernels;
} paths[] = {
	{0, {"c", c_qdq, c_measure, c_fit, c_spread, c_block_max}},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, {"avx2", avx2_qdq, avx2_measure, avx2_fit, avx2_spread, avx2_block_max}},
	{QB_FLAG_AVX2 | QB_FLAG_AVX512, {"avx512", avx512_qdq, avx512_measure, avx512_fit, avx512_spread, avx512_block_max}},
#elif defined(__aarch64__)
	{QB_FLAG_NEON, {"neon", neon_qdq, neon_measure, neon_fit, neon_spread, neon_block_max}},
#endif
};

const struct qb_kernels *qb_kernels_at(int i)
{
	return i < (int)QB_COUNT(paths) && qb_cpu_has(paths[i].needs) ? &paths[i].kernels : NULL;
}

const struct qb_kernels *qb_kernels(void)
{
	int i = QB_COUNT(paths) - 1;

	while (!qb_kernels_at(i)) {
		i--;
	}
	return &paths[i].kernels;
}
