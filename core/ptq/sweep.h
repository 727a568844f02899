/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep: calibrate a network on some samples, then run every sample in float and under each scheme. Schemes whose
 * methods rewrite the network run on a variant of it. One float pass of a batch is the reference of all schemes of
 * a variant. Memory does not grow with the data, and results do not depend on the number of threads: partial sums
 * are kept by batch and added in the order of the data.
 */
#ifndef QB_PTQ_SWEEP_H
#define QB_PTQ_SWEEP_H

#include "core/analysis/metrics.h"
#include "core/analysis/sqnr_sums.h"
#include "core/ptq/method.h"
#include "core/ptq/network.h"
#include "core/tensor/dataset.h"

struct qb_sweep_options {
	const char *metric;
	int threads;
	int64_t calibration_samples, samples; /* samples: to be evaluated at most; 0: all */
	bool spread;                          /* those that calibrate lie evenly in the data; else they are its first */
	bool held_out;                        /* and are not evaluated */
	uint64_t draw;                        /* not 0: which of them is drawn by it (struct qb_stream_order); none is held out then */
	double momentum;                      /* of running ranges */
	int64_t range_updates;                /* so often they move: each time by the extent of as many batches; 0: with each batch */
	const struct qb_scheme *scheme;
	const struct qb_method_list *methods; /* [schemes]; NULL: none */
	int schemes;
	/* In place of quantizers that calibration makes: those of the one scheme, by the names of the values of given_of. */
	const struct qb_quantization *given;
	const struct qb_graph *given_of;
	uint64_t seed;
	/* Hears the fraction done, and of what in particular ("int4, layer 7 of 21"; NULL: nothing); its error ends the sweep. */
	enum qb_err (*progress)(void *arg, const char *stage, double fraction, const char *detail,
		struct qb_errbuf *eb);
	void *arg;
	/* Asked now and then; its error (QB_ECANCELLED) ends the sweep. NULL: never. */
	enum qb_err (*check)(void *arg, struct qb_errbuf *eb);
	void *check_arg;
};

/* A network that some of the schemes quantize: the model itself (the first), or what their methods make of it. */
struct qb_variant {
	const struct qb_graph *model;    /* batch symbolic */
	struct qb_graph *own;            /* model, where it is not the sweep's; NULL for the first */
	struct qb_network *network;      /* at the main batch size, with the schemes that use it */
	struct qb_observer **observer;   /* [values], for quantized activations */
	int schemes, *scheme;            /* network->quantization[k] is scheme[k] of the sweep */
	json_t *reports;                 /* of its graph methods, by name */
};

/* How sure the SQNR of a quantized activation is; parts are batches of samples. */
struct qb_tensor_sqnr {
	struct qb_sqnr_sums own, network; /* of its quantizer; against the same value of the variant's own float run */
};

struct qb_sweep_row {
	int variant, at;            /* network->quantization[at] of that variant */
	double metric;
	struct qb_metric_change change; /* of it, against float */
	struct qb_sqnr_sums output; /* of the network's first output, against float; parts are samples */
	int64_t nan_outputs;        /* samples with an output that is no number */
	struct qb_qdq_sums *sums;   /* [values of the variant's graph]; ref is the variant's own float run */
	struct qb_tensor_sqnr *tensor; /* [values] */
	json_t *reports;            /* of its weight methods, by name */
};

struct qb_sweep {
	int variants;
	struct qb_variant *variant;
	int64_t samples, calibration_samples; /* evaluated; and those that calibrated */
	struct qb_stream_order calibrated, evaluated; /* which they are */
	double float_seconds;            /* thread seconds that a pass in float alone over the samples takes */
	double total_seconds;            /* and that the passes of this sweep took */
	double float_metric;
	int rows;
	struct qb_sweep_row *row;        /* [schemes] */
	struct qb_metric **metric;       /* [1 + schemes], float first: for comparisons with other sweeps over the same samples */
};

/* How many of `count` samples of `rows` rows calibrate and how many are evaluated; fails where a model that takes
 * `batch` rows at a time (0: any number) gets too few. */
enum qb_err qb_sweep_count(const struct qb_sweep_options *opt, int64_t count, int64_t rows,
	int64_t batch, int64_t *calibrated, int64_t *evaluated, struct qb_errbuf *eb);
enum qb_err qb_sweep_run(struct qb_sweep **out, const struct qb_graph *model,
	const struct qb_dataset *data, const struct qb_sweep_options *opt, struct qb_errbuf *eb);
void qb_sweep_destroy(struct qb_sweep **sweep);

/* Rows that run at a time: the model's own, or what suits its tensors and *samples of `rows` rows. Of a model with its own
 * *samples become those that fill whole batches. */
enum qb_err qb_sweep_batch(int64_t *batch, const struct qb_graph *model, int64_t *samples, int64_t rows,
	struct qb_errbuf *eb);
/* Is the first output one that metrics read? g: bound. */
enum qb_err qb_sweep_check_output(const struct qb_graph *g, struct qb_errbuf *eb);

/* The fraction of a sweep's progress after which samples are evaluated: more where methods learn from the calibration. */
double qb_sweep_calibration_share(const struct qb_sweep_options *opt);

/* What a metric sees of the network's first output and of the stream's samples. */
struct qb_metric_shape qb_sweep_metric_shape(const struct qb_network *n,
	const struct qb_stream *stream);

/* The variant that a scheme runs on, and its quantizers there. */
const struct qb_variant *qb_sweep_variant(const struct qb_sweep *s, int scheme);
const struct qb_quantization *qb_sweep_quantization(const struct qb_sweep *s, int scheme);

#endif
