/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks on files of tensors, each: int32 ONNX element type, int32 rank, int64 dimensions, the data.
 */
#ifndef QB_TEST_TENSOR_FILE_H
#define QB_TEST_TENSOR_FILE_H

#include "core/graph/graph.h"

/* How g runs; out[i].data is malloc'ed, as by qb_graph_eval. */
typedef enum qb_err run_fn(const struct qb_graph *g, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb);

/* Runs g: its inputs, in order, from the file at in_path, its outputs to the one at out_path. */
enum qb_err run_files(const struct qb_graph *g, run_fn *run, const char *in_path, const char *out_path,
	struct qb_errbuf *eb);

#endif
