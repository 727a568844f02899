/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers of weights.
 */
#ifndef QB_QUANT_WEIGHT_H
#define QB_QUANT_WEIGHT_H

#include "core/graph/graph.h"
#include "core/quant/quantizer.h"
#include "core/quant/scheme.h"

/* A weight seen as [outer, channels, inner] around its channel axis. */
void qb_weight_extents(const struct qb_value *w, int axis, int64_t *outer, int64_t *channels,
	int64_t *inner);
/* y = Q(weight), in the weight's own layout; adds to sums if not NULL. Blocks run along all that one output channel
 * sums over. */
enum qb_err qb_quantize_weight(const struct qb_quantizer *q, const struct qb_value *w, int axis,
	float *y, struct qb_qdq_sums *sums, struct qb_errbuf *eb);


/* The quantizer that a scheme's part gives a weight. q is zeroed. */
enum qb_err qb_weight_quantizer(struct qb_quantizer *q, const struct qb_scheme_part *part,
	const struct qb_value *w, int axis, struct qb_errbuf *eb);

#endif
