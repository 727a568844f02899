/* SPDX-License-Identifier: Apache-2.0
 *
 * Constant weights as the integer steps of convolutions and products take them.
 */
#ifndef QB_EXEC_LOWER_INT8_WEIGHT_H
#define QB_EXEC_LOWER_INT8_WEIGHT_H

#include "core/exec/builder.h"
#include "core/kernels/int8/kernels.h"

/* Fewer multiplications are not worth the waking of a thread. */
enum { QB__INT8_WORTH_A_THREAD = 250000 };

/* A layer's weight, as integers. */
struct qb__int8_weight {
	const int8_t *codes; /* [outputs][k] of the weight, k in the weight's own order */
	const struct qb_quantizer *q;
	const float *bias;
	int64_t outputs, k;
};

/* Of a node with constant weight and bias, whose outputs and k are set; axis: of the weight, that its outputs lie along. */
enum qb_err qb__int8_load_weight(struct qb_builder *b, const struct qb_node *n, int axis, struct qb__int8_weight *w,
	struct qb_errbuf *eb);

/* What turns sums of products with x into y: sum * (sx * sw / sy) + bias / sy + zy, with room for whole blocks of 64
 * channels. */
enum qb_err qb__int8_requant(struct qb_builder *b, struct qb_requant *r, const struct qb__int8_weight *w,
	const struct qb_lowered *op, const struct qb_bytes *x, const struct qb_bytes *y, struct qb_errbuf *eb);

/* So many elements of pixels outside, which are the zero point; living as long as the plan. */
enum qb_err qb__int8_pad(struct qb_builder *b, const struct qb_int8_form *form, int zero, int64_t elements,
	const void **out, struct qb_errbuf *eb);

#endif
