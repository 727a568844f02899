/* SPDX-License-Identifier: Apache-2.0
 *
 * GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", ICLR 2023).
 *
 * A layer is a matrix product of weights w [rows, k] and inputs x. Its loss is |w x - q x|^2, whose Hessian in a row of w
 * is H = 2 X X^T [k, k], the same for all rows. Columns are rounded one after the other, and what rounding column j did is
 * compensated by those that are still free (eq. 2):
 *
 *	q_j = round(w_j),   w_l -= (w_j - q_j) / U_jj * U_jl   for l > j,   H^-1 = U^T U, U upper triangular
 *
 * in blocks of columns whose effect on the rest is added at once.
 */
#ifndef QB_PTQ_GPTQ_H
#define QB_PTQ_GPTQ_H

#include <stddef.h>

#include "core/quant/quantizer.h"

/* X X^T of all inputs seen, in bounded memory. */
struct qb_hessian {
	int64_t k, samples;
	double *sum; /* [k, k], the lower triangle and diagonal */
};
enum qb_err qb_hessian_init(struct qb_hessian *h, int64_t k, struct qb_errbuf *eb);
void qb_hessian_fini(struct qb_hessian *h);
/* x [n, k]. Rows [from, to) of the sum alone, so that a team can share it out: each row range must see the same x in the
 * same order; the range that ends at k counts the samples. */
enum qb_err qb_hessian_update(struct qb_hessian *h, const float *x, int64_t n, int64_t from, int64_t to,
	struct qb_errbuf *eb);

struct qb_gptq_options {
	double damping;  /* of the mean of the diagonal, added to it: 0.01 */
	int block;       /* columns between updates of the rest: 128 */
	bool act_order;  /* columns by falling diagonal of H: those that matter most first */
};
extern const struct qb_gptq_options qb_gptq_defaults;

/* What all rows of a layer share. */
struct qb_gptq {
	int64_t k;
	struct qb_gptq_options opt;
	int32_t *order;  /* [k]: order[j] is the column rounded j-th */
	float *u;        /* [k, k]: U, in that order */
};
/* Where damping does not make H positive definite it is raised tenfold, up to 1. */
enum qb_err qb_gptq_create(struct qb_gptq **out, const struct qb_hessian *h, const struct qb_gptq_options *opt,
	struct qb_errbuf *eb);
void qb_gptq_destroy(struct qb_gptq **g);

/* Rows of a layer: rows first and on of q's channels (q: per tensor, per channel, or blocks along k). */
struct qb_gptq_rows {
	const struct qb_quantizer *q;
	int64_t first, rows;
	const float *w; /* [rows, k] */
	float *out;     /* [rows, k] */
	const struct qb_hessian *h; /* or NULL */
	const struct qb_blocks *blocks; /* NULL, or what gets the blocks of out: [rows, blocks of a row] */
};

/* Rounds w to out. A block's scale follows from its weights when its first column is reached, or with act_order from w at the
 * start. Where h is given, a row whose loss would end above that of rounding to nearest is rounded to nearest.
 * Adds the losses [0] of nearest rounding and [1] of out to *loss, both per sample. One thread's work. */
enum qb_err qb_gptq_round(const struct qb_gptq *g, const struct qb_gptq_rows *rows, double loss[2], struct qb_errbuf *eb);

/* What a row's error e [k] costs: e X X^T e^T / samples, the mean squared error of its output. */
double qb_hessian_loss(const struct qb_hessian *h, const double *error);

#endif
