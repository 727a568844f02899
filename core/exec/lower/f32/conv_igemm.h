/* SPDX-License-Identifier: Apache-2.0
 *
 * Dense layers and convolutions as steps of core/kernels/f32/gemm.h: images channels last, rows of pixels.
 */
#ifndef QB_EXEC_LOWER_F32_CONV_IGEMM_H
#define QB_EXEC_LOWER_F32_CONV_IGEMM_H

#include "core/exec/builder.h"

/* y = act(conv(x, w) + bias + residual): a matrix product is the convolution of a 1 x rows image with a kernel of 1. */
struct qb_dense {
	int64_t images, height, width, channels; /* x, all groups */
	int64_t out_height, out_width, outputs;  /* y, all groups */
	int64_t groups, kernel[2], stride[2], dilation[2], pad[2];
	const struct qb_value *x, *w, *bias, *residual, *y;
	struct qb_layout x_layout, y_layout; /* channels innermost, without padding; residual lies like y */
	struct qb_layout w_as;       /* [outputs, channels / groups, kernel...], [groups, ...] where there are several */
	int w_at;                      /* weights that are computed: where they lie as w_as says, and are packed by a step of their own; 0: a constant */
	bool turned;                   /* such weights' kernel elements count in reverse: a gradient's convolution */
};

/* The convolution of one or two dimensions that a node is; QB_EUNSUPPORTED where it is none. */
enum qb_err qb_dense_of(struct qb_dense *d, const struct qb_lowered *op, struct qb_errbuf *eb);
/* Its weights as the products want them: *id names them. */
enum qb_err qb_dense_weight(struct qb_builder *b, const struct qb_dense *d, int *id, struct qb_errbuf *eb);
/* Where a call reads them. */
enum { QB_DENSE_X, QB_DENSE_WEIGHT, QB_DENSE_BIAS, QB_DENSE_RESIDUAL };
/* What the call reads and writes beside the weights: x, a bias and a residual where there are, y. The last to declare. */
enum qb_err qb_dense_operands(struct qb_builder *b, const struct qb_dense *d, struct qb_call *call, struct qb_errbuf *eb);
/* Its bias, which it has, among what a call reads. */
enum qb_err qb_dense_bias(struct qb_builder *b, const struct qb_dense *d, int *read, struct qb_errbuf *eb);

/* QB_EUNSUPPORTED where another implementation is better on this processor. */
enum qb_err qb_plan_dense(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *d,
	struct qb_errbuf *eb);

/* Pixels times kernel elements that it multiplies by weights, less those that are known to be zeros. */
int64_t qb_dense_cost(const struct qb_dense *d);

/* The same in fewer multiplications, where the kernel is 3 x 3 and no scheme will replace the weights. */
enum qb_err qb_plan_winograd(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *d,
	struct qb_errbuf *eb);

/* y [rows, n] = act(x [rows, k] w + bias [n] + residual), x and y row-major, w and bias constants. */
struct qb_rows_product {
	int64_t rows, k, n;
	bool transposed; /* w lies as [n, k] */
	const struct qb_value *w, *bias, *y; /* bias: or NULL; y: the node's output, or that of the Add behind it whose bias it takes */
};

/* A large one in fewer multiplications, where no scheme will replace the weights. */
enum qb_err qb_plan_strassen(struct qb_builder *b, const struct qb_lowered *op, const struct qb_rows_product *p,
	struct qb_errbuf *eb);

/* y [m, n] = a^T b of a [k, m] and b [k, n], as gradients by weights are: a Gemm with transA alone. */
enum qb_err qb_plan_transposed_product(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb);

/* A MatMul of two activations. */
enum qb_err qb_plan_batched(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb);

#endif
