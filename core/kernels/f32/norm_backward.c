/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/norm_backward.h"

#include "core/base/vectorized.h"
#include "core/kernels/f32/math.h"
#include "core/kernels/f32/math_inline.h"

enum {
	CHAINS = 8,
	SUM_CHAINS = 32, /* of float32 sums: as many as hide the latency of an addition in the widest registers */
};

ALWAYS float fold_sum(const float *c)
{
	float sum[SUM_CHAINS / 2];

	for (int k = 0; k < SUM_CHAINS / 2; k++) {
		sum[k] = c[k] + c[k + SUM_CHAINS / 2];
	}
	for (int half = SUM_CHAINS / 4; half; half /= 2) {
		for (int k = 0; k < half; k++) {
			sum[k] += sum[k + half];
		}
	}
	return sum[0];
}

/* The sum of a[i] * b[i]; b NULL: of a[i]. */
ALWAYS float dot(const float *a, const float *b, int64_t n)
{
	float c[SUM_CHAINS] = {0}, sum;
	int64_t whole = n / SUM_CHAINS * SUM_CHAINS;

	for (int64_t i = 0; i < whole; i += SUM_CHAINS) {
		for (int k = 0; k < SUM_CHAINS; k++) {
			c[k] = b ? fmaf(a[i + k], b[i + k], c[k]) : c[k] + a[i + k];
		}
	}
	sum = fold_sum(c);
	for (int64_t i = whole; i < n; i++) {
		sum = b ? fmaf(a[i], b[i], sum) : sum + a[i];
	}
	return sum;
}

ALWAYS void qb_f32_softmax_gradient_body(const float *y, const float *dy, float *dx, int64_t n)
{
	float sum = dot(y, dy, n);

	for (int64_t i = 0; i < n; i++) {
		dx[i] = y[i] * (dy[i] - sum);
	}
}

QB_FOR_EVERY_LEVEL_512(, qb_f32_softmax_gradient, (const float *y, const float *dy, float *dx, int64_t n), (y, dy, dx, n))

/* With h = dy * gain: dx = (h - mean(h) - xhat * mean(h * xhat)) / deviation; dx holds xhat in between. */
ALWAYS void qb_f32_layer_norm_gradient_body(const float *restrict x, const float *restrict gain, const float *restrict dy, float epsilon,
	float *restrict dx, double *restrict sums, int64_t n)
{
	float c[SUM_CHAINS] = {0}, d[SUM_CHAINS] = {0}, of_h, of_product, inverse, mean = dot(x, NULL, n) / (float)n;
	int64_t whole = n / SUM_CHAINS * SUM_CHAINS;

	for (int64_t i = 0; i < n; i++) {
		dx[i] = x[i] - mean;
	}
	inverse = 1 / sqrtf(dot(dx, dx, n) / (float)n + epsilon);
	for (int64_t i = 0; i < n; i++) {
		float xhat = dx[i] * inverse;

		dx[i] = xhat;
		sums[i] += (double)(dy[i] * xhat);
		sums[n + i] += (double)dy[i];
	}
	for (int64_t i = 0; i < whole; i += SUM_CHAINS) {
		for (int k = 0; k < SUM_CHAINS; k++) {
			float h = dy[i + k] * gain[i + k];

			c[k] += h;
			d[k] = fmaf(h, dx[i + k], d[k]);
		}
	}
	of_h = fold_sum(c);
	of_product = fold_sum(d);
	for (int64_t i = whole; i < n; i++) {
		of_h += dy[i] * gain[i];
		of_product = fmaf(dy[i] * gain[i], dx[i], of_product);
	}
	of_h /= (float)n;
	of_product /= (float)n;
	for (int64_t i = 0; i < n; i++) {
		dx[i] = inverse * (dy[i] * gain[i] - of_h - dx[i] * of_product);
	}
}

QB_FOR_EVERY_LEVEL_512(, qb_f32_layer_norm_gradient,
	(const float *x, const float *gain, const float *dy, float epsilon, float *dx, double *sums, int64_t n),
	(x, gain, dy, epsilon, dx, sums, n))

ALWAYS double fold_sum_f64(const double *c)
{
	return ((c[0] + c[4]) + (c[2] + c[6])) + ((c[1] + c[5]) + (c[3] + c[7]));
}

/* Of x * scale; what is no number counts for nothing. */
ALWAYS float largest(const float *x, float scale, int64_t n)
{
	float c[CHAINS], top = -INFINITY;
	int64_t whole = n / CHAINS * CHAINS;

	for (int k = 0; k < CHAINS; k++) {
		c[k] = -INFINITY;
	}
	for (int64_t i = 0; i < whole; i += CHAINS) {
		for (int k = 0; k < CHAINS; k++) {
			c[k] = pick(x[i + k] * scale > c[k], x[i + k] * scale, c[k]);
		}
	}
	for (int k = 0; k < CHAINS; k++) {
		top = c[k] > top ? c[k] : top;
	}
	for (int64_t i = whole; i < n; i++) {
		top = x[i] * scale > top ? x[i] * scale : top;
	}
	return top;
}

/* The sum of e^(x * scale - top). */
ALWAYS double exp_sum(const float *x, float scale, float top, int64_t n)
{
	double c[CHAINS] = {0}, sum;
	int64_t whole = n / CHAINS * CHAINS;

	for (int64_t i = 0; i < whole; i += CHAINS) {
		float e[CHAINS];

		for (int k = 0; k < CHAINS; k++) {
			e[k] = exp_one(x[i + k] * scale - top);
		}
		for (int k = 0; k < CHAINS; k++) {
			c[k] += (double)e[k];
		}
	}
	sum = fold_sum_f64(c);
	for (int64_t i = whole; i < n; i++) {
		sum += (double)exp_one(x[i] * scale - top);
	}
	return sum;
}

ALWAYS void cross_entropy_body(const float *x, float scale, const float *target, int64_t n, double *loss)
{
	const float top = largest(x, scale, n);
	const double log_sum = log(exp_sum(x, scale, top, n));
	double c[CHAINS] = {0};
	int64_t whole = n / CHAINS * CHAINS;

	for (int64_t i = 0; i < whole; i += CHAINS) {
		for (int k = 0; k < CHAINS; k++) {
			c[k] += (double)target[i + k] * (log_sum - (double)(x[i + k] * scale - top));
		}
	}
	*loss = fold_sum_f64(c);
	for (int64_t i = whole; i < n; i++) {
		*loss += (double)target[i] * (log_sum - (double)(x[i] * scale - top));
	}
}

QB_FOR_EVERY_LEVEL(static, cross_entropy, (const float *x, float scale, const float *target, int64_t n, double *loss),
	(x, scale, target, n, loss))

double qb_f32_cross_entropy(const float *x, float scale, const float *target, int64_t n)
{
	double loss;

	cross_entropy(x, scale, target, n, &loss);
	return loss;
}

ALWAYS void qb_f32_cross_entropy_gradient_body(const float *x, float scale, const float *target, float factor, float *dx, int64_t n)
{
	float total = dot(target, NULL, n);

	qb_f32_softmax(x, scale, NULL, dx, n);
	for (int64_t i = 0; i < n; i++) {
		dx[i] = factor * fmaf(dx[i], total, -target[i]);
	}
}

QB_FOR_EVERY_LEVEL(, qb_f32_cross_entropy_gradient,
	(const float *x, float scale, const float *target, float factor, float *dx, int64_t n), (x, scale, target, factor, dx, n))
