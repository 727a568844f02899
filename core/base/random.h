/* SPDX-License-Identifier: Apache-2.0
 *
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A number is a pure
 * function of (seed, stream, index), so results do not depend on who draws first.
 */
#ifndef QB_BASE_RANDOM_H
#define QB_BASE_RANDOM_H

#include <stdint.h>

/* Four 32-bit words for the counter (stream, index) under the key seed. */
void qb_random_block(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]);

/* Word `index` of the stream. */
uint32_t qb_random_u32(uint64_t seed, uint64_t stream, uint64_t index);
/* Uniform on [0, 1), 53 bits. */
double qb_random_uniform(uint64_t seed, uint64_t stream, uint64_t index);
/* Standard normal by Box-Muller. */
double qb_random_normal(uint64_t seed, uint64_t stream, uint64_t index);

#endif
