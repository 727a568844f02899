/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/bias.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/op.h"
#include "core/quant/weight.h"

/* Magnitude of the codes of a bias whose scale is free: as precise as float32. And the largest that a scale is kept for:
 * methods may still make the bias somewhat larger or the scale smaller. */
static const double FREE_CODE = 0x1p24, LARGEST_CODE = 0x1p30;

void qb_biases_find(struct qb_bias *bias, const struct qb_graph *g)
{
	for (int i = 0; i < g->nodes; i++) {
		const struct qb_node *n = g->node[i];
		const struct qb_value *b = n->inputs > 2 ? n->input[2] : NULL;
		bool gemm = qb_node_is(n, QB_OP_Gemm);
		double factor = gemm ? fabs((double)qb_node_float(n, "alpha", 1) / (double)qb_node_float(n, "beta", 1)) : 1;

		if ((!gemm && !qb_node_is(n, QB_OP_Conv)) || !b || !b->constant || b->constant->dtype != QB_F32 ||
			b->constant->ndim != 1 || !qb_value_only_user(b) || !(factor > 0) || isinf(factor)) {
			continue;
		}
		bias[b->index] = (struct qb_bias){n->input[0]->index, n->input[1]->index, factor};
	}
}

/* A bias with the quantizers of its layer. */
struct layer {
	const struct qb_quantizer *x, *w;
	const float *number;
	int64_t count;
	double factor;
};

static bool layer_of(const struct qb_quantization *q, const struct qb_value *b, struct layer *l)
{
	const struct qb_bias *bias = &q->bias[b->index];

	if (!(bias->factor > 0)) {
		return false;
	}
	*l = (struct layer){.x = q->q[bias->input], .w = q->q[bias->weight], .count = b->constant->dim[0],
		.number = q->constant[b->index] ? q->constant[b->index] : b->constant->data, .factor = bias->factor};
	return l->x && l->w && qb_quantizer_is_bytes(l->x) && l->x->channels == 1 && qb_quantizer_is_bytes(l->w) &&
		(l->w->channels == 1 || l->w->channels == l->count);
}

static int64_t channel_of(const struct layer *l, int64_t i)
{
	return l->w->channels > 1 ? i : 0;
}

static float scale_of(const struct layer *l, int64_t i)
{
	return (float)(l->factor * (double)l->x->scale[0] * (double)l->w->scale[channel_of(l, i)]);
}

int32_t qb_bias_code(float x, float scale)
{
	return (int32_t)rint((double)x / (double)scale);
}

float qb_bias_number(int32_t code, float scale)
{
	return (float)code * scale;
}

bool qb_bias_scales(const struct qb_quantization *q, const struct qb_value *bias, float *scale)
{
	struct layer l;

	if (!layer_of(q, bias, &l)) {
		return false;
	}
	for (int64_t i = 0; i < l.count; i++) {
		float x = l.number[i], s = scale_of(&l, i);

		if (!(fabs(rint((double)x / (double)s)) < 0x1p31)) {
			return false;
		}
		if (q->scheme.imported && !(fabsf(qb_bias_number(qb_bias_code(x, s), s) - x) <= 0x1p-22f * fabsf(x))) {
			return false;
		}
		if (scale) {
			scale[i] = s;
		}
	}
	return true;
}

/* Scales that are chosen */

static enum qb_err no_memory(const struct qb_value *v, struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_ENOMEM, "no memory for the scales of %s", v->name);
}

/* Are all weights of channel c (of all channels where they share a scale) zero? */
static bool is_dead(const struct qb_value *w, const struct qb_quantizer *q, int axis, int64_t c)
{
	const float *x = w->constant->data;
	int64_t outer, channels, inner;

	qb_weight_extents(w, q->channels > 1 ? axis : -1, &outer, &channels, &inner);
	for (int64_t o = 0; o < outer; o++) {
		for (int64_t i = 0; i < inner; i++) {
			if (x[(o * channels + c) * inner + i] != 0) {
				return false;
			}
		}
	}
	return true;
}

static void set_scale(struct qb_quantizer *q, int64_t c, double scale, bool power_of_two)
{
	double min = qb_format_min(&q->format), max = qb_format_max(&q->format), before = q->scale[c];

	scale = fmin(fmax(power_of_two ? exp2(ceil(log2(scale))) : scale, 0x1p-100), 0x1p100);
	q->scale[c] = (float)scale;
	if (q->zero) {
		q->zero[c] = (int32_t)fmin(fmax(rint(min - before * (min - q->zero[c]) / scale), min), max);
	}
}

/* A dead channel has, for want of anything better, the largest scale of its neighbours. */
static void follow_neighbours(struct qb_quantizer *q, const struct qb_value *w, int axis)
{
	double largest = 0;

	for (int64_t c = 0; c < q->channels; c++) {
		largest = is_dead(w, q, axis, c) ? largest : fmax(largest, q->scale[c]);
	}
	for (int64_t c = 0; largest > 0 && c < q->channels; c++) {
		if (is_dead(w, q, axis, c)) {
			q->scale[c] = (float)largest;
		}
	}
}

/* bias [channels of the weight's quantizer]: the largest of each, in units of the scale that it asks for with a code of 1. */
static void note_biases(const struct qb_quantization *q, const struct qb_graph *g, int weight, double *bias)
{
	for (int k = 0; k < g->values; k++) {
		struct layer l;

		if (q->bias[k].weight != weight || !layer_of(q, g->value[k], &l)) {
			continue;
		}
		for (int64_t i = 0; i < l.count; i++) {
			double *b = &bias[channel_of(&l, i)];

			*b = fmax(*b, fabs(l.number[i]) / (l.factor * (double)l.x->scale[0]));
		}
	}
}

static enum qb_err fit_weight(struct qb_quantization *q, const struct qb_graph *g, int weight, bool power_of_two,
	struct qb_errbuf *eb)
{
	struct qb_quantizer *w = q->q[weight];
	double *bias = calloc((size_t)w->channels, sizeof(*bias));

	if (!bias) {
		return no_memory(g->value[weight], eb);
	}
	note_biases(q, g, weight, bias);
	for (int64_t c = 0; c < w->channels; c++) {
		if (bias[c] > 0 && is_dead(g->value[weight], w, q->axis[weight], c)) {
			set_scale(w, c, bias[c] / FREE_CODE, power_of_two);
		} else if (bias[c] / LARGEST_CODE > (double)w->scale[c]) {
			set_scale(w, c, bias[c] / LARGEST_CODE, power_of_two);
		}
	}
	free(bias);
	return QB_OK;
}

/* input [values]: the largest scale that the biases beside an input of zeros ask for. */
static void ask_inputs(const struct qb_quantization *q, const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, double *input)
{
	for (int k = 0; k < g->values; k++) {
		struct layer l;
		float lo = 1, hi = 1;
		int root;

		if (!(q->bias[k].factor > 0) || !layer_of(q, g->value[k], &l)) {
			continue;
		}
		root = p->shares[q->bias[k].input] >= 0 ? p->shares[q->bias[k].input] : q->bias[k].input;
		if (observer[root]) {
			qb_observer_minmax(observer[root], &lo, &hi);
		}
		for (int64_t i = 0; lo == 0 && hi == 0 && i < l.count; i++) {
			double scale = fabs(l.number[i]) / (l.factor * (double)l.w->scale[channel_of(&l, i)]) / FREE_CODE;

			input[root] = fmax(input[root], scale);
		}
	}
}

static void fit_inputs(struct qb_quantization *q, const double *input)
{
	for (int i = 0; i < q->values; i++) {
		if (input[i] > 0) {
			set_scale(q->q[i], 0, input[i], q->part[i]->range.power_of_two);
		}
	}
}

enum qb_err qb_bias_fit_scales(struct qb_quantization *q, const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, struct qb_errbuf *eb)
{
	double *input = calloc((size_t)g->values + 1, sizeof(*input));
	enum qb_err err = input ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the scales of %d values", g->values);

	for (int i = 0; err == QB_OK && i < g->values; i++) {
		if (q->q[i] && g->value[i]->constant && q->q[i]->format.real_scale && !q->q[i]->format.block) {
			follow_neighbours(q->q[i], g->value[i], q->axis[i]);
		}
	}
	if (err == QB_OK) {
		ask_inputs(q, g, p, observer, input);
		fit_inputs(q, input);
	}
	for (int i = 0; err == QB_OK && i < g->values; i++) {
		if (q->q[i] && g->value[i]->constant && qb_quantizer_is_bytes(q->q[i])) {
			err = fit_weight(q, g, i, q->part[i]->range.power_of_two, eb);
		}
	}
	free(input);
	return err;
}
