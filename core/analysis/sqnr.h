/* SPDX-License-Identifier: Apache-2.0
 *
 * What a number format costs on a distribution, computed rather than sampled. With grid values g_i and cells that end
 * half way between them, MSE = sum over i of the integral of p(x) (x - g_i)^2 over cell i.
 */
#ifndef QB_ANALYSIS_SQNR_H
#define QB_ANALYSIS_SQNR_H

#include "core/analysis/distribution.h"
#include "core/format/format.h"

struct qb_sqnr {
	double range;      /* the talk's c, the scaled grid's largest value: qb_sqnr_expected takes it back */
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

/* The exact error with a range of c. Formats above 16 bits, and those whose blocks have a scale that is no power of two, are
 * QB_EUNSUPPORTED; those whose scale is fixed, or a power of two of their blocks' own, ignore c. An asymmetric integer covers [mean - c, mean + c]. */
enum qb_err qb_sqnr_expected(const struct qb_format *f, double c, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb);

/* The same at the c of least error, which is found to 1e-8 by the root of the error's derivative. */
enum qb_err qb_sqnr_optimal(const struct qb_format *f, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb);

/* Error of one product of two independent operands under different formats or distributions. */
double qb_sqnr_dot_mse(const struct qb_sqnr *x, const struct qb_sqnr *y);
/* Of a dot product of n such pairs: means that are off add up faster than noise does. */
double qb_sqnr_dot_mse_n(const struct qb_sqnr *x, const struct qb_sqnr *y, double n);

#endif
