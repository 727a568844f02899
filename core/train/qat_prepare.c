/* SPDX-License-Identifier: Apache-2.0
 *
 * The training graph gets its quantizers: layers of weights, whose parameters the graph is fed through them, and FakeQuantize nodes
 * behind activations.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/quant/weight.h"
#include "core/train/fold_factors.h"
#include "core/train/qat_state.h"

static enum qb_err no_memory(struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_ENOMEM, "no memory for the quantizers of a training");
}

/* ---- batch norms behind weights ---- */

/* The batch norm that alone reads what the layer of this parameter makes, or NULL. */
static struct qb_node *norm_behind(const struct qb_training *t, const struct qb_parameter *p)
{
	const struct qb_value *v = p->input >= 0 ? t->graph->input[p->input] : NULL;
	const struct qb_node *layer = v && v->users == 1 ? v->user[0].node : NULL;
	struct qb_node *norm = layer ? qb_value_only_user(layer->output[0]) : NULL;

	return qb_node_is(norm, QB_OP_BatchNormalization) ? norm : NULL;
}

static struct qb_parameter *operand(const struct qb_training *t, const struct qb_node *n, int k)
{
	return n && k < n->inputs && n->input[k] ? qb_training_find(t, n->input[k]->name) : NULL;
}

static void negate(struct qb_parameter *p, int64_t c)
{
	if (p) {
		p->value[c] = -p->value[c];
	}
}

/* Channel c of weight, bias, gain and mean change sign: the network stays as it is, and the gain becomes positive. */
static enum qb_err flip_channel(const struct qb_training *t, struct qb_parameter *p, const struct qb_train_layer_begin *b, int64_t c,
	struct qb_errbuf *eb)
{
	struct qb_node *norm = norm_behind(t, p);
	struct qb_parameter *gain = operand(t, norm, 1), *mean = operand(t, norm, 3);
	const struct qb_node *layer = norm ? norm->input[0]->producer : NULL;

	if (!gain || !mean || (int64_t)gain->size != b->width) {
		return qb_fail(eb, QB_EUNSUPPORTED, "weight %s: channel %lld is multiplied by a negative number that is no gain of a batch norm",
			p->name, (long long)c);
	}
	for (int64_t o = 0; o < b->outer; o++) {
		for (int64_t i = 0; i < b->inner; i++) {
			negate(p, (o * b->width + c) * b->inner + i);
		}
	}
	negate(gain, c);
	negate(mean, c);
	negate(operand(t, layer, 2), c);
	return QB_OK;
}

/* ---- weights ---- */

static enum qb_err check_weight(const struct qb__qat_weight *w, const struct qb_parameter *p, struct qb_errbuf *eb)
{
	bool alike = p && p->ndim == w->value->constant->ndim;

	for (int d = 0; alike && d < p->ndim; d++) {
		alike = p->dim[d] == w->value->constant->dim[d];
	}
	if (!p || p->role != QB_PARAMETER_ROLE_WEIGHT) {
		return qb_fail(eb, QB_EUNSUPPORTED, "the scheme quantizes %s, which is no weight of the network that trains", w->name);
	}
	return alike ? QB_OK : qb_fail(eb, QB_EUNSUPPORTED, "weight %s has other dimensions in the network that trains than where the "
		"scheme quantizes it", w->name);
}

/* The scheme's quantizer for the weight as it trains: its range method on these elements, or where the training goes on from the
 * scheme its own scales, divided by what was folded into them. */
static enum qb_err start_quantizer(struct qb_quantizer *out, const struct qb_qat *q, const struct qb__qat_weight *w,
	const struct qb_parameter *p, const double *factor, int64_t width, struct qb_errbuf *eb)
{
	struct qb_tensor t = {.dtype = QB_F32, .ndim = p->ndim, .data = p->value};
	struct qb_value v = *w->value;

	memcpy(t.dim, p->dim, sizeof(t.dim));
	v.constant = &t;
	if (!q->config.from_scheme && w->part) {
		struct qb_scheme_part part = *w->part;

		part.any_split = false;
		part.format = w->format;
		return qb_weight_quantizer(out, &part, &v, w->axis, eb);
	}
	QB_TRY(qb_quantizer_alloc(out, &w->format, w->axis, width, w->quantizer->zero, eb));
	for (int64_t c = 0; c < width; c++) {
		int64_t from = w->quantizer->channels > 1 ? c : 0;

		out->scale[c] = (float)((double)w->quantizer->scale[from] / fabs(factor[c]));
		if (out->zero) {
			out->zero[c] = w->quantizer->zero[from];
		}
	}
	return QB_OK;
}

/* Latent weights begin where the scheme's methods left them. */
static void take_decided(const struct qb__qat_weight *w, struct qb_parameter *p, const double *factor,
	const struct qb_train_layer_begin *b)
{
	for (size_t i = 0; w->decided && i < p->size; i++) {
		p->value[i] = (float)((double)w->decided[i] / factor[(int64_t)i / b->inner % b->width]);
	}
}

static void keep_gain(struct qb_qat *q, struct qb_parameter *gain)
{
	for (int i = 0; i < q->gains; i++) {
		if (q->gain[i] == gain) {
			return;
		}
	}
	q->gain[q->gains++] = gain;
}

static bool is_uniform(const double *factor, int64_t width)
{
	for (int64_t c = 1; c < width; c++) {
		if (factor[c] != factor[0]) {
			return false;
		}
	}
	return true;
}

/* Factors become positive, by flipping channels; gains behind are kept so. */
static enum qb_err make_positive(struct qb_qat *q, struct qb_training *t, struct qb_parameter *p, double *factor,
	const struct qb_train_layer_begin *b, struct qb_errbuf *eb)
{
	struct qb_parameter *gain = operand(t, norm_behind(t, p), 1);

	for (int64_t c = 0; c < b->width; c++) {
		if (factor[c] < 0) {
			QB_TRY(flip_channel(t, p, b, c, eb));
			factor[c] = -factor[c];
		}
		if (!(factor[c] > 0)) {
			/* Of a channel that the batch norm switches off. */
			factor[c] = 1;
		}
		if (factor[c] != 1 && !b->format.real_scale) {
			return qb_fail(eb, QB_EUNSUPPORTED, "weight %s: a batch norm is folded into it, and %s has no scale to take it up", p->name,
				b->format.name);
		}
	}
	if (gain) {
		keep_gain(q, gain);
	}
	return QB_OK;
}

/* Parameters of the layer's quantizer: its scales, and where it is learned the softness of dsq. */
static enum qb_err add_parameters(struct qb_qat *q, struct qb_training *t, struct qb_train_layer *l, struct qb__qat_weight *w,
	struct qb_errbuf *eb)
{
	struct qb_arena *arena = t->graph->arena;
	const char *scale = qb_arena_printf(arena, "%s.scale", w->name), *alpha = qb_arena_printf(arena, "%s.alpha", w->name);
	const int64_t one = 1;

	if (!scale || !alpha) {
		return no_memory(eb);
	}
	if (q->config.ranges != QB_QAT_FIXED && !q->how.dorefa && w->format.real_scale) {
		float *ones = qb_arena_alloc(arena, (size_t)l->q.channels, sizeof(*ones));

		for (int64_t c = 0; ones && c < l->q.channels; c++) {
			ones[c] = 1;
		}
		if (!ones) {
			return no_memory(eb);
		}
		QB_TRY(qb_training_add_parameter(t, scale, l->weight->layer, 1, &l->q.channels, ones, NULL, &l->scale, eb));
	}
	if (q->how.learns_factor) {
		QB_TRY(qb_training_add_parameter(t, alpha, l->weight->layer, 1, &one, &l->factor, NULL, &l->alpha, eb));
	}
	return QB_OK;
}

static enum qb_err prepare_weight(struct qb_qat *q, struct qb_training *t, int i, struct qb_errbuf *eb)
{
	struct qb__qat_weight *w = &q->weight[i];
	struct qb_parameter *p = qb_training_find(t, w->name);
	struct qb_train_layer_begin b = {.quantizers = &q->how, .format = w->format, .per_channel = w->per_channel,
		.tracked_bits = q->config.tracked_bits, .momentum = q->config.frequency_momentum};
	struct qb_train_quantizers how = q->how;
	struct qb_quantizer start = {0};
	double *factor;
	enum qb_err err;

	QB_TRY(check_weight(w, p, eb));
	qb_weight_extents(w->value, w->axis, &b.outer, &b.width, &b.inner);
	factor = calloc((size_t)b.width, sizeof(*factor));
	if (!factor) {
		err = no_memory(eb);
		goto out;
	}
	QB_TRY_OUT(qb_fold_factors(w->name, p->value, w->value->constant->data, b.outer, b.width, b.inner, factor, eb));
	if (q->config.from_scheme) {
		take_decided(w, p, factor, &b);
		/* One scale of the folded weight is as many as it has channels before folding. */
		b.per_channel = b.per_channel || !is_uniform(factor, b.width);
		how.range = QB_WEIGHT_RANGE_SCHEME;
	}
	QB_TRY_OUT(make_positive(q, t, p, factor, &b, eb));
	if (how.range == QB_WEIGHT_RANGE_SCHEME || (w->format.kind == QB_FORMAT_INT && w->format.asymmetric)) {
		QB_TRY_OUT(start_quantizer(&start, q, w, p, factor, b.per_channel ? b.width : 1, eb));
		b.start = &start;
	}
	b.quantizers = &how;
	QB_TRY_OUT(qb_train_layer_init(&q->layer[i], p, &b, eb));
	QB_TRY_OUT(add_parameters(q, t, &q->layer[i], w, eb));
out:
	qb_quantizer_fini(&start);
	free(factor);
	return err;
}

/* ---- activations ---- */

static double first_scale(const struct qb_qat *q, const struct qb__qat_activation *a)
{
	double most = qb_format_max(&a->format) - a->zero;

	/* Of what is not negative: pact says where it begins. */
	if (q->how.clip > 0 && most > 0 && qb_format_min(&a->format) - a->zero == 0 && a->format.real_scale) {
		return q->how.clip / most;
	}
	return fmax((double)a->first_scale, (double)QB_FAKE_QUANTIZE_SCALE_LEAST);
}

/* Is the zero point an input of the graph: learned, or moving with the range? */
static bool has_offset(const struct qb_qat *q, const struct qb__qat_activation *a)
{
	return a->format.kind == QB_FORMAT_INT && a->format.asymmetric &&
		((q->how.offsets && q->config.ranges == QB_QAT_LEARNED) || q->config.ranges == QB_QAT_RUNNING);
}

static enum qb_err activation_parameters(struct qb_qat *q, struct qb_training *t, struct qb__qat_activation *a, const char *layer,
	struct qb_value *in[4], struct qb_errbuf *eb)
{
	struct qb_arena *arena = t->graph->arena;
	const char *scale = qb_arena_printf(arena, "%s.scale", a->name), *offset = qb_arena_printf(arena, "%s.offset", a->name);
	const char *alpha = qb_arena_printf(arena, "%s.alpha", a->name);
	float unity = 1, shift = -(float)a->zero, factor = (float)q->how.factor;
	const int64_t one = 1;

	if (!scale || !offset || !alpha) {
		return no_memory(eb);
	}
	a->unit = (float)first_scale(q, a);
	QB_TRY(qb_training_add_parameter(t, scale, layer, 1, &one, &unity, &in[1], &a->scale, eb));
	a->scale->fed = &a->fed[0];
	if (has_offset(q, a)) {
		QB_TRY(qb_training_add_parameter(t, offset, layer, 1, &one, &shift, &in[2], &a->offset, eb));
		a->offset->fed = &a->fed[1];
	}
	qb__qat_activation_feed(a);
	if (q->how.learns_factor) {
		QB_TRY(qb_training_add_parameter(t, alpha, layer, 1, &one, &factor, &in[3], &a->alpha, eb));
	}
	return QB_OK;
}

static enum qb_err insert(struct qb_training *t, struct qb_node *n, struct qb_value *v, struct qb_errbuf *eb)
{
	struct qb_graph *g = t->graph;
	bool stands;

	QB_TRY(qb__node_infer(g, n, eb));
	qb_graph_replace_value(g, v, n->output[0]);
	n->input[0] = v;
	stands = v->producer ? qb_graph_insert_after(g, n, v->producer)
		: g->nodes ? qb_graph_insert_before(g, n, g->node[0]) : qb_graph_append(g, n);
	return stands ? qb_graph_relink(g, eb) : no_memory(eb);
}

static enum qb_err add_attributes(struct qb_qat *q, struct qb_graph *g, struct qb_node *n, const struct qb__qat_activation *a,
	struct qb_errbuf *eb)
{
	int64_t *zero = qb_arena_alloc(g->arena, 1, sizeof(*zero));
	const char *format = qb_arena_strdup(g->arena, a->format.name);

	if (!zero || !format) {
		return no_memory(eb);
	}
	*zero = a->zero;
	qb_node_add_string(n, "format", format);
	qb_node_add_string(n, "estimator", qb_estimator_name((int)q->how.activations));
	qb_node_add_int(n, "axis", -1);
	qb_node_add_float(n, "factor", (float)q->how.factor);
	if (a->zero && !a->offset) {
		qb_node_add_ints(n, "zero", 1, zero);
	}
	return QB_OK;
}

static enum qb_err prepare_activation(struct qb_qat *q, struct qb_training *t, struct qb__qat_activation *a, struct qb_errbuf *eb)
{
	struct qb_graph *g = t->graph;
	int at = qb_graph_find(g, a->name, 0);
	struct qb_value *v = at >= 0 ? g->value[at] : NULL, *in[4] = {v}, *out;
	const char *name = qb_arena_printf(g->arena, "%s.quantized", a->name);
	struct qb_node *n;

	if (!v || v->constant || v->dtype != QB_F32) {
		return qb_fail(eb, QB_EUNSUPPORTED, "the scheme quantizes %s, which the network that trains does not have as a value: "
			"preparing it makes it of others", a->name);
	}
	QB_TRY(activation_parameters(q, t, a, v->producer ? v->producer->name : a->name, in, eb));
	out = name ? qb_graph_add_value(g, name, QB_DTYPE_NONE) : NULL;
	n = out ? qb_node_create(g, QB_OP_FakeQuantize, name, 1, 4, in, 1, &out) : NULL;
	if (!n) {
		return no_memory(eb);
	}
	QB_TRY(add_attributes(q, g, n, a, eb));
	a->elements = (double)qb_value_size(v) * (double)t->shards;
	if (q->config.ranges == QB_QAT_RUNNING) {
		QB_TRY(qb_training_watch(t, v, &a->watch, eb));
	}
	return insert(t, n, v, eb);
}

/* ---- all ---- */

enum qb_err qb__qat_prepare(void *arg, struct qb_training *t, struct qb_errbuf *eb)
{
	struct qb_qat *q = arg;
	bool tracks = false;

	QB_TRY(qb_graph_relink(t->graph, eb));
	for (int i = 0; i < q->weights; i++) {
		QB_TRY(prepare_weight(q, t, i, eb));
		tracks |= q->layer[i].tracked;
	}
	if (qb_train_methods_regularise(q->config.methods) && !tracks) {
		return qb_fail(eb, QB_EJOB, "method %s: the scheme has no weights of integers of at most %d bits for it",
			q->config.methods->use[1].method->named.name, q->config.tracked_bits);
	}
	for (int i = 0; i < q->activations; i++) {
		QB_TRY(prepare_activation(q, t, &q->activation[i], eb));
	}
	q->parameters = t->parameters;
	q->parameter = t->parameter;
	q->shards = t->shards;
	q->of = NULL; /* no more */
	return QB_OK;
}
