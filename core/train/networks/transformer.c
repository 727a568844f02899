/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/networks/transformer.h"

#include <math.h>

#include "core/graph/op.h"

/* What is added to the scores of keys that are not seen. */
static const float MASKED = -1e9f;

/* ---- parameters ---- */

enum qb_err qb__transformer_check(void *params, const char *at, struct qb_errbuf *eb)
{
	const struct qb__transformer *p = params;

	return p->width % p->heads == 0 ? QB_OK : qb_fail_field(eb, QB_EJOB, at, "heads", "do not divide the width: %lld of %lld "
		"channels", (long long)p->heads, (long long)p->width);
}

void qb__text_input(struct qb_architecture_input *in, const void *params)
{
	const struct qb__text *p = params;

	in->classes = p->vocabulary ? p->vocabulary : in->classes;
	if (p->length) {
		in->ndim = 1;
		in->dim[0] = p->length;
	}
}

/* ---- layers ---- */

/* The last dimension. */
static int64_t width_of(const struct qb_value *x)
{
	return x->shape.dim[x->shape.ndim - 1];
}

struct qb_value *qb__layer_norm(struct qb__layers *l, struct qb_value *x, float epsilon, bool offset, const char *fmt, ...)
{
	struct qb_value *in[3] = {x};
	struct qb_node *n;
	QB__LAYER_NAME(fmt, name);

	if (!x) {
		return NULL;
	}
	in[1] = qb__layer_vector(l, width_of(x), name, "weight");
	in[2] = offset ? qb__layer_vector(l, width_of(x), name, "bias") : NULL;
	n = qb__layer_begin(l, QB_OP_LayerNormalization, name, NULL, offset ? 3 : 2, in);
	if (n) {
		qb_node_add_int(n, "axis", -1);
		qb_node_add_float(n, "epsilon", epsilon);
	}
	return qb__layer_end(l, n);
}

struct qb_value *qb__layer_gelu(struct qb__layers *l, struct qb_value *x, const char *fmt, ...)
{
	struct qb_node *n;
	QB__LAYER_NAME(fmt, name);

	n = x ? qb__layer_begin(l, QB_OP_Gelu, name, NULL, 1, &x) : NULL;
	if (n) {
		n->opset = 20;
	}
	return qb__layer_end(l, n);
}

/* The product has the layer's name, as reports know layers by it, and the sum with the bias its output. */
struct qb_value *qb__layer_project(struct qb__layers *l, struct qb_value *x, int64_t outputs, bool bias, const char *fmt, ...)
{
	const char *product, *sum, *out;
	struct qb_value *in[2] = {x};
	QB__LAYER_NAME(fmt, name);

	if (!x) {
		return NULL;
	}
	product = qb_arena_printf(l->g->arena, "%s.product", name);
	sum = qb_arena_printf(l->g->arena, "%s.add", name);
	out = qb_arena_printf(l->g->arena, "%s.out", name);
	if (!product || !sum || !out) {
		return qb__layer_fail(l);
	}
	in[1] = qb__layer_constant(l, QB_F32, 2, (const int64_t[]){width_of(x), outputs}, name, "weight");
	in[0] = qb__layer_end(l, qb__layer_begin(l, QB_OP_MatMul, name, bias ? product : out, 2, in));
	if (!bias || !in[0]) {
		return in[0];
	}
	in[1] = qb__layer_vector(l, outputs, name, "bias");
	return qb__layer_end(l, qb__layer_begin(l, QB_OP_Add, sum, out, 2, in));
}

struct qb_value *qb__layer_positions(struct qb__layers *l, struct qb_value *x, const char *name)
{
	return x ? qb__layer_pair(l, QB_OP_Add, name, x, qb__layer_constant(l, QB_F32, x->shape.ndim - 1, x->shape.dim + 1, name, "weight"))
		: NULL;
}

struct qb_value *qb__layer_embedding(struct qb__layers *l, struct qb_value *tokens, int64_t vocabulary, int64_t width,
	struct qb_value **table)
{
	*table = qb__layer_constant(l, QB_F32, 2, (const int64_t[]){vocabulary, width}, "embedding", "weight");
	return qb__layer_pair(l, QB_OP_Gather, "embedding", *table, tokens);
}

/* As a matrix of rows, so that a table is read as it is and stays the one that is looked up. */
struct qb_value *qb__layer_scores(struct qb__layers *l, struct qb_value *x, struct qb_value *table, int64_t vocabulary,
	bool bias)
{
	struct qb_value *in[3];
	struct qb_node *n;

	if (!x) {
		return NULL;
	}
	in[0] = qb__layer_reshape(l, x, 2, (const int64_t[]){-1, width_of(x)}, "head.rows");
	in[1] = table ? table : qb__layer_constant(l, QB_F32, 2, (const int64_t[]){vocabulary, width_of(x)}, "head", "weight");
	in[2] = bias ? qb__layer_vector(l, vocabulary, "head", "bias") : NULL;
	n = in[0] ? qb__layer_begin(l, QB_OP_Gemm, "head", NULL, bias ? 3 : 2, in) : NULL;
	if (!n) {
		return NULL;
	}
	qb_node_add_int(n, "transB", 1);
	in[0] = qb__layer_end(l, n);
	in[1] = qb__layer_integers(l, 3, (const int64_t[]){-1, x->shape.dim[1], vocabulary}, "logits", "shape");
	return in[0] ? qb__layer_end(l, qb__layer_begin(l, QB_OP_Reshape, "logits", "logits", 2, in)) : NULL;
}

/* ---- attention ---- */

/* [N, T, width] to [N, heads, T, width / heads], or its transpose. */
static struct qb_value *split_heads(struct qb__layers *l, struct qb_value *x, int64_t heads, bool transposed, const char *name)
{
	static const int64_t rows[] = {0, 2, 1, 3}, columns[] = {0, 2, 3, 1};
	const char *split = qb_arena_printf(l->g->arena, "%s.split", name);
	const char *moved = qb_arena_printf(l->g->arena, "%s.heads", name);

	if (!x || !split || !moved) {
		return x ? qb__layer_fail(l) : NULL;
	}
	x = qb__layer_reshape(l, x, 4, (const int64_t[]){0, 0, heads, width_of(x) / heads}, split);
	return qb__layer_transpose(l, x, 4, transposed ? columns : rows, moved);
}

/* [T, T]: 0 up to the diagonal. */
static struct qb_value *causal_mask(struct qb__layers *l, int64_t length)
{
	struct qb_value *v = qb__layer_constant(l, QB_F32, 2, (const int64_t[]){length, length}, "causal", "mask");
	float *x = v ? v->constant->data : NULL;

	for (int64_t i = 0; x && i < length * length; i++) {
		x[i] = i % length > i / length ? MASKED : 0;
	}
	return v;
}

struct attention {
	const struct qb__blocks *b;
	struct qb_value *mask; /* NULL: none */
	const char *name;
};

static struct qb_value *projected(struct qb__layers *l, const struct attention *a, struct qb_value *x, const char *part,
	bool transposed)
{
	const char *name = qb_arena_printf(l->g->arena, "%s.%s", a->name, part);
	struct qb_value *y = qb__layer_project(l, x, a->b->size->width, a->b->bias, "%s.%s", a->name, part);

	return name ? split_heads(l, y, a->b->size->heads, transposed, name) : qb__layer_fail(l);
}

/* Probabilities [N, heads, T, T]. */
static struct qb_value *probabilities(struct qb__layers *l, const struct attention *a, struct qb_value *x)
{
	struct qb_value *q = projected(l, a, x, "query", false), *k = projected(l, a, x, "key", true), *s;
	const char *scores = qb_arena_printf(l->g->arena, "%s.scores", a->name);
	const char *scaled = qb_arena_printf(l->g->arena, "%s.scaled", a->name);
	const char *masked = qb_arena_printf(l->g->arena, "%s.masked", a->name);
	const char *softmax = qb_arena_printf(l->g->arena, "%s.probabilities", a->name);
	struct qb_node *n;

	if (!scores || !scaled || !masked || !softmax) {
		return qb__layer_fail(l);
	}
	s = qb__layer_pair(l, QB_OP_MatMul, scores, q, k);
	s = s ? qb__layer_pair(l, QB_OP_Mul, scaled, s, qb__layer_scalar(l, (float)(1 / sqrt((double)q->shape.dim[3])), scaled, "by")) : NULL;
	s = s && a->mask ? qb__layer_pair(l, QB_OP_Add, masked, s, a->mask) : s;
	n = s ? qb__layer_begin(l, QB_OP_Softmax, softmax, NULL, 1, &s) : NULL;
	if (n) {
		qb_node_add_int(n, "axis", -1);
	}
	return qb__layer_end(l, n);
}

static struct qb_value *attention(struct qb__layers *l, const struct attention *a, struct qb_value *x)
{
	struct qb_value *p = probabilities(l, a, x), *c;
	const char *context = qb_arena_printf(l->g->arena, "%s.context", a->name);
	const char *moved = qb_arena_printf(l->g->arena, "%s.context.places", a->name);
	const char *merged = qb_arena_printf(l->g->arena, "%s.context.merged", a->name);

	if (!context || !moved || !merged) {
		return qb__layer_fail(l);
	}
	c = qb__layer_pair(l, QB_OP_MatMul, context, p, projected(l, a, x, "value", false));
	c = qb__layer_transpose(l, c, 4, (const int64_t[]){0, 2, 1, 3}, moved);
	c = qb__layer_reshape(l, c, 3, (const int64_t[]){0, 0, a->b->size->width}, merged);
	return qb__layer_project(l, c, a->b->size->width, a->b->bias, "%s.output", a->name);
}

/* ---- blocks ---- */

static struct qb_value *feed_forward(struct qb__layers *l, const struct qb__blocks *b, struct qb_value *x, int layer)
{
	int64_t inside = b->size->ffn ? b->size->ffn : 4 * b->size->width;
	struct qb_value *y = qb__layer_project(l, x, inside, b->bias, "layer%d.ffn.up", layer);

	y = b->gelu ? qb__layer_gelu(l, y, "layer%d.ffn.gelu", layer) : qb__layer_relu(l, y, "layer%d.ffn.relu", layer);
	return qb__layer_project(l, y, b->size->width, b->bias, "layer%d.ffn.down", layer);
}

static struct qb_value *norm(struct qb__layers *l, const struct qb__blocks *b, struct qb_value *x, int layer, const char *of)
{
	return qb__layer_norm(l, x, b->epsilon, b->bias, "layer%d.%s_norm", layer, of);
}

static struct qb_value *block(struct qb__layers *l, const struct qb__blocks *b, struct qb_value *x, int layer,
	struct qb_value *mask)
{
	const struct attention a = {b, mask, qb_arena_printf(l->g->arena, "layer%d.attention", layer)};
	struct qb_value *y;

	if (!a.name) {
		return qb__layer_fail(l);
	}
	y = attention(l, &a, b->before ? norm(l, b, x, layer, "attention") : x);
	x = qb__layer_add(l, x, y, "layer%d.attention_sum", layer);
	x = b->before ? x : norm(l, b, x, layer, "attention");
	y = feed_forward(l, b, b->before ? norm(l, b, x, layer, "ffn") : x, layer);
	x = qb__layer_add(l, x, y, "layer%d.ffn_sum", layer);
	return b->before ? x : norm(l, b, x, layer, "ffn");
}

struct qb_value *qb__layer_blocks(struct qb__layers *l, struct qb_value *x, const struct qb__blocks *b)
{
	struct qb_value *mask = x && b->causal ? causal_mask(l, x->shape.dim[1]) : NULL;

	for (int i = 0; i < (int)b->size->layers && l->err == QB_OK; i++) {
		x = x ? block(l, b, x, i, mask) : NULL;
	}
	return l->err == QB_OK ? x : NULL;
}
