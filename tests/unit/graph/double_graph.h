/* SPDX-License-Identifier: Apache-2.0
 *
 * A network in double precision, for finite differences.
 */
#ifndef QB_TEST_DOUBLE_GRAPH_H
#define QB_TEST_DOUBLE_GRAPH_H

#include "core/graph/graph.h"

/* Its float32 inputs and constants become float64; what nodes compute follows when it is evaluated. */
void double_graph(struct qb_graph *g);

#endif
