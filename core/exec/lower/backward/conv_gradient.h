/* SPDX-License-Identifier: Apache-2.0
 *
 * The convolution that a gradient's node belongs to, of one or two dimensions.
 */
#ifndef QB_EXEC_LOWER_BACKWARD_CONV_GRADIENT_H
#define QB_EXEC_LOWER_BACKWARD_CONV_GRADIENT_H

#include "core/exec/builder.h"

enum { QB_CONV_ELEMENTS = 64 }; /* kernel elements: pointers to their rows stand on the stack */

struct qb_conv_shape {
	int64_t images, in[2], out[2];      /* height, width; height 1 of one dimension */
	int64_t channels, outputs, groups;  /* of x and y, all groups */
	int64_t kernel[2], stride[2], dilation[2], pad[2];
	int64_t elements, depth, each;          /* kernel elements, channels and outputs of a group */
};

/* x [N,C,in...], w [M,C/group,k...]; n has Conv's attributes, or is a ConvTranspose that makes x. QB_EUNSUPPORTED where there are three dimensions, nothing to
 * compute, or more kernel elements than QB_CONV_ELEMENTS. */
enum qb_err qb_conv_shape_of(struct qb_conv_shape *c, const struct qb_node *n, const struct qb_value *x, const struct qb_value *w,
	struct qb_errbuf *eb);

/* A ConvTranspose whose weights are computed: the gradient by its input of the convolution that it transposes. */
enum qb_err qb_plan_transposed_conv(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb);

/* Depthwise convolutions; QB_EUNSUPPORTED where c is none. */
enum qb_err qb_plan_depthwise_input_gradient(struct qb_builder *b, const struct qb_node *n, const struct qb_conv_shape *c,
	struct qb_errbuf *eb);
enum qb_err qb_plan_depthwise_weight_gradient(struct qb_builder *b, const struct qb_node *n, const struct qb_conv_shape *c,
	struct qb_errbuf *eb);

#endif
