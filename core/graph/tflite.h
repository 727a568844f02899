/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite's FlatBuffers in.
 */
#ifndef QB_GRAPH_TFLITE_H
#define QB_GRAPH_TFLITE_H

#include "core/graph/graph.h"

bool qb__is_tflite(const void *bytes, size_t size);
enum qb_err qb__import_tflite(struct qb_graph **out, const void *bytes, size_t size,
	struct qb_errbuf *eb);

#endif
