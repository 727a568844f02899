/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the ONNX writer.
 */
#ifndef QB_GRAPH_ONNX_RAISE_H
#define QB_GRAPH_ONNX_RAISE_H

#include "core/graph/graph.h"

/* Makes every node of ONNX's own domain one (or several) of `opset`, which is not older than any of them. Operators mean
 * what they meant. */
enum qb_err qb__raise_nodes(struct qb_graph *g, int opset, struct qb_errbuf *eb);

#endif
