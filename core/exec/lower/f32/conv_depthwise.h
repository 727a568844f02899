/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolutions as steps of core/kernels/f32/depthwise.h.
 */
#ifndef QB_EXEC_LOWER_F32_CONV_DEPTHWISE_H
#define QB_EXEC_LOWER_F32_CONV_DEPTHWISE_H

#include "core/exec/lower/f32/conv_igemm.h"
#include "core/kernels/f32/depthwise.h"

enum { QB_DEPTHWISE_ROWS = 16 };

/* Whether the kernel computes the convolution d of node n; *out then describes a line of it, without weights and bias. */
bool qb_depthwise_of(struct qb_f32_depthwise *out, const struct qb_lowered *op, const struct qb_dense *d);
/* Its weights as a plan's, [kernel...][channels]: *id names them. */
enum qb_err qb_depthwise_weight(struct qb_builder *b, const struct qb_dense *d, int *id, struct qb_errbuf *eb);

/* With the pointwise convolution n before it and the one behind it, where these three are alone and it is worth it. */
enum qb_err qb_plan_bottleneck(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *d,
	struct qb_errbuf *eb);

/* QB_EUNSUPPORTED where d is no depthwise convolution or another implementation is better on this processor. */
enum qb_err qb_plan_depthwise(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *d,
	struct qb_errbuf *eb);

/* The line of the input that row ky of the kernel lies on for output line oy; it may be outside. */
static inline int64_t qb_depthwise_line(const struct qb_dense *d, int64_t oy, int64_t ky)
{
	return oy * d->stride[0] - d->pad[0] + ky * d->dilation[0];
}

#endif
