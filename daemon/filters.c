/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/filters.h"

#include <string.h>

#include "daemon/store.h"

void qb_statement_begin(struct qb_statement *t)
{
	t->used = 0;
	t->values = json_array();
	*t->sql = '\0';
}

void qb_statement_add(struct qb_statement *t, const char *piece)
{
	size_t n = strlen(piece);

	if (t->used + n < sizeof(t->sql)) {
		memcpy(t->sql + t->used, piece, n + 1);
	}
	t->used += n; /* one that does not fit is not run */
}

bool qb_statement_rows(struct qb_store *s, struct qb_statement *t, json_t **rows)
{
	bool ok = t->used < sizeof(t->sql) && qb_store_select(s, t->sql, t->values, rows);

	json_decref(t->values);
	return ok;
}

bool qb_statement_number(struct qb_store *s, struct qb_statement *t, int64_t *n)
{
	json_t *rows = NULL;
	bool ok = qb_statement_rows(s, t, &rows);

	*n = ok ? json_integer_value(json_object_get(json_array_get(rows, 0), "n")) : 0;
	json_decref(rows);
	return ok;
}

json_t *qb_filter_value(const char *text)
{
	json_t *v = json_string(text);

	return v ? v : json_null();
}

bool qb_filters_count(struct qb_store *s, struct qb_filter *f, int n, int64_t most, const struct qb_filter **rarest)
{
	*rarest = NULL;
	for (int i = 0; i < n; i++) {
		struct qb_statement t;

		f[i].count = most + 1;
		if (!f[i].ids) {
			continue;
		}
		qb_statement_begin(&t);
		qb_statement_add(&t, "SELECT count(*) AS n FROM (SELECT 1 FROM (");
		qb_statement_add(&t, f[i].ids);
		qb_statement_add(&t, ") LIMIT ?)");
		json_array_append(t.values, f[i].value);
		json_array_append_new(t.values, json_integer(most + 1));
		if (!qb_statement_number(s, &t, &f[i].count)) {
			return false;
		}
		if (!*rarest || f[i].count < (*rarest)->count) {
			*rarest = &f[i];
		}
	}
	return true;
}

void qb_filters_add(struct qb_statement *t, const struct qb_filter *f, int n, const struct qb_filter *skip)
{
	for (int i = 0; i < n; i++) {
		if (!f[i].test || &f[i] == skip) {
			continue;
		}
		qb_statement_add(t, " AND ");
		qb_statement_add(t, f[i].test);
		for (int k = 0; k < f[i].parameters; k++) {
			json_array_append(t->values, f[i].tested);
		}
	}
}

void qb_filters_release(struct qb_filter *f, int n)
{
	for (int i = 0; i < n; i++) {
		json_decref(f[i].value);
		json_decref(f[i].tested);
	}
}
