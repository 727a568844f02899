/* SPDX-License-Identifier: Apache-2.0
 *
 * How the elements of a float32 tensor lie in memory: strides, and blocks of some dimensions inside them, which is what
 * oneDNN's primitives and our kernels ask for.
 */
#ifndef QB_EXEC_LAYOUT_H
#define QB_EXEC_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/graph/graph.h"

enum { QB_LAYOUT_DIMS = 12, QB_LAYOUT_BLOCKS = 4 };

/* Element i[0], i[1] ... of a layout without blocks lies at the sum of i[d] * stride[d]. A block of dimension d and size s
 * takes i[d] % s inside, and i[d] / s goes on: to the next block outwards of the same dimension, at last to the stride.
 * Blocks are contiguous, the last one innermost. ndim is 0 where there is no layout. */
struct qb_layout {
	int ndim;
	int64_t dim[QB_LAYOUT_DIMS];    /* elements */
	int64_t padded[QB_LAYOUT_DIMS]; /* dim in whole blocks: the elements beyond dim are zeros */
	int64_t stride[QB_LAYOUT_DIMS]; /* elements in memory from one block to the next */
	int blocks;
	struct {
		int dim;
		int64_t size;
	} block[QB_LAYOUT_BLOCKS]; /* outermost first */
};

/* Row-major; a scalar is one element. The shape is known. */
struct qb_layout qb_layout_dense(const struct qb_shape *s);
struct qb_layout qb_layout_vector(int64_t n);
/* Dimension 1 of 3 to 5 innermost. */
struct qb_layout qb_layout_channels_last(const struct qb_shape *s);
/* Strides alone, dim and stride [ndim]; a stride of 0 broadcasts. False where two elements would share a place. */
bool qb_layout_strided(struct qb_layout *out, int ndim, const int64_t *dim, const int64_t *stride);
/* Without gaps, dimensions outermost first in `order` [ndim], and dimension `blocked` in one block of `size` elements;
 * size 1: no block. */
struct qb_layout qb_layout_ordered(int ndim, const int64_t *dim, const int *order, int blocked, int64_t size);

/* Do elements lie at the same places? The stride of a dimension of one element does not matter. */
bool qb_layout_equal(const struct qb_layout *a, const struct qb_layout *b);
/* From the first element to the last, padding included. */
size_t qb_layout_elements(const struct qb_layout *l);
size_t qb_layout_bytes(const struct qb_layout *l);
/* Are there elements beyond dim? */
bool qb_layout_is_padded(const struct qb_layout *l);

#endif
