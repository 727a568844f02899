/* SPDX-License-Identifier: Apache-2.0
 *
 * Bias correction: quantization moves the mean of a layer's outputs, and the bias takes it back (Nagel et al.,
 * "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2).
 */
#ifndef QB_PTQ_BIAS_SHIFT_H
#define QB_PTQ_BIAS_SHIFT_H

#include <stdint.h>

/* What each bias gains: shift[i] = E[y_i] - E[y~_i] = w_i . mean - quantized_i . mean_quantized (eq. 17).
 * w, quantized [rows, k]; mean, mean_quantized [k]: of the layer's inputs in the float network and under quantization.
 * Empirical correction measures both (appendix D); the analytic one gives the same twice: what the weights alone do. */
void qb_bias_shift(const float *w, const float *quantized, const double *mean, const double *mean_quantized,
	int64_t rows, int64_t k, double *shift);

/* E[clip(X, lo, hi)] of a normal X (appendix C): what a batch norm with shift `mean` and scale `deviation` sends through a
 * clipped activation. lo and hi may be infinite. */
double qb_clipped_normal_mean(double mean, double deviation, double lo, double hi);

#endif
