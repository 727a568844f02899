/* SPDX-License-Identifier: Apache-2.0
 *
 * What a layer's weights meet, for the methods that learn from it: the inputs [groups, k] at each place of the output of a
 * Conv, Gemm or MatMul with a constant matrix of weights. With them a layer is a matrix product: output channel i of
 * group g is w_i . x_g, w_i its k weights in the order of the weight's own layout.
 */
#ifndef QB_PTQ_IM2COL_H
#define QB_PTQ_IM2COL_H

#include "core/ops/window.h"

struct qb_im2col {
	int64_t groups, k;
	int64_t positions;       /* of all samples of the bound batch, in the order of the output without channels */
	/* convolutions; missing spatial dimensions of size 1 in front */
	bool is_conv;
	int64_t channels, in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
	bool channels_last;      /* of the input as it is read */
	/* matrix products: the input's dimensions and their steps, the last one being k */
	int ndim;
	int64_t dim[QB_MAX_DIMS], step[QB_MAX_DIMS];
};

/* n: of a bound graph. False where it is another operator or its weight another thing than said above. */
bool qb_im2col_of(struct qb_im2col *p, const struct qb_node *n);

/* out + g * group_step [k]: the inputs of group g at one position; padding is 0. x: input 0 as an ordered observer sees
 * it: [N,...,C] for 4 and 5 dimensions, row-major otherwise. */
void qb_im2col_row(const struct qb_im2col *p, const float *x, int64_t position, float *out, int64_t group_step);

#endif
