/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one float32, without branches, for loops that a compiler turns into vectors (core/base/vectorized.h).
 */
#ifndef QB_KERNELS_F32_MATH_INLINE_H
#define QB_KERNELS_F32_MATH_INLINE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS float two_to(int32_t n)
{
	uint32_t bits = (uint32_t)(n + 127) << 23;
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* c ? a : b without a branch: a compiler would rather jump around the longer side than compute both in a vector. */
ALWAYS float pick(bool c, float a, float b)
{
	uint32_t mask = -(uint32_t)c, u, v;

	memcpy(&u, &a, sizeof(u));
	memcpy(&v, &b, sizeof(v));
	u = (u & mask) | (v & ~mask);
	memcpy(&a, &u, sizeof(a));
	return a;
}

/* e^x: 2^n times a polynomial of the rest, |rest| <= ln(2) / 2 (Cephes, expf); 2^n in two factors where it is to reach
 * infinity and the subnormals. */
ALWAYS float exp_parts(float x, int32_t *power)
{
	float n = fmaf(x, 1.44269504f, 12582912.0f) - 12582912.0f, r = fmaf(n, -0.693359375f, x), p;

	r = fmaf(n, 2.12194440e-4f, r);
	p = fmaf(1.9875691500e-4f, r, 1.3981999507e-3f);
	p = fmaf(p, r, 8.3334519073e-3f);
	p = fmaf(p, r, 4.1665795894e-2f);
	p = fmaf(p, r, 1.6666665459e-1f);
	p = fmaf(p, r, 5.0000001201e-1f);
	*power = (int32_t)n;
	return fmaf(p, r * r, r) + 1;
}

ALWAYS float exp_one(float x)
{
	float p;
	int32_t n;

	x = x < -104 ? -104 : x;
	x = x > 89 ? 89 : x;
	p = exp_parts(x, &n);
	return p * two_to(n >> 1) * two_to(n - (n >> 1));
}

/* Minimax polynomials in |x| below and above 475/512 (after N. Juffa's erff). */
ALWAYS float erf_one(float a)
{
	float t = fabsf(a), s = a * a, near, far;

	near = fmaf(-5.96761703e-4f, s, 4.99119423e-3f);
	near = fmaf(near, s, -2.67681349e-2f);
	near = fmaf(near, s, 1.12819925e-1f);
	near = fmaf(near, s, -3.76125336e-1f);
	near = fmaf(near, s, 1.28379166e-1f);
	near = fmaf(near, a, a);
	t = pick(t > 4, 4, t);
	s = t * t;
	far = fmaf(fmaf(-1.72853470e-5f, t, 3.83197126e-4f), s, fmaf(-3.88396438e-3f, t, 2.42546219e-2f));
	far = fmaf(far, t, -1.06777877e-1f);
	far = fmaf(far, t, -6.34846687e-1f);
	far = fmaf(far, t, -1.28717512e-1f);
	far = fmaf(far, t, -t);
	far = copysignf(1 - exp_one(far), a);
	return pick(t > 0.927734375f, far, near);
}

/* Of e = e^-|x|: e / (1 + e) below zero and 1 / (1 + e) above. Not less than 2^-126. */
ALWAYS float sigmoid_one(float x)
{
	int32_t n;
	float t = pick(fabsf(x) > 87, 87, fabsf(x)), p = exp_parts(-t, &n), e = p * two_to(n);

	return pick(x < 0, e, 1) / (1 + e);
}

/* Near zero the quotient cancels: there a polynomial (Cephes, tanhf). */
ALWAYS float tanh_one(float x)
{
	float s = x * x, near, far;

	near = fmaf(-5.70498872745e-3f, s, 2.06390887954e-2f);
	near = fmaf(near, s, -5.37397155531e-2f);
	near = fmaf(near, s, 1.33314422036e-1f);
	near = fmaf(near, s, -3.33332819422e-1f);
	near = fmaf(near * s, x, x);
	far = copysignf(1 - 2 / (exp_one(2 * fabsf(x)) + 1), x);
	return pick(fabsf(x) < 0.625f, near, far);
}

ALWAYS float silu_one(float x)
{
	return x * sigmoid_one(x);
}

/* h = erfc(t / sqrt(2)) / 2 = 2^q for t in [0, 8]: q is a polynomial, fitted so that the largest error of GELU, t h, is least; 2^q by
 * Cephes, exp2f, in two factors. */
ALWAYS float half_erfc_parts(float t, int32_t *power)
{
	float q, n, r, p;

	q = fmaf(-1.454461342e-6f, t, 2.532604991e-5f);
	q = fmaf(q, t, -1.307251671e-4f);
	q = fmaf(q, t, -2.449895495e-4f);
	q = fmaf(q, t, 7.172967469e-3f);
	q = fmaf(q, t, -5.255195377e-2f);
	q = fmaf(q, t, -4.591956990e-1f);
	q = fmaf(q, t, -1.151106069f);
	q = fmaf(q, t, -1);
	n = q + 12582912.0f - 12582912.0f;
	r = q - n;
	p = fmaf(1.535336188e-4f, r, 1.339887440e-3f);
	p = fmaf(p, r, 9.618437358e-3f);
	p = fmaf(p, r, 5.550332471e-2f);
	p = fmaf(p, r, 2.402264791e-1f);
	p = fmaf(p, r, 6.931472029e-1f);
	*power = (int32_t)n;
	return fmaf(p, r, 1);
}

/* max(x, 0) - |x| h. */
ALWAYS float gelu_one(float x)
{
	float t = pick(fabsf(x) > 8, 8, fabsf(x)), p;
	int32_t n;

	p = half_erfc_parts(t, &n);
	return fmaf(-t * p, two_to(n), pick(x < 0, 0, x));
}

/* Hendrycks and Gimpel's approximation. */
ALWAYS float gelu_tanh_one(float x)
{
	return 0.5f * x * (1 + tanh_one(0.79788456f * fmaf(0.044715f * x * x, x, x)));
}

ALWAYS float hard_sigmoid_one(float x)
{
	float v = fmaf(x, 1.0f / 6, 0.5f);

	v = pick(v < 0, 0, v);
	return pick(v > 1, 1, v);
}

ALWAYS float hard_swish_one(float x)
{
	return x * hard_sigmoid_one(x);
}

#endif
