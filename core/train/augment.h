/* SPDX-License-Identifier: Apache-2.0
 *
 * Augmentation of one sample. What is drawn is a function of (seed, epoch, sample).
 */
#ifndef QB_TRAIN_AUGMENT_H
#define QB_TRAIN_AUGMENT_H

#include <stddef.h>

#include "core/train/config.h"

/* The sample as stored: [C,H,W], or [C,L] and [L], where only shift applies. */
struct qb_augment_sample {
	uint64_t seed;
	int64_t epoch, sample;
	int ndim;            /* without the batch */
	const int64_t *dim;
	size_t element_bytes;
};

/* What a sample draws; part of what a seed means, so none changes its number. */
enum qb_augment_drawn {
	QB_AUGMENT_FLIP,
	QB_AUGMENT_Y,
	QB_AUGMENT_X,
	QB_AUGMENT_SHIFT,
	QB_AUGMENT_ROTATE,
	QB_AUGMENT_SHEAR,
	QB_AUGMENT_SCALE,
	QB_AUGMENT_BRIGHTNESS,
	QB_AUGMENT_DRAWS
};
/* Uniform on [0, 1). */
double qb_augment_draw(const struct qb_augment_sample *s, enum qb_augment_drawn which);

/* Fails where c asks for what samples of these dimensions do not have. */
enum qb_err qb_augment_check(const struct qb_augment_config *c, int ndim, const int64_t *dim, struct qb_errbuf *eb);
/* Whether elements move at all. */
bool qb_augment_moves(const struct qb_augment_config *c);
/* out = src moved: out[c][y][x] = src[c][y + dy][flipped x + dx], 0 outside of it; dy and dx by crop are uniform on
 * [-crop, crop], dy by shift on [-shift, shift]. Not in place. */
void qb_augment_move(const struct qb_augment_config *c, const struct qb_augment_sample *s, const void *src, void *out);
/* x [n] += noise * normal. */
void qb_augment_noise(const struct qb_augment_config *c, const struct qb_augment_sample *s, float *x, size_t n);

#endif
