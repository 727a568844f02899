/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/operands.h"

int qb__op_ints(const struct qb_tensor *t, int64_t *out, int max)
{
	size_t n;

	if (!t || (t->dtype != QB_I64 && t->dtype != QB_I32) || qb_tensor_count(t, &n, NULL) != QB_OK ||
	    n > (size_t)max) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		out[i] = t->dtype == QB_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
	}
	return (int)n;
}

int qb__op_list(const struct qb_node *n, const struct qb_tensor *const in[], const char *attr, int input,
	int64_t *out, int max)
{
	const int64_t *ints;
	const struct qb_attr *a = qb_node_attr(n, attr);
	int count;

	if (a && a->kind == QB_ATTR_INTS) {
		count = qb_node_ints(n, attr, &ints);
		if (count > max) {
			return OP_LIST_BAD;
		}
		for (int i = 0; i < count; i++) {
			out[i] = ints[i];
		}
		return count;
	}
	if (!op_in(n, input)) {
		return OP_LIST_ABSENT;
	}
	if (!in && !op_const(n, input)) {
		return OP_LIST_UNKNOWN;
	}
	count = qb__op_ints(in ? in[input] : op_const(n, input), out, max);
	return count < 0 ? OP_LIST_BAD : count;
}

enum qb_err qb__op_no_memory(const struct qb_node *n, struct qb_errbuf *eb)
{
	return qb_node_fail(eb, QB_ENOMEM, n, "out of memory while evaluating it");
}
