/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics of classes. The class axis is the first after the batch, places are what follows it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metric.h"

enum { IGNORE_LABEL = 255 };

static int64_t classes_of(const struct qb_metric_shape *s)
{
	return s->ndim > 0 ? s->dim[0] : 1;
}

static size_t places_of(const struct qb_metric_shape *s)
{
	int64_t c = classes_of(s);

	return c ? s->outputs / (size_t)c : 0;
}

/* [1,C] and the like: leading ones do not count. */
static void drop_leading_ones(struct qb_metric_shape *s)
{
	while (s->ndim > 1 && s->dim[0] == 1) {
		memmove(s->dim, s->dim + 1, (size_t)(s->ndim - 1) * sizeof(*s->dim));
		s->ndim--;
	}
}

static enum qb_err check_classes(struct qb_metric *m, int64_t least, struct qb_errbuf *eb)
{
	size_t places;

	drop_leading_ones(&m->shape);
	places = places_of(&m->shape);
	if (m->shape.labels != places || classes_of(&m->shape) < least) {
		return qb_fail_field(eb, QB_EJOB, "", "metric",
			"%s needs an array \"y\" with %zu label%s a sample for %lld classes; it "
			"has %zu", m->row->name, places, places == 1 ? "" : "s",
			(long long)classes_of(&m->shape), m->shape.labels);
	}
	return qb__check_one_row(m, eb);
}

enum qb_err qb__check_classes(struct qb_metric *m, struct qb_errbuf *eb)
{
	return check_classes(m, 2, eb);
}

static enum qb_err check_label(const struct qb_metric *m, double label, int64_t classes,
	struct qb_errbuf *eb)
{
	if (!(label >= 0 && label < (double)classes && label == floor(label))) {
		return qb_fail_field(eb, QB_EJOB, "", "data",
			"array \"y\" has the label %g at sample %lld; the network has classes 0 to "
			"%lld", label, (long long)m->samples, (long long)classes - 1);
	}
	return QB_OK;
}

/* Top-k */

/* Among equal scores the class with the lower index goes first, as numpy.argmax has it. */
static int64_t rank_of(const float *y, int64_t classes, size_t stride, int64_t label)
{
	float mine = y[(size_t)label * stride];
	int64_t rank = 0;

	if (mine != mine) {
		return classes;
	}
	for (int64_t c = 0; c < classes; c++) {
		float v = y[(size_t)c * stride];

		rank += v > mine || (v == mine && c < label) || v != v;
	}
	return rank;
}

static enum qb_err update_top(struct qb_metric *m, const struct qb_metric_sample *s, int k,
	struct qb_errbuf *eb)
{
	size_t places = places_of(&m->shape);

	for (size_t p = 0; p < places; p++) {
		if (places > 1 && s->label[p] == IGNORE_LABEL) {
			continue;
		}
		QB_TRY(check_label(m, s->label[p], classes_of(&m->shape), eb));
		m->hits += rank_of(s->y + p, classes_of(&m->shape), places, (int64_t)s->label[p]) < k;
		m->places++;
	}
	return QB_OK;
}

enum qb_err qb__update_top1(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	return update_top(m, s, 1, eb);
}

enum qb_err qb__update_top5(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	return update_top(m, s, 5, eb);
}

double qb__value_top(const struct qb_metric *m)
{
	return 100 * m->hits / m->places;
}

/* Of the confusion of classes its diagonal and margins are enough. */

/* One logit tells two classes apart: the second where it is above 0. */
enum qb_err qb__check_confusion(struct qb_metric *m, struct qb_errbuf *eb)
{
	QB_TRY(check_classes(m, 1, eb));
	m->classes = classes_of(&m->shape) == 1 ? 2 : classes_of(&m->shape);
	m->both = calloc((size_t)m->classes, sizeof(*m->both));
	m->predicted = calloc((size_t)m->classes, sizeof(*m->predicted));
	m->labelled = calloc((size_t)m->classes, sizeof(*m->labelled));
	return m->both && m->predicted && m->labelled ? QB_OK
		: qb_fail(eb, QB_ENOMEM, "no memory for a metric");
}

/* -1: something there is no number. */
static int64_t predicted_class(const float *y, int64_t classes, size_t stride)
{
	int64_t best = 0;

	if (classes == 1) {
		return y[0] != y[0] ? -1 : y[0] > 0;
	}
	for (int64_t c = 0; c < classes; c++) {
		float v = y[(size_t)c * stride];

		if (v != v) {
			return -1;
		}
		best = v > y[(size_t)best * stride] ? c : best;
	}
	return best;
}

enum qb_err qb__update_confusion(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	size_t places = places_of(&m->shape);

	for (size_t p = 0; p < places; p++) {
		int64_t best, want;

		if (places > 1 && s->label[p] == IGNORE_LABEL) {
			continue;
		}
		QB_TRY(check_label(m, s->label[p], m->classes, eb));
		want = (int64_t)s->label[p];
		best = predicted_class(s->y + p, classes_of(&m->shape), places);
		m->places++;
		m->labelled[want]++;
		if (best >= 0) { /* NaN is wrong, and no other class's guess */
			m->predicted[best]++;
			m->both[want] += best == want;
			m->hits += best == want;
		}
	}
	return QB_OK;
}

/* Mean intersection over union, over the classes that occur in labels or predictions (Everingham et al., 2010). */
double qb__value_miou(const struct qb_metric *m)
{
	double sum = 0;
	int64_t present = 0;

	for (int64_t c = 0; c < m->classes; c++) {
		uint64_t either = m->predicted[c] + m->labelled[c] - m->both[c];

		if (either) {
			sum += (double)m->both[c] / (double)either;
			present++;
		}
	}
	return 100 * sum / (double)present;
}

static double f1_of(const struct qb_metric *m, int64_t c)
{
	uint64_t sum = m->predicted[c] + m->labelled[c];

	return sum ? 2 * (double)m->both[c] / (double)sum : 0;
}

/* Of class 1 where there are two, as GLUE has it (Wang et al., 2019); else the mean over the classes that occur. */
double qb__value_f1(const struct qb_metric *m)
{
	double sum = 0;
	int64_t present = 0;

	if (m->classes == 2) {
		return 100 * f1_of(m, 1);
	}
	for (int64_t c = 0; c < m->classes; c++) {
		sum += f1_of(m, c);
		present += m->predicted[c] + m->labelled[c] > 0;
	}
	return 100 * sum / (double)present;
}

/* Matthews' correlation for any number of classes (Gorodkin, 2004, R_K); NaN where it has no denominator: all
 * predictions or all labels are of one class. */
double qb__value_matthews(const struct qb_metric *m)
{
	double n = m->places, hits = 0, cross = 0, predicted = 0, labelled = 0;

	for (int64_t c = 0; c < m->classes; c++) {
		double p = (double)m->predicted[c], l = (double)m->labelled[c];

		hits += (double)m->both[c];
		cross += p * l;
		predicted += p * p;
		labelled += l * l;
	}
	predicted = n * n - predicted;
	labelled = n * n - labelled;
	return predicted > 0 && labelled > 0
		? 100 * (hits * n - cross) / sqrt(predicted * labelled) : NAN;
}
