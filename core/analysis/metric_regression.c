/* SPDX-License-Identifier: Apache-2.0
 *
 * Regression metrics: against a "y" of the output's shape, correlations, anomalies.
 */
#include <math.h>
#include <stdlib.h>

#include "core/analysis/metric.h"

/* Against a "y" of the output's shape */

enum qb_err qb__check_same_size(struct qb_metric *m, struct qb_errbuf *eb)
{
	if (m->shape.labels != m->shape.outputs) {
		return qb_fail_field(eb, QB_EJOB, "", "metric",
			"%s needs an array \"y\" of the output's shape, %zu elements a sample; it "
			"has %zu", m->row->name, m->shape.outputs, m->shape.labels);
	}
	return qb__check_one_row(m, eb);
}

enum qb_err qb__update_mse(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	(void)eb;
	for (size_t i = 0; i < m->shape.outputs; i++) {
		double d = s->y[i] - s->label[i];

		m->sum += d * d;
	}
	return QB_OK;
}

double qb__value_mse(const struct qb_metric *m)
{
	return m->sum / ((double)m->samples * (double)m->shape.outputs);
}

enum qb_err qb__update_cosine(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	double yy = 0, ll = 0, yl = 0;

	(void)eb;
	for (size_t i = 0; i < m->shape.outputs; i++) {
		yy += (double)s->y[i] * s->y[i];
		ll += s->label[i] * s->label[i];
		yl += s->y[i] * s->label[i];
	}
	/* A vector of zeros, or with a NaN, points nowhere. */
	m->sum += yy > 0 && ll > 0 ? yl / sqrt(yy * ll) : 0;
	return QB_OK;
}

double qb__value_mean(const struct qb_metric *m)
{
	return m->sum / (double)m->samples;
}

/* Pairs (prediction, label), one a sample */

enum qb_err qb__metric_add_pair(struct qb_metric *m, double prediction, double label,
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
	m->a[m->pairs] = prediction;
	m->b[m->pairs++] = label;
	return QB_OK;
}

static bool is_constant(const double *v, int64_t n)
{
	int64_t i = 1;

	while (i < n && v[i] == v[0]) {
		i++;
	}
	return i >= n;
}

/* NaN where one side is constant: the rounding of its mean would correlate with anything. */
static double correlation(const double *a, const double *b, int64_t n)
{
	double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;

	if (is_constant(a, n) || is_constant(b, n)) {
		return NAN;
	}
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

struct ranked {
	double v;
	int64_t at;
};

static int ranked_order(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->v, y = ((const struct ranked *)b)->v;

	return (x > y) - (x < y);
}

/* Ranks from 1; equal values share the mean of theirs. NULL where one is no number, or without memory. */
static double *ranks(const double *v, int64_t n)
{
	struct ranked *r = malloc((size_t)n * sizeof(*r));
	double *out = malloc((size_t)n * sizeof(*out));
	bool fine = r && out;

	for (int64_t i = 0; fine && i < n; i++) {
		r[i] = (struct ranked){v[i], i};
		fine = v[i] == v[i];
	}
	if (!fine) {
		free(r);
		free(out);
		return NULL;
	}
	qsort(r, (size_t)n, sizeof(*r), ranked_order);
	for (int64_t i = 0, j; i < n; i = j) {
		for (j = i; j < n && r[j].v == r[i].v; j++) {
		}
		for (int64_t k = i; k < j; k++) {
			out[r[k].at] = (double)(i + j + 1) / 2;
		}
	}
	free(r);
	return out;
}

/* Correlations: of one output with its label, or of the cosine between the two outputs of a pair */

enum qb_err qb__check_similarity(struct qb_metric *m, struct qb_errbuf *eb)
{
	bool single = m->shape.rows == 1 && m->shape.outputs == 1;
	bool pair = m->shape.rows == 2 && m->shape.outputs > 1;

	if ((!single && !pair) || m->shape.labels != 1) {
		return qb_fail_field(eb, QB_EJOB, "", "metric",
			"%s needs one label a sample, and one output a sample or pairs of inputs "
			"([N,2,...]) whose outputs are compared by their cosine; there are %zu labels, %zu "
			"outputs, %lld rows a sample", m->row->name, m->shape.labels, m->shape.outputs,
			(long long)m->shape.rows);
	}
	return QB_OK;
}

static double cosine(const float *a, const float *b, size_t n)
{
	double aa = 0, bb = 0, ab = 0;

	for (size_t i = 0; i < n; i++) {
		aa += (double)a[i] * a[i];
		bb += (double)b[i] * b[i];
		ab += (double)a[i] * b[i];
	}
	return aa == 0 || bb == 0 ? 0 : ab / sqrt(aa * bb);
}

enum qb_err qb__update_similarity(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	size_t n = m->shape.outputs;

	return qb__metric_add_pair(m, m->shape.rows == 2 ? cosine(s->y, s->y + n, n) : s->y[0], s->label[0],
		eb);
}

double qb__value_pearson(const struct qb_metric *m)
{
	return 100 * correlation(m->a, m->b, m->pairs);
}

double qb__value_spearman(const struct qb_metric *m)
{
	double *a = m->pairs ? ranks(m->a, m->pairs) : NULL;
	double *b = a ? ranks(m->b, m->pairs) : NULL;
	double v = b ? 100 * correlation(a, b, m->pairs) : NAN;

	free(a);
	free(b);
	return v;
}

/* Anomalies: a score, or how badly the input is reconstructed. MLPerf Tiny's detector scores a sound by the mean over
 * its windows (Banbury et al., 2021), which here are the rows of a sample. */

enum qb_err qb__check_anomaly(struct qb_metric *m, struct qb_errbuf *eb)
{
	if ((m->shape.outputs != 1 && m->shape.outputs != m->shape.inputs) ||
		m->shape.labels != 1) {
		return qb_fail_field(eb, QB_EJOB, "", "metric",
			"%s needs one label a sample, 0 or 1, and a network that gives one score or "
			"reconstructs its input; there are %zu labels, %zu outputs for %zu inputs",
			m->row->name, m->shape.labels, m->shape.outputs, m->shape.inputs);
	}
	return QB_OK;
}

enum qb_err qb__update_anomaly(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	size_t n = m->shape.outputs * (size_t)m->shape.rows;
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		double d = m->shape.outputs == 1 ? 0 : (double)s->y[i] - s->x[i];

		sum += m->shape.outputs == 1 ? s->y[i] : d * d;
	}
	return qb__metric_add_pair(m, sum / (double)n, s->label[0], eb);
}

/* Area under the receiver operating characteristic: the Mann-Whitney statistic of the ranks. */
double qb__value_auc(const struct qb_metric *m)
{
	double *r = m->pairs ? ranks(m->a, m->pairs) : NULL, sum = 0, positive = 0, negative;

	for (int64_t i = 0; i < m->pairs; i++) {
		if (m->b[i] > 0) {
			sum += r ? r[i] : NAN;
			positive++;
		}
	}
	negative = (double)m->pairs - positive;
	free(r);
	return 100 * (sum - positive * (positive + 1) / 2) / (positive * negative);
}
