/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of a format's error on a distribution, and what it does to products.
 */
#ifndef QB_ANALYSIS_SQNR_DOT_H
#define QB_ANALYSIS_SQNR_DOT_H

struct qb_sqnr {
	double range;      /* the talk's c, the scaled grid's largest value: qb_sqnr_expected takes it back; of an asymmetric
	                    * integer half the width, and qb_sqnr_expected has it around the mean */
	double low, high;  /* the ends of the scaled grid */
	double scale;      /* of the canonical grid */
	double zero;       /* zero point; 0 unless the format is asymmetric */
	double mse, clip_mse; /* E[(x - Q(x))^2], and the part of it from beyond the grid's ends */
	double power;      /* E[x^2] */
	double sqnr_db;    /* 10 log10(power / mse); inf without error */
	double mse_db;     /* -10 log10(mse) */
	double dot_mse;    /* E[(x y - Q(x) Q(y))^2] of two independent operands, both of this kind */
	/* what dot products need: E[x], E[Q], E[x Q], E[Q^2] */
	double mean, mean_q, cross, power_q;
};

/* Error of one product of two independent operands under different formats or distributions. */
double qb_sqnr_dot_mse(const struct qb_sqnr *x, const struct qb_sqnr *y);
/* Of a dot product of n such pairs: means that are off add up faster than noise does. */
double qb_sqnr_dot_mse_n(const struct qb_sqnr *x, const struct qb_sqnr *y, double n);

#endif
