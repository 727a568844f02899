/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_KERNELS_QUANTIZE_SUMS_H
#define QB_KERNELS_QUANTIZE_SUMS_H

/* What SQNR needs of a tensor x and of ref, the float network's values of the same tensor. */
struct qb_qdq_sums {
	double signal;      /* sum x^2 */
	double noise;       /* sum (Q(x) - x)^2 */
	double ref_signal;  /* sum ref^2 */
	double ref_noise;   /* sum (Q(x) - ref)^2 */
};

#endif
