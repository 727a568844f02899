/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/fold_factors.h"

#include <math.h>

/* Of float32 products that were rounded once. */
static const double TOLERANCE = 1e-5;

static double factor_of(const float *raw, const float *folded, int64_t outer, int64_t width, int64_t inner, int64_t c)
{
	double most = 0, factor = 1;

	for (int64_t o = 0; o < outer; o++) {
		for (int64_t i = 0; i < inner; i++) {
			const int64_t at = (o * width + c) * inner + i;

			/* The largest element has the ratio most exactly. */
			if (fabs((double)raw[at]) > most) {
				most = fabs((double)raw[at]);
				factor = (double)folded[at] / (double)raw[at];
			}
		}
	}
	return factor;
}

enum qb_err qb_fold_factors(const char *name, const float *raw, const float *folded, int64_t outer, int64_t width, int64_t inner,
	double *factor, struct qb_errbuf *eb)
{
	for (int64_t c = 0; c < width; c++) {
		factor[c] = factor_of(raw, folded, outer, width, inner, c);
	}
	for (int64_t i = 0; i < outer * width * inner; i++) {
		double want = (double)raw[i] * factor[i / inner % width];

		if (!(fabs((double)folded[i] - want) <= TOLERANCE * fabs(want) + 1e-30)) {
			return qb_fail(eb, QB_EUNSUPPORTED, "weight %s: preparing the network changes it other than by a factor for each channel; "
				"such a layer cannot be trained quantized", name);
		}
	}
	return QB_OK;
}
