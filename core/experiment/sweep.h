/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep: calibrate a network on some samples, then run every sample in float and under each scheme. One float
 * pass of a batch is the reference of all schemes. Memory does not grow with the data, and results do not depend
 * on the number of threads: partial sums are kept by batch and added in the order of the data.
 */
#ifndef QB_EXPERIMENT_SWEEP_H
#define QB_EXPERIMENT_SWEEP_H

#include "core/experiment/network.h"
#include "core/tensor/dataset.h"

struct qb_sweep_options {
	const char *metric;
	int threads;
	int64_t calibration_samples, samples; /* samples 0: all */
	const struct qb_scheme *scheme;
	int schemes;
	/* Hears the fraction done; its error ends the sweep. */
	enum qb_err (*progress)(void *arg, const char *stage, double fraction, struct qb_errbuf *eb);
	void *arg;
};

struct qb_sweep_row {
	double metric;
	double signal, noise;       /* of the network's first output: sum float^2, sum (scheme - float)^2 */
	int64_t nan_outputs;        /* samples with an output that is no number */
	struct qb_qdq_sums *sums;   /* [values of network->graph] */
};

struct qb_sweep {
	struct qb_network *network;      /* at the main batch size */
	struct qb_observer **observer;   /* [values], for quantized activations */
	int64_t samples, calibration_samples;
	double float_seconds;            /* thread seconds spent in float passes */
	double total_seconds;            /* and in all passes */
	double float_metric;
	int rows;
	struct qb_sweep_row *row;        /* [schemes] */
};

enum qb_err qb_sweep_run(struct qb_sweep **out, const struct qb_graph *model,
	const struct qb_dataset *data, const struct qb_sweep_options *opt, struct qb_errbuf *eb);
void qb_sweep_destroy(struct qb_sweep **sweep);

#endif
