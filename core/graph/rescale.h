/* SPDX-License-Identifier: Apache-2.0
 *
 * Moving scales of channels through a network: a value divided channel by channel, with the divisors folded into the
 * constants that make it.
 */
#ifndef QB_GRAPH_RESCALE_H
#define QB_GRAPH_RESCALE_H

#include "core/graph/graph.h"

struct qb_channel_divisors {
	const float *s; /* [n] */
	int64_t n;
	int uses;
	bool insert;
};

/* *out = v / s along v's last dimension, s [n] > 0, n its size; made by copies of the nodes that make v, as far back as is
 * needed to reach constants that hold the scales: of a LayerNormalization, of a Mul, Div, Add or Sub with constants, or,
 * where v is used `uses` times and no more, of a Gemm or MatMul. Where there is no such way: with insert, v is
 * multiplied by 1 / s; else *out is NULL. *inserted says which. Whoever used v still does; the caller lets them use *out and
 * relinks. */
enum qb_err qb_graph_divide_channels(struct qb_graph *g, struct qb_value *v, const struct qb_channel_divisors *by,
	struct qb_value **out, bool *inserted, struct qb_errbuf *eb);

#endif
