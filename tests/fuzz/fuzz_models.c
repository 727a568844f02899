/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes through the importer of ONNX and TFLite files; what imports is prepared, bound and, where it is small, evaluated.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/graph/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SMALL = 1 << 14, MAX_INPUTS = 8 };

static void evaluate(const struct qb_graph *g)
{
	static uint8_t zeros[8 * SMALL];
	struct qb_tensor in[MAX_INPUTS], out[MAX_INPUTS];
	const struct qb_tensor *args[MAX_INPUTS];

	if (g->inputs > MAX_INPUTS || g->outputs > MAX_INPUTS) {
		return;
	}
	for (int i = 0; i < g->nodes; i++) { /* a damaged dimension can ask for hours of arithmetic */
		for (int j = 0; j < g->node[i]->outputs; j++) {
			const struct qb_value *v = g->node[i]->output[j];
			int64_t n = 1;

			for (int d = 0; v && d < v->shape.ndim; d++) {
				n *= v->shape.dim[d];
				if (n > SMALL) {
					return;
				}
			}
		}
	}
	for (int i = 0; i < g->inputs; i++) {
		int64_t n = 1;

		in[i] = (struct qb_tensor){ .dtype = g->input[i]->dtype, .ndim = g->input[i]->shape.ndim, .data = zeros };
		for (int d = 0; d < in[i].ndim; d++) {
			in[i].dim[d] = g->input[i]->shape.dim[d];
			n *= in[i].dim[d];
			if (n > SMALL) {
				return;
			}
		}
		args[i] = &in[i];
	}
	if (qb_graph_eval(g, args, out, NULL) == QB_OK) {
		for (int i = 0; i < g->outputs; i++) {
			free(out[i].data);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qb_graph *g = NULL, *bound = NULL;
	struct qb_errbuf eb;

	if (qb_graph_import_bytes(&g, data, size, &eb) != QB_OK) {
		return 0;
	}
	if (qb_graph_bind(&bound, g, 2, &eb) == QB_OK) {
		evaluate(bound);
		qb_graph_destroy(&bound);
	}
	if (qb_graph_prepare(g, &eb) == QB_OK && qb_graph_bind(&bound, g, 1, &eb) == QB_OK) {
		evaluate(bound);
		qb_graph_destroy(&bound);
	}
	qb_graph_destroy(&g);
	return 0;
}
