/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/error_terms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/order.h"
#include "core/base/size.h"
#include "core/quant/weight.h"

void qb_error_terms_destroy(struct qb_error_terms **terms)
{
	struct qb_error_terms *f = *terms;

	if (f) {
		for (int i = 0; f->tensor && i < f->count; i++) {
			free(f->tensor[i].channel);
		}
		free(f->tensor);
		free(f);
		*terms = NULL;
	}
}

double qb_tensor_error_kurtosis(const struct qb_tensor_error *f)
{
	double n = f->count, m = f->power[0] / n;
	double a2 = f->power[1] / n, a3 = f->power[2] / n, a4 = f->power[3] / n;
	double variance = a2 - m * m;

	return (a4 - 4 * m * a3 + 6 * m * m * a2 - 3 * m * m * m * m) / (variance * variance);
}

float qb_tensor_error_median_norm(const struct qb_tensor_error *f, struct qb_errbuf *eb, enum qb_err *err)
{
	float *norm = malloc((size_t)f->channels * sizeof(*norm)), median = 0;

	*err = norm ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for %lld channels",
		(long long)f->channels);
	for (int64_t c = 0; norm && c < f->channels; c++) {
		norm[c] = f->channel[c].inf_norm;
	}
	if (norm) {
		qsort(norm, (size_t)f->channels, sizeof(*norm), qb_float_order);
		median = norm[f->channels / 2];
	}
	free(norm);
	return median;
}

/* Counting */

/* What quantizer channel c represents; a block's scale fits whatever it holds. */
static void range_of(const struct qb_quantizer *q, int64_t c, double *lo, double *hi)
{
	int64_t k = q->channels > 1 ? c : 0;
	double s = q->scale ? q->scale[k] : 1, z = q->zero ? q->zero[k] : 0;

	*lo = q->format.block ? -INFINITY : s * (qb_format_min(&q->format) - z);
	*hi = q->format.block ? INFINITY : s * (qb_format_max(&q->format) - z);
}

static void count_one(struct qb_tensor_error *f, struct qb_channel_error *c, float x, float y, double lo,
	double hi)
{
	double v = x, d = (double)y - v, v2 = v * v;

	if (!isfinite(x)) {
		return;
	}
	f->count++;
	f->power[0] += v;
	f->power[1] += v2;
	f->power[2] += v2 * v;
	f->power[3] += v2 * v2;
	f->inf_norm = fmaxf(f->inf_norm, fabsf(x));
	f->clip += v < lo || v > hi ? d * d : 0;
	c->signal += v2;
	c->noise += d * d;
	c->inf_norm = fmaxf(c->inf_norm, fabsf(x));
}

static void add_channels(struct qb_tensor_error *f)
{
	for (int64_t c = 0; c < f->channels; c++) {
		f->signal += f->channel[c].signal;
		f->noise += f->channel[c].noise;
	}
}

static enum qb_err count_weight(struct qb_tensor_error *f, const struct qb_quantization *q,
	struct qb_errbuf *eb)
{
	const float *x = f->value->constant->data;
	float *y = malloc(qb_value_size(f->value) * sizeof(*y));
	int64_t outer, channels, inner;
	enum qb_err err = y ? qb_quantization_constant(q, f->value, y, NULL, eb)
		: qb_fail(eb, QB_ENOMEM, "no memory for the weight %s", f->value->name);

	qb_weight_extents(f->value, q->axis[f->value->index], &outer, &channels, &inner);
	for (int64_t o = 0; err == QB_OK && o < outer; o++) {
		for (int64_t c = 0; c < channels; c++) {
			double lo, hi;

			range_of(f->q, c, &lo, &hi);
			for (int64_t i = 0; i < inner; i++) {
				size_t k = (size_t)((o * channels + c) * inner + i);

				count_one(f, &f->channel[c], x[k], y[k], lo, hi);
			}
		}
	}
	add_channels(f);
	free(y);
	return err;
}

/* Activations: a float pass over the calibration samples, on one thread, so that sums have one order. */
struct counter {
	const struct qb_network *network;
	struct qb_tensor_error **tensor; /* [values] */
	struct qb_lane *lane;
	float *y;
	size_t room;
	bool no_memory;
};

/* x: channels last, without padding */
static void count_activation(void *arg, int value, float *x, size_t n)
{
	struct counter *c = arg;
	struct qb_tensor_error *f = c->tensor[value];
	double lo, hi;

	if (!f || c->no_memory) {
		return;
	}
	if (n > c->room) {
		free(c->y);
		c->y = qb_aligned_alloc(n, sizeof(*c->y));
		c->room = c->y ? n : 0;
		c->no_memory = !c->y;
		if (!c->y) {
			return;
		}
	}
	range_of(f->q, 0, &lo, &hi);
	if (f->q->format.block) {
		qb_qdq(f->q, x, c->y, (int64_t)n / f->channels, 1, f->channels);
	} else {
		qb_qdq(f->q, x, c->y, 1, 1, (int64_t)n);
	}
	for (size_t i = 0; i < n; i++) {
		count_one(f, &f->channel[(int64_t)i % f->channels], x[i], c->y[i], lo, hi);
	}
}

static enum qb_err count_batch(void *arg, const struct qb_batch *b, struct qb_errbuf *eb)
{
	struct counter *c = arg;
	const struct qb_run run = {.input = b->input, .output = c->lane->scratch,
		.observe = count_activation, .observe_arg = c, .ordered = true};

	QB_TRY(qb_session_run(c->lane->work, &run, eb));
	return c->no_memory ? qb_fail(eb, QB_ENOMEM, "no memory to quantize an activation") : QB_OK;
}

static enum qb_err count_activations(const struct qb_sweep *sweep, struct counter *c,
	const struct qb_dataset *data, struct qb_errbuf *eb)
{
	const struct qb_network *n = c->network;
	const struct qb_stream_work work = {.run = count_batch, .arg = c};
	int64_t rows = sweep->calibration_samples * qb_dataset_rows(data);
	struct qb_stream *stream = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_stream_create(&stream, data, n->graph, n->batch,
		qb_stream_window(data, n->batch, 1), 1, eb));
	stream->order = sweep->calibrated;
	QB_TRY_OUT(qb_lanes_create(&c->lane, n, 1, false, eb));
	QB_TRY_OUT(qb_stream_run(stream, 0, n->batch, QB_MAX(rows / n->batch, 1), &work, eb));
out:
	qb_lanes_destroy(&c->lane, n, 1);
	qb_stream_destroy(&stream);
	return err;
}

/* Observers see dimension 1 of images last, and the last dimension of all else. */
static int64_t channels_of(const struct qb_value *v)
{
	int n = v->shape.ndim;

	return n == 4 || n == 5 ? v->shape.dim[1] : n ? v->shape.dim[n - 1] : 1;
}

static enum qb_err tensor_error_init(struct qb_tensor_error *f, const struct qb_network *n,
	const struct qb_quantization *q, int i, struct qb_errbuf *eb)
{
	int64_t outer, inner;

	f->value = n->graph->value[i];
	f->q = q->q[i];
	f->channels = channels_of(f->value);
	if (f->value->constant) {
		qb_weight_extents(f->value, q->axis[i], &outer, &f->channels, &inner);
	}
	f->channel = calloc((size_t)f->channels + 1, sizeof(*f->channel));
	return f->channel ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the channels of %s",
		f->value->name);
}

static enum qb_err count_all(struct qb_error_terms *f, const struct qb_sweep *sweep, int scheme,
	const struct qb_dataset *data, struct qb_errbuf *eb)
{
	const struct qb_network *n = sweep->variant[0].network;
	const struct qb_quantization *q = qb_sweep_quantization(sweep, scheme);
	struct counter c = {.network = n,
		.tensor = calloc((size_t)n->graph->values + 1, sizeof(*c.tensor))};
	enum qb_err err = QB_OK;

	f->tensor = calloc((size_t)n->graph->values + 1, sizeof(*f->tensor));
	if (!c.tensor || !f->tensor) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %d tensors", n->graph->values);
		goto out;
	}
	for (int i = 0; i < q->values; i++) {
		if (!q->q[i] || q->shared[i]) {
			continue;
		}
		QB_TRY_OUT(tensor_error_init(&f->tensor[f->count++], n, q, i, eb));
		if (n->graph->value[i]->constant) {
			QB_TRY_OUT(count_weight(&f->tensor[f->count - 1], q, eb));
		} else {
			c.tensor[i] = &f->tensor[f->count - 1];
		}
	}
	QB_TRY_OUT(count_activations(sweep, &c, data, eb));
	for (int i = 0; i < q->values; i++) {
		if (c.tensor[i]) {
			add_channels(c.tensor[i]);
		}
	}
out:
	free(c.tensor);
	free(c.y);
	return err;
}

enum qb_err qb_error_terms_create(struct qb_error_terms **out, const struct qb_sweep *sweep, int scheme,
	const struct qb_dataset *data, struct qb_errbuf *eb)
{
	struct qb_error_terms *f = calloc(1, sizeof(*f));
	enum qb_err err = f ? count_all(f, sweep, scheme, data, eb)
		: qb_fail(eb, QB_ENOMEM, "no memory for the terms of the error");

	if (err != QB_OK) {
		qb_error_terms_destroy(&f);
		return err;
	}
	*out = f;
	return QB_OK;
}
