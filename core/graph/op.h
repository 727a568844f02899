/* SPDX-License-Identifier: Apache-2.0
 *
 * What the graph asks of an operator. core/ops/ops.h holds the table of all of them, one line each; a family of
 * operators is one file there that holds shape rule and plain evaluation. Steps of a plan are made of them in
 * core/exec/lower.
 */
#ifndef QB_GRAPH_OP_H
#define QB_GRAPH_OP_H

#include "core/graph/graph.h"
#include "core/graph/op_id.h"

/* What quantization does with an operator. */
enum qb_op_class {
	QB_OP_OTHER,    /* computes; its output is quantized when it feeds quantized operators */
	QB_OP_MATMUL,   /* weights and activations: Conv, ConvTranspose, Gemm, MatMul */
	QB_OP_ELTWISE,  /* Add, Mul, activations ... : quantized inputs and output */
	QB_OP_PASS,     /* moves values without changing them (Reshape, MaxPool, Transpose, Concat of equals):
	                 * the output shares the input's quantizer */
};

struct qb_op {
	enum qb_op_id id;
	const char *type;   /* ONNX op_type */
	const char *domain; /* "" is ai.onnx */
	int min_inputs, max_inputs, max_outputs;
	enum qb_op_class class;
	int weight_input;   /* input index of the weight, -1: none. It is a weight only where that input is a
	                     * constant (Gemm and MatMul take two activations as well) */
	unsigned traits;    /* of enum qb_op_trait */

	/* Sets dtype and shape of node->output[*] from the inputs' (and from constants). Checks everything that
	 * the specification demands of attributes and shapes, so that later stages need not. Dimensions may be
	 * symbolic or unknown; what follows from them is then QB_DIM_UNKNOWN, never an error. */
	enum qb_err (*infer)(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb);

	/* Plain C on dense row-major tensors: the reference, the constant folder, and the float path where no
	 * faster one is planned. in[i] NULL where absent; out[i] has dtype, shape and zeroed memory, or dtype
	 * QB_DTYPE_NONE where absent. Sizes come from the tensors, so a node evaluates at any shape that fits it. */
	enum qb_err (*eval)(const struct qb_node *n, const struct qb_tensor *const in[],
		struct qb_tensor out[], struct qb_errbuf *eb);

	/* Appends nodes that compute the gradient of a loss by this node's inputs from those by its outputs:
	 * dy[i] of output i, NULL where the loss does not depend on it (of one output at least it does). wanted[i]: dx[i] is
	 * wanted, the gradient by input i with its dtype and shape; a dx[i] that stays NULL is zero. Shapes are concrete.
	 * NULL: no rule. Called by qb_graph_gradient (core/graph/gradient.h). */
	enum qb_err (*gradient)(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
		struct qb_value **dx, struct qb_errbuf *eb);
};

/* The domain of operators that no file holds. */
#define QB_OP_DOMAIN "quantbench"

/* Nodes that the passes make and no file holds:
 * - A MatMul may have a third input, a constant bias [N] along the last dimension of its output (MatMul + Add).
 * - The activation behind a layer (core/graph/activation.h) may be a Clip of opset 6, whose bounds are attributes.
 * - A Conv always has the bias (input 2, [M]) that a folded batch norm leaves.
 * - LayerNormalization and Gelu (opset 17 and 20) may stand in a network of an older opset. */

/* NULL when there is no such operator. */
const struct qb_op *qb_op_find(const char *domain, const char *type);
const struct qb_op *qb_op_of(enum qb_op_id id);
/* For error messages and documentation: by id, then the same operators of other domains; NULL at the end. */
const struct qb_op *qb_op_at(int i);

/* false where there is no node, or one of an operator that the importer does not know (yet). */
static inline bool qb_node_is(const struct qb_node *n, enum qb_op_id id)
{
	return n && n->op && n->op->id == id;
}

static inline bool qb_node_has(const struct qb_node *n, enum qb_op_trait trait)
{
	return n && n->op && n->op->traits & trait;
}

/* The operator that the attribute `operator` of an ActivationGradient or a ResizeGradient names; QB_OP_IDS where there is
 * none. */
enum qb_op_id qb_node_operator(const struct qb_node *n);

/* Turns a node into one of another operator; its edges and attributes are the caller's to set. */
static inline void qb_node_set_op(struct qb_node *n, enum qb_op_id id)
{
	n->op = qb_op_of(id);
	n->type = n->op->type;
}

#endif
