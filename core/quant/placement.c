/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/placement.h"

#include <stdlib.h>
#include <string.h>

#include "core/graph/activation.h"
#include "core/graph/linear.h"
#include "core/graph/op.h"

struct placer {
	const struct qb_graph *g;
	struct qb_placement *p;
	bool *needed;  /* feeds a quantized operator, perhaps through operators that only move values */
	bool *weight;  /* a weight has been seen already */
	bool *signal;  /* comes from float inputs, weights or embeddings; what does not is arithmetic on integers */
	bool *mask;    /* such arithmetic, and only ever added to a signal: which tokens count */
	bool *between; /* a signal so masked, on its way into a Softmax; a probability on its way into the Clip of clipped softmax */
};

static bool is_activation(const struct qb_value *v)
{
	return v && !v->constant && v->dtype == QB_F32;
}

static bool is_weight(const struct qb_value *v)
{
	return v && v->constant && v->dtype == QB_F32 && v->constant->dtype == QB_F32;
}

static bool is_quantized(const struct qb_node *n)
{
	return n->op && (n->op->class == QB_OP_MATMUL || n->op->class == QB_OP_ELTWISE) &&
		n->outputs > 0 && is_activation(n->output[0]);
}

static bool is_pass(const struct qb_node *n)
{
	return n->op && n->op->class == QB_OP_PASS && n->inputs > 0;
}

static bool is_softmax(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_Softmax) || qb_node_is(n, QB_OP_LogSoftmax);
}

/* Masks of attention. A mask holds 0 and a number of the size of -1e38 or -infinity, and so does what a score becomes
 * when it is added: no grid has both that and the scores, so these stay float; the scores before are quantized. */

static bool is_lookup(const struct qb_node *n)
{
	return qb_node_has(n, QB_TRAIT_LOOKUP) && n->inputs > 0 && is_weight(n->input[0]);
}

static void find_signals(struct placer *pl)
{
	for (int i = 0; i < pl->g->inputs; i++) {
		pl->signal[pl->g->input[i]->index] = pl->g->input[i]->dtype == QB_F32;
	}
	for (int i = 0; i < pl->g->nodes; i++) {
		const struct qb_node *n = pl->g->node[i];
		bool signal = (n->op && n->op->class == QB_OP_MATMUL) || is_lookup(n);

		for (int k = 0; k < n->inputs; k++) {
			signal = signal || (n->input[k] && pl->signal[n->input[k]->index]);
		}
		for (int k = 0; k < n->outputs; k++) {
			if (n->output[k]) {
				pl->signal[n->output[k]->index] = signal;
			}
		}
	}
}

static bool takes_masks(const struct placer *pl, const struct qb_node *n)
{
	for (int k = 0; k < n->inputs; k++) {
		if (n->input[k] && pl->signal[n->input[k]->index]) {
			return n->op && n->op->class != QB_OP_MATMUL && n->op->class != QB_OP_PASS;
		}
	}
	for (int k = 0; k < n->outputs; k++) {
		if (n->output[k] && !pl->mask[n->output[k]->index]) {
			return false;
		}
	}
	return !n->op || n->op->class != QB_OP_MATMUL;
}

/* Backwards; graph outputs are no masks. */
static void find_masks(struct placer *pl)
{
	for (int i = 0; i < pl->g->values; i++) {
		pl->mask[i] = !pl->signal[i] && !pl->g->value[i]->constant;
	}
	for (int i = 0; i < pl->g->outputs; i++) {
		pl->mask[pl->g->output[i]->index] = false;
	}
	for (int i = pl->g->nodes - 1; i >= 0; i--) {
		const struct qb_node *n = pl->g->node[i];

		for (int k = 0; !takes_masks(pl, n) && k < n->inputs; k++) {
			if (n->input[k]) {
				pl->mask[n->input[k]->index] = false;
			}
		}
	}
}

static bool is_masking_constant(const struct qb_value *v)
{
	const float *x = is_weight(v) ? v->constant->data : NULL;
	size_t n = x ? qb_tensor_size(v->constant) : 0;

	for (size_t i = 0; i < n; i++) {
		if (x[i] <= -1000) {
			return true;
		}
	}
	return false;
}

/* The signal that n adds a mask to, or NULL where it does not. */
static const struct qb_value *masked_input(const struct placer *pl, const struct qb_node *n)
{
	const struct qb_value *signal = NULL;
	bool masks = false;

	for (int k = 0; qb_node_has(n, QB_TRAIT_MASKS) && k < n->inputs; k++) {
		const struct qb_value *v = n->input[k];

		if (!v || v->dtype != QB_F32) {
			continue;
		}
		if (pl->signal[v->index] && !signal) {
			signal = v;
		} else if (pl->mask[v->index] || is_masking_constant(v)) {
			masks = true;
		} else {
			return NULL;
		}
	}
	return masks ? signal : NULL;
}

static void find_masked(struct placer *pl)
{
	for (int i = 0; i < pl->g->nodes; i++) {
		const struct qb_node *n = pl->g->node[i];
		const struct qb_value *v = is_softmax(n) ? n->input[0] : NULL;

		while (v && v->producer && qb_value_only_user(v)) {
			const struct qb_node *p = qb_value_layer(v);
			const struct qb_value *before = is_pass(p) ? p->input[0] : masked_input(pl, p);

			pl->between[v->index] = before && !is_pass(p);
			v = before;
		}
	}
}

/* What v is of, times or plus a constant, where nothing else reads that; NULL where it is something else. */
static const struct qb_value *stretched_input(const struct qb_value *v)
{
	const struct qb_node *n = v->producer;
	const struct qb_value *x = NULL;

	if (qb_node_is(n, QB_OP_Mul) || qb_node_is(n, QB_OP_Add)) {
		x = n->input[1]->constant ? n->input[0] : n->input[0]->constant ? n->input[1] : NULL;
	}
	return x && qb_value_only_user(x) ? x : NULL;
}

/* What a Clip makes of a Softmax's stretched and shifted output are the probabilities; what is between is no value of the
 * network's, and a quantizer of it would round twice. */
static void find_stretched(struct placer *pl)
{
	for (int i = 0; i < pl->g->nodes; i++) {
		const struct qb_node *n = pl->g->node[i];
		const struct qb_value *first = qb_node_is(n, QB_OP_Clip) && qb_value_only_user(n->input[0]) ? n->input[0] : NULL;
		const struct qb_value *last = first;

		while (last && stretched_input(last)) {
			last = stretched_input(last);
		}
		if (last == first || !qb_node_is(last->producer, QB_OP_Softmax)) {
			continue;
		}
		for (const struct qb_value *v = first; v; v = stretched_input(v)) {
			pl->between[v->index] = true;
		}
	}
}

/* Backwards: what feeds a quantized operator. */
static void find_needed(struct placer *pl)
{
	for (int i = pl->g->nodes - 1; i >= 0; i--) {
		const struct qb_node *n = pl->g->node[i];
		bool feeds = is_quantized(n);

		for (int k = 0; is_pass(n) && k < n->outputs; k++) {
			feeds = feeds || (n->output[k] && pl->needed[n->output[k]->index]);
		}
		for (int k = 0; feeds && k < n->inputs; k++) {
			if (is_activation(n->input[k])) {
				pl->needed[n->input[k]->index] = true;
			}
		}
	}
}

/* The dimension of the weight that the output's channels come from; -1: none, one scale for all. */
static int weight_axis(const struct qb_node *n, int input)
{
	int ndim = n->input[input]->constant->ndim;

	if (qb_node_is(n, QB_OP_Conv)) {
		return 0;
	}
	if (qb_node_is(n, QB_OP_ConvTranspose)) {
		/* [C, M/group, ...]: the groups share their scales. */
		return 1;
	}
	if (qb_node_is(n, QB_OP_Gemm)) {
		bool trans = qb_node_int(n, input ? "transB" : "transA", 0) != 0;

		return input ? !trans : trans;
	}
	return ndim < 2 ? -1 : input ? ndim - 1 : ndim - 2;
}

static void place_weights(struct placer *pl, const struct qb_node *n)
{
	for (int k = 0; k < n->inputs; k++) {
		const struct qb_value *v = n->input[k];
		int axis;

		if (!qb_node_holds_weight(n, k) || !is_weight(v)) {
			continue;
		}
		axis = weight_axis(n, k);
		if (pl->weight[v->index] && pl->p->weight_axis[v->index] != axis) {
			axis = -1; /* two users that see different channels */
		}
		pl->weight[v->index] = true;
		pl->p->role[v->index] = QB_ROLE_WEIGHT;
		pl->p->weight_axis[v->index] = axis;
	}
}

static int root(const struct qb_placement *p, int v)
{
	return p->shares[v] >= 0 ? p->shares[v] : v;
}

/* The lists of a Pad's pads, which are an attribute before opset 11 and an input since; NULL where they are computed. */
static const int64_t *pads_of(const struct qb_node *n, int *count)
{
	const struct qb_tensor *t = n->inputs > 1 && n->input[1] ? n->input[1]->constant : NULL;
	const int64_t *pads = NULL;

	*count = qb_node_ints(n, "pads", &pads);
	if (!*count && t && t->dtype == QB_I64) {
		*count = (int)qb_tensor_size(t);
		pads = t->data;
	}
	return pads;
}

/* Does a Pad insert a constant other than 0, which is on every grid? */
static bool pads_with_nonzero(const struct qb_node *n)
{
	const struct qb_value *v = n->inputs > 2 ? n->input[2] : NULL;
	const int64_t *pads;
	int count;

	if (!qb_node_is(n, QB_OP_Pad) || strcmp(qb_node_string(n, "mode", "constant"), "constant")) {
		return false;
	}
	if (v ? is_weight(v) && qb_tensor_size(v->constant) == 1 && *(const float *)v->constant->data == 0
	      : qb_node_float(n, "value", 0) == 0) {
		return false;
	}
	pads = pads_of(n, &count);
	for (int i = 0; pads && i < count; i++) {
		if (pads[i] > 0) {
			return true;
		}
	}
	return !pads;
}

/* The value whose quantizer the outputs of a moving operator share, or -1 for one of their own. */
static int shared_root(const struct placer *pl, const struct qb_node *n)
{
	int first = -1;

	if (pads_with_nonzero(n)) {
		return -1;
	}
	for (int k = 0; k < n->inputs; k++) {
		const struct qb_value *v = n->input[k];

		if (!v || v->dtype != QB_F32) {
			continue;
		}
		/* A constant input of a Concat is no operand of the quantizer; a Pad's zero is on its grid. */
		if (v->constant) {
			if (qb_node_is(n, QB_OP_Concat)) {
				return -1;
			}
			continue;
		}
		if (first >= 0 && root(pl->p, v->index) != first) {
			return -1;
		}
		first = root(pl->p, v->index);
	}
	return first;
}

static void place_pass(struct placer *pl, const struct qb_node *n)
{
	int from = shared_root(pl, n);

	for (int k = 0; k < n->outputs; k++) {
		struct qb_value *v = n->output[k];

		if (!is_activation(v) || pl->mask[v->index]) {
			continue;
		}
		if (from >= 0 && pl->p->role[from] == QB_ROLE_ACTIVATION) {
			pl->p->role[v->index] = QB_ROLE_ACTIVATION;
			pl->p->shares[v->index] = from;
		} else if (from < 0 && pl->needed[v->index]) {
			pl->p->role[v->index] = QB_ROLE_ACTIVATION;
		}
	}
}

static void place_outputs(struct placer *pl, const struct qb_node *n)
{
	if (is_pass(n)) {
		place_pass(pl, n);
		return;
	}
	for (int k = 0; k < n->outputs; k++) {
		struct qb_value *v = n->output[k];
		bool own = k == 0 && is_quantized(n) && !is_softmax(n);

		if (is_activation(v) && qb_value_is_used(v) && (own || pl->needed[v->index]) &&
			!pl->mask[v->index] && !pl->between[v->index] && !qb_activation_of(v)) {
			pl->p->role[v->index] = QB_ROLE_ACTIVATION;
		}
	}
}

static void place(struct placer *pl)
{
	for (int i = 0; i < pl->g->values; i++) {
		pl->p->weight_axis[i] = -1;
		pl->p->shares[i] = -1;
	}
	find_needed(pl);
	find_signals(pl);
	find_masks(pl);
	find_masked(pl);
	find_stretched(pl);
	for (int i = 0; i < pl->g->inputs; i++) {
		const struct qb_value *v = pl->g->input[i];

		if (is_activation(v) && pl->needed[v->index]) {
			pl->p->role[v->index] = QB_ROLE_ACTIVATION;
		}
	}
	for (int i = 0; i < pl->g->nodes; i++) {
		if (pl->g->node[i]->op) {
			place_weights(pl, pl->g->node[i]);
			place_outputs(pl, pl->g->node[i]);
		}
	}
}

enum qb_err qb_placement_create(struct qb_placement **out, const struct qb_graph *g,
	struct qb_errbuf *eb)
{
	size_t n = (size_t)g->values + 1;
	struct qb_placement *p = calloc(1, sizeof(*p));
	struct placer pl = {.g = g, .p = p, .needed = calloc(n, sizeof(bool)),
		.weight = calloc(n, sizeof(bool)), .signal = calloc(n, sizeof(bool)),
		.mask = calloc(n, sizeof(bool)), .between = calloc(n, sizeof(bool))};
	enum qb_err err = QB_OK;

	if (p) {
		p->values = g->values;
		p->role = calloc(n, sizeof(*p->role));
		p->weight_axis = calloc(n, sizeof(*p->weight_axis));
		p->shares = calloc(n, sizeof(*p->shares));
	}
	if (!p || !p->role || !p->weight_axis || !p->shares || !pl.needed || !pl.weight ||
		!pl.signal || !pl.mask || !pl.between) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to place quantizers on %d values", g->values);
	} else {
		place(&pl);
		*out = p;
		p = NULL;
	}
	free(pl.needed);
	free(pl.weight);
	free(pl.signal);
	free(pl.mask);
	free(pl.between);
	qb_placement_destroy(&p);
	return err;
}

void qb_placement_destroy(struct qb_placement **p)
{
	if (*p) {
		free((*p)->role);
		free((*p)->weight_axis);
		free((*p)->shares);
		free(*p);
		*p = NULL;
	}
}
