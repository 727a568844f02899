/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/math.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/kernels/f32/math_inline.h"

#define UNARY(name) \
	ALWAYS void qb_f32_##name##_body(const float *x, float *y, int64_t n) \
	{ \
		for (int64_t i = 0; i < n; i++) { \
			y[i] = name##_one(x[i]); \
		} \
	} \
	QB_FOR_EVERY_LEVEL_512(, qb_f32_##name, (const float *x, float *y, int64_t n), (x, y, n))

UNARY(exp)
UNARY(erf)
UNARY(tanh)
UNARY(sigmoid)
UNARY(silu)
UNARY(gelu)
UNARY(gelu_tanh)
UNARY(hard_swish)

static void leaky(float slope, float *y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[i] = y[i] < 0 ? slope * y[i] : y[i];
	}
}

void qb_f32_activate(const struct qb_act *act, float *y, int64_t n)
{
	switch (act->kind) {
	case QB_ACT_LEAKY:
		leaky(act->lo, y, n);
		break;
	case QB_ACT_GELU:
		qb_f32_gelu(y, y, n);
		break;
	case QB_ACT_SILU:
		qb_f32_silu(y, y, n);
		break;
	case QB_ACT_HARD_SWISH:
		qb_f32_hard_swish(y, y, n);
		break;
	case QB_ACT_NONE:
	case QB_ACT_RELU:
	case QB_ACT_CLIP:
		break;
	}
}

/* Reductions in eight chains, so that vectors add in the order of plain C. */
enum { CHAINS = 8 };

ALWAYS float fold_sum(const float *c)
{
	return ((c[0] + c[4]) + (c[2] + c[6])) + ((c[1] + c[5]) + (c[3] + c[7]));
}

ALWAYS float fold_max(const float *c)
{
	float m = c[0];

	for (int i = 1; i < CHAINS; i++) {
		m = c[i] > m ? c[i] : m;
	}
	return m;
}

ALWAYS void qb_f32_softmax_body(const float *x, float scale, const float *mask, float *y, int64_t n)
{
	float c[CHAINS], top, sum;
	int64_t whole = n / CHAINS * CHAINS;

	for (int k = 0; k < CHAINS; k++) {
		c[k] = -INFINITY;
	}
	if (mask) {
		for (int64_t i = 0; i < n; i++) {
			y[i] = fmaf(x[i], scale, mask[i]);
		}
	} else {
		for (int64_t i = 0; i < n; i++) {
			y[i] = x[i] * scale;
		}
	}
	for (int64_t i = 0; i < whole; i += CHAINS) {
		for (int k = 0; k < CHAINS; k++) {
			c[k] = y[i + k] > c[k] ? y[i + k] : c[k];
		}
	}
	top = fold_max(c);
	for (int64_t i = whole; i < n; i++) {
		top = y[i] > top ? y[i] : top;
	}
	for (int64_t i = 0; i < n; i++) {
		y[i] = exp_one(y[i] - top);
	}
	for (int k = 0; k < CHAINS; k++) {
		c[k] = 0;
	}
	for (int64_t i = 0; i < whole; i += CHAINS) {
		for (int k = 0; k < CHAINS; k++) {
			c[k] += y[i + k];
		}
	}
	sum = fold_sum(c);
	for (int64_t i = whole; i < n; i++) {
		sum += y[i];
	}
	sum = 1 / sum;
	for (int64_t i = 0; i < n; i++) {
		y[i] *= sum;
	}
}

/* The mean of n elements, and one over their standard deviation. */
ALWAYS void moments(const float *x, float epsilon, int64_t n, float *mean, float *scale)
{
	float c[CHAINS] = {0}, d[CHAINS] = {0}, m, s;
	int64_t whole = n / CHAINS * CHAINS;

	for (int64_t i = 0; i < whole; i += CHAINS) {
		for (int k = 0; k < CHAINS; k++) {
			c[k] += x[i + k];
		}
	}
	m = fold_sum(c);
	for (int64_t i = whole; i < n; i++) {
		m += x[i];
	}
	m /= (float)n;
	for (int64_t i = 0; i < whole; i += CHAINS) {
		for (int k = 0; k < CHAINS; k++) {
			float v = x[i + k] - m;

			d[k] = fmaf(v, v, d[k]);
		}
	}
	s = fold_sum(d);
	for (int64_t i = whole; i < n; i++) {
		s = fmaf(x[i] - m, x[i] - m, s);
	}
	*mean = m;
	*scale = 1 / sqrtf(s / (float)n + epsilon);
}

ALWAYS void qb_f32_layer_norm_body(const float *x, const float *gain, const float *shift, float epsilon,
	float *y, int64_t n)
{
	float mean, scale;

	moments(x, epsilon, n, &mean, &scale);
	if (shift) {
		for (int64_t i = 0; i < n; i++) {
			y[i] = fmaf((x[i] - mean) * scale, gain[i], shift[i]);
		}
	} else {
		for (int64_t i = 0; i < n; i++) {
			y[i] = (x[i] - mean) * scale * gain[i];
		}
	}
}

ALWAYS void qb_f32_group_norm_body(const float *x, const float *gain, const float *shift, float epsilon, float *y,
	int64_t channels, int64_t each)
{
	float mean, scale;

	moments(x, epsilon, channels * each, &mean, &scale);
	for (int64_t c = 0; c < channels; c++, x += each, y += each) {
		for (int64_t i = 0; i < each; i++) {
			y[i] = fmaf((x[i] - mean) * scale, gain[c], shift[c]);
		}
	}
}

QB_FOR_EVERY_LEVEL_512(, qb_f32_softmax, (const float *x, float scale, const float *mask, float *y, int64_t n),
	(x, scale, mask, y, n))
QB_FOR_EVERY_LEVEL_512(, qb_f32_layer_norm,
	(const float *x, const float *gain, const float *shift, float epsilon, float *y, int64_t n),
	(x, gain, shift, epsilon, y, n))
QB_FOR_EVERY_LEVEL_512(, qb_f32_group_norm,
	(const float *x, const float *gain, const float *shift, float epsilon, float *y, int64_t channels, int64_t each),
	(x, gain, shift, epsilon, y, channels, each))
