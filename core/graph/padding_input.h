/* SPDX-License-Identifier: Apache-2.0
 *
 * The input of a network that says which tokens are padding: one element a token, on its way into the scores of attention.
 */
#ifndef QB_GRAPH_PADDING_INPUT_H
#define QB_GRAPH_PADDING_INPUT_H

#include "core/graph/attention.h"

/* Its index among the inputs, or -1. g: bound; tokens: of a sequence. */
int qb_graph_padding_input(const struct qb_graph *g, const struct qb_attention_list *attention, int64_t tokens);

#endif
