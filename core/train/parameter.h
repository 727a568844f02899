/* SPDX-License-Identifier: Apache-2.0
 *
 * What training changes: the network's float constants that are weights, biases, gains, offsets and running statistics,
 * under their names in the network, and what quantization adds.
 */
#ifndef QB_TRAIN_PARAMETER_H
#define QB_TRAIN_PARAMETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/tensor/tensor.h"

/* What an optimizer tells apart. */
enum qb_parameter_group {
	QB_PARAMETERS_WEIGHTS,    /* of convolutions, products and embeddings */
	QB_PARAMETERS_NO_DECAY,   /* biases, gains and offsets of norms */
	QB_PARAMETERS_QUANTIZERS, /* scales and offsets of quantizers */
	QB_PARAMETER_GROUPS,
	QB_PARAMETERS_STATISTICS = QB_PARAMETER_GROUPS, /* running means and variances: no gradient, no optimizer */
};

enum qb_parameter_role {
	QB_PARAMETER_ROLE_WEIGHT,
	QB_PARAMETER_ROLE_BIAS,
	QB_PARAMETER_ROLE_GAIN,     /* of a norm; of a batch norm those of one layer are GAIN, OFFSET, MEAN, VARIANCE, one node's */
	QB_PARAMETER_ROLE_OFFSET,
	QB_PARAMETER_ROLE_MEAN,     /* running */
	QB_PARAMETER_ROLE_VARIANCE, /* running, unbiased as PyTorch has it */
	QB_PARAMETER_ROLE_OTHER,    /* a constant operand that trains: positions, a class token */
	QB_PARAMETER_ROLE_QUANTIZER,
};

struct qb_parameter {
	const char *name;   /* the constant's in the network; of a quantizer's parameter: what its hooks call it */
	const char *layer;  /* the node that reads it, for messages */
	enum qb_parameter_group group;
	enum qb_parameter_role role;
	bool network;       /* a constant of the network, which deployment writes back */
	int ndim;
	int64_t dim[QB_MAX_DIMS];
	size_t size;        /* elements */
	float *value;       /* [size]: what the optimizer steps */
	float *gradient;    /* [size], of the last step; NULL: STATISTICS */
	const float *fed;   /* [size]: what the graph's input gets; value, unless hooks put another array here */
	int input;          /* of the training graph; -1: not in it, its gradient is the hooks' to fill */
	int index;          /* in the trainer's list */
};

#endif
