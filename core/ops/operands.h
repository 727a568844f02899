/* SPDX-License-Identifier: Apache-2.0
 *
 * What the families of operators share: reading inputs in shape rules, elements of any type, broadcasting.
 */
#ifndef QB_OPS_OPERANDS_H
#define QB_OPS_OPERANDS_H

#include <string.h>

#include "core/base/size.h"
#include "core/graph/shape.h"
#include "core/ops/op.h"
#include "core/ops/ops.h"

/* The functions that the table names. Several operators share one; declaring it again is harmless. */
#define X(domain, type, min, max, outs, class, weight, infer, eval) \
	enum qb_err qb__infer_##infer(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb); \
	enum qb_err qb__eval_##eval(const struct qb_node *n, const struct qb_tensor *const in[], \
		struct qb_tensor out[], struct qb_errbuf *eb);
QB_OPS(X, X)
#undef X

/* ---- shape rules ---- */

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

/* Does nothing where output i is absent. */
void qb__op_set(struct qb_node *n, int i, enum qb_dtype dtype, struct qb_shape shape);
enum qb_err qb__op_need_rank(const struct qb_node *n, int i, int min, int max, struct qb_errbuf *eb);
enum qb_err qb__op_need_float(const struct qb_node *n, int i, struct qb_errbuf *eb);
enum qb_err qb__op_need_dtype(const struct qb_node *n, int i, enum qb_dtype dtype, struct qb_errbuf *eb);
/* Inputs 0 and i (where present) have the same element type. */
enum qb_err qb__op_need_same(const struct qb_node *n, int i, struct qb_errbuf *eb);
/* -rank..rank-1 becomes 0..rank-1 (rank itself too where `past` allows it). */
enum qb_err qb__op_axis(const struct qb_node *n, int64_t axis, int rank, bool past, int *out,
	struct qb_errbuf *eb);
/* Dimension `axis` of input i is `want` where both are numbers. */
enum qb_err qb__op_need_dim(const struct qb_node *n, int i, int axis, int64_t want,
	struct qb_errbuf *eb);
/* Input i, where present, is a vector of `want` elements (or unknown). */
enum qb_err qb__op_need_vector(const struct qb_node *n, int i, int64_t want, struct qb_errbuf *eb);

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

/* Output 0 is as input 0. Input 0 of a floating-point type. */
enum qb_err qb__op_infer_float_same(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb);
enum qb_err qb__op_infer_same(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb);

/* ---- elements of any type ---- */

/* As double; bool is 0 or 1. */
double qb__op_load(enum qb_dtype dtype, const void *data, size_t i);
/* Rounds to the type (floats: to nearest even; integers: towards zero, saturating). */
void qb__op_store(enum qb_dtype dtype, void *data, size_t i, double v);
int64_t qb__op_load_int(enum qb_dtype dtype, const void *data, size_t i);
/* Wraps. */
void qb__op_store_int(enum qb_dtype dtype, void *data, size_t i, int64_t v);
/* Whole tensors. */
void qb__op_to_f32(const struct qb_tensor *t, float *out);
void qb__op_from_f32(const float *in, struct qb_tensor *t);

/* Runs a kernel that knows float32 only on tensors of any floating-point type: other inputs pass as they are. */
typedef enum qb_err qb__op_kernel(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb);
enum qb_err qb__op_as_f32(qb__op_kernel *kernel, const struct qb_node *n,
	const struct qb_tensor *const in[], struct qb_tensor out[], struct qb_errbuf *eb);

enum qb_err qb__op_no_memory(const struct qb_node *n, struct qb_errbuf *eb);

/* ---- broadcasting ---- */

enum { OP_MAX_BROADCAST = 3 };

/* Rows of the last dimension: `for (op_rows_begin(&r); op_rows_next(&r); )` with r.offset[k] the first element of
 * operand k in this row, r.step[k] its stride along the row, r.row elements, r.at the first of the output. */
struct qb__rows {
	int ndim, operands;
	int64_t dim[QB_MAX_DIMS], stride[OP_MAX_BROADCAST][QB_MAX_DIMS], index[QB_MAX_DIMS];
	int64_t row, step[OP_MAX_BROADCAST], offset[OP_MAX_BROADCAST], at, left;
};
void qb__rows_init(struct qb__rows *r, const struct qb_tensor *out, const struct qb_tensor *const t[],
	int operands);
bool qb__rows_next(struct qb__rows *r);

/* Product of dims [from, to). */
static inline int64_t op_span(const struct qb_tensor *t, int from, int to)
{
	int64_t n = 1;

	for (int i = from; i < to; i++) {
		n *= t->dim[i];
	}
	return n;
}

#endif
