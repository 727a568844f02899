/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node computes, counted from its bound shapes.
 */
#ifndef QB_OPS_COST_H
#define QB_OPS_COST_H

#include "core/graph/graph.h"

/* Multiply-accumulates of one run of a convolution or matrix product whose shapes are concrete; 0 for all other
 * operators and where a shape is unknown. */
double qb_node_macs(const struct qb_node *node);

#endif
