/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of an epoch's samples.
 */
#ifndef QB_TRAIN_PERMUTATION_H
#define QB_TRAIN_PERMUTATION_H

#include <stdint.h>

/* order[n]: 0 ... n - 1 shuffled by (seed, stream) (Fisher and Yates; Durstenfeld, 1964). */
void qb_shuffle(uint64_t seed, uint64_t stream, int64_t n, int64_t *order);
/* The order of an epoch's samples. */
void qb_permutation(uint64_t seed, int64_t epoch, int64_t n, int64_t *order);

#endif
