/* SPDX-License-Identifier: Apache-2.0
 *
 * The GEMM of gradients by weights: y = A^T B, where a row of A [depth][rows] and one of B [depth][columns] are the elements
 * of one pixel, found through an indirection buffer, so that neither is transposed nor copied. Each element of y is one chain of
 * fused multiply-adds over the depth, whatever the tiling: plain C and vectors agree bit for bit.
 */
#ifndef QB_KERNELS_F32_GEMM_BACKWARD_H
#define QB_KERNELS_F32_GEMM_BACKWARD_H

#include <stdbool.h>
#include <stdint.h>

enum { QB_F32_OUTER_DEPTH = 128 }; /* as many rows of A and B stay in the nearest caches */

struct qb_f32_outer {
	int64_t depth, rows, columns;     /* depth: QB_F32_OUTER_DEPTH at most */
	const float *const *a, *const *b; /* [depth]: where rows begin */
	int64_t a_offset, b_offset;       /* elements from there to the first of this product */
	float *y;                         /* [rows][y_stride]; the sums are added to it, or take its place */
	int64_t y_stride;
	bool first;                       /* they take its place */
};

void qb_f32_outer(const struct qb_f32_outer *p);

#endif
