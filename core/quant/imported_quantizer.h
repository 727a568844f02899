/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers imported from the network's file.
 */
#ifndef QB_QUANT_IMPORTED_QUANTIZER_H
#define QB_QUANT_IMPORTED_QUANTIZER_H

#include "core/graph/graph.h"
#include "core/quant/observer.h"
#include "core/quant/quantizer.h"
#include "core/quant/scheme.h"

/* Whether any value of the graph has a quantizer imported from the file. */
bool qb_graph_is_quantized(const struct qb_graph *g);
/* The imported quantizer of v, which has scales. QB_EUNSUPPORTED for blocks, whose values lie on the grid already. */
enum qb_err qb_quantizer_imported(struct qb_quantizer *q, const struct qb_value *v,
	struct qb_errbuf *eb);
/* The format of such codes: int8 and the like, e4m3fn and the like. */
enum qb_err qb_format_of_codes(struct qb_format *out, enum qb_dtype code, struct qb_errbuf *eb);

/* The quantizer of a value whose range the network takes of each input: here that of the calibration samples, which
 * o (may be NULL) has seen. */
enum qb_err qb_quantizer_observed(struct qb_quantizer *q, const struct qb_value *v,
	const struct qb_observer *o, struct qb_errbuf *eb);
/* Adds v, with its quantizer (NULL: blocks), to what a part says of itself: the format of the first such value, and
 * whether any has channels. */
void qb_imported_note(struct qb_scheme_part *part, const struct qb_value *v,
	const struct qb_quantizer *q);

#endif
