/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs, outputs and attributes of a node, as the families of operators read them; the functions of the table.
 */
#ifndef QB_OPS_OPERANDS_H
#define QB_OPS_OPERANDS_H

#include <string.h>

#include "core/base/size.h"
#include "core/graph/shape.h"
#include "core/ops/op.h"
#include "core/ops/ops.h"

/* The functions that the table names. Several operators share one; declaring it again is harmless. */
#define X(domain, type, min, max, outs, class, weight, traits, infer, eval, gradient) \
	enum qb_err qb__infer_##infer(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb); \
	enum qb_err qb__eval_##eval(const struct qb_node *n, const struct qb_tensor *const in[], \
		struct qb_tensor out[], struct qb_errbuf *eb); \
	enum qb_err qb__gradient_##gradient(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, \
		const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb);
QB_OPS(X, X)
#undef X

static inline struct qb_value *op_in(const struct qb_node *n, int i)
{
	return i < n->inputs ? n->input[i] : NULL;
}

/* The input's tensor if it is a constant. */
static inline const struct qb_tensor *op_const(const struct qb_node *n, int i)
{
	return i < n->inputs && n->input[i] ? n->input[i]->constant : NULL;
}

/* In eval: input i or NULL. */
static inline const struct qb_tensor *op_arg(const struct qb_node *n, const struct qb_tensor *const in[],
	int i)
{
	return i < n->inputs ? in[i] : NULL;
}

/* In eval: does output i exist? */
static inline bool op_wants(const struct qb_node *n, const struct qb_tensor out[], int i)
{
	return i < n->outputs && out[i].dtype != QB_DTYPE_NONE;
}

static inline bool op_is_float(enum qb_dtype t)
{
	return t == QB_F32 || t == QB_F64 || t == QB_F16 || t == QB_BF16;
}

static inline bool op_is_signed(enum qb_dtype t)
{
	return op_is_float(t) || t == QB_I8 || t == QB_I16 || t == QB_I32 || t == QB_I64;
}

/* Product of dims [from, to). */
static inline int64_t op_span(const struct qb_tensor *t, int from, int to)
{
	int64_t n = 1;

	for (int i = from; i < to; i++) {
		n *= t->dim[i];
	}
	return n;
}

/* An integer tensor (int64 or int32) of at most max elements, as int64; its count, or -1 if it is none. */
int qb__op_ints(const struct qb_tensor *t, int64_t *out, int max);
/* The list that an attribute held in older opsets and an input holds in newer ones; -1 if neither is there, -2 if
 * the input is not a constant. in: NULL in a shape rule. */
int qb__op_list(const struct qb_node *n, const struct qb_tensor *const in[], const char *attr, int input,
	int64_t *out, int max);
enum { OP_LIST_ABSENT = -1, OP_LIST_UNKNOWN = -2, OP_LIST_BAD = -3 };

/* The axes that a Reduce... node works on; *known: they are. in: NULL in a shape rule and for a plan. */
enum qb_err qb__op_reduced_axes(const struct qb_node *n, const struct qb_tensor *const in[], int rank,
	bool flag[QB_MAX_DIMS], bool *known, struct qb_errbuf *eb);

enum qb_err qb__op_no_memory(const struct qb_node *n, struct qb_errbuf *eb);

#endif
