/* SPDX-License-Identifier: Apache-2.0
 *
 * Scales of a layer's weights chosen by what its output loses. A range search on weights alone takes every weight for
 * equally dear; the output's error of a row is e C e^T, with e the errors of its weights and C the second moments of the
 * inputs, which says what is dear and what makes each other good.
 */
#ifndef QB_PTQ_OUTPUT_SCALE_H
#define QB_PTQ_OUTPUT_SCALE_H

#include "core/quant/quantizer.h"

/* c [k, k] = mean of x x^T over x [n, k], of x less its mean where centred (a bias that may still change takes the mean
 * away), plus shrinkage k / n var(x_j) on the diagonal (core/ptq/adaround.h says why). */
enum qb_err qb_output_moments(float *c, const float *x, int64_t n, int64_t k, bool centred, double shrinkage,
	struct qb_errbuf *eb);

/* scale [rows]: that of row i of w [rows, k], rounded to nearest, for which its output's error is least, found between
 * half of and the square root of 2 times the one it has: channel first + i of q, which has a real scale and no blocks.
 * Never one that loses more than the one it has. */
enum qb_err qb_output_scales(float *scale, const struct qb_quantizer *q, int64_t first, const float *w, int64_t rows,
	int64_t k, const float *c, struct qb_errbuf *eb);

#endif
