/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/optimizer.h"

#include <math.h>

#include "core/base/vectorized.h"

int qb_optimizer_slots(const struct qb_optimizer_config *o)
{
	if (o->kind == QB_OPTIMIZER_SGD) {
		return o->momentum > 0 ? 1 : 0;
	}
	return 2;
}

static void step_sgd(const struct qb_optimizer_config *o, double rate, size_t n, const float *restrict g,
	float *restrict w, float *restrict buffer)
{
	float r = (float)rate, decay = (float)o->decay, momentum = (float)o->momentum;

	if (!buffer) {
		for (size_t i = 0; i < n; i++) {
			w[i] -= r * (g[i] + decay * w[i]);
		}
		return;
	}
	/* Nesterov's direction is g' + momentum b, the plain one b. */
	float of_gradient = o->nesterov ? 1 : 0, of_buffer = o->nesterov ? momentum : 1;

	for (size_t i = 0; i < n; i++) {
		float d = g[i] + decay * w[i];

		buffer[i] = momentum * buffer[i] + d;
		w[i] -= r * (of_gradient * d + of_buffer * buffer[i]);
	}
}

static void step_adam(const struct qb_optimizer_config *o, double rate, int64_t step, size_t n,
	const float *restrict g, float *restrict w, float *const *slot)
{
	bool decoupled = o->kind == QB_OPTIMIZER_ADAMW;
	float keep = decoupled ? (float)(1 - rate * o->decay) : 1, decay = decoupled ? 0 : (float)o->decay;
	float b1 = (float)o->beta1, c1 = (float)(1 - o->beta1), b2 = (float)o->beta2, c2 = (float)(1 - o->beta2);
	float size = (float)(rate / (1 - pow(o->beta1, (double)step)));
	float root = (float)sqrt(1 - pow(o->beta2, (double)step)), epsilon = (float)o->epsilon;
	float *restrict m = slot[0], *restrict v = slot[1];

	for (size_t i = 0; i < n; i++) {
		float d = g[i] + decay * w[i];

		m[i] = b1 * m[i] + c1 * d;
		v[i] = b2 * v[i] + c2 * d * d;
		w[i] = keep * w[i] - size * m[i] / (sqrtf(v[i]) / root + epsilon);
	}
}

void qb_optimizer_step(const struct qb_optimizer_config *o, double factor, int64_t step, size_t n, const float *g,
	float *w, float *const *slot)
{
	double rate = o->rate * factor;

	if (o->kind == QB_OPTIMIZER_SGD) {
		step_sgd(o, rate, n, g, w, o->momentum > 0 ? slot[0] : NULL);
	} else {
		step_adam(o, rate, step, n, g, w, slot);
	}
}

static inline __attribute__((always_inline)) void qb_add_gradient_body(float *restrict sum, const float *restrict g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum[i] += g[i];
	}
}

QB_FOR_EVERY_LEVEL(, qb_add_gradient, (float *sum, const float *g, size_t n), (sum, g, n))

double qb_sum_of_squares(const float *g, size_t n)
{
	enum { LANES = 8 };
	double sum[LANES] = {0}, all = 0;
	size_t whole = n - n % LANES;

	for (size_t i = 0; i < whole; i += LANES) {
		for (size_t k = 0; k < LANES; k++) {
			sum[k] += (double)g[i + k] * g[i + k];
		}
	}
	for (size_t k = 0; k < LANES; k++) {
		all += sum[k];
	}
	for (size_t i = whole; i < n; i++) {
		all += (double)g[i] * g[i];
	}
	return all;
}

double qb_clip_factor(double norm, double most)
{
	double factor = most / (norm + 1e-6);

	return most > 0 && factor < 1 ? factor : 1;
}

void qb_moving_average(double decay, float *restrict average, const float *restrict w, size_t n)
{
	float keep = (float)decay, take = (float)(1 - decay);

	for (size_t i = 0; i < n; i++) {
		average[i] = keep * average[i] + take * w[i];
	}
}
