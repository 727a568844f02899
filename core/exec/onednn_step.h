/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that make primitives share. qb__dnn_describe makes a primitive's descriptor of an operation's, whose
 * layouts are qb__dnn_wanted; qb__dnn_read and qb__dnn_write find its operands; qb__dnn_add_take adds the step.
 */
#ifndef QB_EXEC_ONEDNN_STEP_H
#define QB_EXEC_ONEDNN_STEP_H

#include <dnnl.h>

#include "core/exec/onednn.h"

enum { QB_DNN_ARGS = QB_DNN_SOURCES + 2 }; /* dst and scratch among them */

/* An argument of a primitive: DNNL_ARG_..., and where it is. */
struct qb_dnn_arg {
	int arg;
	bool written;
	struct qb_place at;
};

struct qb_primitive {
	dnnl_primitive_t primitive;
	dnnl_memory_desc_t scratch;
	size_t scratch_bytes; /* 0: none */
	int args;
	struct qb_dnn_arg arg[QB_DNN_ARGS];
	bool has_weights;
};
/* Of a descriptor; the arguments are in p. */
enum qb_err qb__primitive_create(struct qb_primitive *p, const_dnnl_primitive_desc_t pd, const char *what,
	struct qb_errbuf *eb);
/* A step of s->primitive, which declares its arguments. */
struct qb_step;
enum qb_err qb__dnn_add_step(struct qb_builder *b, struct qb_step *s, struct qb_errbuf *eb);

/* A primitive to be: its descriptor and arguments. */
struct qb_dnn_call {
	const struct qb_node *node;
	const struct qb_lowered *op; /* node is its: a clip behind it becomes a post-op; NULL: of an operator without epilogues */
	dnnl_primitive_desc_t pd;
	int args;
	struct qb_dnn_arg arg[QB_DNN_ARGS];
};

dnnl_engine_t qb__dnn_engine(void);
enum qb_err qb__dnn_check(dnnl_status_t status, const char *what, struct qb_errbuf *eb);
/* The layout as oneDNN describes it; the same of what an operand wants, which may be any. */
dnnl_memory_desc_t qb__dnn_md(const struct qb_layout *l);
dnnl_memory_desc_t qb__dnn_wanted(const struct qb_dnn_operand *o);

/* A window as oneDNN has it, dilation from 0. */
struct qb_dnn_dims {
	dnnl_dims_t kernel, stride, dilation, before, after;
};
struct qb_dnn_dims qb__dnn_dims(const struct qb_dnn_window *w);

/* Attributes of the call's primitive: scratch by the session, a clip as a post-op. */
enum qb_err qb__dnn_attr(const struct qb_dnn_call *call, dnnl_primitive_attr_t *out, struct qb_errbuf *eb);
/* The descriptor of the operation that `op` describes, whose initialization gave `status`. hint: of the forward primitive,
 * for a backward one; else NULL. */
enum qb_err qb__dnn_describe(struct qb_dnn_call *call, dnnl_status_t status, const_dnnl_op_desc_t op,
	const_dnnl_primitive_desc_t hint, struct qb_errbuf *eb);
/* Adds an operand that is read, or written, as argument DNNL_ARG_..., in the layout that the descriptor says of it. */
enum qb_err qb__dnn_read(struct qb_builder *b, struct qb_dnn_call *call, int arg, const struct qb_dnn_operand *o,
	struct qb_errbuf *eb);
enum qb_err qb__dnn_write(struct qb_builder *b, struct qb_dnn_call *call, int arg, const struct qb_dnn_operand *o,
	struct qb_errbuf *eb);
/* Adds the step. The call's descriptor is destroyed in any case. */
enum qb_err qb__dnn_add_take(struct qb_builder *b, struct qb_dnn_call *call, struct qb_errbuf *eb);

#endif
