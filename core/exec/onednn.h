/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps that primitives of oneDNN compute, what plans and sessions need to run them, and its matrix product. oneDNN's own
 * types stand in core/exec/onednn*.{c,h} alone: a lowering fills a struct of values and layouts, and one of the functions
 * below adds the step. A build without oneDNN has core/exec/onednn_absent.c in its place.
 */
#ifndef QB_EXEC_ONEDNN_H
#define QB_EXEC_ONEDNN_H

#include "core/exec/builder.h"

/* Is it in this build? Without it every step below is refused, and the operator is evaluated in plain C. */
bool qb_dnn_is_present(void);

/* ---- steps ----
 *
 * Each of these adds one step for node n, with the reorders before it that its operands need, and defines the value that it
 * writes. A clip in the epilogue of op is fused; its residual, other activations and its affine are left to
 * qb__plan_epilogue. QB_EUNSUPPORTED, nothing having been added: oneDNN has no implementation. */

/* A value as a primitive sees it. A constant is a weight of the plan, reordered once; what is computed is reordered in every
 * run. A value that is written is in its own dimensions, or row-major. */
struct qb_dnn_operand {
	const struct qb_value *value; /* NULL: there is none */
	struct qb_layout as;   /* its row-major elements, in the primitive's dimensions */
	struct qb_layout want; /* in the same dimensions; ndim 0: whichever layout the primitive is fastest with */
};

/* In its own dimensions: in any layout, row-major, or where the builder has it. */
static inline struct qb_dnn_operand qb_dnn_any(const struct qb_value *v)
{
	return (struct qb_dnn_operand){.value = v, .as = qb_layout_dense(&v->shape)};
}

static inline struct qb_dnn_operand qb_dnn_dense(const struct qb_value *v)
{
	struct qb_layout dense = qb_layout_dense(&v->shape);

	return (struct qb_dnn_operand){v, dense, dense};
}

static inline struct qb_dnn_operand qb_dnn_home(const struct qb_builder *b, const struct qb_value *v)
{
	return (struct qb_dnn_operand){v, qb_layout_dense(&v->shape), qb_builder_home(b, v)->layout};
}

/* How a kernel goes over up to 3 spatial dimensions. */
enum { QB_DNN_SPATIAL = 3 };
struct qb_dnn_window {
	int64_t kernel[QB_DNN_SPATIAL]; /* of a pool; a convolution's weights say */
	int64_t stride[QB_DNN_SPATIAL], dilation[QB_DNN_SPATIAL]; /* from 1 */
	int64_t before[QB_DNN_SPATIAL], after[QB_DNN_SPATIAL]; /* padding; of a transposed convolution what is cut off */
};

/* dst = src * weights + bias. src [N,C,spatial...], weights [M,C,kernel...] or, of several groups,
 * [groups,M/groups,C/groups,kernel...], bias [M] or none, dst [N,M,spatial...]. */
struct qb_conv_args {
	struct qb_dnn_operand src, weights, bias, dst;
	struct qb_dnn_window window;
	bool transposed;
};
enum qb_err qb_dnn_conv(struct qb_builder *b, const struct qb_lowered *op, const struct qb_conv_args *a,
	struct qb_errbuf *eb);

/* Inner product: src [rows,K], weights [N,K], bias [N] or none, dst [rows,N].
 * Matrix product: src [...,rows,K], weights [...,K,N], dst [...,rows,N], leading dimensions of 1 being broadcast; no bias. */
struct qb_product_args {
	struct qb_dnn_operand src, weights, bias, dst;
};
enum qb_err qb_dnn_inner_product(struct qb_builder *b, const struct qb_lowered *op, const struct qb_product_args *a,
	struct qb_errbuf *eb);
enum qb_err qb_dnn_matmul(struct qb_builder *b, const struct qb_lowered *op, const struct qb_product_args *a,
	struct qb_errbuf *eb);

/* dst = f(src), alpha being ELU's factor or the slope of a leaky ReLU below 0. */
enum qb_dnn_eltwise { QB_DNN_ABS, QB_DNN_ELU, QB_DNN_LEAKY_RELU, QB_DNN_MISH, QB_DNN_SQRT };
struct qb_eltwise_args {
	enum qb_dnn_eltwise kind;
	float alpha;
	struct qb_dnn_operand src, dst;
};
enum qb_err qb_dnn_eltwise(struct qb_builder *b, const struct qb_node *n, const struct qb_eltwise_args *a,
	struct qb_errbuf *eb);

/* src [N,C,spatial...], dst [N,C,spatial...]; the mean of a window counts its padding or does not. */
enum qb_dnn_pool { QB_DNN_POOL_MAX, QB_DNN_POOL_MEAN_PADDED, QB_DNN_POOL_MEAN };
struct qb_pool_args {
	enum qb_dnn_pool kind;
	struct qb_dnn_operand src, dst;
	struct qb_dnn_window window;
};
enum qb_err qb_dnn_pool(struct qb_builder *b, const struct qb_node *n, const struct qb_pool_args *a,
	struct qb_errbuf *eb);

struct qb_softmax_args {
	struct qb_dnn_operand src, dst;
	int axis;
	bool log;
};
enum qb_err qb_dnn_softmax(struct qb_builder *b, const struct qb_node *n, const struct qb_softmax_args *a,
	struct qb_errbuf *eb);

enum { QB_DNN_SOURCES = 8 };
struct qb_concat_args {
	struct qb_dnn_operand src[QB_DNN_SOURCES], dst; /* src: each in a layout that is wanted */
	int sources, axis;
};
enum qb_err qb_dnn_concat(struct qb_builder *b, const struct qb_node *n, const struct qb_concat_args *a,
	struct qb_errbuf *eb);

/* ---- matrix product, at once ---- */

/* c [m,n] = alpha a b + beta c, all row-major: a [m,k] or, transposed, [k,m]; b [k,n] or [n,k]; a_row, b_row and c_row are
 * elements from row to row. Sums are in float32, in an order that depends on the CPU level. */
struct qb_sgemm {
	bool a_transposed, b_transposed;
	int64_t m, n, k;
	float alpha, beta;
	const float *a, *b;
	float *c;
	int64_t a_row, b_row, c_row;
};
enum qb_err qb_sgemm(const struct qb_sgemm *p, struct qb_errbuf *eb);

/* ---- of plans and sessions ---- */

struct qb_plan;
struct qb_session;
struct qb_overlay;

/* A primitive and the operands of its step. */
struct qb_primitive;
void qb__primitive_destroy(struct qb_primitive **p);
/* Bytes of scratch that it needs in a run. */
size_t qb__primitive_scratch(const struct qb_primitive *p);

/* Elements in a layout, as an argument of primitives; data is borrowed. */
struct qb_memory;
enum qb_err qb__memory_create(struct qb_memory **out, const struct qb_layout *l, void *data, struct qb_errbuf *eb);
void qb__memory_destroy(struct qb_memory **m);
void *qb__memory_data(const struct qb_memory *m);

/* Copies elements from one layout to another: as a primitive in a plan's memory, or now. */
enum qb_err qb__reorder_create(struct qb_primitive **out, struct qb_arena *arena, const struct qb_layout *from,
	const struct qb_layout *to, struct qb_errbuf *eb);
enum qb_err qb__reorder_now(const struct qb_layout *from, const void *src, const struct qb_layout *to, void *dst,
	struct qb_errbuf *eb);
/* The reorder as a step of the node at work. */
enum qb_err qb__add_reorder(struct qb_builder *b, const struct qb_place *from, const struct qb_place *to,
	struct qb_errbuf *eb);

/* A session's side: a stream, and the arguments of the plan's primitives where the session has them. The session's memory
 * is there already. */
struct qb_dnn_session;
enum qb_err qb__dnn_session_create(struct qb_dnn_session **out, const struct qb_session *s, struct qb_errbuf *eb);
void qb__dnn_session_destroy(struct qb_dnn_session **session);
/* Runs the primitive of step i; overlay: NULL, or weights to take instead of the plan's. */
enum qb_err qb__dnn_run(const struct qb_session *s, int i, const struct qb_overlay *overlay, struct qb_errbuf *eb);
/* Gives the primitives the caller's memory, s->bound, as their operands. */
enum qb_err qb__dnn_bind(const struct qb_session *s, struct qb_errbuf *eb);
/* Runs a reorder that is no step. */
enum qb_err qb__dnn_reorder(const struct qb_session *s, const struct qb_primitive *reorder, const void *src, void *dst,
	struct qb_errbuf *eb);

#endif
