/* SPDX-License-Identifier: Apache-2.0
 *
 * What a Resize, an Upsample or a ResizeGradient asks for, and what that means along one axis.
 */
#ifndef QB_OPS_RESIZE_AXIS_H
#define QB_OPS_RESIZE_AXIS_H

#include "core/ops/resize.h"

enum qb__resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };
enum qb__resize_coordinates { RESIZE_HALF_PIXEL, RESIZE_HALF_PIXEL_SYMMETRIC, RESIZE_PYTORCH_HALF_PIXEL, RESIZE_ALIGN_CORNERS, RESIZE_ASYMMETRIC,
	RESIZE_TF_HALF_PIXEL_FOR_NN, RESIZE_TF_CROP_AND_RESIZE };
enum qb__resize_nearest { RESIZE_ROUND_PREFER_FLOOR, RESIZE_ROUND_PREFER_CEIL, RESIZE_NEAREST_FLOOR, RESIZE_NEAREST_CEIL };

struct qb__resize {
	enum qb__resize_mode mode;
	enum qb__resize_coordinates coordinates;
	enum qb__resize_nearest nearest;
	bool antialias, exclude_outside;
	bool first; /* Resize of opset 10: nearest is the floor where an axis grows, the ceiling where it shrinks */
	double cubic_a, extrapolation;
	bool known; /* scales or sizes */
	double scale[QB_MAX_DIMS], roi_start[QB_MAX_DIMS], roi_end[QB_MAX_DIMS];
	int64_t out[QB_MAX_DIMS];
};

/* x: the shape before resizing. in: NULL in a shape rule; a gradient has attributes in place of inputs. */
enum qb_err qb__resize_read(const struct qb_node *n, const struct qb_tensor *const in[], const struct qb_shape *x,
	struct qb__resize *r, struct qb_errbuf *eb);

/* Of axis d, from in to out elements; false without memory. */
bool qb__resize_points_init(const struct qb__resize *r, int d, int64_t in, int64_t out, struct qb_resize_points *t);
void qb__resize_points_fini(struct qb_resize_points *t);

#endif
