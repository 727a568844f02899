/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks by name, as graphs with batch norms apart, a symbolic batch and named values, so that nobody needs another
 * framework to have something to train. An architecture is one file with one `const struct qb_architecture
 * qb_architecture_NAME`, and one row of the table below; parser, schema and form follow from its fields.
 */
#ifndef QB_TRAIN_NETWORKS_ARCHITECTURE_H
#define QB_TRAIN_NETWORKS_ARCHITECTURE_H

#include "core/graph/graph.h"
#include "core/json/fields.h"

#define QB_ARCHITECTURES(X) \
	X(resnet8) \
	X(resnet20) \
	X(mobilenetv2) \
	X(ds_cnn) \
	X(mlp)

/* One sample of the input, without the batch, and how many classes there are. */
struct qb_architecture_input {
	int ndim;
	int64_t dim[QB_MAX_DIMS];
	int64_t classes;
};

struct qb__layers;

struct qb_architecture {
	const char *name, *summary;
	struct qb_architecture_input usual; /* what it was published for */
	size_t params_bytes;                /* of what the fields fill */
	const struct qb_field *fields;      /* beside name, classes and input; NULL: none */
	void (*defaults)(void *params);     /* params is zeroed; NULL: zeros */
	/* Where the fields' own bounds do not say it all; `at` is the network's path in the job. May be NULL. */
	enum qb_err (*check)(void *params, const char *at, struct qb_errbuf *eb);
	/* The logits [N, classes] of x [N, input]; NULL after a failure that l holds. */
	struct qb_value *(*build)(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
		const void *params);
};

const struct qb_architecture *qb_architecture_find(const char *name);
const struct qb_architecture *qb_architecture_at(int i); /* NULL at the end */

/* The network with fresh weights (core/train/networks/initialize.h): input "input" [N, ...], output "logits"
 * [N, classes]. params: what the fields fill. Fails with QB_EJOB where the input does not suit it. */
enum qb_err qb_architecture_build(struct qb_graph **out, const struct qb_architecture *a,
	const struct qb_architecture_input *input, const void *params, uint64_t seed, struct qb_errbuf *eb);

#endif
