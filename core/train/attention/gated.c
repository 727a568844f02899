/* SPDX-License-Identifier: Apache-2.0
 *
 * Gated attention (Bondarenko et al., 2023, eq. 5): what a head makes of a token times sigmoid(G(x)), x being what the attention
 * layer reads of that token, before the output layer. G is a layer for each head, of the head's slice of x; a network of
 * two layers for each head, of the same slice; or one layer of all of x for all heads.
 */
#include <math.h>

#include "core/base/random.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"
#include "core/train/attention/attention_variant.h"

/* Of new weights, as transformers are initialised. */
static const double DEVIATION = 0.02;
/* Streams of random numbers that weights of networks do not draw from. */
static const uint64_t FIRST_STREAM = (uint64_t)1 << 32;

enum gate { GATE_LINEAR, GATE_MLP, GATE_ALL_HEADS };
struct params {
	int gate;
	double initial;
	int64_t hidden;
};

static const char *const gates[] = {[GATE_LINEAR] = "linear", [GATE_MLP] = "mlp", [GATE_ALL_HEADS] = "all_heads", NULL};
static const struct qb_field fields[] = {
	{"gate", QB_FIELD_CHOICE, offsetof(struct params, gate), .choices = gates,
		.summary = "linear: a layer for each head, of its slice of the input; mlp: two layers; all_heads: one layer of the whole input"},
	{"initial", QB_FIELD_REAL, offsetof(struct params, initial), 1e-6, 0.999999, .summary = "how far gates are open at first"},
	{"hidden", QB_FIELD_LONG, offsetof(struct params, hidden), 1, 65536, .summary = "of mlp: width between its layers"},
	{0}};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){.gate = GATE_LINEAR, .initial = 0.5, .hidden = 16};
}

/* ---- the input ---- */

/* x [N, T, width], or with its first dimensions the other way round. */
struct input {
	struct qb_value *x;
	int64_t heads, width, tokens; /* tokens: may be unknown */
	bool tokens_first;
};

static bool is_batch(int64_t dim)
{
	return dim < 0 && dim != QB_DIM_UNKNOWN;
}

static enum qb_err read_input(struct qb__layers *l, const struct qb_attention *a, struct input *out)
{
	const struct qb_shape *s = a->input ? &a->input->shape : NULL, *c = &a->context->output[0]->shape;
	char text[2][256];

	if (!s || !s->known || s->ndim != 3 || s->dim[2] < 1 || is_batch(s->dim[0]) == is_batch(s->dim[1])) {
		return qb__attention_fail(l, a, "gates read what the layer does, and its input %.100s is %s, not [batch, tokens, channels] with a "
			"free batch", a->input ? a->input->name : "", s ? qb_shape_text(s, text[0], sizeof(text[0])) : "not found");
	}
	*out = (struct input){.x = a->input, .heads = a->heads, .width = s->dim[2], .tokens_first = is_batch(s->dim[1])};
	out->tokens = s->dim[out->tokens_first ? 0 : 1];
	if (a->heads < 1 || !c->known || !((c->ndim == 4 && c->dim[1] == a->heads && c->dim[0] == s->dim[out->tokens_first]) ||
			(c->ndim == 3 && c->dim[0] == qb_dim_mul(s->dim[out->tokens_first], a->heads) && out->tokens > 0))) {
		return qb__attention_fail(l, a, "gates multiply what heads make of tokens, which is %s here, not [batch, heads, tokens, "
			"channels] (where it is unknown, fix the length); the input is %s", qb_shape_text(c, text[0], sizeof(text[0])), qb_shape_text(s, text[1], sizeof(text[1])));
	}
	return QB_OK;
}

/* ---- weights ---- */

struct drawn {
	struct qb__layers *l;
	uint64_t seed, stream;
	const char *name; /* of the gate */
	double bias;      /* of its last layer */
};

static struct qb_value *draw_weight(struct drawn *d, int ndim, const int64_t *dim, const char *layer)
{
	struct qb_value *v = qb__layer_constant(d->l, QB_F32, ndim, dim, layer, "weight");
	float *x = v ? v->constant->data : NULL;

	for (size_t i = 0; x && i < qb_tensor_size(v->constant); i++) {
		x[i] = (float)(DEVIATION * qb_random_normal(d->seed, d->stream, i));
	}
	d->stream++;
	return v;
}

/* x times a weight of this shape, with a bias of `ndim` dimensions that is `bias` everywhere. */
static struct qb_value *layer(struct drawn *d, struct qb_value *x, int ndim, const int64_t *weight, const int64_t *bias,
	double begin, const char *part)
{
	const char *name = qb_arena_printf(d->l->g->arena, "%s%s", d->name, part);
	const char *sum = qb_arena_printf(d->l->g->arena, "%s%s.add", d->name, part);
	struct qb_value *y, *b;

	if (!x || !name || !sum) {
		return x ? qb__layer_fail(d->l) : NULL;
	}
	y = qb__layer_pair(d->l, QB_OP_MatMul, name, x, draw_weight(d, ndim, weight, name));
	b = qb__layer_constant(d->l, QB_F32, ndim == 2 ? 1 : ndim, bias, name, "bias");
	for (size_t i = 0; b && i < qb_tensor_size(b->constant); i++) {
		((float *)b->constant->data)[i] = (float)begin;
	}
	return qb__layer_pair(d->l, QB_OP_Add, sum, y, b);
}

/* ---- G ---- */

/* [N, heads, T, slice] of x. */
static struct qb_value *split_heads(struct drawn *d, const struct input *in)
{
	static const int64_t batch_first[] = {0, 2, 1, 3}, tokens_first[] = {1, 2, 0, 3};
	const char *split = qb_arena_printf(d->l->g->arena, "%s.split", d->name);
	const char *heads = qb_arena_printf(d->l->g->arena, "%s.heads", d->name);

	if (!split || !heads) {
		return qb__layer_fail(d->l);
	}
	return qb__layer_transpose(d->l, qb__layer_reshape(d->l, in->x, 4, (const int64_t[]){0, 0, in->heads, in->width / in->heads},
		split), 4, in->tokens_first ? tokens_first : batch_first, heads);
}

static struct qb_value *of_slices(struct drawn *d, const struct input *in, const struct params *p)
{
	int64_t h = in->heads, slice = in->width / h, inside = p->gate == GATE_MLP ? p->hidden : slice;
	struct qb_value *y = split_heads(d, in);
	const char *relu = qb_arena_printf(d->l->g->arena, "%s.relu", d->name);

	if (!relu) {
		return qb__layer_fail(d->l);
	}
	if (p->gate == GATE_MLP) {
		y = layer(d, y, 3, (const int64_t[]){h, slice, inside}, (const int64_t[]){h, 1, inside}, 0, ".hidden");
		y = qb__layer_unary(d->l, QB_OP_Relu, relu, y);
	}
	return layer(d, y, 3, (const int64_t[]){h, inside, 1}, (const int64_t[]){h, 1, 1}, d->bias, "");
}

static struct qb_value *of_all(struct drawn *d, const struct input *in)
{
	static const int64_t batch_first[] = {0, 2, 1}, tokens_first[] = {1, 2, 0};
	const char *heads = qb_arena_printf(d->l->g->arena, "%s.heads", d->name);
	const char *column = qb_arena_printf(d->l->g->arena, "%s.column", d->name);
	struct qb_value *y = layer(d, in->x, 2, (const int64_t[]){in->width, in->heads}, &in->heads, d->bias, "");

	if (!heads || !column) {
		return qb__layer_fail(d->l);
	}
	y = qb__layer_transpose(d->l, y, 3, in->tokens_first ? tokens_first : batch_first, heads);
	return qb__layer_reshape(d->l, y, 4, (const int64_t[]){0, 0, 0, 1}, column);
}

/* ---- the rewrite ---- */

/* The gate [N, heads, T, 1] in the dimensions of the contexts. */
static struct qb_value *as_context(struct drawn *d, const struct input *in, const struct qb_attention *a, struct qb_value *gate)
{
	const char *name = qb_arena_printf(d->l->g->arena, "%s.rows", d->name);

	if (!gate || a->context->output[0]->shape.ndim == 4) {
		return gate;
	}
	return name ? qb__layer_reshape(d->l, gate, 3, (const int64_t[]){-1, in->tokens, 1}, name) : qb__layer_fail(d->l);
}

static enum qb_err rewrite(struct qb__layers *l, const struct qb_attention *a, const void *params, uint64_t seed, int index)
{
	const struct params *p = params;
	struct drawn d = {.l = l, .seed = seed, .stream = FIRST_STREAM + 2 * (uint64_t)index,
		.name = qb_arena_printf(l->g->arena, "%s.gate", a->context->name), .bias = log(p->initial / (1 - p->initial))};
	const char *sigmoid = qb_arena_printf(l->g->arena, "%s.gate.sigmoid", a->context->name);
	const char *gated = qb_arena_printf(l->g->arena, "%s.gated", a->context->name);
	struct qb_value *context = a->context->output[0], *y;
	struct input in;

	if (!d.name || !sigmoid || !gated) {
		qb__layer_fail(l);
		return l->err;
	}
	QB_TRY(read_input(l, a, &in));
	if (p->gate != GATE_ALL_HEADS && in.width % in.heads) {
		return qb__attention_fail(l, a, "its %lld heads have no equal slices of the %lld channels that the layer reads; take the gate "
			"all_heads", (long long)in.heads, (long long)in.width);
	}
	y = p->gate == GATE_ALL_HEADS ? of_all(&d, &in) : of_slices(&d, &in, p);
	y = qb__layer_unary(l, QB_OP_Sigmoid, sigmoid, y);
	y = qb__layer_pair(l, QB_OP_Mul, gated, context, as_context(&d, &in, a, y));
	for (int i = 0; y && i < context->users; i++) {
		context->user[i].node->input[context->user[i].input] = y;
	}
	return l->err;
}

const struct qb_attention_variant qb_attention_gated = {
	.named = {.name = "gated", .summary = "each head's result times a gate that the token decides (Bondarenko et al., 2023)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.rewrite = rewrite,
};
