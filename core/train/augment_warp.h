/* SPDX-License-Identifier: Apache-2.0
 *
 * Augmentation of images by linear maps of their plane (rotated, sheared and scaled about their middle) and by their brightness.
 */
#ifndef QB_TRAIN_AUGMENT_WARP_H
#define QB_TRAIN_AUGMENT_WARP_H

#include "core/tensor/tensor.h"
#include "core/train/augment.h"

/* Whether c asks for a map of the plane. */
bool qb_augment_warps(const struct qb_augment_config *c);
/* Whether it asks for what only images have values for: a map or brightness. */
bool qb_augment_resamples(const struct qb_augment_config *c);
/* What is drawn for the sample, from where a place of the result lies to where it is read, both in pixels from the middle:
 * x' = map[0] x + map[1] y, y' = map[2] x + map[3] y. It is (1 + s) R(a) [1 k; 0 1], R(a) = [cos a, -sin a; sin a, cos a], with
 * s uniform on [-scale, scale], a on [-rotate, rotate] degrees and k on [-shear, shear]. */
void qb_augment_map(const struct qb_augment_config *c, const struct qb_augment_sample *s, double map[4]);

/* Images [channels, height, width] of this type, QB_U8 or QB_F32. */
struct qb_augment_image {
	enum qb_dtype type;
	int64_t channels, height, width;
};
/* out = src read by the map, between pixels bilinearly, 0 outside; uint8 is rounded to the nearest, halves up. Not in place. */
void qb_augment_warp(const struct qb_augment_image *image, const double map[4], const void *src, void *out);
/* Elements times a factor uniform on [1 - brightness, 1 + brightness]; uint8 is rounded likewise, to 255 at most. In place. */
void qb_augment_brighten(const struct qb_augment_config *c, const struct qb_augment_sample *s,
	const struct qb_augment_image *image, void *x);

#endif
