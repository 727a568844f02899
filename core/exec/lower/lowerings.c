/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/lowerings.h"

#include <stddef.h>

#include "core/graph/op.h"

#define qb__plan_none NULL

static const struct {
	qb_lowering *f32, *int8;
} lowerings[QB_OP_IDS] = {
#define X(type, f32, int8) [QB_OP_##type] = {qb__plan_##f32, qb__plan_##int8},
	QB_LOWERINGS(X)
#undef X
};

qb_lowering *qb__lowering_f32(const struct qb_op *op)
{
	return lowerings[op->id].f32;
}

qb_lowering *qb__lowering_int8(const struct qb_op *op)
{
	return lowerings[op->id].int8;
}
