/* SPDX-License-Identifier: Apache-2.0
 *
 * What the calibration samples say of layers' output channels before the activation: mean and standard deviation, in
 * float and under a scheme.
 */
#ifndef QB_PTQ_CHANNEL_MOMENTS_H
#define QB_PTQ_CHANNEL_MOMENTS_H

#include "core/ptq/calibration.h"

/* A network whose activations are nodes of their own, so that what goes into them can be seen. */
struct qb_split {
	struct qb_graph *graph;
	struct qb_network *network;
};
/* graph: prepared, or bound. */
enum qb_err qb_split_create(struct qb_split *out, const struct qb_graph *graph, int64_t batch,
	struct qb_errbuf *eb);
void qb_split_fini(struct qb_split *s);
/* The value of the split network that the node of that name computes, before its activation; NULL: none. */
const struct qb_value *qb_split_output(const struct qb_split *s, const char *node);

struct qb_channels {
	int64_t channels;
	double *mean, *deviation;             /* [channels], in float */
	double *mean_q, *deviation_q;         /* under the overlay; NULL without one */
};
/* Of one value. The sums are added in the order of the data. */
enum qb_err qb_channels_create(struct qb_channels *out, const struct qb_calibration *c,
	const struct qb_split *s, const struct qb_overlay *overlay, const struct qb_value *value,
	struct qb_errbuf *eb);
void qb_channels_fini(struct qb_channels *c);

#endif
