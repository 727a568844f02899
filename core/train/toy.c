/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/toy.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/random.h"

void qb_toy_config_init(struct qb_toy_config *c)
{
	*c = (struct qb_toy_config){.target = 0.7105, .start = 0.737, .scale = 1.0 / 15, .rate = 0.1, .steps = 60, .momentum = 0.1};
	c->format = qb_format_integer(5, true, false);
}

static enum qb_err check(const struct qb_toy_config *c, struct qb_errbuf *eb)
{
	double lo = qb_format_min(&c->format) * c->scale, hi = qb_format_max(&c->format) * c->scale;

	if (c->format.kind != QB_FORMAT_INT || c->format.block || c->format.bits > 8 || c->format.asymmetric) {
		return qb_fail(eb, QB_EINVAL, "format %s: the weight is of a symmetric integer of at most 8 bits", c->format.name);
	}
	if (!(c->scale > 0) || c->steps < 1 || !(c->rate > 0) || !(c->momentum > 0 && c->momentum <= 1)) {
		return qb_fail(eb, QB_EINVAL, "scale, steps, rate and momentum must be positive");
	}
	if (!(c->target > lo && c->target < hi)) {
		return qb_fail(eb, QB_EINVAL, "a target of %g is outside the range of %s at this scale, %g to %g", c->target, c->format.name,
			lo, hi);
	}
	return QB_OK;
}

/* The share at the upper level and the period, over whole periods: from the first rise to the last. */
static void measure(struct qb_toy *t)
{
	double middle = (t->lower + t->upper) / 2;
	int first = -1, last = -1, rises = 0, up = 0;

	for (int i = 1; i < t->points; i++) {
		bool now = t->point[i].quantized > middle, before = t->point[i - 1].quantized > middle;

		t->changes += now != before && i >= t->points - t->points / 4;
		if (now && !before) {
			first = first < 0 ? i : first;
			last = i;
			rises++;
		}
	}
	for (int i = first; first >= 0 && i < last; i++) {
		up += t->point[i].quantized > middle;
	}
	if (rises >= 2) {
		t->period = (double)(last - first) / (rises - 1);
		t->share = (double)up / (last - first);
	}
}

static void predict(struct qb_toy *t, const struct qb_toy_config *c)
{
	double v = floor(c->target / c->scale);

	t->lower = v * c->scale;
	t->upper = (v + 1) * c->scale;
	t->share_predicted = (c->target - t->lower) / c->scale;
	t->period_predicted = c->scale / fmin(c->target - t->lower, t->upper - c->target);
}

/* One step from point i: the quantizer, the loss and its gradient, the methods, gradient descent. */
static enum qb_err step(struct qb_toy *t, const struct qb_toy_config *c, const struct qb_train_quantizers *how,
	struct qb_train_layer *layer, int i, struct qb_errbuf *eb)
{
	const struct qb_train_position at = {.step = i, .steps = c->steps, .epochs = 1};
	struct qb_train_layers all = {.at = &at, .count = 1, .layer = layer, .seed = c->seed};
	double power = fmax(1 + c->deviation * qb_random_normal(c->seed, 1, (uint64_t)i), 0), difference, penalty = 0;

	qb_train_layer_step(layer, qb_train_methods_threshold(c->methods, &at));
	difference = (double)layer->fed[0] - c->target;
	t->point[i] = (struct qb_toy_point){(double)layer->weight->value[0], (double)layer->fed[0], difference * difference / 2,
		(double)layer->oscillation.frequency[0], layer->oscillation.pinned[0]};
	layer->weight->gradient[0] = (float)(power * difference);
	qb_train_layer_backward(layer, how->gradient_scale);
	QB_TRY(qb_train_methods_penalise(c->methods, &all, &penalty, eb));
	qb_train_layer_hold_frozen(layer);
	layer->weight->value[0] -= (float)(c->rate * (double)layer->weight->gradient[0]);
	return QB_OK;
}

enum qb_err qb_toy_run(struct qb_toy **out, const struct qb_toy_config *c, struct qb_errbuf *eb)
{
	float value = (float)c->start, gradient = 0, scale = (float)c->scale;
	struct qb_parameter weight = {.name = "w", .size = 1, .value = &value, .gradient = &gradient};
	struct qb_quantizer start = {.format = c->format, .axis = -1, .channels = 1, .scale = &scale};
	struct qb_train_quantizers how;
	struct qb_train_layer_begin begin = {.quantizers = &how, .format = c->format, .outer = 1, .width = 1, .inner = 1, .start = &start,
		.tracked_bits = 8, .momentum = c->momentum};
	struct qb_train_layer layer = {0};
	struct qb_toy *t = NULL;
	enum qb_err err;

	QB_TRY(check(c, eb));
	qb_train_quantizers_of(c->methods, &how);
	if (how.dorefa) {
		return qb_fail(eb, QB_EUNSUPPORTED, "pact normalises a tensor of weights by its largest: of one weight there is nothing to "
			"see; take another method");
	}
	how.range = QB_WEIGHT_RANGE_SCHEME;
	QB_TRY(qb_train_layer_init(&layer, &weight, &begin, eb));
	t = calloc(1, sizeof(*t));
	if (t) {
		t->points = c->steps + 1;
		t->point = calloc((size_t)t->points, sizeof(*t->point));
	}
	if (!t || !t->point) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %d steps", c->steps);
		goto out;
	}
	for (int i = 0; i < t->points; i++) {
		QB_TRY_OUT(step(t, c, &how, &layer, i, eb));
	}
	predict(t, c);
	measure(t);
	*out = t;
	t = NULL;
	err = QB_OK;
out:
	qb_train_layer_fini(&layer);
	qb_toy_destroy(&t);
	return err;
}

void qb_toy_destroy(struct qb_toy **toy)
{
	if (*toy) {
		free((*toy)->point);
		free(*toy);
		*toy = NULL;
	}
}
