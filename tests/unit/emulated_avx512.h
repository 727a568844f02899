/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512 in portable code (SIMD Everywhere, https://github.com/simd-everywhere/simde), forced into the sources that use
 * it, so that they run on processors without. What Debian 12's version lacks, or does not fuse, is here lane by lane, as
 * Intel's intrinsics guide has it.
 */
#ifndef QB_TESTS_EMULATED_AVX512_H
#define QB_TESTS_EMULATED_AVX512_H

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which take minutes to compile it */
/* The rest is AVX2's own. */
#pragma GCC target("avx2,fma")
#pragma GCC optimize("O1") /* with more it compiles for a minute */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline int emulates_avx512(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#define VNNI
#define VBMI
#define QB_AVX512_TARGET
#define DPBUSD(sum, a, b) ((sum) = emulated_dpbusd(sum, a, b))
#define IN_REGISTER(v) ((void)0)
/* What core/base/cpu.c then finds. */
#define __builtin_cpu_supports(feature) 1

/* Lanes of one vector into those of another. */
#define EMULATE(name, to_type, to_lane, from_type, from_lane, lanes, expression) \
	__attribute__((noinline, unused)) static to_type emulated_##name(from_type from) \
	{ \
		from_lane a[sizeof(from) / sizeof(from_lane)]; \
		to_lane y[sizeof(to_type) / sizeof(to_lane)]; \
		to_type to; \
\
		memcpy(a, &from, sizeof(from)); \
		for (int i = 0; i < lanes; i++) { \
			y[i] = (to_lane)(expression); \
		} \
		memcpy(&to, y, sizeof(to)); \
		return to; \
	}
EMULATE(cvtepi32_epi8, __m128i, int8_t, __m512i, int32_t, 16, a[i])
EMULATE(cvtepi32_ps, __m512, float, __m512i, int32_t, 16, a[i])
EMULATE(cvtepu8_epi32, __m512i, int32_t, __m128i, uint8_t, 16, a[i])
EMULATE(cvtps_epi32, __m512i, int32_t, __m512, float, 16, a[i] >= -0x1p31f && a[i] < 0x1p31f ? lrintf(a[i]) : INT32_MIN)
#define _mm512_cvtepi32_epi8 emulated_cvtepi32_epi8
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#define _mm512_cvtps_epi32 emulated_cvtps_epi32

/* Three vectors to one. Calls compile in seconds, what is inlined in a minute. */
#define EMULATE_SUM(name, type, lane, a_lane, b_lane, lanes, expression) \
	__attribute__((noinline, unused)) static type emulated_##name(type sum, type a_vector, type b_vector) \
	{ \
		a_lane a[sizeof(type) / sizeof(a_lane)]; \
		b_lane b[sizeof(type) / sizeof(b_lane)]; \
		lane y[lanes]; \
\
		memcpy(a, &a_vector, sizeof(a)); \
		memcpy(b, &b_vector, sizeof(b)); \
		memcpy(y, &sum, sizeof(y)); \
		for (int i = 0; i < lanes; i++) { \
			y[i] = expression; \
		} \
		memcpy(&sum, y, sizeof(y)); \
		return sum; \
	}
EMULATE_SUM(dpbusd, __m512i, int32_t, uint8_t, int8_t, 16,
	y[i] + a[4 * i] * b[4 * i] + a[4 * i + 1] * b[4 * i + 1] + a[4 * i + 2] * b[4 * i + 2] + a[4 * i + 3] * b[4 * i + 3])
/* By AVX2's halves: whole networks take it. */
__attribute__((noinline, unused)) static __m512 emulated_fmadd(__m512 a, __m512 b, __m512 c)
{
	__m256 x[2], y[2], z[2];

	memcpy(x, &a, sizeof(a));
	memcpy(y, &b, sizeof(b));
	memcpy(z, &c, sizeof(c));
	for (int i = 0; i < 2; i++) {
		z[i] = _mm256_fmadd_ps(x[i], y[i], z[i]);
	}
	memcpy(&c, z, sizeof(c));
	return c;
}
#undef _mm512_fmadd_ps
#define _mm512_fmadd_ps emulated_fmadd

static inline void emulated_stream(float *to, __m512 v)
{
	memcpy(to, &v, sizeof(v));
}
#define _mm512_stream_ps emulated_stream

/* Bytes that a mask names, in memory; no other byte is touched. */
#define EMULATE_MASK(bits, type) \
	static inline void emulated_store_##bits(void *to, uint64_t mask, type v) \
	{ \
		for (int i = 0; i < bits / 8; i++) { \
			if (mask >> i & 1) { \
				memcpy((char *)to + i, (const char *)&v + i, 1); \
			} \
		} \
	} \
	static inline type emulated_load_##bits(uint64_t mask, const void *from) \
	{ \
		type v; \
\
		memset(&v, 0, sizeof(v)); \
		for (int i = 0; i < bits / 8; i++) { \
			if (mask >> i & 1) { \
				memcpy((char *)&v + i, (const char *)from + i, 1); \
			} \
		} \
		return v; \
	}
EMULATE_MASK(512, __m512i)
EMULATE_MASK(128, __m128i)
#define _mm512_mask_storeu_epi8 emulated_store_512
#define _mm512_maskz_loadu_epi8 emulated_load_512
#define _mm_mask_storeu_epi8 emulated_store_128
#define _mm_maskz_loadu_epi8 emulated_load_128

/* The same of floats. */
__attribute__((noinline, unused)) static void emulated_store_ps(float *to, uint16_t mask, __m512 v)
{
	float lane[16];

	memcpy(lane, &v, sizeof(v));
	for (int i = 0; i < 16; i++) {
		if (mask >> i & 1) {
			to[i] = lane[i];
		}
	}
}

__attribute__((noinline, unused)) static __m512 emulated_load_ps(uint16_t mask, const float *from)
{
	float lane[16];
	__m512 v;

	for (int i = 0; i < 16; i++) {
		lane[i] = mask >> i & 1 ? from[i] : 0;
	}
	memcpy(&v, lane, sizeof(v));
	return v;
}
#define _mm512_mask_storeu_ps emulated_store_ps
#define _mm512_maskz_loadu_ps emulated_load_ps
#else
static inline int emulates_avx512(void)
{
	return 0;
}
#endif

#endif
