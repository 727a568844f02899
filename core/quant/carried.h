/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers that a network's file brings.
 */
#ifndef QB_QUANT_CARRIED_H
#define QB_QUANT_CARRIED_H

#include "core/graph/graph.h"
#include "core/quant/observer.h"
#include "core/quant/quantizer.h"
#include "core/quant/scheme.h"

/* Whether any value of the graph carries a quantizer of the file's. */
bool qb_graph_carries(const struct qb_graph *g);
/* The quantizer that v carries, which has scales. QB_EUNSUPPORTED for blocks, whose values lie on the grid already. */
enum qb_err qb_quantizer_carried(struct qb_quantizer *q, const struct qb_value *v,
	struct qb_errbuf *eb);
/* The format of such codes: int8 and the like, e4m3fn and the like. */
enum qb_err qb_format_of_codes(struct qb_format *out, enum qb_dtype code, struct qb_errbuf *eb);


/* The quantizer of a value whose range the network takes of each input: here that of the calibration samples, which
 * o (may be NULL) has seen. */
enum qb_err qb_quantizer_observed(struct qb_quantizer *q, const struct qb_value *v,
	const struct qb_observer *o, struct qb_errbuf *eb);
/* Adds v, with its quantizer (NULL: blocks), to what a part says of itself: the format of the first such value, and
 * whether any has channels. */
void qb_carried_note(struct qb_scheme_part *part, const struct qb_value *v,
	const struct qb_quantizer *q);

#endif
