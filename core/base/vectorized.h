/* SPDX-License-Identifier: Apache-2.0
 *
 * For loops over numbers that a compiler turns into vectors: a body is written once, always inline, and compiled again
 * for wider registers. Operations stay in their order, so every number is the same.
 */
#ifndef QB_BASE_VECTORIZED_H
#define QB_BASE_VECTORIZED_H

#if defined(__GNUC__) && !defined(__clang__)
#define QB_VECTORIZED __attribute__((optimize("O3")))
#else
#define QB_VECTORIZED
#endif

#if defined(__x86_64__)
#define QB_AVX2 QB_VECTORIZED __attribute__((target("avx2")))
#else
#define QB_AVX2 QB_VECTORIZED
#endif

#endif
