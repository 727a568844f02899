/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/op.h"

#include <string.h>

#include "core/ops/operands.h"

/* Traits by the names that the table has for them. */
enum {
#define T(name) name = QB_TRAIT_##name,
	QB_OP_TRAITS(T)
#undef T
};

#define qb__gradient_none NULL
#define ROW(domain, type, min, max, outs, class, weight, traits, infer, eval, gradient) \
	{ QB_OP_##type, #type, domain, min, max, outs, class, weight, traits, qb__infer_##infer, qb__eval_##eval, \
		qb__gradient_##gradient },
#define NO_ROW(...)

/* By id. */
static const struct qb_op ops[] = { QB_OPS(ROW, NO_ROW) };
static const struct qb_op aliases[] = { QB_OPS(NO_ROW, ROW) };

const struct qb_op *qb_op_find(const char *domain, const char *type)
{
	const struct qb_op *op;

	for (int i = 0; (op = qb_op_at(i)); i++) {
		if (strcmp(op->type, type) == 0 && strcmp(op->domain, domain) == 0) {
			return op;
		}
	}
	return NULL;
}

const struct qb_op *qb_op_of(enum qb_op_id id)
{
	return &ops[id];
}

const struct qb_op *qb_op_at(int i)
{
	if (i < 0 || (size_t)i >= QB_COUNT(ops) + QB_COUNT(aliases)) {
		return NULL;
	}
	return i < QB_OP_IDS ? &ops[i] : &aliases[i - QB_OP_IDS];
}

enum qb_op_id qb_node_operator(const struct qb_node *n)
{
	const struct qb_op *op = qb_op_find("", qb_node_string(n, "operator", ""));

	return op ? op->id : QB_OP_IDS;
}
