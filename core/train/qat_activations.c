/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges of activations from step to step.
 */
#include <math.h>

#include "core/base/size.h"
#include "core/train/qat_state.h"
#include "core/train/trainer.h"

void qb__qat_activation_feed(struct qb__qat_activation *a)
{
	a->fed[0] = fmaxf(a->unit * a->scale->value[0], QB_FAKE_QUANTIZE_SCALE_LEAST);
	a->fed[1] = a->offset ? a->unit * a->offset->value[0] : 0;
}

/* The largest value a = s (p - z), and what it adds: decay a^2. */
static double penalise_range(const struct qb_qat *q, struct qb__qat_activation *a)
{
	double steps = qb_format_max(&a->format) - a->zero, most = (double)a->fed[0] * steps;

	a->scale->gradient[0] += (float)(2 * q->how.range_decay * most * steps * (double)a->unit);
	return q->how.range_decay * most * most;
}

void qb__qat_activation_gradients(struct qb_qat *q, double *penalty)
{
	bool learned = q->config.ranges == QB_QAT_LEARNED;

	for (int i = 0; i < q->activations; i++) {
		struct qb__qat_activation *a = &q->activation[i];
		float factor = q->how.gradient_scale ? qb_lsq_gradient_scale(&a->format, a->elements) : 1;

		if (!learned || !a->format.real_scale) {
			factor = 0;
		}
		a->scale->gradient[0] *= factor * a->unit;
		if (a->offset) {
			a->offset->gradient[0] *= factor * a->unit;
		}
		if (factor != 0 && q->how.range_decay > 0) {
			*penalty += penalise_range(q, a);
		}
	}
}

/* The batch's range into the moving average, over all shards. */
static void follow(struct qb_qat *q, const struct qb_trainer *t, struct qb__qat_activation *a)
{
	int64_t n = (int64_t)(a->elements / (double)q->shards);
	double lo = INFINITY, hi = -INFINITY, m = q->config.running_momentum;

	for (int64_t s = 0; s < q->shards; s++) {
		const float *x = qb_trainer_watched(t, a->watch, s);

		for (int64_t i = 0; i < n; i++) {
			lo = (double)x[i] < lo ? (double)x[i] : lo;
			hi = (double)x[i] > hi ? (double)x[i] : hi;
		}
	}
	if (!isfinite(lo) || !isfinite(hi)) {
		return;
	}
	a->lo = a->seen ? m * a->lo + (1 - m) * lo : lo;
	a->hi = a->seen ? m * a->hi + (1 - m) * hi : hi;
	a->seen = true;
}

void qb__qat_watch_ranges(struct qb_qat *q, struct qb_trainer *t)
{
	for (int i = 0; q->config.ranges == QB_QAT_RUNNING && i < q->activations; i++) {
		follow(q, t, &q->activation[i]);
	}
}

static void project(struct qb__qat_activation *a, const struct qb_train_quantizers *how)
{
	double s, lo = qb_format_min(&a->format), hi = qb_format_max(&a->format);

	a->scale->value[0] = fmaxf(a->scale->value[0], QB_FAKE_QUANTIZE_SCALE_LEAST / a->unit);
	s = (double)a->scale->value[0];
	if (a->offset) {
		/* Further out it would not move the zero point, which is a code. */
		a->offset->value[0] = (float)fmin(fmax((double)a->offset->value[0], -s * hi), -s * lo);
	}
	if (a->alpha) {
		a->alpha->value[0] = fminf(fmaxf(a->alpha->value[0], 0.01f), (float)how->factor_most);
	}
}

/* What the optimizer may have moved (by decay) goes back; running ranges go on. */
static void set_range(const struct qb_qat *q, struct qb__qat_activation *a)
{
	float scale = a->unit;
	int32_t zero = a->zero;

	if (q->config.ranges == QB_QAT_RUNNING && a->seen) {
		qb_quantizer_scale(&a->format, (float)a->lo, (float)a->hi, &scale, &zero);
	}
	a->scale->value[0] = scale / a->unit;
	if (a->offset) {
		a->offset->value[0] = -scale / a->unit * (float)zero;
	}
}

void qb__qat_activation_step(struct qb_qat *q)
{
	for (int i = 0; i < q->activations; i++) {
		if (q->config.ranges != QB_QAT_LEARNED || !q->activation[i].format.real_scale) {
			set_range(q, &q->activation[i]);
		}
		project(&q->activation[i], &q->how);
	}
}
