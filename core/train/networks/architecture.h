/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks by name, as graphs with batch norms apart, a symbolic batch and named values, so that nobody needs another
 * framework to have something to train. An architecture is one file with one `const struct qb_architecture
 * qb_architecture_NAME`, and one row of the table below; parser, schema and form follow from its fields.
 */
#ifndef QB_TRAIN_NETWORKS_ARCHITECTURE_H
#define QB_TRAIN_NETWORKS_ARCHITECTURE_H

#include "core/graph/graph.h"
#include "core/json/named.h"

#define QB_ARCHITECTURES(X) \
	X(resnet8) \
	X(resnet20) \
	X(mobilenetv2) \
	X(ds_cnn) \
	X(mlp) \
	X(bert) \
	X(opt) \
	X(vit)

/* One sample of the input, without the batch, and how many classes there are: of tokens [T], the vocabulary. */
struct qb_architecture_input {
	int ndim;
	int64_t dim[QB_MAX_DIMS];
	int64_t classes;
};

struct qb__layers;

struct qb_architecture {
	struct qb_named named;
	struct qb_architecture_input usual; /* what it was published for */
	bool tokens; /* the input is int64 [N, T], and the logits are [N, T, classes] */
	/* What the parameters say of the input; NULL: nothing. */
	void (*input)(struct qb_architecture_input *in, const void *params);
	/* The logits [N, classes] of x [N, input]; NULL after a failure that l holds. */
	struct qb_value *(*build)(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
		const void *params);
};

const struct qb_architecture *qb_architecture_find(const char *name);
const struct qb_architecture *qb_architecture_at(int i); /* NULL at the end */
extern const struct qb_named_table qb_architectures;     /* by the same indices; errors call one a network */

/* The network with fresh weights (core/train/networks/initialize.h): input "input" [N, ...], output "logits"
 * [N, classes] or [N, T, classes]. params: what the fields fill. Fails with QB_EJOB where the input does not suit
 * it. */
enum qb_err qb_architecture_build(struct qb_graph **out, const struct qb_architecture *a,
	const struct qb_architecture_input *input, const void *params, uint64_t seed, struct qb_errbuf *eb);

#endif
