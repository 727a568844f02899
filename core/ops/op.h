/* SPDX-License-Identifier: Apache-2.0
 *
 * An operator: one row in the table of core/ops/ops.h, one place for everything about it.
 * A family of operators is one file that holds shape rule, plain evaluation, the planned float step,
 * the integer step, and later the gradient.
 */
#ifndef QB_OPS_OP_H
#define QB_OPS_OP_H

#include "core/graph/graph.h"

struct qb_builder; /* core/exec/builder.h: a plan under construction */

/* What quantization does with an operator. */
enum qb_op_class {
	QB_OP_OTHER,    /* computes; its output is quantized when it feeds quantized operators */
	QB_OP_MATMUL,   /* weights and activations: Conv, ConvTranspose, Gemm, MatMul */
	QB_OP_ELTWISE,  /* Add, Mul, activations ... : quantized inputs and output */
	QB_OP_PASS,     /* moves values without changing them (Reshape, MaxPool, Transpose, Concat of equals):
	                 * the output shares the input's quantizer */
};

struct qb_op {
	const char *type;   /* ONNX op_type */
	const char *domain; /* "" is ai.onnx */
	int min_inputs, max_inputs, max_outputs;
	enum qb_op_class class;
	int weight_input;   /* input index of the weight, -1: none */

	/* Sets dtype and shape of node->output[*] from the inputs' (and from constants). Checks everything that
	 * the specification demands of attributes and shapes, so that later stages need not. */
	enum qb_err (*infer)(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb);

	/* Plain C on dense row-major tensors: the reference, the constant folder, and the float path where no
	 * faster one is planned. in[i] NULL where absent; out[i] has dtype, shape and zeroed memory. */
	enum qb_err (*eval)(const struct qb_node *n, const struct qb_tensor *const in[],
		struct qb_tensor out[], struct qb_errbuf *eb);

	/* Adds the float step(s) of a bound node to a plan; NULL: the plan calls eval. */
	enum qb_err (*plan_float)(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb);

	/* Adds integer step(s); returns QB_EUNSUPPORTED where this node must stay float. */
	enum qb_err (*plan_int8)(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb);
};

/* NULL when there is no such operator. */
const struct qb_op *qb_op_find(const char *domain, const char *type);
/* For error messages and documentation: the table in order; NULL at the end. */
const struct qb_op *qb_op_at(int i);

#endif
