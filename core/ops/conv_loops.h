/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of convolutions and of their gradients in plain C and double precision, one pair of channels at a time. Up to
 * three spatial dimensions; missing ones have size 1 and stand in front.
 */
#ifndef QB_OPS_CONV_LOOPS_H
#define QB_OPS_CONV_LOOPS_H

#include "core/ops/window.h"

/* A convolution x [n, c, in] * w [m, cg, kernel] -> y [n, m, out]; cg and mg: channels of a group. */
struct qb__conv {
	int64_t n, c, m, cg, mg, in[3], out[3], kernel[3], stride[3], dilation[3], lo[3];
	int64_t in_size, out_size, kernel_size;
};

/* Of a Conv's node and its x and w. */
enum qb_err qb__conv_of(struct qb__conv *q, const struct qb_node *n, const struct qb_tensor *x, const struct qb_tensor *w,
	struct qb_errbuf *eb);
/* Of a ConvTranspose, seen as the transpose of a convolution from its output to its input. */
enum qb_err qb__conv_of_transposed(struct qb__conv *q, const struct qb_node *n, const struct qb_tensor *x,
	const struct qb_tensor *w, const struct qb_tensor *y, struct qb_errbuf *eb);

/* y [out] += x [in] * w [kernel] */
void qb__conv_add(const struct qb__conv *q, const double *x, const double *w, double *y);
/* The transpose: x [in] += for each output and kernel element w * y */
void qb__conv_scatter(const struct qb__conv *q, const double *y, const double *w, double *x);
/* w [kernel] += for each kernel element the sum over outputs of x * y */
void qb__conv_correlate(const struct qb__conv *q, const double *x, const double *y, double *w);

#endif
