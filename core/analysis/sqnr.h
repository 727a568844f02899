/* SPDX-License-Identifier: Apache-2.0
 *
 * What a number format costs on a distribution, computed rather than sampled. With grid values g_i and cells that end
 * half way between them, MSE = sum over i of the integral of p(x) (x - g_i)^2 over cell i.
 */
#ifndef QB_ANALYSIS_SQNR_H
#define QB_ANALYSIS_SQNR_H

#include "core/analysis/distribution.h"
#include "core/analysis/sqnr_dot.h"
#include "core/format/format.h"

/* The exact error with a range of c. Formats above 16 bits, and those whose blocks have a scale that is no power of two, are
 * QB_EUNSUPPORTED; those whose scale is fixed, or a power of two of their blocks' own, ignore c. An asymmetric integer covers [mean - c, mean + c]. */
enum qb_err qb_sqnr_expected(const struct qb_format *f, double c, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb);

/* The same at the range of least error, to 1e-8 by the root of the error's derivative. Of an asymmetric integer both ends are
 * found; they need not hold 0. */
enum qb_err qb_sqnr_optimal(const struct qb_format *f, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb);

#endif
