/* SPDX-License-Identifier: Apache-2.0
 *
 * For loops over elements that a compiler turns into vectors: a body is written once, always inline, and compiled again
 * for wider registers. Operations stay in their order, so every number is the same.
 */
#ifndef QB_BASE_VECTORIZED_H
#define QB_BASE_VECTORIZED_H

#include "core/base/cpu.h"

#if defined(__GNUC__) && !defined(__clang__)
#define QB_VECTORIZED __attribute__((optimize("O3")))
#else
#define QB_VECTORIZED
#endif

/* Functions of the levels with AVX-512. Tests define it, where they emulate those. */
#if defined(__x86_64__) && !defined(QB_AVX512_TARGET)
#ifdef __clang__
#define QB_AVX512_TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#else
#define QB_AVX512_TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
#endif
#endif

/* `storage` void name(params), which is name_body(args) compiled for plain C and AVX2 and chosen by the level in force;
 * QB_FOR_EVERY_LEVEL_512 for AVX-512 as well: what computes more than it loads and stores gains by that. */
#if defined(__x86_64__)
#define QB_AVX2 QB_VECTORIZED __attribute__((target("avx2,fma")))
#define QB_PLAIN_AND_AVX2(name, params, args) \
	QB_AVX2 static void name##_avx2 params \
	{ \
		name##_body args; \
	} \
	QB_VECTORIZED static void name##_plain params \
	{ \
		name##_body args; \
	}
#define QB_FOR_EVERY_LEVEL(storage, name, params, args) \
	QB_PLAIN_AND_AVX2(name, params, args) \
	storage void name params \
	{ \
		(qb_cpu_has(QB_FLAG_AVX2) ? name##_avx2 : name##_plain)args; \
	}
#define QB_FOR_EVERY_LEVEL_512(storage, name, params, args) \
	QB_PLAIN_AND_AVX2(name, params, args) \
	QB_VECTORIZED QB_AVX512_TARGET static void name##_avx512 params \
	{ \
		name##_body args; \
	} \
	storage void name params \
	{ \
		(qb_cpu_has(QB_FLAG_AVX2 | QB_FLAG_AVX512) ? name##_avx512 : qb_cpu_has(QB_FLAG_AVX2) ? name##_avx2 : name##_plain)args; \
	}
#else
#define QB_FOR_EVERY_LEVEL(storage, name, params, args) \
	QB_VECTORIZED storage void name params \
	{ \
		name##_body args; \
	}
#define QB_FOR_EVERY_LEVEL_512 QB_FOR_EVERY_LEVEL
#endif

#endif
