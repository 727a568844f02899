/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes through the importer of ONNX and TFLite files; what imports is prepared, bound, differentiated and, where it is
 * small, evaluated.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/graph/gradient.h"
#include "core/graph/op.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SMALL = 1 << 14, MAX_INPUTS = 8, MAX_WANTED = 6 };

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

/* The sum of its first output by its first few constants, all of which are evaluated. */
static void differentiate(struct qb_graph *g)
{
	struct qb_value *wanted[MAX_WANTED], *gradient[MAX_WANTED] = {NULL}, *loss = qb_graph_add_value(g, "loss of all", QB_F32);
	struct qb_node *sum = qb_node_create(g, QB_OP_ReduceSum, "sum of all", 13, 1, g->output, 1, &loss);
	struct qb_value **output;
	int count = 0;

	qb_node_add_int(sum, "keepdims", 0);
	qb_graph_append(g, sum);
	g->output[0] = loss;
	g->outputs = 1;
	for (int i = 0; i < g->values && count < MAX_WANTED; i++) {
		if (g->value[i]->constant && g->value[i]->dtype == QB_F32) {
			wanted[count++] = g->value[i];
		}
	}
	if (qb_graph_relink(g, NULL) != QB_OK || sum->op->infer(g, sum, NULL) != QB_OK ||
	    qb_graph_gradient(g, loss, wanted, count, gradient, NULL) != QB_OK) {
		return;
	}
	output = qb_arena_alloc(g->arena, MAX_WANTED + 1, sizeof(*output));
	output[0] = loss;
	for (int i = 0; i < count; i++) {
		if (gradient[i]) {
			output[g->outputs++] = gradient[i];
		}
	}
	g->output = output;
	if (qb_graph_relink(g, NULL) == QB_OK) {
		evaluate(g);
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
		if (bound->outputs && bound->output[0]->dtype == QB_F32) {
			differentiate(bound);
		}
		qb_graph_destroy(&bound);
	}
	if (qb_graph_prepare(g, &eb) == QB_OK && qb_graph_bind(&bound, g, 1, &eb) == QB_OK) {
		evaluate(bound);
		qb_graph_destroy(&bound);
	}
	qb_graph_destroy(&g);
	return 0;
}
