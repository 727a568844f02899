/* SPDX-License-Identifier: Apache-2.0
 *
 * EWGS (J. Lee et al., "Network Quantization with Element-wise Gradient Scaling", CVPR 2021): gradients grow where they pull a
 * weight towards its quantized value and past it, and shrink where it is nearly at the next one. Where gradients are noise, what
 * is left of their mean is -delta |g| (v - round(v)): it draws weights to the middle of their bins, as dampening does. delta is
 * fixed, in steps of the grid, or of weights follows from curvature: max(0, (Tr(H) / N) / (3 std(g))), the mean over some batches;
 * Tr(H) by Hutchinson's estimator, products with H from differences of gradients. In the weights' own units that is a number per
 * unit; times the scale it is one per step.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/train/methods/method.h"

struct params {
	double delta;
	bool curvature;
	int every, batches, vectors;
};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){.delta = 0.2, .every = 10, .batches = 3, .vectors = 10};
}

static const struct qb_field fields[] = {
	{"delta", QB_FIELD_REAL, offsetof(struct params, delta), 0, 100, .summary = "scaling of gradients, in steps of the grid"},
	{"curvature", QB_FIELD_BOOL, offsetof(struct params, curvature),
		.summary = "delta of weights follows from the Hessian's trace; it begins at 0"},
	{"every", QB_FIELD_INT, offsetof(struct params, every), 1, 100000, .summary = "epochs between two measurements of curvature"},
	{"batches", QB_FIELD_INT, offsetof(struct params, batches), 1, 1000, .summary = "batches of one measurement"},
	{"vectors", QB_FIELD_INT, offsetof(struct params, vectors), 1, 50, .summary = "random vectors for each batch (Hutchinson)"},
	{0},
};

static void quantizers(const void *params, struct qb_train_quantizers *q)
{
	const struct params *p = params;

	q->weights = q->activations = QB_ESTIMATOR_EWGS;
	q->factor = p->delta;
}

/* The step of weight elements; curvature is measured along it. */
static const double PROBE = 1e-2;

static double deviation(const float *g, size_t n)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++) {
		sum += (double)g[i];
	}
	sum /= (double)n;
	for (size_t i = 0; i < n; i++) {
		squares += ((double)g[i] - sum) * ((double)g[i] - sum);
	}
	return sqrt(squares / (double)n);
}

static double mean_scale(const struct qb_train_layer *l)
{
	double sum = 0;

	for (int64_t c = 0; c < l->q.channels; c++) {
		sum += (double)l->scales[c];
	}
	return sum / (double)l->q.channels;
}

static float sign_of(const struct qb_train_layers *l, int layer, int vector, size_t i)
{
	uint64_t stream = ((uint64_t)l->at->step * 64 + (uint64_t)vector) * 4096 + (uint64_t)layer;

	return qb_random_u32(l->seed, stream, i) & 1 ? 1.0f : -1.0f;
}

/* What every parameter's gradient is, that a probe replaces. */
struct kept {
	int count;
	float **gradient;
};

/* Moves what all layers are fed by a random vector, runs the batch, and adds v H v of each to trace[layers]. fed[layer]: what was. */
static enum qb_err probe(struct qb_train_layers *l, int vector, float *const *fed, const struct kept *kept, double *trace,
	struct qb_errbuf *eb)
{
	enum qb_err err;

	for (int k = 0; k < l->count; k++) {
		struct qb_train_layer *a = &l->layer[k];
		float step = (float)(PROBE * mean_scale(a));

		for (size_t i = 0; i < a->weight->size; i++) {
			a->fed[i] = fed[k][i] + step * sign_of(l, k, vector, i);
		}
	}
	err = l->run(l->arg, eb);
	for (int k = 0; k < l->count; k++) {
		struct qb_train_layer *a = &l->layer[k];
		const float *gradient = kept->gradient[a->weight->index];
		double step = PROBE * mean_scale(a), sum = 0;

		for (size_t i = 0; err == QB_OK && i < a->weight->size; i++) {
			sum += (double)sign_of(l, k, vector, i) * ((double)a->weight->gradient[i] - (double)gradient[i]);
		}
		trace[k] += sum / step;
	}
	return err;
}

static void fini_kept(struct kept *k)
{
	for (int i = 0; i < k->count && k->gradient; i++) {
		free(k->gradient[i]);
	}
	free(k->gradient);
}

static enum qb_err keep_gradients(struct kept *k, const struct qb_train_layers *l, struct qb_errbuf *eb)
{
	k->count = l->parameters;
	k->gradient = calloc((size_t)k->count + 1, sizeof(*k->gradient));
	for (int i = 0; k->gradient && i < k->count; i++) {
		const struct qb_parameter *p = l->parameter[i];

		k->gradient[i] = p->gradient ? malloc((p->size + 1) * sizeof(float)) : NULL;
		if (p->gradient && !k->gradient[i]) {
			break;
		}
		if (p->gradient) {
			memcpy(k->gradient[i], p->gradient, p->size * sizeof(float));
		}
		if (i + 1 == k->count) {
			return QB_OK;
		}
	}
	return qb_fail(eb, QB_ENOMEM, "no memory for the curvature of %d parameters", k->count);
}

static void put_back(const struct kept *k, const struct qb_train_layers *l)
{
	for (int i = 0; i < k->count; i++) {
		const struct qb_parameter *p = l->parameter[i];

		if (p->gradient) {
			memcpy(p->gradient, k->gradient[i], p->size * sizeof(float));
		}
	}
}

static enum qb_err measure(const struct params *p, struct qb_train_layers *l, struct qb_errbuf *eb)
{
	float **fed = calloc((size_t)l->count + 1, sizeof(*fed));
	double *trace = calloc((size_t)l->count + 1, sizeof(*trace));
	struct kept kept = {0};
	enum qb_err err = QB_OK;

	for (int k = 0; fed && trace && k < l->count; k++) {
		size_t n = l->layer[k].weight->size;

		fed[k] = malloc((n + 1) * sizeof(float));
		if (!fed[k]) {
			break;
		}
		memcpy(fed[k], l->layer[k].fed, n * sizeof(float));
	}
	if (!fed || !trace || (l->count && !fed[l->count - 1])) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the curvature of %d layers", l->count);
		goto out;
	}
	QB_TRY_OUT(keep_gradients(&kept, l, eb));
	for (int v = 0; err == QB_OK && v < p->vectors; v++) {
		err = probe(l, v, fed, &kept, trace, eb);
	}
	put_back(&kept, l);
	for (int k = 0; k < l->count; k++) {
		struct qb_train_layer *a = &l->layer[k];
		double g = deviation(a->weight->gradient, a->weight->size), each = trace[k] / p->vectors / (double)a->weight->size;

		memcpy(a->fed, fed[k], a->weight->size * sizeof(float));
		a->curvature += g > 0 ? fmax(0, each / (3 * g) * mean_scale(a)) : 0;
		a->curvature_batches++;
		if (a->curvature_batches == p->batches) {
			a->factor = (float)(a->curvature / (double)p->batches);
		}
	}
out:
	for (int k = 0; fed && k < l->count; k++) {
		free(fed[k]);
	}
	free(fed);
	free(trace);
	fini_kept(&kept);
	return err;
}

/* In the first batches of every so many epochs. */
static enum qb_err observe(const void *params, struct qb_train_layers *l, struct qb_errbuf *eb)
{
	const struct params *p = params;
	const struct qb_train_position *at = l->at;
	int64_t an_epoch = at->epochs ? at->steps / at->epochs : 0, within = at->step - at->epoch * an_epoch;

	if (!p->curvature) {
		return QB_OK;
	}
	for (int k = 0; at->step == 0 && k < l->count; k++) {
		l->layer[k].factor = 0;
	}
	if (at->epoch % p->every || at->epoch == 0 || within >= p->batches) {
		return QB_OK;
	}
	for (int k = 0; within == 0 && k < l->count; k++) {
		l->layer[k].curvature = 0;
		l->layer[k].curvature_batches = 0;
	}
	return measure(p, l, eb);
}

const struct qb_train_method qb_train_method_ewgs = {
	.named = {.name = "ewgs", .summary = "gradients scaled by the distance to the quantized value (J. Lee et al., 2021)",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.kind = QB_TRAIN_METHOD_QUANTIZERS, .quantizers = quantizers, .observe = observe,
};
