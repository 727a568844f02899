/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of core/base/random by purpose and epoch, so that a draw of data or of training depends on neither threads nor what was
 * drawn before.
 */
#ifndef QB_BASE_RANDOM_STREAM_H
#define QB_BASE_RANDOM_STREAM_H

#include <stdint.h>

/* What draws; part of what a seed means, so none changes its number. */
enum qb_draw_purpose {
	QB_DRAW_PERMUTATION = 1,
	QB_DRAW_AUGMENT = 2,
	QB_DRAW_NOISE = 3,
	QB_DRAW_INIT = 4,     /* epoch: the parameter's number */
	QB_DRAW_WINDOW = 5,   /* where windows of a text begin */
	QB_DRAW_MASK = 6,     /* which tokens are masked, and by what */
	QB_DRAW_SEQUENCE = 7, /* tokens of made sequences */
	QB_DRAW_HELD_OUT = 8, /* samples that are not learned */
};

static inline uint64_t qb_draw_stream(enum qb_draw_purpose purpose, int64_t epoch)
{
	return (uint64_t)purpose << 48 | (uint64_t)epoch;
}

#endif
