/* SPDX-License-Identifier: Apache-2.0
 *
 * What the integer steps share.
 */
#ifndef QB_OPS_INT8_PLAN_H
#define QB_OPS_INT8_PLAN_H

#include "core/ops/builder.h"

/* The bytes an activation may leave: the quantizer's own, and the fused activation's bounds. */
void qb__byte_bounds(const struct qb_node *n, const struct qb_bytes *y, int *lo, int *hi);

#endif
