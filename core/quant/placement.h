/* SPDX-License-Identifier: Apache-2.0
 *
 * Where quantizers go.
 */
#ifndef QB_QUANT_PLACEMENT_H
#define QB_QUANT_PLACEMENT_H

#include "core/graph/graph.h"

/* Which values of a prepared graph are quantized: role[value->index]. The same for every scheme.
 *
 * The rule is that of AIMET and of the FP8 papers:
 * - weights: constants that feed the weight input of a Conv or ConvTranspose, or either operand of a Gemm or MatMul.
 *   Biases (core/quant/bias.h) and all other constants stay float;
 * - activations: the output of every operator of class MATMUL or ELTWISE after fusion, and whatever else feeds one of
 *   them (the network's inputs among it), directly or through operators that only move values;
 * - an operator that only moves values shares the quantizer of its input. One with several (Concat) has
 *   a quantizer of its own unless all its inputs share one, and so has a Pad by another constant than 0;
 * - a Softmax whose output feeds no quantized operator stays float: it is the answer, not a step on the way.
 * - masks of attention, which are arithmetic on integer inputs, and scores on the way into a Softmax once a mask is added
 *   stay float: no grid holds both scores and -1e38;
 * - of clipped softmax the clipped probabilities are quantized, not what is between the Softmax and the Clip.
 * Only float32 values have quantizers. */
enum qb_role { QB_ROLE_FLOAT, QB_ROLE_WEIGHT, QB_ROLE_ACTIVATION };
struct qb_placement {
	int values;
	enum qb_role *role;
	int *weight_axis;   /* channel axis of a weight */
	int *shares;        /* index of the value whose quantizer this one shares (pooling, reshape), or -1 */
};
enum qb_err qb_placement_create(struct qb_placement **out, const struct qb_graph *g,
	struct qb_errbuf *eb);
void qb_placement_destroy(struct qb_placement **p);

#endif
