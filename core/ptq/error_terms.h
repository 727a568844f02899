/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a scheme's error comes from, tensor by tensor: how much of it comes from elements beyond the range (clipping) and how
 * much from the rest (rounding), which channels it sits in, and which channels are outliers. Exact on the calibration samples.
 */
#ifndef QB_PTQ_ERROR_TERMS_H
#define QB_PTQ_ERROR_TERMS_H

#include "core/ptq/sweep.h"

struct qb_channel_error {
	double signal, noise; /* sum x^2, sum (Q(x) - x)^2 */
	float inf_norm;       /* largest |x| */
};

struct qb_tensor_error {
	const struct qb_value *value;
	const struct qb_quantizer *q;
	double signal, noise, clip; /* clip: the part of the noise from elements beyond the range */
	double count, power[4];     /* sums of x, x^2, x^3, x^4 */
	float inf_norm;
	int64_t channels;
	struct qb_channel_error *channel; /* activations: along the channels; weights: the output's channels */
};

struct qb_error_terms {
	int count;
	struct qb_tensor_error *tensor; /* in the order of the network's values */
};

/* scheme: of a sweep whose first variant has it. */
enum qb_err qb_error_terms_create(struct qb_error_terms **out, const struct qb_sweep *sweep, int scheme,
	const struct qb_dataset *data, struct qb_errbuf *eb);
void qb_error_terms_destroy(struct qb_error_terms **terms);

/* Pearson's, 3 for a Gaussian; NaN where all elements are equal. */
double qb_tensor_error_kurtosis(const struct qb_tensor_error *f);
/* The median of the channels' largest magnitudes. */
float qb_tensor_error_median_norm(const struct qb_tensor_error *f, struct qb_errbuf *eb, enum qb_err *err);

#endif
