/* SPDX-License-Identifier: Apache-2.0
 *
 * Clipped softmax (Bondarenko et al., 2023, eq. 4): clip((zeta - gamma) softmax + gamma, 0, 1), with gamma < 0, so that a
 * probability is exactly 0 at finite scores, and gives no gradient there. gamma = -alpha / T suits any number of keys T.
 *
 * A causal row sees k of T keys. Renormalised, its factor and shift are those for which a row before the clip sums to beta and has
 * eta at most, which the full row has under gamma and zeta: eta = zeta, beta = zeta - gamma + T gamma. With t = k - 1:
 *   factor = (k eta - beta) / t, shift = (beta - eta) / t
 * and the row of one key stays as it is.
 */
#include "core/graph/op.h"
#include "core/train/attention/attention_variant.h"

struct params {
	double gamma, zeta, alpha; /* gamma 1, alpha 0: not given */
	bool renormalize;
};

enum { NO_GAMMA = 1 };
static const double ALPHA = 3;

static const struct qb_field fields[] = {
	{"gamma", QB_FIELD_REAL, offsetof(struct params, gamma), -1000, 0, .depends = true,
		.summary = "what a probability of 0 becomes before the clip; default: -alpha over the number of keys"},
	{"zeta", QB_FIELD_REAL, offsetof(struct params, zeta), 1, 1000, .summary = "what a probability of 1 becomes before the clip"},
	{"alpha", QB_FIELD_REAL, offsetof(struct params, alpha), QB_FIELD_LEAST_REAL, 1000, .depends = true,
		.summary = "gamma by the number of keys; default: 3"},
	{"renormalize", QB_FIELD_BOOL, offsetof(struct params, renormalize),
		.summary = "of causal attention: gamma and zeta of a row by the number of keys that it sees"},
	{0}};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){.gamma = NO_GAMMA, .zeta = 1};
}

static enum qb_err check(void *params, const char *at, struct qb_errbuf *eb)
{
	struct params *p = params;

	if (p->gamma != NO_GAMMA && p->alpha != 0) {
		return qb_fail_field(eb, QB_EJOB, at, "alpha", "and gamma are both given; alpha is gamma by the number of keys");
	}
	p->alpha = p->gamma == NO_GAMMA && p->alpha == 0 ? ALPHA : p->alpha;
	return QB_OK;
}

struct line {
	double factor, shift;
};

static struct line line_of(double gamma, double zeta)
{
	return (struct line){zeta - gamma, gamma};
}

/* Of a row that sees k of `keys` keys. */
static struct line renormalised(double gamma, double zeta, int64_t k, int64_t keys)
{
	double eta = zeta, beta = zeta - gamma + (double)keys * gamma, t = (double)(k - 1);

	return k == 1 ? (struct line){1, 0} : (struct line){((double)k * eta - beta) / t, (beta - eta) / t};
}

/* Factors and shifts of all rows as columns [T, 1]. */
static enum qb_err make_columns(struct qb__layers *l, const struct qb_attention *a, const struct params *p, double gamma,
	const char *name, struct qb_value *out[2])
{
	const int64_t dim[] = {a->queries, 1};

	if (a->queries < 0 || a->queries != a->keys) {
		return qb__attention_fail(l, a, "rows are renormalised by how many keys they see, and here their number is not fixed; "
			"export the network with a fixed length, or leave renormalize out");
	}
	out[0] = qb__layer_constant(l, QB_F32, 2, dim, name, "factor");
	out[1] = qb__layer_constant(l, QB_F32, 2, dim, name, "shift");
	for (int64_t i = 0; out[0] && out[1] && i < a->queries; i++) {
		struct line row = renormalised(gamma, p->zeta, i + 1, a->keys);

		((float *)out[0]->constant->data)[i] = (float)row.factor;
		((float *)out[1]->constant->data)[i] = (float)row.shift;
	}
	return l->err;
}

static enum qb_err rewrite(struct qb__layers *l, const struct qb_attention *a, const void *params, uint64_t seed, int index)
{
	const struct params *p = params;
	double gamma = p->gamma;
	struct qb_value *by[2] = {0}, *in[3], *y;
	const char *name[3] = {qb_arena_printf(l->g->arena, "%s.stretched", a->softmax->name),
		qb_arena_printf(l->g->arena, "%s.shifted", a->softmax->name), qb_arena_printf(l->g->arena, "%s.clipped", a->softmax->name)};

	(void)seed;
	(void)index;
	if (!name[0] || !name[1] || !name[2]) {
		qb__layer_fail(l);
		return l->err;
	}
	if (gamma == NO_GAMMA) {
		if (a->keys < 1) {
			return qb__attention_fail(l, a, "alpha needs the number of keys, which is not fixed here; give gamma");
		}
		gamma = -p->alpha / (double)a->keys;
	}
	if (p->renormalize && a->causal) {
		QB_TRY(make_columns(l, a, p, gamma, name[0], by));
	} else {
		struct line row = line_of(gamma, p->zeta);

		by[0] = qb__layer_scalar(l, (float)row.factor, name[0], "factor");
		by[1] = qb__layer_scalar(l, (float)row.shift, name[1], "shift");
	}
	y = qb__layer_pair(l, QB_OP_Mul, name[0], a->probabilities, by[0]);
	in[0] = qb__layer_pair(l, QB_OP_Add, name[1], y, by[1]);
	in[1] = qb__layer_scalar(l, 0, name[2], "min");
	in[2] = qb__layer_scalar(l, 1, name[2], "max");
	y = in[0] && in[1] && in[2] ? qb__layer_end(l, qb__layer_begin(l, QB_OP_Clip, name[2], NULL, 3, in)) : NULL;
	if (y) {
		a->context->input[0] = y;
	}
	return l->err;
}

const struct qb_attention_variant qb_attention_clipped_softmax = {
	.named = {.name = "clipped_softmax", .summary = "probabilities stretched and clipped, so that some are exactly 0 (Bondarenko et "
		"al., 2023)", .params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults, .check = check},
	.rewrite = rewrite,
};
