/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/targets.h"

#include <inttypes.h>
#include <math.h>

enum qb_err qb_targets_from_labels(const struct qb_places *p, const double *label, int64_t ignore, double smoothing,
	float *target, float *weight, int64_t *counted, struct qb_errbuf *eb)
{
	float off = (float)(smoothing / (double)p->classes), on = (float)(1 - smoothing + smoothing / (double)p->classes);
	int64_t count = 0;

	for (int64_t i = 0; i < p->outer * p->inner; i++) {
		float *t = target + i / p->inner * p->classes * p->inner + i % p->inner;
		bool counts = label[i] != (double)ignore;

		if (counts && !(label[i] >= 0 && label[i] < (double)p->classes && label[i] == floor(label[i]))) {
			return qb_fail(eb, QB_EJOB, "label %g of place %" PRId64 " of the batch is none of the %" PRId64
				" classes (0 to %" PRId64 ") that the network scores, and not the label to ignore, %" PRId64,
				label[i], i, p->classes, p->classes - 1, ignore);
		}
		for (int64_t c = 0; c < p->classes; c++) {
			t[c * p->inner] = !counts ? 0 : (double)c == label[i] ? on : off;
		}
		weight[i] = counts;
		count += counts;
	}
	*counted = count;
	return QB_OK;
}

void qb_targets_from_scores(const struct qb_places *p, const float *score, double temperature, float *target)
{
	for (int64_t i = 0; i < p->outer * p->inner; i++) {
		int64_t at = i / p->inner * p->classes * p->inner + i % p->inner;
		const float *s = score + at;
		float *t = target + at, top = s[0];
		double sum = 0;

		for (int64_t c = 1; c < p->classes; c++) {
			top = s[c * p->inner] > top ? s[c * p->inner] : top;
		}
		for (int64_t c = 0; c < p->classes; c++) {
			double e = exp(((double)s[c * p->inner] - top) / temperature);

			t[c * p->inner] = (float)e;
			sum += e;
		}
		for (int64_t c = 0; c < p->classes; c++) {
			t[c * p->inner] = (float)(t[c * p->inner] / sum);
		}
	}
}

double qb_targets_entropy(const struct qb_places *p, const float *target, const float *weight)
{
	double all = 0;

	for (int64_t i = 0; i < p->outer * p->inner; i++) {
		const float *t = target + i / p->inner * p->classes * p->inner + i % p->inner;
		double sum = 0;

		for (int64_t c = 0; c < p->classes; c++) {
			double x = t[c * p->inner];

			sum -= x > 0 ? x * log(x) : 0;
		}
		all += weight[i] * sum;
	}
	return all;
}
