/* SPDX-License-Identifier: Apache-2.0
 *
 * Small graphs of float32, and their gradients against central differences in double precision.
 */
#ifndef QB_TEST_GRADIENT_CHECK_H
#define QB_TEST_GRADIENT_CHECK_H

#include "core/graph/graph.h"
#include "core/graph/op.h"

enum { MAX_INPUTS = 32, MAX_OUTPUTS = 4 };

struct builder {
	struct qb_graph *g;
	uint64_t seed;
	int inputs;
	struct qb_value *input[MAX_INPUTS];
};

/* "2,3" an input of the graph with elements in (-1, 1), all different, none near 0; "0.5~2@2,3" in that range; "c2,3" a
 * constant. */
struct qb_value *drawn(struct builder *b, const char *spec);
/* A constant: "2,2=0,1,0,1", "=1" a scalar. */
struct qb_value *given(struct builder *b, enum qb_dtype dtype, const char *spec);
/* Its outputs' types and shapes are not inferred yet. */
struct qb_node *add_node(struct builder *b, enum qb_op_id op, int opset, int inputs, struct qb_value *const *in, int outputs);
/* The sum of fixed weights times the elements of v. */
struct qb_value *weighted_sum(struct builder *b, struct qb_value *v);
/* Links and infers. */
void finish(struct builder *b, const char *what);

/* The elements of the graph's inputs, in double. */
struct point {
	struct qb_tensor tensor[MAX_INPUTS];
	const struct qb_tensor *arg[MAX_INPUTS];
};

/* What was drawn becomes the graph's inputs. */
void take_inputs(struct builder *b, struct point *p);
/* Differentiates loss by all inputs, turns the graph into one in double, and compares, within 1e-6 of the gradient's largest
 * element. */
void check_gradients(struct builder *b, struct qb_value *loss, const char *what);
void must(enum qb_err err, const struct qb_errbuf *eb, const char *what);

#endif
