/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantize-dequantize of runs of numbers. The same code is compiled for every instruction set and chosen at run time;
 * it uses only IEEE operations in a fixed order, so all paths agree bit for bit.
 */
#ifndef QB_QUANT_KERNELS_H
#define QB_QUANT_KERNELS_H

#include <stddef.h>

#include "core/quant/quantizer.h"

/* The grid of a format in the form the kernels use. */
struct qb_grid {
	enum qb_format_kind kind;
	float lo, hi;      /* smallest and largest finite value */
	/* floats: exponent of the smallest normal number, mantissa bits */
	int min_exponent, man_bits;
	bool flush;        /* no subnormals: below half the smallest normal number is 0 */
	float smallest;    /* with flush */
	bool overflows;    /* beyond hi (after rounding as if unbounded): inf with ieee, else NaN */
	bool has_inf;
	int values;        /* table */
	float value[QB_FORMAT_TABLE_MAX];
	float threshold[QB_FORMAT_TABLE_MAX]; /* between value[i] and value[i + 1]; ties go to the even index */
};

void qb_grid_init(struct qb_grid *g, const struct qb_format *f);

/* y[i] = scale * (clip(round(x[i] / scale) + zero) - zero); per element scale and zero when their stride is 1. */
struct qb_run_args {
	const float *x, *ref; /* ref: NULL or the reference values */
	float *y;
	size_t n;
	const float *scale;
	const int32_t *zero; /* NULL: 0 */
	int stride;          /* 0: one scale for all; 1: one an element */
};

struct qb_kernels {
	const char *name;
	void (*qdq)(const struct qb_grid *g, const struct qb_run_args *a);
	void (*measure)(const struct qb_grid *g, const struct qb_run_args *a, struct qb_qdq_sums *s);
};

/* The fastest for this processor. */
const struct qb_kernels *qb_kernels(void);
/* Every path this processor can run, plain C first; NULL at the end. For tests. */
const struct qb_kernels *qb_kernels_at(int i);

#endif
