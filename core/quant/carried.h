/* SPDX-License-Identifier: Apache-2.0
 *
 * Between scheme.c and carried.c.
 */
#ifndef QB_QUANT_CARRIED_H
#define QB_QUANT_CARRIED_H

#include "core/quant/scheme.h"

/* Fills r->q, r->axis and the parts of r->scheme with what the graph's values carry. */
enum qb_err qb__quantization_carried(struct qb_quantization *r, const struct qb_graph *g,
	struct qb_observer *const *observer, struct qb_errbuf *eb);

#endif
