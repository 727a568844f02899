/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/op.h"

#include <string.h>

#include "core/ops/operands.h"

static const struct qb_op ops[] = {
#define X(domain, type, min, max, outs, class, weight, infer, eval) \
	{ QB_OP_##type, #type, domain, min, max, outs, class, weight, qb__infer_##infer, qb__eval_##eval },
	QB_OPS(X, X)
#undef X
};

const struct qb_op *qb_op_find(const char *domain, const char *type)
{
	for (size_t i = 0; i < QB_COUNT(ops); i++) {
		if (strcmp(ops[i].type, type) == 0 && strcmp(ops[i].domain, domain) == 0) {
			return &ops[i];
		}
	}
	return NULL;
}

const struct qb_op *qb_op_at(int i)
{
	return i >= 0 && (size_t)i < QB_COUNT(ops) ? &ops[i] : NULL;
}
