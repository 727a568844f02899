/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks and results of shape rules.
 */
#ifndef QB_OPS_SHAPE_RULE_H
#define QB_OPS_SHAPE_RULE_H

#include "core/graph/shape.h"
#include "core/ops/op.h"

/* Does nothing where output i is absent. */
void qb__op_set(struct qb_node *n, int i, enum qb_dtype dtype, struct qb_shape shape);
/* All outputs are of this type, and of unknown shape; returns QB_OK. */
enum qb_err qb__op_set_unknown(struct qb_node *n, enum qb_dtype dtype);
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
/* The shape that the attribute `shape` of a gradient's operator names; concrete. */
enum qb_err qb__op_shape_attr(const struct qb_node *n, struct qb_shape *out, struct qb_errbuf *eb);

/* Output 0 is as input 0. Input 0 of a floating-point type. */
enum qb_err qb__op_infer_float_same(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb);
enum qb_err qb__op_infer_same(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb);

#endif
