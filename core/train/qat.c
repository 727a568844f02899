/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/qat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/train/qat_state.h"
#include "core/train/trainer.h"

/* Gains of batch norms stay above this: integers keep their signs where a norm is folded. */
static const float GAIN_LEAST = 1e-6f;
/* Steps between two counts of oscillating weights. */
enum { SUMMARY_EVERY = 10 };

void qb_qat_config_init(struct qb_qat_config *c)
{
	*c = (struct qb_qat_config){.ranges = QB_QAT_LEARNED, .running_momentum = 0.9, .tracked_bits = 4, .frequency_momentum = 0.01,
		.frequency_threshold = 0.02};
}

/* ---- hooks ---- */

static enum qb_err run_batch(void *arg, struct qb_errbuf *eb)
{
	double loss;

	return qb_trainer_gradients(arg, &loss, eb);
}

static enum qb_err before_step(void *arg, struct qb_trainer *t, const struct qb_train_position *at, struct qb_errbuf *eb)
{
	struct qb_qat *q = arg;
	double threshold = qb_train_methods_threshold(q->config.methods, at);

	(void)t;
	(void)eb;
	q->at = *at;
	for (int i = 0; i < q->weights; i++) {
		qb_train_layer_step(&q->layer[i], threshold);
	}
	for (int i = 0; i < q->activations; i++) {
		qb__qat_activation_feed(&q->activation[i]);
	}
	return QB_OK;
}

static enum qb_err after_gradients(void *arg, struct qb_trainer *t, const struct qb_train_position *at, double *penalty,
	struct qb_errbuf *eb)
{
	struct qb_qat *q = arg;
	struct qb_train_layers all = {.at = at, .parameters = q->parameters, .parameter = q->parameter, .run = run_batch, .arg = t,
		.count = q->weights, .layer = q->layer, .seed = q->config.seed};

	qb__qat_watch_ranges(q, t);
	QB_TRY(qb_train_methods_observe(q->config.methods, &all, eb));
	for (int i = 0; i < q->weights; i++) {
		qb_train_layer_backward(&q->layer[i], q->how.gradient_scale);
	}
	QB_TRY(qb_train_methods_penalise(q->config.methods, &all, penalty, eb));
	for (int i = 0; i < q->weights; i++) {
		qb_train_layer_hold_frozen(&q->layer[i]);
	}
	qb__qat_activation_gradients(q, penalty);
	return QB_OK;
}

static enum qb_err after_step(void *arg, struct qb_trainer *t, const struct qb_train_position *at, struct qb_errbuf *eb)
{
	struct qb_qat *q = arg;

	(void)t;
	(void)at;
	(void)eb;
	for (int i = 0; i < q->weights; i++) {
		qb_train_layer_project(&q->layer[i], q->how.factor_most);
	}
	for (int i = 0; i < q->gains; i++) {
		for (size_t c = 0; c < q->gain[i]->size; c++) {
			q->gain[i]->value[c] = fmaxf(q->gain[i]->value[c], GAIN_LEAST);
		}
	}
	qb__qat_activation_step(q);
	return QB_OK;
}

static int metrics(void *arg, struct qb_train_metric *out, int room)
{
	struct qb_qat *q = arg;
	int count = 0;

	if (q->summed < 0 || q->at.step < q->summed || q->at.step >= q->summed + SUMMARY_EVERY || q->at.step + 1 == q->at.steps) {
		q->summary = qb_qat_oscillations(q);
		q->summed = q->at.step;
	}
	if (q->summary.weights && room >= 2) {
		double n = (double)q->summary.weights;

		out[count++] = (struct qb_train_metric){"oscillating", (double)q->summary.oscillating / n};
		out[count++] = (struct qb_train_metric){"frozen", (double)q->summary.frozen / n};
	}
	return count;
}

/* ---- state ---- */

struct range {
	double lo, hi, unit;
	int64_t seen;
};

/* What metrics say between summaries, and since when. */
struct summary {
	int64_t summed;
	struct qb_oscillation_summary is;
};

static size_t state_bytes(void *arg)
{
	const struct qb_qat *q = arg;
	size_t n = sizeof(struct summary) + (size_t)q->activations * sizeof(struct range);

	for (int i = 0; i < q->weights; i++) {
		n += qb_train_layer_bytes(&q->layer[i]);
	}
	return n;
}

static void save(void *arg, void *bytes)
{
	const struct qb_qat *q = arg;
	struct summary s = {q->summed, q->summary};
	unsigned char *to = bytes;

	memcpy(to, &s, sizeof(s));
	to += sizeof(s);
	for (int i = 0; i < q->activations; i++, to += sizeof(struct range)) {
		const struct qb__qat_activation *a = &q->activation[i];
		struct range r = {a->lo, a->hi, (double)a->unit, a->seen};

		memcpy(to, &r, sizeof(r));
	}
	for (int i = 0; i < q->weights; i++) {
		qb_train_layer_save(&q->layer[i], to);
		to += qb_train_layer_bytes(&q->layer[i]);
	}
}

static enum qb_err load(void *arg, const void *bytes, size_t size, struct qb_errbuf *eb)
{
	struct qb_qat *q = arg;
	const unsigned char *from = bytes;
	struct summary s;

	if (size != state_bytes(q)) {
		return qb_fail(eb, QB_EFORMAT, "the checkpoint holds %zu bytes of quantizers where this training has %zu", size,
			state_bytes(q));
	}
	memcpy(&s, from, sizeof(s));
	from += sizeof(s);
	for (int i = 0; i < q->activations; i++, from += sizeof(struct range)) {
		struct qb__qat_activation *a = &q->activation[i];
		struct range r;

		memcpy(&r, from, sizeof(r));
		if (!isfinite(r.lo) || !isfinite(r.hi) || r.lo > r.hi || !(r.unit > 0) || !isfinite(r.unit) ||
			(r.seen != 0 && r.seen != 1)) {
			return qb_fail(eb, QB_EFORMAT, "the checkpoint's range of %s is damaged", a->name);
		}
		a->lo = r.lo;
		a->hi = r.hi;
		a->unit = (float)r.unit;
		a->seen = r.seen;
	}
	for (int i = 0; i < q->weights; i++) {
		QB_TRY(qb_train_layer_load(&q->layer[i], from, eb));
		from += qb_train_layer_bytes(&q->layer[i]);
	}
	q->summed = s.summed;
	q->summary = s.is;
	return QB_OK;
}

/* ---- made and destroyed ---- */

static enum qb_err take_weight(struct qb_qat *q, const struct qb_quantization *start, const struct qb_value *v,
	struct qb_errbuf *eb)
{
	const struct qb_quantizer *z = start->q[v->index];
	struct qb__qat_weight *w = &q->weight[q->weights];
	enum qb_err err = qb_fake_quantizer_check(&z->format, q->how.weights, eb);

	if (err != QB_OK) {
		return qb_fail_in(eb, err, "weight %s", v->name);
	}
	*w = (struct qb__qat_weight){.name = strdup(v->name), .format = z->format, .axis = start->axis[v->index], .value = v,
		.quantizer = z, .part = start->part[v->index], .decided = start->constant[v->index]};
	w->per_channel = w->axis >= 0 && (w->part ? w->part->granularity == QB_PER_CHANNEL : z->channels > 1);
	q->weights++;
	return w->name ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the quantizers of a training");
}

static enum qb_err take_activation(struct qb_qat *q, const struct qb_quantizer *z, const struct qb_value *v, struct qb_errbuf *eb)
{
	struct qb__qat_activation *a = &q->activation[q->activations];
	enum qb_err err = qb_fake_quantizer_check(&z->format, q->how.activations, eb);
	struct qb_format named;

	if (err == QB_OK) {
		err = qb_format_parse(&named, z->format.name, eb);
	}
	if (err != QB_OK) {
		return qb_fail_in(eb, err, "tensor %s", v->name);
	}
	*a = (struct qb__qat_activation){.name = strdup(v->name), .format = z->format, .first_scale = z->scale[0],
		.zero = z->zero ? z->zero[0] : 0, .watch = -1};
	q->activations++;
	return a->name ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the quantizers of a training");
}

static enum qb_err take_all(struct qb_qat *q, const struct qb_quantization *start, struct qb_errbuf *eb)
{
	for (int i = 0; i < q->of->values; i++) {
		const struct qb_value *v = q->of->value[i];

		if (!start->q[i] || v->dtype != QB_F32 || !qb_value_is_used(v)) {
			continue;
		}
		if (v->constant) {
			QB_TRY(take_weight(q, start, v, eb));
		} else if (!start->shared[i]) {
			QB_TRY(take_activation(q, start->q[i], v, eb));
		}
	}
	return q->weights + q->activations ? QB_OK : qb_fail(eb, QB_EJOB, "scheme %s quantizes nothing of this network",
		start->scheme.name);
}

enum qb_err qb_qat_create(struct qb_qat **out, const struct qb_quantization *start, const struct qb_graph *of,
	const struct qb_qat_config *c, struct qb_errbuf *eb)
{
	struct qb_qat *q = calloc(1, sizeof(*q));
	size_t room = (size_t)of->values + 1;
	enum qb_err err;

	if (q) {
		q->weight = calloc(room, sizeof(*q->weight));
		q->layer = calloc(room, sizeof(*q->layer));
		q->activation = calloc(room, sizeof(*q->activation));
		q->gain = calloc(room, sizeof(*q->gain));
	}
	if (!q || !q->weight || !q->layer || !q->activation || !q->gain) {
		qb_qat_destroy(&q);
		return qb_fail(eb, QB_ENOMEM, "no memory for the quantizers of a training");
	}
	q->config = *c;
	q->of = of;
	q->summed = -1;
	qb_train_quantizers_of(c->methods, &q->how);
	q->hooks = (struct qb_train_hooks){.arg = q, .prepare = qb__qat_prepare, .before_step = before_step,
		.after_gradients = after_gradients, .after_step = after_step, .metrics = metrics, .state_bytes = state_bytes, .save = save,
		.load = load};
	err = take_all(q, start, eb);
	if (err != QB_OK) {
		qb_qat_destroy(&q);
		return err;
	}
	*out = q;
	return QB_OK;
}

void qb_qat_destroy(struct qb_qat **qat)
{
	struct qb_qat *q = *qat;

	if (!q) {
		return;
	}
	for (int i = 0; i < q->weights; i++) {
		qb_train_layer_fini(&q->layer[i]);
		free((char *)q->weight[i].name);
	}
	for (int i = 0; i < q->activations; i++) {
		free((char *)q->activation[i].name);
	}
	free(q->weight);
	free(q->layer);
	free(q->activation);
	free(q->gain);
	free(q);
	*qat = NULL;
}

const struct qb_train_hooks *qb_qat_hooks(struct qb_qat *q)
{
	return &q->hooks;
}

void qb_qat_feed(struct qb_qat *q)
{
	for (int i = 0; i < q->weights; i++) {
		qb_train_layer_feed(&q->layer[i]);
	}
	for (int i = 0; i < q->activations; i++) {
		qb__qat_activation_feed(&q->activation[i]);
	}
}

/* ---- what became of it ---- */

int qb_qat_layers(const struct qb_qat *q)
{
	return q->weights;
}

const struct qb_train_layer *qb_qat_layer(const struct qb_qat *q, int i)
{
	return &q->layer[i];
}

struct qb_oscillation_summary qb_qat_layer_oscillations(const struct qb_qat *q, int i)
{
	return q->layer[i].tracked ? qb_oscillation_summary(&q->layer[i].oscillation, q->config.frequency_threshold)
		: (struct qb_oscillation_summary){0};
}

struct qb_oscillation_summary qb_qat_oscillations(const struct qb_qat *q)
{
	struct qb_oscillation_summary all = {0};

	for (int i = 0; i < q->weights; i++) {
		struct qb_oscillation_summary s = qb_qat_layer_oscillations(q, i);

		qb_oscillation_add(&all, &s);
	}
	return all;
}

void qb_qat_latent(const struct qb_qat *q, int layer, int bins, int64_t *count)
{
	const struct qb_train_layer *l = &q->layer[layer];
	bool whole = l->q.channels == 1;
	struct qb_latent latent = {.w = l->weight->value, .scale = l->scales, .outer = whole ? 1 : l->q.outer, .channels = l->q.channels,
		.inner = whole ? (int64_t)l->weight->size : l->q.inner, .n = l->first, .p = l->first + l->codes - 1};

	if (l->codes) {
		qb_latent_histogram(&latent, bins, count);
	}
}

int qb_qat_activations(const struct qb_qat *q)
{
	return q->activations;
}

struct qb_qat_activation qb_qat_activation(const struct qb_qat *q, int i)
{
	const struct qb__qat_activation *a = &q->activation[i];
	struct qb_fake_quantizer f = {.format = a->format, .channels = 1, .scale = &a->first_scale, .zero = &a->zero};

	if (a->scale) {
		f.scale = &a->fed[0];
		f.offset = a->offset ? &a->fed[1] : NULL;
	}
	return (struct qb_qat_activation){a->name, a->format, qb_fake_quantizer_scale(&f, 0), qb_fake_quantizer_zero(&f, 0)};
}
