/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX Runtime, loaded at run time where it is found: a peer to measure against, never a part of the product.
 */
#ifndef QB_BENCH_ORT_H
#define QB_BENCH_ORT_H

#include "core/base/err.h"
#include "core/graph/graph.h"

struct ort;
/* library: libonnxruntime.so...; graph says which inputs to give, in[] holds their data for as long as it runs. */
enum qb_err ort_create(struct ort **out, const char *library, const char *model, int threads,
	const struct qb_graph *graph, const void *const *in, struct qb_errbuf *eb);
void ort_destroy(struct ort **ort);
enum qb_err ort_run(void *ort, struct qb_errbuf *eb);
/* The first output of the last run. */
const float *ort_output(const struct ort *ort);
/* NULL: it is none. */
const char *ort_version(const char *library);

#endif
