/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/activation_backward.h"

#include "core/base/vectorized.h"
#include "core/kernels/f32/math_inline.h"

#define TWO_INVERSE_SQRT_PI 1.12837917f
#define SQRT_2_PI 0.79788456f

/* h - t phi(t) at x = -t, and 1 less that at t, where h = erfc(t / sqrt(2)) / 2 and phi is the normal density: h times a polynomial,
 * fitted to [0, 8] so that the largest error of the slope is least (2.6e-8). Beyond 8 it is less than 5e-14, and taken for 0. */
ALWAYS float gelu_slope(float x)
{
	float t = pick(fabsf(x) > 8, 8, fabsf(x)), p, below;
	int32_t n;

	p = fmaf(4.841250302e-6f, t, -6.698823563e-5f);
	p = fmaf(p, t, 4.043984227e-4f);
	p = fmaf(p, t, -1.220186125e-3f);
	p = fmaf(p, t, 2.060181214e-5f);
	p = fmaf(p, t, 1.930193976e-2f);
	p = fmaf(p, t, -1.090926975e-1f);
	p = fmaf(p, t, -6.366012692e-1f);
	p = fmaf(p, t, -7.978857756e-1f);
	p = fmaf(p, t, 1);
	below = half_erfc_parts(t, &n) * two_to(n) * p;
	below = pick(fabsf(x) > 8, 0, below);
	return pick(x < 0, below, 1 - below);
}

ALWAYS float gelu_tanh_slope(float x)
{
	float s = x * x, t = tanh_one(SQRT_2_PI * fmaf(0.044715f * s, x, x));
	float inner = SQRT_2_PI * fmaf(3 * 0.044715f, s, 1);

	return fmaf(0.5f * x * fmaf(-t, t, 1), inner, fmaf(0.5f, t, 0.5f));
}

ALWAYS float silu_slope(float x)
{
	float s = sigmoid_one(x);

	return fmaf(x * s, 1 - s, s);
}

ALWAYS float sigmoid_slope(float x)
{
	return sigmoid_one(x) * sigmoid_one(-x);
}

ALWAYS float tanh_slope(float x)
{
	float t = tanh_one(x);

	return fmaf(-t, t, 1);
}

ALWAYS float hard_swish_slope(float x)
{
	return pick(x <= -3, 0, pick(x >= 3, 1, fmaf(x, 1.0f / 3, 0.5f)));
}

ALWAYS float hard_sigmoid_slope(float x, float alpha, float beta)
{
	float v = fmaf(alpha, x, beta);

	return pick((v > 0) & (v < 1), alpha, 0);
}

/* 0 where the slope is, whatever dy is: a NaN of what is clipped goes no further. */
ALWAYS float where(bool c, float v)
{
	return pick(c, v, 0);
}

#define GRADIENT_BODY(name, value) \
	ALWAYS void qb_f32_##name##_gradient_body(const float *x, const float *dy, float *dx, int64_t n, float a, float b) \
	{ \
		(void)x, (void)a, (void)b; \
		for (int64_t i = 0; i < n; i++) { \
			dx[i] = value; \
		} \
	}
#define GRADIENT(name, value) \
	GRADIENT_BODY(name, value) \
	QB_FOR_EVERY_LEVEL(, qb_f32_##name##_gradient, (const float *x, const float *dy, float *dx, int64_t n, float a, float b), \
		(x, dy, dx, n, a, b))
/* Of an exponential or more. */
#define GRADIENT_512(name, value) \
	GRADIENT_BODY(name, value) \
	QB_FOR_EVERY_LEVEL_512(, qb_f32_##name##_gradient, (const float *x, const float *dy, float *dx, int64_t n, float a, float b), \
		(x, dy, dx, n, a, b))

GRADIENT(abs, pick(x[i] == 0, 0, copysignf(1, x[i])) * dy[i])
GRADIENT(clip, where((x[i] >= a) & (x[i] <= b), dy[i]))
GRADIENT_512(elu, dy[i] * pick(x[i] > 0, 1, a * exp_one(x[i])))
GRADIENT_512(erf, dy[i] * TWO_INVERSE_SQRT_PI * exp_one(-x[i] * x[i]))
GRADIENT_512(exp, dy[i] * exp_one(x[i]))
GRADIENT_512(gelu, dy[i] * gelu_slope(x[i]))
GRADIENT_512(gelu_tanh, dy[i] * gelu_tanh_slope(x[i]))
GRADIENT(hard_sigmoid, dy[i] * hard_sigmoid_slope(x[i], a, b))
GRADIENT(hard_swish, dy[i] * hard_swish_slope(x[i]))
GRADIENT(leaky, dy[i] * pick(x[i] > 0, 1, a))
GRADIENT(log, dy[i] / x[i])
GRADIENT(neg, -dy[i])
GRADIENT(reciprocal, -dy[i] / (x[i] * x[i]))
GRADIENT(relu, where(x[i] > 0, dy[i]))
GRADIENT_512(sigmoid, dy[i] * sigmoid_slope(x[i]))
GRADIENT_512(silu, dy[i] * silu_slope(x[i]))
GRADIENT_512(softplus, dy[i] * sigmoid_one(x[i]))
GRADIENT(sqrt, dy[i] * 0.5f / sqrtf(x[i]))
GRADIENT_512(tanh, dy[i] * tanh_slope(x[i]))
