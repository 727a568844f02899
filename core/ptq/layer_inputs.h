/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers of a scheme for weight methods that learn from what a layer is fed: weights as rows, and their inputs by
 * calibration samples, in float and under the scheme as it is so far. Methods go through the layers in the order of the
 * network, so that what they decided for one is in the inputs of the next.
 */
#ifndef QB_PTQ_LAYER_INPUTS_H
#define QB_PTQ_LAYER_INPUTS_H

#include "core/ptq/method.h"
#include "core/graph/linear.h"
#include "core/ptq/im2col.h"

/* A Conv, Gemm or MatMul whose weight is quantized, constant and its own. */
struct qb_layer {
	struct qb_linear linear;
	struct qb_im2col im2col;
	const struct qb_quantizer *q; /* of the weight: per tensor, per row, or blocks along k */
	int64_t rows, k, groups;      /* groups * (rows / groups) rows of k weights */
	uint64_t input_place;         /* what keeps random numbers of layers apart */
};

/* Layers l[0, count) that are fed the same inputs in the same way, as the queries, keys and values of attention are. What
 * was done to each goes into rows, the report's "layers". */
typedef enum qb_err qb_layers_fn(struct qb_method_weights *m, const void *params, const struct qb_layer *l, int count,
	json_t *rows, struct qb_errbuf *eb);
/* Calls fn with all layers of the scheme in the order of the network, those that are fed alike at once. */
enum qb_err qb_layers_each(struct qb_method_weights *m, const void *params, qb_layers_fn *fn, struct qb_errbuf *eb);

/* w [rows, k] of the float network; now: under the scheme so far (NULL: not wanted). */
enum qb_err qb_layer_weights(const struct qb_method_weights *m, const struct qb_layer *l, float *w, float *now,
	struct qb_errbuf *eb);
/* [rows], 0 where the layer has none; likewise. */
enum qb_err qb_layer_biases(const struct qb_method_weights *m, const struct qb_layer *l, float *bias, float *now,
	struct qb_errbuf *eb);
/* The weights become rows [rows, k], on the grid of q; blocks: what blocks along k have. */
enum qb_err qb_layer_set(struct qb_method_weights *m, const struct qb_layer *l, const float *rows,
	const struct qb_blocks *blocks, struct qb_errbuf *eb);

/* Inputs of one batch: x, xq [groups][n][k], in float and under the scheme. */
typedef enum qb_err qb_layer_inputs_fn(void *arg, const float *x, const float *xq, int64_t n,
	struct qb_errbuf *eb);
/* Calls fn batch after batch, with at most about `limit` positions in all (0: all there are), spread evenly over the
 * samples and, by chance, over the places of each; the same for the same seed whatever the threads. */
enum qb_err qb_layer_stream(const struct qb_method_weights *m, const struct qb_layer *l, int64_t limit,
	qb_layer_inputs_fn *fn, void *arg, struct qb_errbuf *eb);
/* How many positions that is. */
int64_t qb_layer_positions(const struct qb_method_weights *m, const struct qb_layer *l, int64_t limit);

/* The same kept in memory, in a random order: x, xq [groups][n][k]. At most `bytes` for both. */
struct qb_layer_inputs {
	int64_t n;
	float *x, *xq;
};
enum qb_err qb_layer_inputs_init(struct qb_layer_inputs *in, const struct qb_method_weights *m,
	const struct qb_layer *l, int64_t limit, size_t bytes, struct qb_errbuf *eb);
void qb_layer_inputs_fini(struct qb_layer_inputs *in);

#endif
