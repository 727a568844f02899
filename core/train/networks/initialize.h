/* SPDX-License-Identifier: Apache-2.0
 *
 * Fresh weights for any network.
 */
#ifndef QB_TRAIN_NETWORKS_INITIALIZE_H
#define QB_TRAIN_NETWORKS_INITIALIZE_H

#include "core/graph/graph.h"

/* Every parameter of a network anew, in the order of its nodes; other constants stay. Weights are normal with mean 0 and
 * variance gain / fan_in (He et al., 2015, eq. 10): gain 2 for convolutions and for products before a rectifier, 1 for
 * others, such as the last layer. Biases 0; batch and layer norms gain 1, offset 0, mean 0, variance 1; tables of
 * embeddings, positions and class tokens normal with deviation 0.02; slopes of PRelu 0.25. Numbers depend on the seed and on where the parameter
 * stands. QB_EUNSUPPORTED, naming the node, for recurrent operators. */
enum qb_err qb_graph_initialize(struct qb_graph *g, uint64_t seed, struct qb_errbuf *eb);

#endif
