/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/metric_list.h"

#include "daemon/filters.h"
#include "daemon/store.h"

enum { FEW = 50000 }; /* so many rows are read for a page, if need be */

static const struct {
	const char *name, *ids, *index, *test;
} filters[QB_METRIC_FILTERS_N] = {
#define X(name, ids, index, test) {#name, ids, index, test},
	QB_METRIC_FILTERS(X)
#undef X
};

const char *const qb_metric_filters[QB_METRIC_FILTERS_N] = {
#define X(name, ids, index, test) #name,
	QB_METRIC_FILTERS(X)
#undef X
};

struct list {
	struct qb_store *store;
	const struct qb_metric_query *query;
	struct qb_filter filter[QB_METRIC_FILTERS_N + 1];
	const char *index[QB_METRIC_FILTERS_N + 1]; /* has the rows that pass in their order; NULL: there is none */
	int count;
	const struct qb_filter *rarest;
};

static void collect_filters(struct list *l)
{
	if (l->query->job >= 0) {
		l->filter[l->count++] = (struct qb_filter){.ids = QB_METRIC_JOB_IDS, .test = QB_METRIC_JOB_TEST, .exact = true,
			.value = json_integer(l->query->job), .tested = json_integer(l->query->job), .parameters = 1};
		l->index[0] = QB_METRIC_JOB_INDEX;
	}
	for (int i = 0; i < QB_METRIC_FILTERS_N; i++) {
		const char *text = l->query->filter[i];

		if (text) {
			l->index[l->count] = filters[i].index;
			l->filter[l->count++] = (struct qb_filter){.ids = filters[i].ids, .test = filters[i].test, .exact = true,
				.value = qb_filter_value(text), .tested = qb_filter_value(text), .parameters = 1};
		}
	}
}

/* That of those filters which many rows pass; NULL where none has one. */
static const char *ordered_index(const struct list *l)
{
	const bool pair = l->query->filter[QB_METRIC_NAME] && l->query->filter[QB_METRIC_SCHEME] && !l->query->filter[QB_METRIC_TENSOR];

	for (int i = 0; i < l->count; i++) {
		if (l->index[i]) {
			return pair && l->query->job < 0 ? QB_METRIC_NAME_SCHEME_INDEX : l->index[i];
		}
	}
	return NULL;
}

/* " FROM ... WHERE ..." of the rows that pass, each metrics x of jobs j: those that the rarest filter lists, or all in their order. */
static void add_source(const struct list *l, struct qb_statement *t, bool by_rarest)
{
	const char *index = ordered_index(l);

	if (by_rarest) {
		qb_statement_add(t, " FROM (");
		qb_statement_add(t, l->rarest->ids);
		qb_statement_add(t, ") k CROSS JOIN metrics x ON x.id = k.id");
		json_array_append(t->values, l->rarest->value);
	} else {
		qb_statement_add(t, " FROM metrics x ");
		qb_statement_add(t, index ? index : "NOT INDEXED");
	}
	qb_statement_add(t, " CROSS JOIN jobs j ON j.id = x.job WHERE ");
	/* What a failed job left is no result. */
	qb_statement_add(t, l->query->job >= 0 ? "j.state IN ('succeeded', 'running')" : "j.state = 'succeeded'");
	qb_filters_add(t, l->filter, l->count, by_rarest ? l->rarest : NULL);
}

static bool few_pass(const struct list *l)
{
	return l->rarest && l->rarest->count <= FEW;
}

static bool count_matches(struct list *l, int64_t *total, bool *more)
{
	const int64_t most = few_pass(l) ? FEW : QB_COUNTED;
	struct qb_statement t;
	bool ok;

	qb_statement_begin(&t);
	qb_statement_add(&t, "SELECT count(*) AS n FROM (SELECT 1");
	add_source(l, &t, l->rarest && (few_pass(l) || !ordered_index(l)));
	qb_statement_add(&t, " LIMIT ?)");
	json_array_append_new(t.values, json_integer(most + 1));
	ok = qb_statement_number(l->store, &t, total);
	*more = *total > most;
	*total = *more ? most : *total;
	return ok;
}

static bool list_rows(struct list *l, json_t **rows)
{
	struct qb_statement t;

	qb_statement_begin(&t);
	qb_statement_add(&t, "SELECT " QB_METRIC_COLUMNS " FROM (SELECT x.id AS id");
	add_source(l, &t, few_pass(l));
	if (l->query->before >= 0) {
		qb_statement_add(&t, " AND x.id < ?");
		json_array_append_new(t.values, json_integer(l->query->before));
	}
	qb_statement_add(&t, " ORDER BY x.id DESC LIMIT ?) r CROSS JOIN metrics x ON x.id = r.id CROSS JOIN jobs j ON j.id = x.job "
		"ORDER BY x.id DESC");
	json_array_append_new(t.values, json_integer(l->query->limit));
	return qb_statement_rows(l->store, &t, rows);
}

/* The first part of both. */
static bool plan(struct list *l)
{
	collect_filters(l);
	return qb_filters_count(l->store, l->filter, l->count, FEW, &l->rarest);
}

json_t *qb_metric_list(struct qb_store *s, const struct qb_metric_query *query, struct qb_problem *p)
{
	struct list l = {.store = s, .query = query};
	json_t *rows = NULL, *answer = NULL;
	int64_t total = 0;
	bool more = false;

	if (plan(&l) && count_matches(&l, &total, &more) && list_rows(&l, &rows)) {
		const size_t n = json_array_size(rows);
		const json_t *last = (int64_t)n == query->limit ? json_object_get(json_array_get(rows, n - 1), "id") : NULL;

		answer = json_pack("{s:o, s:I, s:b, s:O?}", "results", rows, "total", (json_int_t)total, "more", more, "next", last);
	} else {
		qb_refuse_unread(p);
	}
	qb_filters_release(l.filter, l.count);
	return answer;
}

json_t *qb_metric_rows(struct qb_store *s, const struct qb_metric_query *query, struct qb_problem *p)
{
	struct list l = {.store = s, .query = query};
	json_t *rows = NULL;

	if (!plan(&l) || !list_rows(&l, &rows)) {
		qb_refuse_unread(p);
	}
	qb_filters_release(l.filter, l.count);
	return rows;
}
