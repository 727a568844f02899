/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/attention/attention_variant.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/size.h"

#define X(name) extern const struct qb_attention_variant qb_attention_##name;
QB_ATTENTION_VARIANTS(X)
#undef X

const struct qb_attention_variant qb_attention_vanilla = {
	.named = {.name = "vanilla", .summary = "softmax(Q K^T / sqrt(d)) V, as networks have it"},
};

static const struct qb_attention_variant *const all[] = {
#define X(name) &qb_attention_##name,
	QB_ATTENTION_VARIANTS(X)
#undef X
};

static const struct qb_named *const named[] = {
#define X(name) &qb_attention_##name.named,
	QB_ATTENTION_VARIANTS(X)
#undef X
};
const struct qb_named_table qb_attention_variants = {"variant of attention", QB_COUNT(named), named};

const struct qb_attention_variant *qb_attention_variant_at(int i)
{
	return i >= 0 && i < qb_attention_variants.count ? all[i] : NULL;
}

enum qb_err qb__attention_fail(struct qb__layers *l, const struct qb_attention *a, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->err = qb_fail(l->eb, QB_EJOB, "%.200s: %s", a->softmax->name, text);
	return l->err;
}

enum qb_err qb_graph_set_attention(struct qb_graph *g, const struct qb_attention_variant *v, const void *params,
	uint64_t seed, struct qb_errbuf *eb)
{
	struct qb__layers l = {.g = g, .eb = eb};
	struct qb_attention_list list;

	QB_TRY(qb_graph_relink(g, eb));
	QB_TRY(qb_graph_find_attention(&list, g, eb));
	if (!list.count) {
		return qb_fail(eb, QB_EJOB, "the network has no attention: no Softmax over the product of queries and keys, whose "
			"probabilities multiply values");
	}
	for (int i = 0; i < list.count; i++) {
		const struct qb_attention *a = &list.at[i];

		if (a->clipped || a->gated) {
			return qb__attention_fail(&l, a, "is %s already; leave attention out to train it as it is",
				a->clipped ? "clipped" : "gated");
		}
		if (v->rewrite) {
			QB_TRY(v->rewrite(&l, a, params, seed, i));
		}
	}
	QB_TRY(qb_graph_relink(g, eb));
	return qb_pass_fold_constants(g, eb); /* and shapes, those that are computed of the batch as well */
}
