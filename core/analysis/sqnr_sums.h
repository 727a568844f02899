/* SPDX-License-Identifier: Apache-2.0
 *
 * A measured SQNR and how sure it is: signal and noise summed over parts that are drawn independently (samples of the
 * data, batches of them, blocks of random numbers).
 */
#ifndef QB_ANALYSIS_SQNR_SUMS_H
#define QB_ANALYSIS_SQNR_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* Zeros: no parts. */
struct qb_sqnr_sums {
	int64_t parts;
	double signal, noise;
	double signal_squares, noise_squares, products; /* sums over parts of signal^2, noise^2, signal * noise */
};

/* Of a part, or of some of its elements. */
struct qb_sqnr_part {
	double signal, noise; /* sum ref^2, sum (x - ref)^2 */
};

/* ref [n]; x [n], what stands in its place. */
struct qb_sqnr_part qb_sqnr_part_of(const float *ref, const float *x, size_t n);
void qb_sqnr_sums_add(struct qb_sqnr_sums *s, const struct qb_sqnr_part *part);

double qb_sqnr_sums_db(const struct qb_sqnr_sums *s);
/* Half the 95 % interval around it, in dB. NaN of fewer than two parts, and where the SQNR is no number. */
double qb_sqnr_sums_half_db(const struct qb_sqnr_sums *s);

#endif
