/* SPDX-License-Identifier: Apache-2.0
 *
 * The sliding window of convolutions and pools: kernel, strides, dilations, pads with auto_pad resolved.
 */
#ifndef QB_OPS_WINDOW_H
#define QB_OPS_WINDOW_H

#include "core/ops/op.h"

enum { QB_WINDOW_DIMS = QB_MAX_DIMS - 2 };

struct qb_window {
	int ndim; /* spatial dimensions */
	int64_t kernel[QB_WINDOW_DIMS], stride[QB_WINDOW_DIMS], dilation[QB_WINDOW_DIMS]; /* >= 1 */
	int64_t lo[QB_WINDOW_DIMS], hi[QB_WINDOW_DIMS]; /* pads at the begin and the end, >= 0 */
	int64_t in[QB_WINDOW_DIMS], out[QB_WINDOW_DIMS]; /* may be unknown in a shape rule */
};

/* in [spatial] are the input's sizes after batch and channels, kernel NULL to take kernel_shape. */
enum qb_err qb_window_conv(struct qb_window *w, const struct qb_node *n, int ndim, const int64_t *in,
	const int64_t *kernel, struct qb_errbuf *eb);
/* The same for ConvTranspose: out is the larger side. */
enum qb_err qb_window_transposed(struct qb_window *w, const struct qb_node *n, int ndim, const int64_t *in,
	const int64_t *kernel, struct qb_errbuf *eb);
/* The same for pools, with ceil_mode. */
enum qb_err qb_window_pool(struct qb_window *w, const struct qb_node *n, int ndim, const int64_t *in,
	struct qb_errbuf *eb);

/* Extent of the dilated kernel. */
static inline int64_t qb_window_extent(const struct qb_window *w, int i)
{
	return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

#endif
