/* SPDX-License-Identifier: Apache-2.0
 *
 * The calibration samples, for whoever learns from them: observers of activations, and methods that look at what
 * a layer gets and gives.
 */
#ifndef QB_PTQ_CALIBRATION_H
#define QB_PTQ_CALIBRATION_H

#include "core/ptq/stream.h"

struct qb_calibration {
	struct qb_stream *stream;
	int64_t samples; /* rows of the network: the first of the stream */
	int64_t batch;   /* networks for visits are made for this many at a time */
	/* Called now and then; its error (QB_ECANCELLED) ends the work. */
	enum qb_err (*check)(void *arg, struct qb_errbuf *eb);
	void *arg;
};

/* A value of one batch, channels last and dense: [rows][channels]. x: in float. xq: under the scheme, after its own
 * quantization; NULL where no overlay was given. */
struct qb_visit {
	int value; /* value->index in the network's graph */
	const float *x, *xq;
	int64_t rows, channels;
};
typedef enum qb_err qb_visit_fn(void *arg, const struct qb_visit *v, struct qb_errbuf *eb);

/* Runs the samples through the network, in float and (overlay not NULL) under a scheme, and calls visit with every
 * observed value for which wanted[value->index], in the order of the data and from one thread at a time. Nothing after
 * the last wanted value is computed. Samples that do not fill a batch are left out; at most `samples` are seen
 * (0: all of the calibration's). */
enum qb_err qb_calibration_visit(const struct qb_calibration *c, const struct qb_network *n,
	const struct qb_overlay *overlay, const bool *wanted, int64_t samples, qb_visit_fn *visit,
	void *arg, struct qb_errbuf *eb);

#endif
