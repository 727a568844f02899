/* SPDX-License-Identifier: Apache-2.0
 *
 * An observer's histogram as a density, for the methods that choose ranges: uniform inside a bin, a point mass at 0.
 */
#ifndef QB_QUANT_DENSITY_H
#define QB_QUANT_DENSITY_H

#include "core/format/format.h"
#include "core/kernels/quantize/kernels.h"
#include "core/quant/range.h"

/* An end of a bin, and sums of 1, x, x^2 below it; zeros apart. Together, for a search reads them here and there. */
struct qb_density_edge {
	double x, m0, m1, m2;
};

struct qb_density {
	int first, bins;
	double width, inverse; /* of a bin, a power of two; 1 / width */
	double zeros;
	struct qb_density_edge *edge; /* [bins + 1]; the outermost are the minimum and the maximum */
	const struct qb_format *format;
	double *value, *scaled; /* the format's grid, ascending, and under the range at hand */
	int values;             /* 0: finer than the bins */
	double clip_weight;     /* of the error beyond the grid's ends; 1: as all other */
};

bool qb_density_init(struct qb_density *d, const struct qb_observer *o, const struct qb_format *f);
void qb_density_fini(struct qb_density *d);

/* Squared error when the format has the range [lo, hi]: a qb_range_error_fn. */
double qb_density_error(void *density, float lo, float hi);
/* The same and its kin at so many scales and zero points, and what lies below x: of a qb_range_problem. */
void qb_density_fit(void *density, const double *scale, const double *zero, int count, struct qb_fit *out);
void qb_density_below(void *density, double x, double *count, double *sum);
/* Kullback-Leibler divergence of what was seen from what the format makes of it, as TensorRT's calibration defines it
 * (Migacz, "8-bit Inference with TensorRT", GTC 2017), with the format's grid in place of 128 levels: what is clipped
 * counts in the outermost bins that are kept, and a grid value's share is spread over the bins around it that are not
 * empty. Exact zeros are exact under any range and left out. A qb_range_error_fn. */
double qb_density_divergence(void *density, float lo, float hi);

/* x below which the share q of what was seen lies. */
double qb_density_quantile(const struct qb_density *d, double q);
/* c <= most with the share q of |x| below it. */
double qb_density_abs_quantile(const struct qb_density *d, double q, double most);

#endif
