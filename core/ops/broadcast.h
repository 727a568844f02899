/* SPDX-License-Identifier: Apache-2.0
 *
 * Iteration over operands that are broadcast to the shape of an output (numpy's rules).
 */
#ifndef QB_OPS_BROADCAST_H
#define QB_OPS_BROADCAST_H

#include "core/ops/op.h"

enum { OP_MAX_BROADCAST = 3 };

/* Rows of the last dimension: `for (qb__rows_init(&r, ...); qb__rows_next(&r); )` with r.offset[k] the first element of
 * operand k in this row, r.step[k] its stride along the row, r.row elements, r.at the first of the output. */
struct qb__rows {
	int ndim, operands;
	int64_t dim[QB_MAX_DIMS], stride[OP_MAX_BROADCAST][QB_MAX_DIMS], index[QB_MAX_DIMS];
	int64_t row, step[OP_MAX_BROADCAST], offset[OP_MAX_BROADCAST], at, left;
};
void qb__rows_init(struct qb__rows *r, const struct qb_tensor *out, const struct qb_tensor *const t[],
	int operands);
bool qb__rows_next(struct qb__rows *r);

#endif
