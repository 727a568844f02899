/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound's work on each weight, included once for each instruction set with QB_TARGET (an attribute) and QB_NAME(x)
 * defined. IEEE operations in a fixed order: all of them agree bit for bit.
 */
static inline __attribute__((always_inline)) float QB_NAME(from_bits)(uint32_t u)
{
	float x;

	memcpy(&x, &u, 4);
	return x;
}

/* 2^x, within 3e-7 relative; |x| <= 126. */
static inline __attribute__((always_inline)) float QB_NAME(exp2)(float x)
{
	float whole, f, p;

	whole = (x + 12582912.0f) - 12582912.0f;
	f = x - whole;
	p = 1.5403530e-4f;
	p = p * f + 1.3333558e-3f;
	p = p * f + 9.6181291e-3f;
	p = p * f + 5.5504109e-2f;
	p = p * f + 2.4022651e-1f;
	p = p * f + 6.9314718e-1f;
	p = p * f + 1.0f;
	return p * QB_NAME(from_bits)((uint32_t)((int32_t)whole + 127) << 23);
}

/* log2 of a positive normal number: its exponent, and atanh's series on the mantissa in [sqrt(1/2), sqrt(2)). */
static inline __attribute__((always_inline)) float QB_NAME(log2)(float x)
{
	uint32_t u;
	int32_t e;
	float m, s, t;

	memcpy(&u, &x, 4);
	e = (int32_t)(u - 0x3f3504f3u) >> 23;
	m = QB_NAME(from_bits)(u - ((uint32_t)e << 23));
	s = (m - 1) / (m + 1);
	t = s * s;
	return (float)e + s * (2.8853901f + t * (0.96179669f + t * (0.57707802f + t * 0.41219859f)));
}

/* h(V) and its derivative; lo is 0 and hi 1, but compilers that know make branches of them. Beyond 3 either way V has no gradient, so that it stays in the range of exp2. */
static inline __attribute__((always_inline)) float QB_NAME(rectified)(float v, float lo, float hi, float *slope)
{
	float s = 1 / (1 + QB_NAME(exp2)(-1.44269504f * v)), h = s * 1.2f - 0.1f;
	float c = h < lo ? lo : h, d = 1.2f * s * (1 - s);
	uint32_t u;

	c = c > hi ? hi : c;
	memcpy(&u, &d, 4);
	*slope = QB_NAME(from_bits)(u & -(uint32_t)(c == h));
	return c;
}

QB_TARGET static void QB_NAME(soften)(const float *v, const float *down, const float *up, float *soft, size_t n,
	float lo, float hi)
{
	for (size_t i = 0; i < n; i++) {
		float slope, h = QB_NAME(rectified)(v[i], lo, hi, &slope);

		soft[i] = down[i] + h * (up[i] - down[i]);
	}
}

/* g becomes the gradient of the objective in v. |t|^beta has the slope beta t |t|^(beta - 2); near 0, where that is nothing,
 * |t| is taken for 2^-6, so that logarithms have something to work on. */
QB_TARGET static void QB_NAME(chain)(const float *v, const float *down, const float *up, float *g, size_t n,
	float lambda, float beta, float lo, float hi)
{
	for (size_t i = 0; i < n; i++) {
		float slope, t = 2 * QB_NAME(rectified)(v[i], lo, hi, &slope) - 1;
		float size = __builtin_sqrtf(t * t + 0x1p-12f);
		float pull = -2 * beta * lambda * t * QB_NAME(exp2)((beta - 2) * QB_NAME(log2)(size));

		g[i] = (g[i] * (up[i] - down[i]) + pull) * slope;
	}
}

/* One step of Adam (Kingma and Ba, 2015); rate holds the correction of both moments' bias. */
QB_TARGET static void QB_NAME(adam)(float *v, const float *g, float *m1, float *m2, size_t n, float rate,
	float epsilon)
{
	for (size_t i = 0; i < n; i++) {
		m1[i] = 0.9f * m1[i] + 0.1f * g[i];
		m2[i] = 0.999f * m2[i] + 0.001f * (g[i] * g[i]);
		v[i] -= rate * m1[i] / (__builtin_sqrtf(m2[i]) + epsilon);
	}
}

/* y[s] += w * x[s] */
QB_TARGET static void QB_NAME(axpy)(float w, const float *x, float *y, size_t n)
{
	for (size_t s = 0; s < n; s++) {
		y[s] += w * x[s];
	}
}

QB_TARGET static float QB_NAME(dot)(const float *x, const float *y, size_t n)
{
	float part[16] = {0}, sum = 0;
	size_t s = 0;

	for (; s + 16 <= n; s += 16) {
		for (int i = 0; i < 16; i++) {
			part[i] += x[s + (size_t)i] * y[s + (size_t)i];
		}
	}
	for (; s < n; s++) {
		part[0] += x[s] * y[s];
	}
	for (int i = 0; i < 16; i++) {
		sum += part[i];
	}
	return sum;
}
