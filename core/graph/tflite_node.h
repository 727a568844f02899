/* SPDX-License-Identifier: Apache-2.0
 *
 * What the TFLite importer's operators become: operands and results in either order of axes, nodes between.
 */
#ifndef QB_GRAPH_TFLITE_NODE_H
#define QB_GRAPH_TFLITE_NODE_H

#include "core/graph/tflite_file.h"

enum qb_err qb__tfl_need_images(const struct tfl_op *op, bool weights);
/* Input i as the graph has it (NULL where it is left out), or in TFLite's own order of axes (NHWC); the output, to be
 * computed. */
enum qb_err qb__tfl_operand(struct tfl_op *op, int i, struct qb_value **out);
enum qb_err qb__tfl_operand_nhwc(struct tfl_op *op, int i, struct qb_value **out);
enum qb_err qb__tfl_result(struct tfl_op *op, struct qb_value **out);
/* A node for a value; one for the output in TFLite's own order; one for the output behind the activation that option
 * `field` names. *n, where n is not NULL, takes attributes. */
enum qb_err qb__tfl_add_node(struct tfl_op *op, enum qb_op_id kind, int inputs, struct qb_value *const *in,
	struct qb_value *out, struct qb_node **n);
enum qb_err qb__tfl_add_node_nhwc(struct tfl_op *op, enum qb_op_id kind, int inputs,
	struct qb_value *const *in, struct qb_node **n);
enum qb_err qb__tfl_add_node_fused(struct tfl_op *op, enum qb_op_id kind, int inputs, struct qb_value *const *in,
	int field, struct qb_node **n);
enum qb_err qb__tfl_add_ints(struct tfl_op *op, struct qb_node *n, const char *name, int count,
	const int64_t *ints);

/* ActivationFunctionType. */
enum { TFL_ACT_NONE, TFL_ACT_RELU, TFL_ACT_RELU_N1_TO_1, TFL_ACT_RELU6, TFL_ACT_TANH };
/* y = act(x). */
enum qb_err qb__tfl_activate(struct tfl_op *op, int act, struct qb_value *x, struct qb_value *y);

#endif
