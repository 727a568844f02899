/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/sqnr_dot.h"

#include <math.h>

double qb_sqnr_dot_mse(const struct qb_sqnr *x, const struct qb_sqnr *y)
{
	return fmax(x->power * y->power - 2 * x->cross * y->cross + x->power_q * y->power_q, 0);
}

double qb_sqnr_dot_mse_n(const struct qb_sqnr *x, const struct qb_sqnr *y, double n)
{
	double bias = x->mean * y->mean - x->mean_q * y->mean_q;

	return n * qb_sqnr_dot_mse(x, y) + n * (n - 1) * bias * bias;
}
