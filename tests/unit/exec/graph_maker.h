/* SPDX-License-Identifier: Apache-2.0
 *
 * Small bound graphs from code, of operators that no file holds above all. A mistake ends the test.
 */
#ifndef QB_TESTS_GRAPH_MAKER_H
#define QB_TESTS_GRAPH_MAKER_H

#include <stdint.h>

#include "core/graph/op.h"

struct graph_maker {
	struct qb_graph *g;
	int made; /* nodes and values, for their names */
};

void gm_init(struct graph_maker *m);
void gm_fini(struct graph_maker *m);
struct qb_value *gm_input(struct graph_maker *m, enum qb_dtype dtype, int ndim, const int64_t *dim);
/* data is copied. */
struct qb_value *gm_constant(struct graph_maker *m, enum qb_dtype dtype, int ndim, const int64_t *dim, const void *data);
/* A node that is not yet in the graph. */
struct qb_node *gm_node(struct graph_maker *m, enum qb_op_id op, int outputs, int inputs, struct qb_value *const *input);
/* ints is copied. */
void gm_ints(struct graph_maker *m, struct qb_node *n, const char *name, int count, const int64_t *ints);
/* Takes the node into the graph, its attributes complete, and infers its outputs; returns the first. */
struct qb_value *gm_add(struct graph_maker *m, struct qb_node *n);
/* A node without attributes, of one output. */
struct qb_value *gm_op(struct graph_maker *m, enum qb_op_id op, int inputs, struct qb_value *const *input);
#define GM_OP(m, op, ...) gm_op(m, op, (int)(sizeof((struct qb_value *[]){__VA_ARGS__}) / sizeof(struct qb_value *)), \
	(struct qb_value *[]){__VA_ARGS__})
void gm_output(struct graph_maker *m, struct qb_value *v);
/* Links the graph. */
struct qb_graph *gm_finish(struct graph_maker *m);

#endif
