/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of sqnr.h for formats whose blocks share a power of two.
 */
#ifndef QB_ANALYSIS_SQNR_BLOCKS_H
#define QB_ANALYSIS_SQNR_BLOCKS_H

#include "core/analysis/distribution.h"
#include "core/analysis/sqnr_dot.h"
#include "core/format/format.h"

bool qb__sqnr_has_octaves(const struct qb_format *f);
/* d has been checked. range and scale of the result are NaN: each block has its own. */
enum qb_err qb__sqnr_blocks(const struct qb_format *f, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb);

#endif
