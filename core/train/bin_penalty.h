/* SPDX-License-Identifier: Apache-2.0
 *
 * The penalty of weights that lie away from their quantized value, for dampening and bin regularization: both sum
 * share (w - q)^2 and differ in the shares.
 *   dampening (Nagel et al., ICML 2022)  (q(w) - clip(w, s n, s p))^2: beyond the range 0; share: 1, 1 / elements, or 1 / elements
 *     of the channel, summed over output channels
 *   bin regularization (Han et al., ICCV 2021)  of each bin i that is not empty (mean_i - s i)^2 + var_i, var biased, which is the mean
 *     over the bin of (w - s i)^2: share 1 / population of the bin
 * No gradient passes through q or s.
 */
#ifndef QB_TRAIN_BIN_PENALTY_H
#define QB_TRAIN_BIN_PENALTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qb_bin_penalty {
	const float *w, *q;    /* latent and quantized, as [outer, channels, inner] */
	const float *lo, *hi;  /* [channels]: the range, to which w is clipped; NULL: it is not */
	int64_t outer, channels, inner;
	const int16_t *code;   /* [n], or NULL: one share for all */
	int first;             /* the smallest code */
	const double *share;   /* [codes], or [1] */
	double lambda;
	float *gradient;       /* added to: 2 lambda share (w - q) */
};
/* Returns lambda sum share (w - q)^2. */
double qb_bin_penalty(const struct qb_bin_penalty *p);

/* share[codes] = 1 / population of each code of code[n], 0 of empty bins. */
void qb_bin_shares(const int16_t *code, size_t n, int first, int codes, double *share);

#endif
