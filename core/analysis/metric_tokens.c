/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics of tokens: the mean negative log-likelihood of those that count (loss), exp of it (perplexity), and accuracy.
 */
#include <math.h>

#include "core/analysis/metric.h"

enum { IGNORE_TOKEN = -100 };

enum qb_err qb__check_tokens(struct qb_metric *m, struct qb_errbuf *eb)
{
	const struct qb_metric_shape *s = &m->shape;

	if (s->ndim != 2 || s->labels != (size_t)s->dim[0]) {
		return qb_fail_field(eb, QB_EJOB, "", "metric",
			"%s needs logits [N, tokens, vocabulary] and an array \"y\" with a token's "
			"number for each of %lld tokens, %d where it does not count; it has %zu",
			m->row->name, (long long)(s->ndim > 1 ? s->dim[0] : 1), IGNORE_TOKEN, s->labels);
	}
	return qb__check_one_row(m, eb);
}

/* -log softmax(z)[label] */
static double nats(const float *z, int64_t vocabulary, int64_t label)
{
	float most = -INFINITY;
	double sum = 0;

	for (int64_t i = 0; i < vocabulary; i++) {
		most = z[i] > most ? z[i] : most;
	}
	for (int64_t i = 0; i < vocabulary; i++) {
		sum += expf(z[i] - most);
	}
	return log(sum) + most - z[label];
}

/* Is the label's score the largest? Of equal ones the first is, as numpy.argmax has it; with a NaN none is. */
static bool is_first(const float *z, int64_t vocabulary, int64_t label)
{
	for (int64_t i = 0; i < vocabulary; i++) {
		if (!(i < label ? z[i] < z[label] : z[i] <= z[label])) {
			return false;
		}
	}
	return true;
}

static enum qb_err check_token(const struct qb_metric *m, double label, struct qb_errbuf *eb)
{
	int64_t vocabulary = m->shape.dim[1];

	if (!(label >= 0 && label < (double)vocabulary && label == floor(label))) {
		return qb_fail_field(eb, QB_EJOB, "", "data",
			"array \"y\" has the token %g at sample %lld; the vocabulary has tokens 0 "
			"to %lld, and %d is ignored", label, (long long)m->samples,
			(long long)vocabulary - 1, IGNORE_TOKEN);
	}
	return QB_OK;
}

typedef void add_fn(struct qb_metric *m, const float *z, int64_t label);

static void add_nats(struct qb_metric *m, const float *z, int64_t label)
{
	m->sum += nats(z, m->shape.dim[1], label);
}

static void add_hit(struct qb_metric *m, const float *z, int64_t label)
{
	m->hits += is_first(z, m->shape.dim[1], label);
}

/* The logits at a token are of the one `ahead` of it. */
static enum qb_err update(struct qb_metric *m, const struct qb_metric_sample *s, int64_t ahead, add_fn *add,
	struct qb_errbuf *eb)
{
	for (int64_t t = 0; t + ahead < m->shape.dim[0]; t++) {
		double label = s->label[t + ahead];

		if (label == IGNORE_TOKEN) {
			continue;
		}
		QB_TRY(check_token(m, label, eb));
		add(m, s->y + t * m->shape.dim[1], (int64_t)label);
		m->places++;
	}
	return QB_OK;
}

enum qb_err qb__update_tokens(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	return update(m, s, 0, add_nats, eb);
}

/* Of causal networks: the logits at a token are of the one after it. */
enum qb_err qb__update_next_tokens(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	return update(m, s, 1, add_nats, eb);
}

enum qb_err qb__update_token_hits(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb)
{
	return update(m, s, 0, add_hit, eb);
}

double qb__value_loss(const struct qb_metric *m)
{
	return m->sum / m->places;
}

double qb__value_perplexity(const struct qb_metric *m)
{
	return exp(m->sum / m->places);
}
