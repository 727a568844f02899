/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/bias_shift.h"

#include <math.h>

void qb_bias_shift(const float *w, const float *quantized, const double *mean, const double *mean_quantized,
	int64_t rows, int64_t k, double *shift)
{
	for (int64_t i = 0; i < rows; i++) {
		double sum = 0;

		for (int64_t j = 0; j < k; j++) {
			sum += (double)w[i * k + j] * mean[j] - (double)quantized[i * k + j] * mean_quantized[j];
		}
		shift[i] = sum;
	}
}

static double density(double z)
{
	return isinf(z) ? 0 : exp(-0.5 * z * z) / sqrt(2 * M_PI);
}

/* P(Z <= z), exact in both tails. */
static double below(double z)
{
	return 0.5 * erfc(-z * M_SQRT1_2);
}

double qb_clipped_normal_mean(double mean, double deviation, double lo, double hi)
{
	double a, b, sum;

	if (!(deviation > 0)) {
		return fmin(fmax(mean, lo), hi);
	}
	a = (lo - mean) / deviation;
	b = (hi - mean) / deviation;
	/* lo P(X < lo) + hi P(X > hi) + the integral of x over the density between them. */
	sum = mean * (below(b) - below(a)) + deviation * (density(a) - density(b));
	sum += isinf(lo) ? 0 : lo * below(a);
	return sum + (isinf(hi) ? 0 : hi * below(-b));
}
