/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a scheme's error comes from, tensor by tensor: how much of it is numbers beyond the range (clipping) and how much
 * the rest (rounding), which channels it sits in, and which channels are outliers. Exact on the calibration samples.
 */
#ifndef QB_PTQ_ERROR_TERMS_H
#define QB_PTQ_ERROR_TERMS_H

#include "core/ptq/sweep.h"

struct qb_channel_fault {
	double signal, noise; /* sum x^2, sum (Q(x) - x)^2 */
	float inf_norm;       /* largest |x| */
};

struct qb_fault {
	const struct qb_value *value;
	const struct qb_quantizer *q;
	double signal, noise, clip; /* clip: what of the noise belongs to numbers that the range does not hold */
	double count, power[4];     /* sums of x, x^2, x^3, x^4 */
	float inf_norm;
	int64_t channels;
	struct qb_channel_fault *channel; /* activations: along the channels; weights: the output's channels */
};

struct qb_faults {
	int count;
	struct qb_fault *fault; /* in the order of the network's values */
};

/* scheme: of a sweep whose first variant has it. */
enum qb_err qb_faults_create(struct qb_faults **out, const struct qb_sweep *sweep, int scheme,
	const struct qb_dataset *data, struct qb_errbuf *eb);
void qb_faults_destroy(struct qb_faults **faults);

/* Pearson's, 3 for a Gaussian; NaN where all numbers are equal. */
double qb_fault_kurtosis(const struct qb_fault *f);
/* The median of the channels' largest magnitudes. */
float qb_fault_median_norm(const struct qb_fault *f, struct qb_errbuf *eb, enum qb_err *err);

#endif
