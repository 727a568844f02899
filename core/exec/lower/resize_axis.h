/* SPDX-License-Identifier: Apache-2.0
 *
 * Resizing along one axis, for steps of plans.
 */
#ifndef QB_EXEC_LOWER_RESIZE_AXIS_H
#define QB_EXEC_LOWER_RESIZE_AXIS_H

#include "core/exec/builder.h"

/* qb_resize_points of a Resize or a ResizeGradient (in: of x) in float32, living as long as the plan; QB_EUNSUPPORTED where some outputs are extrapolated. */
struct qb_resize_axis {
	int64_t in, out;
	int count;
	const int64_t *from; /* [out][count] */
	const float *weight;
};
enum qb_err qb_resize_axis(struct qb_builder *b, const struct qb_node *n, int d, struct qb_resize_axis *a,
	struct qb_errbuf *eb);

#endif
