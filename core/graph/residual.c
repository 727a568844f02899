/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/residual.h"

#include <stdlib.h>

#include "core/graph/op.h"
#include "core/graph/shape.h"

const char *qb_stream_kind_name(enum qb_stream_kind k)
{
	static const char *const names[] = {
#define X(id, name) [id] = name,
		QB_STREAM_KINDS(X)
#undef X
	};

	return names[k];
}

const char *qb_stream_branch_name(enum qb_stream_branch b)
{
	static const char *const names[] = {[QB_BRANCH_INPUT] = "input", [QB_BRANCH_ATTENTION] = "attention", [QB_BRANCH_FFN] = "ffn",
		[QB_BRANCH_OTHER] = "other"};

	return names[b];
}

/* A sum that closes a branch around a skip connection. */
struct sum {
	struct qb_node *node;
	struct qb_value *skip, *branch; /* its operands */
	enum qb_stream_branch kind;
	int layer;
};

struct finder {
	struct qb_graph *g;
	const struct qb_attention_list *attention;
	int *mark;        /* [values]: the visit that saw it */
	int visit;
	struct qb_value **queue; /* [values] */
	int sums;
	struct sum *sum;
	struct qb_residual_stream found;
};

static bool is_tokens(const struct qb_value *v)
{
	return v && !v->constant && v->dtype == QB_F32 && v->shape.known && v->shape.ndim == 3;
}

/* Marks what v is made of, not further back than `stop` (NULL: to the inputs); says whether stop was met. */
static bool walk_back(struct finder *f, struct qb_value *v, const struct qb_value *stop)
{
	int n = 0;
	bool met = false;

	f->visit++;
	f->queue[n++] = v;
	f->mark[v->index] = f->visit;
	while (n > 0) {
		const struct qb_node *p = f->queue[--n]->producer;

		for (int i = 0; p && i < p->inputs; i++) {
			struct qb_value *in = p->input[i];

			met = met || in == stop;
			if (in && in != stop && !in->constant && f->mark[in->index] != f->visit) {
				f->mark[in->index] = f->visit;
				f->queue[n++] = in;
			}
		}
	}
	return met;
}

/* Of the branch that walk_back marked. */
static bool in_branch(const struct finder *f, const struct qb_node *n)
{
	return n->outputs > 0 && f->mark[n->output[0]->index] == f->visit;
}

static enum qb_stream_branch kind_of_branch(const struct finder *f)
{
	enum qb_stream_branch kind = QB_BRANCH_OTHER;

	for (int i = 0; i < f->attention->count; i++) {
		if (in_branch(f, f->attention->at[i].context)) {
			return QB_BRANCH_ATTENTION;
		}
	}
	for (int i = 0; i < f->g->nodes && kind == QB_BRANCH_OTHER; i++) {
		const struct qb_node *n = f->g->node[i];

		kind = n->op && n->op->class == QB_OP_MATMUL && in_branch(f, n) ? QB_BRANCH_FFN : kind;
	}
	return kind;
}

/* One operand leads to the other, and weights are between. */
static bool read_sum(struct finder *f, struct qb_node *n, struct sum *out)
{
	if (!qb_node_is(n, QB_OP_Add) || !is_tokens(n->output[0])) {
		return false;
	}
	for (int i = 0; i < 2; i++) {
		struct qb_value *branch = n->input[i], *skip = n->input[1 - i];

		if (!is_tokens(branch) || !is_tokens(skip) || branch == skip || !qb_shape_equal(&branch->shape, &skip->shape) || !walk_back(f, branch, skip)) {
			continue;
		}
		*out = (struct sum){.node = n, .skip = skip, .branch = branch, .kind = kind_of_branch(f), .layer = -1};
		return out->kind != QB_BRANCH_OTHER;
	}
	return false;
}

static void mark_attention(struct finder *f, int layer)
{
	for (int i = 0; i < f->attention->count; i++) {
		if (in_branch(f, f->attention->at[i].context) && f->found.attention_layer[i] < 0) {
			f->found.attention_layer[i] = layer;
		}
	}
}

/* A block begins with its attention; feed-forward blocks belong to the attention before them. */
static void find_sums(struct finder *f)
{
	int layer = -1;

	for (int i = 0; i < f->g->nodes; i++) {
		struct sum *s = &f->sum[f->sums];

		if (read_sum(f, f->g->node[i], s)) {
			layer += s->kind == QB_BRANCH_ATTENTION || layer < 0;
			s->layer = layer;
			mark_attention(f, layer);
			f->sums++;
		}
	}
	f->found.layers = layer + 1;
}

/* Attention of networks without sums around it: one a layer, in their order. */
static void number_attention(struct finder *f)
{
	for (int i = 0; i < f->attention->count; i++) {
		if (f->found.attention_layer[i] < 0 && !f->sums) {
			f->found.attention_layer[i] = f->found.layers++;
		}
	}
}

static bool is_norm(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_LayerNormalization) && is_tokens(n->output[0]);
}

static const struct sum *sum_of(const struct finder *f, const struct qb_value *v)
{
	for (int i = 0; i < f->sums; i++) {
		if (f->sum[i].node->output[0] == v) {
			return &f->sum[i];
		}
	}
	return NULL;
}

/* The sums of a post-norm network are read by norms alone. */
static bool is_post_norm(const struct finder *f)
{
	bool normed = false;

	for (int i = 0; i < f->sums; i++) {
		const struct qb_value *v = f->sum[i].node->output[0];

		if (sum_of(f, f->sum[i].skip)) {
			return false;
		}
		normed = normed || (v->users == 1 && is_norm(v->user[0].node));
	}
	return normed;
}

static bool in_stream(const struct qb_residual_stream *stream, const struct qb_value *v)
{
	for (int i = 0; i < stream->count; i++) {
		if (stream->at[i].value == v) {
			return true;
		}
	}
	return false;
}

/* Each value once. */
static void add(struct finder *f, struct qb_value *v, enum qb_stream_kind kind, enum qb_stream_branch after, int layer, bool measured)
{
	if (!in_stream(&f->found, v)) {
		f->found.at[f->found.count++] = (struct qb_stream_value){v, kind, after, layer, measured};
	}
}

/* The layer of the branch that n stands in, or -1. */
static int layer_of_norm(struct finder *f, const struct qb_node *n)
{
	for (int i = 0; i < f->sums; i++) {
		walk_back(f, f->sum[i].branch, f->sum[i].skip);
		if (in_branch(f, n)) {
			return f->sum[i].layer;
		}
	}
	return -1;
}

static void add_norm(struct finder *f, struct qb_node *n)
{
	const struct sum *s = sum_of(f, n->input[0]);
	bool post = f->found.post_norm;

	if (post) {
		add(f, n->output[0], QB_STREAM_LAYER_NORM, QB_BRANCH_OTHER, s ? s->layer : -1, s && s->kind == QB_BRANCH_FFN);
	} else {
		add(f, n->output[0], QB_STREAM_LAYER_NORM, QB_BRANCH_OTHER, layer_of_norm(f, n), true);
	}
}

static void add_sum(struct finder *f, const struct sum *s)
{
	bool ffn = s->kind == QB_BRANCH_FFN, post = f->found.post_norm;

	/* A branch that ends with a norm of its own has been added as that. */
	if (!s->branch->producer || !is_norm(s->branch->producer)) {
		add(f, s->branch, ffn ? QB_STREAM_FFN_OUT : QB_STREAM_ATTENTION_OUT, s->kind, s->layer, ffn || !post);
	}
	add(f, s->node->output[0], QB_STREAM_RESIDUAL, s->kind, s->layer, ffn && !post);
}

/* In the order of the network, so that sums follow what they add. */
static void list_values(struct finder *f)
{
	f->found.post_norm = is_post_norm(f);
	if (f->sums && !sum_of(f, f->sum[0].skip)) {
		add(f, f->sum[0].skip, QB_STREAM_RESIDUAL, QB_BRANCH_INPUT, -1, false);
	}
	for (int i = 0; i < f->g->nodes; i++) {
		struct qb_node *n = f->g->node[i];
		const struct sum *s = n->outputs > 0 ? sum_of(f, n->output[0]) : NULL;

		if (s) {
			add_sum(f, s);
		} else if (is_norm(n) && !(f->sums && n->output[0] == f->sum[0].skip)) {
			add_norm(f, n);
		}
	}
}

const struct qb_node *qb_graph_find_head(const struct qb_graph *g, const struct qb_residual_stream *stream)
{
	const struct qb_value *v = g->outputs > 0 ? g->output[0] : NULL;

	while (v && v->producer && !in_stream(stream, v)) {
		const struct qb_node *n = v->producer;
		const struct qb_value *next = NULL;

		if (n->op && n->op->class == QB_OP_MATMUL) {
			return n->inputs > 1 && n->input[1]->constant ? n : NULL;
		}
		for (int i = 0; i < n->inputs && !next; i++) {
			next = n->input[i] && !n->input[i]->constant && n->input[i]->dtype == QB_F32 ? n->input[i] : NULL;
		}
		v = next;
	}
	return NULL;
}

enum qb_err qb_graph_find_residual(struct qb_residual_stream *out, struct qb_graph *g,
	const struct qb_attention_list *attention, struct qb_errbuf *eb)
{
	struct finder f = {.g = g, .attention = attention, .mark = calloc((size_t)g->values + 1, sizeof(*f.mark)),
		.queue = calloc((size_t)g->values + 1, sizeof(*f.queue)), .sum = calloc((size_t)g->nodes + 1, sizeof(*f.sum))};
	enum qb_err err = QB_OK;

	f.found.at = qb_arena_alloc(g->arena, 2 * (size_t)g->nodes + 1, sizeof(*f.found.at));
	f.found.attention_layer = qb_arena_alloc(g->arena, (size_t)attention->count + 1, sizeof(*f.found.attention_layer));
	if (!f.mark || !f.queue || !f.sum || !f.found.at || !f.found.attention_layer) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to look for a residual stream");
		goto out;
	}
	f.found.attentions = attention->count;
	for (int i = 0; i < attention->count; i++) {
		f.found.attention_layer[i] = -1;
	}
	find_sums(&f);
	number_attention(&f);
	list_values(&f);
	*out = f.found;
out:
	free(f.mark);
	free(f.queue);
	free(f.sum);
	return err;
}
