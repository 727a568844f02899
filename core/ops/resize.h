/* SPDX-License-Identifier: Apache-2.0
 *
 * Resizing along one axis: for each output, a few inputs and their weights.
 */
#ifndef QB_OPS_RESIZE_H
#define QB_OPS_RESIZE_H

#include "core/ops/op.h"

struct qb_resize_points {
	int count;        /* of each output */
	int64_t *from;    /* [out][count] */
	double *weight;
	bool *outside;    /* [out]: extrapolated */
};

/* Of axis d of a bound node; the caller frees the three arrays. */
enum qb_err qb_resize_points(const struct qb_node *n, int d, struct qb_resize_points *out,
	struct qb_errbuf *eb);

#endif
