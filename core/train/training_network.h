/* SPDX-License-Identifier: Apache-2.0
 *
 * The network that trains, and which of its constants do.
 *
 * A float32 constant is a parameter where a node reads it, directly or through nodes that only move elements, as
 *   WEIGHT      the weight of a Conv, ConvTranspose, Gemm or MatMul, or the table of a Gather
 *   BIAS        input 2 of the former, or what is added to something computed, of more than one element
 *   GAIN, OFFSET, MEAN, VARIANCE   those inputs of a batch, layer, group or instance normalization
 *   GAIN        what multiplies something computed, of more than one element
 *   OTHER       slopes of a PRelu; what is concatenated with something computed (a class token)
 * "Computed" is what depends on a weight or norm: so means, scales and masks of the inputs stay as they are. Stays as well: what has
 * an element below -1e4 or not finite (masks that are added), factors of zeros and ones (masks that multiply), what stretches and
 * shifts probabilities behind a Softmax, zeros that are concatenated (padding), single elements other than the above, and whatever
 * makes shapes. Tied weights stay tied.
 */
#ifndef QB_TRAIN_TRAINING_NETWORK_H
#define QB_TRAIN_TRAINING_NETWORK_H

#include "core/graph/graph.h"
#include "core/train/parameter.h"

/* A clone of an imported network, not bound, of the same function where it is evaluated: its quantization lifted, composites
 * recognized, Dropout gone, constants folded where they do not depend on the batch, norms' parameters and biases one a node. Nothing is fused:
 * batch norms and activations are nodes of their own. What is trained is written back into it for evaluation and export. */
enum qb_err qb_training_network(struct qb_graph **out, const struct qb_graph *network, struct qb_errbuf *eb);

/* What of a network is a parameter: name, layer, group, role and dimensions are set, arrays are not. */
struct qb_parameter_list {
	int count;
	struct qb_parameter *parameter; /* [count], in the order in which nodes read them */
	struct qb_value **value;        /* [count]: the constants */
};

/* Lists the parameters of such a network, in its arena. Fails where there is none. */
enum qb_err qb_list_parameters(struct qb_graph *network, struct qb_parameter_list *out, struct qb_errbuf *eb);

#endif
