/* SPDX-License-Identifier: Apache-2.0
 *
 * Variants of attention as rewrites of a network, whoever made it: what core/graph/attention.h finds gets nodes more. A variant is one
 * file with one `const struct qb_attention_variant qb_attention_NAME`, and one row of the table below; in a job it is
 *   "attention": "gated" or {"name": "gated", "gate": "mlp"}
 */
#ifndef QB_TRAIN_ATTENTION_ATTENTION_VARIANT_H
#define QB_TRAIN_ATTENTION_ATTENTION_VARIANT_H

#include "core/graph/attention.h"
#include "core/json/named.h"
#include "core/train/networks/layers.h"

#define QB_ATTENTION_VARIANTS(X) \
	X(vanilla) \
	X(clipped_softmax) \
	X(gated)

struct qb_attention_variant {
	struct qb_named named;
	/* Adds its nodes to one attention; seed and index are what new weights are drawn from. NULL: there are none. */
	enum qb_err (*rewrite)(struct qb__layers *l, const struct qb_attention *a, const void *params, uint64_t seed, int index);
};

const struct qb_attention_variant *qb_attention_variant_at(int i); /* NULL at the end */
extern const struct qb_named_table qb_attention_variants;          /* by the same indices */

/* Every attention of a network that is not bound, imported or by name, becomes one of the variant; weights that it has stay, new
 * ones are drawn by the seed. Fails with QB_EJOB where there is none, or where it is no vanilla one. */
enum qb_err qb_graph_set_attention(struct qb_graph *g, const struct qb_attention_variant *v, const void *params,
	uint64_t seed, struct qb_errbuf *eb);

/* For variants: fails with QB_EJOB, naming the softmax. */
enum qb_err qb__attention_fail(struct qb__layers *l, const struct qb_attention *a, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
