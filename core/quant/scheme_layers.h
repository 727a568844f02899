/* SPDX-License-Identifier: Apache-2.0
 *
 * A scheme that says different things of different layers, laid over a network.
 */
#ifndef QB_QUANT_SCHEME_LAYERS_H
#define QB_QUANT_SCHEME_LAYERS_H

#include "core/quant/placement.h"
#include "core/quant/scheme.h"

/* part[value->index]: what each quantizer of its own follows, NULL where the value stays float or shares a quantizer.
 * A layer of the scheme that names nothing is an error that lists near names. */
enum qb_err qb_scheme_parts(const struct qb_scheme *s, const struct qb_graph *g,
	const struct qb_placement *p, const struct qb_scheme_part **part, struct qb_errbuf *eb);

#endif
