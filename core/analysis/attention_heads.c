/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/attention_heads.h"

#include <math.h>

#include "core/analysis/mean.h"

static bool counts(const bool *kept, int64_t token)
{
	return !kept || kept[token];
}

/* Adds a query's attention to the keys' sums. */
static void add_query(struct qb_attention_head *h, const struct qb_attention_matrix *m, int64_t query, double *sum)
{
	const float *p = m->p + query * m->row;
	int64_t keys = m->causal ? query + 1 : m->tokens;

	for (int64_t k = 0; k < keys; k++) {
		if (counts(m->kept, k)) {
			float x = p[k * m->column];

			sum[k] += (double)x;
			h->zeros += x == 0;
			h->seen++;
		}
	}
}

void qb_attention_head_add(struct qb_attention_head *h, const struct qb_attention_matrix *m, double *sum)
{
	int64_t queries = 0, first = -1;
	double most = 0;

	for (int64_t t = 0; t < m->tokens; t++) {
		sum[t] = 0;
	}
	for (int64_t q = 0; q < m->tokens; q++) {
		if (counts(m->kept, q)) {
			add_query(h, m, q, sum);
			first = first < 0 ? q : first;
			queries++;
		}
	}
	if (!queries) {
		return;
	}
	for (int64_t t = 0; t < m->tokens; t++) {
		most = sum[t] > most || isnan(sum[t]) ? sum[t] : most;
	}
	h->first += sum[first] / (double)queries;
	h->most += most / (double)queries;
	h->sequences++;
}

void qb_attention_head_add_values(struct qb_attention_head *h, const float *v, int64_t tokens, int64_t width, int64_t row,
	int64_t column, const bool *kept)
{
	bool first = true;

	for (int64_t t = 0; t < tokens; t++) {
		double squares = 0;

		if (!counts(kept, t)) {
			continue;
		}
		for (int64_t i = 0; i < width; i++) {
			double x = (double)v[t * row + i * column];

			squares += x * x;
		}
		*(first ? &h->first_norm : &h->other_norm) += sqrt(squares);
		*(first ? &h->firsts : &h->others) += 1;
		first = false;
	}
}

void qb_attention_head_merge(struct qb_attention_head *h, const struct qb_attention_head *from)
{
	h->sequences += from->sequences;
	h->first += from->first;
	h->most += from->most;
	h->seen += from->seen;
	h->zeros += from->zeros;
	h->firsts += from->firsts;
	h->others += from->others;
	h->first_norm += from->first_norm;
	h->other_norm += from->other_norm;
}

double qb_attention_head_first(const struct qb_attention_head *h)
{
	return qb_mean_of(h->first, h->sequences);
}

double qb_attention_head_most(const struct qb_attention_head *h)
{
	return qb_mean_of(h->most, h->sequences);
}

double qb_attention_head_zeros(const struct qb_attention_head *h)
{
	return qb_mean_of((double)h->zeros, h->seen);
}

double qb_attention_head_first_norm(const struct qb_attention_head *h)
{
	return qb_mean_of(h->first_norm, h->firsts);
}

double qb_attention_head_other_norm(const struct qb_attention_head *h)
{
	return qb_mean_of(h->other_norm, h->others);
}

bool qb_attention_head_is_sink(const struct qb_attention_head *h)
{
	return qb_attention_head_most(h) > QB_SINK_SHARE;
}
