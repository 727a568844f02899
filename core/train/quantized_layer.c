/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/quantized_layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

/* Of alpha where it is learned: what is sharper is a hard step. */
static const float ALPHA_LEAST = 0.01f;

enum qb_err qb_train_layer_init(struct qb_train_layer *l, struct qb_parameter *weight, const struct qb_train_layer_begin *b,
	struct qb_errbuf *eb)
{
	const struct qb_train_quantizers *how = b->quantizers;
	bool integer = b->format.kind == QB_FORMAT_INT && b->format.bits <= 8;
	struct qb_train_layer r = {.weight = weight, .factor = (float)how->factor};
	enum qb_err err;

	err = qb_weight_quantizer_init(&r.q, &b->format, how->weights, how->dorefa, b->per_channel, b->outer, b->width, b->inner,
		eb);
	if (err != QB_OK) {
		return qb_fail_in(eb, err, "weight %s", weight->name);
	}
	r.fed = calloc(weight->size + 1, sizeof(*r.fed));
	r.code = integer ? calloc(weight->size + 1, sizeof(*r.code)) : NULL;
	r.unit = calloc((size_t)r.q.channels, sizeof(*r.unit));
	r.scales = calloc((size_t)r.q.channels, sizeof(*r.scales));
	r.dscale = calloc(2 * (size_t)r.q.channels, sizeof(*r.dscale));
	if (!r.fed || (integer && !r.code) || !r.unit || !r.scales || !r.dscale) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the weight %s", weight->name);
		goto out;
	}
	QB_TRY_OUT(qb_weight_quantizer_begin(&r.q, how->range, weight->value, b->start, r.unit, eb));
	memcpy(r.scales, r.unit, (size_t)r.q.channels * sizeof(*r.scales));
	if (integer) {
		r.first = (int)qb_format_min(&b->format);
		r.codes = (int)(qb_format_max(&b->format) - qb_format_min(&b->format)) + 1;
	}
	if (integer && b->format.bits <= b->tracked_bits) {
		QB_TRY_OUT(qb_oscillation_init(&r.oscillation, weight->size, b->momentum, eb));
		r.tracked = true;
	}
	*l = r;
	weight->fed = l->fed;
	return QB_OK;
out:
	qb_train_layer_fini(&r);
	return err;
}

void qb_train_layer_fini(struct qb_train_layer *l)
{
	qb_weight_quantizer_fini(&l->q);
	qb_oscillation_fini(&l->oscillation);
	free(l->fed);
	free(l->code);
	free(l->unit);
	free(l->scales);
	free(l->dscale);
	*l = (struct qb_train_layer){0};
}

/* ---- forward ---- */

/* What is frozen takes its pinned integer. */
static void pin(struct qb_train_layer *l)
{
	const struct qb_weight_quantizer *q = &l->q;
	int64_t inner = q->channels == 1 ? (int64_t)l->weight->size : q->inner;

	for (int64_t i = 0; l->tracked && l->oscillation.frozen && i < (int64_t)l->weight->size; i++) {
		int64_t c = i / inner % q->channels;

		if (l->oscillation.pinned[i]) {
			l->code[i] = l->oscillation.integer[i];
			l->fed[i] = (float)(l->code[i] - (q->zero ? q->zero[c] : 0)) * fmaxf(l->scales[c], QB_FAKE_QUANTIZE_SCALE_LEAST);
		}
	}
}

static void quantize(struct qb_train_layer *l)
{
	if (l->alpha) {
		l->factor = l->alpha->value[0];
	}
	for (int64_t c = 0; l->scale && c < l->q.channels; c++) {
		l->scales[c] = fmaxf(l->unit[c] * l->scale->value[c], QB_FAKE_QUANTIZE_SCALE_LEAST);
	}
	qb_weight_quantize(&l->q, l->scales, l->weight->value, l->fed);
	if (l->code) {
		qb_weight_codes(&l->q, l->scales, l->fed, l->code);
	}
}

void qb_train_layer_feed(struct qb_train_layer *l)
{
	quantize(l);
	pin(l);
}

void qb_train_layer_step(struct qb_train_layer *l, double threshold)
{
	quantize(l);
	if (l->tracked) {
		qb_oscillation_step(&l->oscillation, l->code, threshold);
	}
	pin(l);
}

/* ---- backward ---- */

/* Of a frozen weight dQ / ds is its integer, and dQ / dw is 0: its part of the scale's gradient is kept aside. */
static void pinned_backward(struct qb_train_layer *l, float *dscale)
{
	const struct qb_weight_quantizer *q = &l->q;
	int64_t inner = q->channels == 1 ? (int64_t)l->weight->size : q->inner;

	for (int64_t i = 0; i < (int64_t)l->weight->size; i++) {
		int64_t c = i / inner % q->channels;

		if (l->oscillation.pinned[i]) {
			dscale[c] += l->weight->gradient[i] * (float)(l->code[i] - (q->zero ? q->zero[c] : 0));
			l->weight->gradient[i] = 0;
		}
	}
}

void qb_train_layer_backward(struct qb_train_layer *l, bool gradient_scale)
{
	int64_t channels = l->q.channels;
	float *pinned = l->dscale + channels, dalpha = 0;
	float factor = gradient_scale ? qb_lsq_gradient_scale(&l->q.format, (double)l->weight->size / (double)channels) : 1;

	memset(pinned, 0, (size_t)channels * sizeof(*pinned));
	if (l->tracked && l->oscillation.frozen) {
		pinned_backward(l, pinned);
	}
	qb_weight_quantizer_backward(&l->q, l->scales, l->factor, l->weight->value, l->weight->gradient, l->dscale, &dalpha);
	for (int64_t c = 0; l->scale && c < channels; c++) {
		l->scale->gradient[c] = factor * l->unit[c] * (l->dscale[c] + pinned[c]);
	}
	if (l->alpha) {
		l->alpha->gradient[0] = dalpha;
	}
}

void qb_train_layer_hold_frozen(struct qb_train_layer *l)
{
	for (size_t i = 0; l->tracked && l->oscillation.frozen && i < l->weight->size; i++) {
		l->weight->gradient[i] = l->oscillation.pinned[i] ? 0 : l->weight->gradient[i];
	}
}

void qb_train_layer_project(struct qb_train_layer *l, double factor_most)
{
	for (size_t c = 0; l->scale && c < l->scale->size; c++) {
		l->scale->value[c] = fmaxf(l->scale->value[c], QB_FAKE_QUANTIZE_SCALE_LEAST / l->unit[c]);
	}
	if (l->alpha) {
		l->alpha->value[0] = fminf(fmaxf(l->alpha->value[0], ALPHA_LEAST), (float)factor_most);
	}
}

/* ---- state ---- */

struct header {
	double curvature;
	int64_t curvature_batches;
	float factor;
	uint32_t tracked;
};

/* What a parameter's units are is part of the state. Padded, so that what follows is aligned. */
static size_t unit_bytes(const struct qb_train_layer *l)
{
	return qb_align_up((size_t)l->q.channels * sizeof(*l->unit), sizeof(double));
}

size_t qb_train_layer_bytes(const struct qb_train_layer *l)
{
	return sizeof(struct header) + unit_bytes(l) + (l->tracked ? qb_oscillation_bytes(&l->oscillation) : 0);
}

void qb_train_layer_save(const struct qb_train_layer *l, void *bytes)
{
	struct header h;

	memset(&h, 0, sizeof(h));
	h.curvature = l->curvature;
	h.curvature_batches = l->curvature_batches;
	h.factor = l->factor;
	h.tracked = l->tracked;
	memcpy(bytes, &h, sizeof(h));
	memset((unsigned char *)bytes + sizeof(h), 0, unit_bytes(l));
	memcpy((unsigned char *)bytes + sizeof(h), l->unit, (size_t)l->q.channels * sizeof(*l->unit));
	if (l->tracked) {
		qb_oscillation_save(&l->oscillation, (unsigned char *)bytes + sizeof(h) + unit_bytes(l));
	}
}

enum qb_err qb_train_layer_load(struct qb_train_layer *l, const void *bytes, struct qb_errbuf *eb)
{
	const unsigned char *first = (const unsigned char *)bytes + sizeof(struct header);
	struct header h;

	memcpy(&h, bytes, sizeof(h));
	for (int64_t c = 0; c < l->q.channels; c++) {
		float scale;

		memcpy(&scale, first + (size_t)c * sizeof(scale), sizeof(scale));
		if (!(scale > 0) || !isfinite(scale)) {
			return qb_fail(eb, QB_EFORMAT, "the scales of the weight %s are damaged", l->weight->name);
		}
	}
	if (h.tracked != l->tracked || !isfinite(h.curvature) || !isfinite(h.factor)) {
		return qb_fail(eb, QB_EFORMAT, "the state of the weight %s is damaged", l->weight->name);
	}
	if (l->tracked) {
		enum qb_err err = qb_oscillation_load(&l->oscillation, first + unit_bytes(l), eb);

		if (err != QB_OK) {
			return qb_fail_in(eb, err, "weight %s", l->weight->name);
		}
	}
	memcpy(l->unit, first, (size_t)l->q.channels * sizeof(*l->unit));
	l->curvature = h.curvature;
	l->curvature_batches = h.curvature_batches;
	l->factor = h.factor;
	return QB_OK;
}
