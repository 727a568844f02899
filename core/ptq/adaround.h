/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound: learned rounding (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020).
 *
 * A layer is a matrix product: rows of weights w [rows, k], one a output channel, each met by inputs x [samples, k] of a
 * group. Every weight may take either neighbour on its grid, and which is chosen so that the layer's output, after its
 * activation function f, comes closest to the float network's for the inputs that the quantized network feeds it
 * (eq. 25, asymmetric reconstruction):
 *
 *	minimise over V, b  sum_i loss_i / norm_i,   loss_i = mean over samples of (y_i - f(soft_i . x + b_i))^2
 *	                  + lambda sum_ij 1 - |2 h(V_ij) - 1|^beta                                 (eqs. 21, 24)
 *	          + shrinkage k / samples sum_j var(x_j) (soft_ij - w_ij)^2
 *	soft_ij = down_ij + h(V_ij) (up_ij - down_ij)
 *	h(V) = clip(sigmoid(V) (zeta - gamma) + gamma, 0, 1),   zeta = 1.1, gamma = -0.1           (eq. 23)
 *
 * The second term of the loss is not the paper's. Few samples say much of how inputs go together that is chance, of k^2
 * parameters from samples * k; it penalises with that what each weight's error costs alone, and is next to nothing where
 * samples are many.
 *
 * The paper keeps the bias. But what rounding moves a row's mean by is most of the error where inputs are positive (after a
 * ReLU6: 3 to 14 dB of it), and a bias that may be learned takes it away at no cost, so that the roundings are left to what
 * it cannot do. Steps see inputs less their mean, so that weights and bias do not pull at the same thing; the last bias is
 * found on all samples by Gauss and Newton's steps, one of which is exact without an activation function.
 *
 * Adam on minibatches, with beta falling from 20 to 2 on a cosine after a warm-up without the regulariser. norm_i is
 * (the loss of row i rounded to nearest) / k, which makes lambda mean the same for every layer: what one weight's
 * rounding is worth. Rows do not meet, so a layer is cut into runs of rows as one likes. Down and up may be neighbours
 * on any grid: integers, floats, lists.
 */
#ifndef QB_PTQ_ADAROUND_H
#define QB_PTQ_ADAROUND_H

#include "core/graph/graph.h"

struct qb_adaround_options {
	int iterations;    /* 2000 */
	int batch;         /* samples of one step: 256 */
	double rate;       /* of Adam: 0.01 */
	double lambda;     /* 10 */
	double beta_start, beta_end; /* 20, 2 */
	double warm_up;    /* share of the iterations without regulariser: 0.2 */
	double shrinkage;  /* 4 */
};
extern const struct qb_adaround_options qb_adaround_defaults;

struct qb_adaround_rows {
	int64_t rows, k, samples;
	const float *w;        /* [rows, k] */
	const float *down, *up; /* [rows, k]: neighbours of w on its grid */
	const float *nearest;  /* [rows, k]: w rounded to nearest */
	const float *bias;     /* [rows], or NULL */
	bool learn_bias;       /* bias is then where it starts, and not NULL */
	const float *x;        /* [samples, k], in any order without meaning */
	const float *y;        /* sample s of row i at y[s * y_stride + i]: f(w_i . x + b_i) of the float network */
	int64_t y_stride;
	struct qb_act act;     /* f */
};

/* y [samples, rows] = f(w x + bias): what a float network's inputs x make, for the target. The given y is not read. */
enum qb_err qb_adaround_outputs(const struct qb_adaround_rows *r, float *y, struct qb_errbuf *eb);

/* What became of the rows: losses as above, on all samples, unnormalised, summed over rows. */
struct qb_adaround_report {
	double nearest_loss, loss;
	int64_t changed;  /* weights that are not at their nearest value */
};

/* out [rows, k]: each weight down or up; bias [rows], not NULL where biases are learned: what they become. A row that would
 * end worse than rounded to nearest, with the best bias for that, is rounded to nearest. One thread's work; nothing is
 * random. Adds to *report. */
enum qb_err qb_adaround(const struct qb_adaround_rows *r, const struct qb_adaround_options *opt, float *out, float *bias,
	struct qb_adaround_report *report, struct qb_errbuf *eb);

/* What qb_adaround descends on, for those who check it. */
struct qb_adaround_point {
	const float *v;    /* [rows, k] */
	const float *bias; /* [rows]: what is added to soft . (x - mean of x over all samples); read where biases are learned */
	const float *norm; /* [rows] */
	double beta;
	int64_t first, count; /* samples */
};
/* The objective, with opt's lambda and shrinkage, and, where not NULL, its gradients in v and bias. */
enum qb_err qb_adaround_objective(const struct qb_adaround_rows *r, const struct qb_adaround_options *opt,
	const struct qb_adaround_point *at, double *loss, float *v_gradient, float *bias_gradient, struct qb_errbuf *eb);

#endif
