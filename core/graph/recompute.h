/* SPDX-License-Identifier: Apache-2.0
 *
 * Less memory for more time (Chen et al., "Training deep nets with sublinear memory cost", 2016): what cheap operators
 * make is made again for the backward pass instead of being kept.
 */
#ifndef QB_GRAPH_RECOMPUTE_H
#define QB_GRAPH_RECOMPUTE_H

#include "core/graph/graph.h"

/* g is linked and holds its backward pass, whose nodes stand behind the one that makes loss. Values of activations, normalizations and
 * quantizers that the backward pass reads are computed again just before it does, where what they are made of lives until
 * then anyway. Values are the same bits. *count, or NULL: of nodes added. */
enum qb_err qb_graph_recompute(struct qb_graph *g, const struct qb_value *loss, int *count, struct qb_errbuf *eb);

#endif
