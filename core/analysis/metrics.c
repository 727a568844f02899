/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

enum { IGNORE_LABEL = 255 };

struct qb_metric {
	const struct metric_row *row;
	struct qb_metric_shape shape;
	int64_t samples, nans;
	double hits, places;     /* of top-k: labels in question */
	double sum;              /* mse: squared errors; cosine: of cosines */
	int64_t classes;         /* miou */
	uint64_t *both, *either; /* miou: [classes] */
	double *a, *b;           /* correlations and auc: one pair a sample */
	int64_t pairs, cap;
};

struct metric_row {
	const char *name, *summary;
	bool rises;
	enum qb_err (*check)(struct qb_metric *m, struct qb_errbuf *eb);
	enum qb_err (*update)(struct qb_metric *m, const float *y, const double *label,
		struct qb_errbuf *eb);
	double (*value)(const struct qb_metric *m);
};

/* Classification: the class axis is the first after the batch, places are what follows it. */

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

static enum qb_err check_classes(struct qb_metric *m, struct qb_errbuf *eb)
{
	drop_leading_ones(&m->shape);
	if (m->shape.labels != places_of(&m->shape) || classes_of(&m->shape) < 2) {
		return qb_fail(eb, QB_EJOB,
			"metric: %s needs an array \"y\" with %zu label%s a sample for %lld classes; it "
			"has %zu", m->row->name, places_of(&m->shape),
			places_of(&m->shape) == 1 ? "" : "s", (long long)classes_of(&m->shape),
			m->shape.labels);
	}
	return QB_OK;
}

static enum qb_err check_label(const struct qb_metric *m, double label, struct qb_errbuf *eb)
{
	if (!(label >= 0 && label < (double)classes_of(&m->shape) && label == floor(label))) {
		return qb_fail(eb, QB_EJOB,
			"data: array \"y\" has the label %g at sample %lld; the network has classes 0 to "
			"%lld", label, (long long)m->samples, (long long)classes_of(&m->shape) - 1);
	}
	return QB_OK;
}

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

static enum qb_err update_top(struct qb_metric *m, const float *y, const double *label, int k,
	struct qb_errbuf *eb)
{
	size_t places = places_of(&m->shape);

	for (size_t p = 0; p < places; p++) {
		if (places > 1 && label[p] == IGNORE_LABEL) {
			continue;
		}
		QB_TRY(check_label(m, label[p], eb));
		m->hits += rank_of(y + p, classes_of(&m->shape), places, (int64_t)label[p]) < k;
		m->places++;
	}
	return QB_OK;
}

static enum qb_err update_top1(struct qb_metric *m, const float *y, const double *label,
	struct qb_errbuf *eb)
{
	return update_top(m, y, label, 1, eb);
}

static enum qb_err update_top5(struct qb_metric *m, const float *y, const double *label,
	struct qb_errbuf *eb)
{
	return update_top(m, y, label, 5, eb);
}

static double value_top(const struct qb_metric *m)
{
	return 100 * m->hits / m->places;
}

/* Mean intersection over union, over the classes that occur in labels or predictions (Everingham et al., 2010). */

static enum qb_err check_miou(struct qb_metric *m, struct qb_errbuf *eb)
{
	QB_TRY(check_classes(m, eb));
	m->classes = classes_of(&m->shape);
	m->both = calloc((size_t)m->classes, sizeof(*m->both));
	m->either = calloc((size_t)m->classes, sizeof(*m->either));
	return m->both && m->either ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for a metric");
}

static bool place_has_nan(const float *y, int64_t classes, size_t stride)
{
	bool nan = false;

	for (int64_t c = 0; c < classes; c++) {
		nan = nan || y[(size_t)c * stride] != y[(size_t)c * stride];
	}
	return nan;
}

static enum qb_err update_miou(struct qb_metric *m, const float *y, const double *label,
	struct qb_errbuf *eb)
{
	size_t places = places_of(&m->shape);

	for (size_t p = 0; p < places; p++) {
		int64_t best = 0, want;

		if (label[p] == IGNORE_LABEL) {
			continue;
		}
		QB_TRY(check_label(m, label[p], eb));
		want = (int64_t)label[p];
		for (int64_t c = 1; c < m->classes; c++) {
			best = y[(size_t)c * places + p] > y[(size_t)best * places + p] ? c : best;
		}
		m->either[want]++;
		if (place_has_nan(y + p, m->classes, places)) {
			continue; /* wrong, and no other class's guess */
		}
		if (best == want) {
			m->both[want]++;
		} else {
			m->either[best]++;
		}
	}
	return QB_OK;
}

static double value_miou(const struct qb_metric *m)
{
	double sum = 0;
	int64_t present = 0;

	for (int64_t c = 0; c < m->classes; c++) {
		if (m->either[c]) {
			sum += (double)m->both[c] / (double)m->either[c];
			present++;
		}
	}
	return 100 * sum / (double)present;
}

/* Against a "y" of the output's shape */

static enum qb_err check_same_size(struct qb_metric *m, struct qb_errbuf *eb)
{
	if (m->shape.labels != m->shape.outputs) {
		return qb_fail(eb, QB_EJOB,
			"metric: %s needs an array \"y\" of the output's shape, %zu numbers a sample; it "
			"has %zu", m->row->name, m->shape.outputs, m->shape.labels);
	}
	return QB_OK;
}

static enum qb_err update_mse(struct qb_metric *m, const float *y, const double *label,
	struct qb_errbuf *eb)
{
	(void)eb;
	for (size_t i = 0; i < m->shape.outputs; i++) {
		double d = y[i] - label[i];

		m->sum += d * d;
	}
	return QB_OK;
}

static double value_mse(const struct qb_metric *m)
{
	return m->sum / ((double)m->samples * (double)m->shape.outputs);
}

static enum qb_err update_cosine(struct qb_metric *m, const float *y, const double *label,
	struct qb_errbuf *eb)
{
	double yy = 0, ll = 0, yl = 0;

	(void)eb;
	for (size_t i = 0; i < m->shape.outputs; i++) {
		yy += (double)y[i] * y[i];
		ll += label[i] * label[i];
		yl += y[i] * label[i];
	}
	/* A vector of zeros, or with a NaN, points nowhere. */
	m->sum += yy > 0 && ll > 0 ? yl / sqrt(yy * ll) : 0;
	return QB_OK;
}

static double value_mean(const struct qb_metric *m)
{
	return m->sum / (double)m->samples;
}

/* Metrics of pairs (prediction, label), one a sample */

static enum qb_err check_pairs(struct qb_metric *m, struct qb_errbuf *eb)
{
	if (m->shape.outputs != 1 || m->shape.labels != 1) {
		return qb_fail(eb, QB_EJOB,
			"metric: %s needs one output and one label a sample; there are %zu and %zu",
			m->row->name, m->shape.outputs, m->shape.labels);
	}
	return QB_OK;
}

static enum qb_err update_pairs(struct qb_metric *m, const float *y, const double *label,
	struct qb_errbuf *eb)
{
	if (m->pairs == m->cap) {
		int64_t cap = m->cap ? 2 * m->cap : 1024;
		double *a = realloc(m->a, (size_t)cap * sizeof(*a));
		double *b = a ? realloc(m->b, (size_t)cap * sizeof(*b)) : NULL;

		m->a = a ? a : m->a;
		m->b = b ? b : m->b;
		if (!a || !b) {
			return qb_fail(eb, QB_ENOMEM, "no memory for %lld predictions", (long long)cap);
		}
		m->cap = cap;
	}
	m->a[m->pairs] = y[0];
	m->b[m->pairs++] = label[0];
	return QB_OK;
}

static double correlation(const double *a, const double *b, int64_t n)
{
	double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;

	for (int64_t i = 0; i < n; i++) {
		ma += a[i] / (double)n;
		mb += b[i] / (double)n;
	}
	for (int64_t i = 0; i < n; i++) {
		ab += (a[i] - ma) * (b[i] - mb);
		aa += (a[i] - ma) * (a[i] - ma);
		bb += (b[i] - mb) * (b[i] - mb);
	}
	return ab / sqrt(aa * bb);
}

static double value_pearson(const struct qb_metric *m)
{
	return 100 * correlation(m->a, m->b, m->pairs);
}

struct ranked {
	double v;
	int64_t at;
};

static int ranked_order(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->v, y = ((const struct ranked *)b)->v;

	return (x > y) - (x < y);
}

/* Ranks from 1; equal values share the mean of theirs. */
static double *ranks(const double *v, int64_t n)
{
	struct ranked *r = malloc((size_t)n * sizeof(*r));
	double *out = malloc((size_t)n * sizeof(*out));

	for (int64_t i = 0; r && out && i < n; i++) {
		r[i] = (struct ranked){v[i], i};
	}
	if (r && out) {
		qsort(r, (size_t)n, sizeof(*r), ranked_order);
		for (int64_t i = 0, j; i < n; i = j) {
			for (j = i; j < n && r[j].v == r[i].v; j++) {
			}
			for (int64_t k = i; k < j; k++) {
				out[r[k].at] = (double)(i + j + 1) / 2;
			}
		}
	}
	free(r);
	return out;
}

static double value_spearman(const struct qb_metric *m)
{
	double *a = m->pairs ? ranks(m->a, m->pairs) : NULL;
	double *b = a ? ranks(m->b, m->pairs) : NULL;
	double v = b ? 100 * correlation(a, b, m->pairs) : NAN;

	free(a);
	free(b);
	return v;
}

/* Area under the receiver operating characteristic: the Mann-Whitney statistic of the ranks. */
static double value_auc(const struct qb_metric *m)
{
	double *r = m->pairs ? ranks(m->a, m->pairs) : NULL, sum = 0, positive = 0, negative;

	for (int64_t i = 0; r && i < m->pairs; i++) {
		if (m->b[i] > 0) {
			sum += r[i];
			positive++;
		}
	}
	negative = (double)m->pairs - positive;
	free(r);
	return 100 * (sum - positive * (positive + 1) / 2) / (positive * negative);
}

static const struct metric_row rows[] = {
	{"top1", "top-1 accuracy, %", true, check_classes, update_top1, value_top},
	{"top5", "top-5 accuracy, %", true, check_classes, update_top5, value_top},
	{"miou", "mean intersection over union, %; label 255 is ignored", true, check_miou, update_miou, value_miou},
	{"mse", "mean squared error against y", false, check_same_size, update_mse, value_mse},
	{"cosine", "mean cosine similarity with y", true, check_same_size, update_cosine, value_mean},
	{"pearson", "Pearson correlation with y, %", true, check_pairs, update_pairs, value_pearson},
	{"spearman", "Spearman rank correlation with y, %", true, check_pairs, update_pairs, value_spearman},
	{"auc", "area under the ROC curve, %; y > 0 is positive", true, check_pairs, update_pairs, value_auc},
};

const char *qb_metric_name(int i)
{
	return i >= 0 && (size_t)i < QB_COUNT(rows) ? rows[i].name : NULL;
}

const char *qb_metric_summary(int i)
{
	return i >= 0 && (size_t)i < QB_COUNT(rows) ? rows[i].summary : NULL;
}

static const struct metric_row *find(const char *name)
{
	for (size_t i = 0; i < QB_COUNT(rows); i++) {
		if (!strcmp(rows[i].name, name)) {
			return &rows[i];
		}
	}
	return NULL;
}

bool qb_metric_rises(const char *name)
{
	const struct metric_row *r = find(name);

	return !r || r->rises;
}

enum qb_err qb_metric_create(struct qb_metric **out, const char *name,
	const struct qb_metric_shape *shape, struct qb_errbuf *eb)
{
	const struct metric_row *row = find(name);
	struct qb_metric *m;
	enum qb_err err;

	if (!row) {
		char all[256];
		size_t n = 0;

		for (size_t i = 0; i < QB_COUNT(rows) && n < sizeof(all); i++) {
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? ", " : "",
				rows[i].name);
		}
		return qb_fail(eb, QB_EJOB, "metric: \"%.60s\" is none; the metrics are %s", name, all);
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a metric");
	}
	m->row = row;
	m->shape = *shape;
	err = row->check(m, eb);
	if (err != QB_OK) {
		qb_metric_destroy(&m);
		return err;
	}
	*out = m;
	return QB_OK;
}

void qb_metric_destroy(struct qb_metric **m)
{
	if (*m) {
		free((*m)->both);
		free((*m)->either);
		free((*m)->a);
		free((*m)->b);
		free(*m);
		*m = NULL;
	}
}

enum qb_err qb_metric_update(struct qb_metric *m, const float *y, const double *labels,
	int64_t samples, struct qb_errbuf *eb)
{
	for (int64_t s = 0; s < samples; s++) {
		const float *one = y + (size_t)s * m->shape.outputs;
		bool bad = false;

		for (size_t i = 0; i < m->shape.outputs; i++) {
			bad = bad || one[i] != one[i];
		}
		m->nans += bad;
		QB_TRY(m->row->update(m, one, labels + (size_t)s * m->shape.labels, eb));
		m->samples++;
	}
	return QB_OK;
}

double qb_metric_value(const struct qb_metric *m)
{
	return m->samples ? m->row->value(m) : NAN;
}

int64_t qb_metric_nans(const struct qb_metric *m)
{
	return m->nans;
}
