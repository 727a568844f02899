/* SPDX-License-Identifier: Apache-2.0
 *
 * How sure a metric's change is: a paired bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
 * section 13.3) over groups of samples. Each replicate draws as many groups as there are, with replacement and the same
 * for all metrics, so that what two schemes get wrong alike does not widen the interval of their difference. Up to
 * QB_METRIC_GROUPS samples are groups of their own; of more, seeded random groups keep memory and time bounded.
 *
 * Where all replicates find no change at all a bootstrap knows nothing: it draws only what was seen. Of metrics that are the
 * share of right answers an exact bound stands there. With one answer a sample the change is P(won) - P(lost), between -p and p
 * where p = P(won) + P(lost) is the probability that a sample's answer changes. That none of n samples' did has
 * the probability (1 - p)^n, so that p <= 1 - 0.025^(1/n), the upper limit of Clopper and Pearson ("The use of confidence or
 * fiducial limits", Biometrika 26, 1934) for 0 of n; about 3.7 / n. With several answers a sample p is that of a sample whose
 * number of right ones changes, by all of them at most. Of other metrics nothing bounds what a sample changes, and the
 * interval is undefined.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metric.h"
#include "core/base/order.h"
#include "core/base/random.h"
#include "core/base/size.h"

enum { GROUPS_STREAM = 0, DRAWS_STREAM = 1, REPLICATES = 1000, TAIL = 25 /* of the replicates, at each end: 95 % */ };

enum qb_err qb_metric_keep_groups(struct qb_metric *m, int64_t samples, uint64_t seed, struct qb_errbuf *eb)
{
	int n = (int)QB_MIN(samples, (int64_t)QB_METRIC_GROUPS);

	m->group = calloc((size_t)n + 1, sizeof(*m->group));
	if (!m->group) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d groups of samples", n);
	}
	m->groups = n;
	m->group_seed = seed;
	m->each = samples <= n;
	if (m->row->value == qb__value_top) {
		m->right = calloc((size_t)samples + 1, sizeof(*m->right));
		m->right_cap = samples;
		if (!m->right) {
			return qb_fail(eb, QB_ENOMEM, "no memory for %lld answers", (long long)samples);
		}
	}
	for (int i = 0; i < n; i++) {
		QB_TRY(qb_metric_create(&m->group[i], m->row->name, &m->shape, eb));
	}
	return QB_OK;
}

struct qb_metric *qb__metric_group(const struct qb_metric *m)
{
	uint32_t draw;

	if (!m->groups) {
		return NULL;
	}
	draw = m->each ? (uint32_t)m->samples : qb_random_u32(m->group_seed, GROUPS_STREAM, (uint64_t)m->samples);
	return m->group[draw % (uint32_t)m->groups];
}

void qb__metric_note_answers(struct qb_metric *m, double hits, double places)
{
	if (m->right && m->samples < m->right_cap) {
		m->right[m->samples] = (float)(m->hits - hits);
		m->most_places = fmax(m->most_places, m->places - places);
	}
}

static void clear(struct qb_metric *m)
{
	size_t bytes = (size_t)m->classes * sizeof(*m->both);

	m->samples = m->nans = m->pairs = 0;
	m->hits = m->places = m->sum = 0;
	if (m->classes) {
		memset(m->both, 0, bytes);
		memset(m->predicted, 0, bytes);
		memset(m->labelled, 0, bytes);
	}
}

/* As if the group's samples had come so many times. */
static enum qb_err add(struct qb_metric *m, const struct qb_metric *g, int times, struct qb_errbuf *eb)
{
	m->samples += times * g->samples;
	m->hits += times * g->hits;
	m->places += times * g->places;
	m->sum += times * g->sum;
	for (int64_t c = 0; c < m->classes; c++) {
		m->both[c] += (uint64_t)times * g->both[c];
		m->predicted[c] += (uint64_t)times * g->predicted[c];
		m->labelled[c] += (uint64_t)times * g->labelled[c];
	}
	for (int64_t i = 0; i < times * g->pairs; i++) {
		QB_TRY(qb__metric_add_pair(m, g->a[i % g->pairs], g->b[i % g->pairs], eb));
	}
	return QB_OK;
}

static void draw(int *times, int groups, uint64_t seed, int replicate)
{
	memset(times, 0, (size_t)groups * sizeof(*times));
	for (int i = 0; i < groups; i++) {
		uint64_t at = (uint64_t)replicate * (uint64_t)groups + (uint64_t)i;

		times[qb_random_u32(seed, DRAWS_STREAM, at) % (uint32_t)groups]++;
	}
}

/* The metrics' values in all replicates, [REPLICATES][count]. */
static enum qb_err replicate(const struct qb_metric *const metric[], int count, uint64_t seed, double *value,
	struct qb_errbuf *eb)
{
	int groups = metric[0]->groups, *times = calloc((size_t)groups + 1, sizeof(*times));
	struct qb_metric *sum = NULL;
	enum qb_err err;

	if (!times) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d groups of samples", groups);
	}
	QB_TRY_OUT(qb_metric_create(&sum, metric[0]->row->name, &metric[0]->shape, eb));
	for (int r = 0; r < REPLICATES; r++) {
		draw(times, groups, seed, r);
		for (int i = 0; i < count; i++) {
			clear(sum);
			for (int g = 0; g < groups; g++) {
				QB_TRY_OUT(add(sum, metric[i]->group[g], times[g], eb));
			}
			value[r * count + i] = qb_metric_value(sum);
		}
	}
out:
	qb_metric_destroy(&sum);
	free(times);
	return err;
}

/* Of the difference of two metrics; undefined where a replicate is. */
static struct qb_interval difference(const double *value, int count, int of, int against)
{
	double d[REPLICATES];

	for (int r = 0; r < REPLICATES; r++) {
		d[r] = value[r * count + of] - value[r * count + against];
		if (!isfinite(d[r])) {
			return (struct qb_interval){NAN, NAN};
		}
	}
	qsort(d, REPLICATES, sizeof(*d), qb_double_order);
	return (struct qb_interval){d[TAIL], d[REPLICATES - 1 - TAIL]};
}

static bool is_zero(struct qb_interval x)
{
	return x.low == 0 && x.high == 0;
}

/* Of the change from b to a where all replicates find none. Of more samples than groups, changes may cancel within groups: then
 * the variance of their sum, whose mean is 0, tells as well. */
static struct qb_interval of_no_change(const struct qb_metric *a, const struct qb_metric *b)
{
	double n = (double)a->samples, squares = 0, half;

	if (!a->right || !b->right || a->samples > a->right_cap) {
		return (struct qb_interval){NAN, NAN};
	}
	for (int64_t i = 0; i < a->samples; i++) {
		squares += ((double)a->right[i] - b->right[i]) * ((double)a->right[i] - b->right[i]);
	}
	half = 100 * fmax((1 - pow(0.025, 1 / n)) * n * a->most_places, 1.959963984540054 * sqrt(squares)) / a->places;
	return (struct qb_interval){-half, half};
}

static int best_of(const struct qb_metric *const metric[], int count)
{
	int best = -1;

	for (int i = 1; i < count; i++) {
		double v = qb_metric_value(metric[i]), b = best < 0 ? NAN : qb_metric_value(metric[best]);

		if (isfinite(v) && (best < 0 || (metric[i]->row->rises ? v > b : v < b))) {
			best = i;
		}
	}
	return best;
}

enum qb_err qb_metric_compare(const struct qb_metric *const metric[], int count, uint64_t seed,
	struct qb_metric_change change[], struct qb_errbuf *eb)
{
	double *value = malloc((size_t)count * REPLICATES * sizeof(*value));
	int best = best_of(metric, count);
	enum qb_err err;

	if (!value) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d bootstraps", count);
	}
	QB_TRY_OUT(replicate(metric, count, seed, value, eb));
	for (int i = 0; i < count; i++) {
		struct qb_interval from_best = difference(value, count, i, QB_MAX(best, 0));

		change[i].interval = difference(value, count, i, 0);
		if (i > 0 && is_zero(change[i].interval)) {
			change[i].interval = of_no_change(metric[i], metric[0]);
		}
		change[i].best = i > 0 && best > 0 && (i == best || (from_best.low <= 0 && from_best.high >= 0));
	}
out:
	free(value);
	return err;
}
