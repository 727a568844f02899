/* SPDX-License-Identifier: Apache-2.0
 *
 * The epilogue of a layer: what is applied to each sum of products before it is stored, in this order: bias, residual,
 * activation, scale and shift of the channel (a batch normalization behind the activation). A residual that is added last
 * comes after these.
 */
#ifndef QB_KERNELS_EPILOGUE_H
#define QB_KERNELS_EPILOGUE_H

#include <stdbool.h>

/* Up to LEAKY they are piecewise linear; those after it are smooth. */
enum qb_act_kind { QB_ACT_NONE, QB_ACT_RELU, QB_ACT_CLIP, QB_ACT_LEAKY, QB_ACT_GELU, QB_ACT_SILU,
	QB_ACT_HARD_SWISH };
struct qb_act {
	enum qb_act_kind kind;
	float lo, hi; /* clip; relu is lo 0, hi +inf; leaky has its slope in lo */
};

/* y * scale[c] + shift[c] for channel c; NULL: neither. */
struct qb_affine {
	const float *scale, *shift; /* [channels] */
};

struct qb_epilogue {
	const float *bias; /* [channels], or NULL */
	struct qb_act act;
	struct qb_affine affine;
	bool residual_last;
};

#endif
