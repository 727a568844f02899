/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metric.h"
#include "core/base/near.h"
#include "core/base/size.h"

enum qb_err qb__check_one_row(const struct qb_metric *m, struct qb_errbuf *eb)
{
	if (m->shape.rows != 1) {
		return qb_fail_field(eb, QB_EJOB, "", "metric",
			"%s takes one input a sample; the data has %lld ([N,%lld,...])", m->row->name,
			(long long)m->shape.rows, (long long)m->shape.rows);
	}
	return QB_OK;
}

/* name, summary, larger is better, reads the input, check, update, value */
static const struct qb_metric_row rows[] = {
	{"top1", "top-1 accuracy, %", true, false,
		qb__check_classes, qb__update_top1, qb__value_top},
	{"top5", "top-5 accuracy, %", true, false,
		qb__check_classes, qb__update_top5, qb__value_top},
	{"accuracy", "accuracy of classes, or of the sign of one logit, %", true, false,
		qb__check_confusion, qb__update_confusion, qb__value_top},
	{"f1", "F1 of class 1; of more than two classes their mean, %", true, false,
		qb__check_confusion, qb__update_confusion, qb__value_f1},
	{"matthews", "Matthews' correlation of classes, %", true, false,
		qb__check_confusion, qb__update_confusion, qb__value_matthews},
	{"miou", "mean intersection over union, %; label 255 is ignored", true, false,
		qb__check_confusion, qb__update_confusion, qb__value_miou},
	{"pearson", "Pearson correlation with y, of an output or of a pair's cosine, %", true, false,
		qb__check_similarity, qb__update_similarity, qb__value_pearson},
	{"spearman", "Spearman rank correlation with y, of an output or of a pair's cosine, %", true,
		false, qb__check_similarity, qb__update_similarity, qb__value_spearman},
	{"auc", "area under the ROC curve of a score or of the reconstruction error, %; y > 0 is "
		"positive", true, true,
		qb__check_anomaly, qb__update_anomaly, qb__value_auc},
	{"perplexity", "exp of the mean loss of the tokens y; -100 is ignored", false, false,
		qb__check_tokens, qb__update_tokens, qb__value_perplexity},
	{"perplexity_causal", "the same, logits being of the next token", false, false,
		qb__check_tokens, qb__update_next_tokens, qb__value_perplexity},
	{"token_loss", "mean loss of the tokens y, nats; -100 is ignored", false, false,
		qb__check_tokens, qb__update_tokens, qb__value_loss},
	{"token_accuracy", "accuracy of the tokens y, %; -100 is ignored", true, false,
		qb__check_tokens, qb__update_token_hits, qb__value_top},
	{"mse", "mean squared error against y", false, false,
		qb__check_same_size, qb__update_mse, qb__value_mse},
	{"cosine", "mean cosine similarity with y", true, false,
		qb__check_same_size, qb__update_cosine, qb__value_mean},
};

const char *qb_metric_name(int i)
{
	return i >= 0 && (size_t)i < QB_COUNT(rows) ? rows[i].name : NULL;
}

const char *qb_metric_summary(int i)
{
	return i >= 0 && (size_t)i < QB_COUNT(rows) ? rows[i].summary : NULL;
}

static const struct qb_metric_row *find(const char *name)
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
	const struct qb_metric_row *r = find(name);

	return !r || r->rises;
}

bool qb_metric_reads_input(const char *name)
{
	const struct qb_metric_row *r = find(name);

	return r && r->reads_input;
}

bool qb_metric_is_of_windows(const char *name)
{
	const struct qb_metric_row *r = find(name);

	return r && r->check == qb__check_tokens && r->update != qb__update_next_tokens;
}

double qb_metric_loss(const char *name, double value)
{
	const struct qb_metric_row *r = find(name);

	if (r && r->value == qb__value_perplexity) {
		return log(value);
	}
	return r && r->value == qb__value_loss ? value : NAN;
}

enum qb_err qb_metric_check_name(const char *name, struct qb_errbuf *eb)
{
	const char *names[QB_COUNT(rows)];
	char all[256] = "";
	size_t n = 0;

	if (find(name)) {
		return QB_OK;
	}
	for (size_t i = 0; i < QB_COUNT(rows) && n < sizeof(all); i++) {
		names[i] = rows[i].name;
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? ", " : "", rows[i].name);
	}
	qb_fail_field(eb, QB_EJOB, "", "metric", "\"%.60s\" is none; the metrics are %s", name, all);
	qb_near_note(eb, name, names, QB_COUNT(rows));
	return QB_EJOB;
}

enum qb_err qb_metric_create(struct qb_metric **out, const char *name,
	const struct qb_metric_shape *shape, struct qb_errbuf *eb)
{
	const struct qb_metric_row *row = find(name);
	struct qb_metric *m;
	enum qb_err err;

	QB_TRY(qb_metric_check_name(name, eb));
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
		for (int i = 0; i < (*m)->groups; i++) {
			qb_metric_destroy(&(*m)->group[i]);
		}
		free((*m)->group);
		free((*m)->right);
		free((*m)->both);
		free((*m)->predicted);
		free((*m)->labelled);
		free((*m)->a);
		free((*m)->b);
		free(*m);
		*m = NULL;
	}
}

enum qb_err qb_metric_update(struct qb_metric *m, const float *y, const float *x,
	const double *labels, int64_t samples, struct qb_errbuf *eb)
{
	size_t outputs = m->shape.outputs * (size_t)m->shape.rows;
	size_t inputs = m->shape.inputs * (size_t)m->shape.rows;

	for (int64_t i = 0; i < samples; i++) {
		const struct qb_metric_sample s = {y + (size_t)i * outputs,
			x ? x + (size_t)i * inputs : NULL, labels + (size_t)i * m->shape.labels};
		double hits = m->hits, places = m->places;
		struct qb_metric *group;
		bool bad = false;

		for (size_t k = 0; k < outputs; k++) {
			bad = bad || s.y[k] != s.y[k];
		}
		m->nans += bad;
		QB_TRY(m->row->update(m, &s, eb));
		qb__metric_note_answers(m, hits, places);
		group = qb__metric_group(m);
		if (group) {
			QB_TRY(m->row->update(group, &s, eb));
			group->samples++;
		}
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
