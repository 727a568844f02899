/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers of training: streams of core/base/random by purpose and epoch, so that a draw depends on neither threads
 * nor what was drawn before; and the order of an epoch's samples.
 */
#ifndef QB_TRAIN_PERMUTATION_H
#define QB_TRAIN_PERMUTATION_H

#include <stdint.h>

/* What draws; part of what a seed means, so none changes its number. */
enum qb_draw_purpose {
	QB_DRAW_PERMUTATION = 1,
	QB_DRAW_AUGMENT = 2,
	QB_DRAW_NOISE = 3,
	QB_DRAW_INIT = 4, /* epoch: the parameter's number */
};

static inline uint64_t qb_draw_stream(enum qb_draw_purpose purpose, int64_t epoch)
{
	return (uint64_t)purpose << 48 | (uint64_t)epoch;
}

/* order[n]: 0 ... n - 1 shuffled by (seed, epoch) (Fisher and Yates; Durstenfeld, 1964). */
void qb_permutation(uint64_t seed, int64_t epoch, int64_t n, int64_t *order);

#endif
