/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/method.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

#define X(name) extern const struct qb_method qb_method_##name;
QB_METHODS(X)
#undef X

static const struct qb_method *const methods[] = {
#define X(name) &qb_method_##name,
	QB_METHODS(X)
#undef X
};

static const struct qb_named *const named[] = {
#define X(name) &qb_method_##name.named,
	QB_METHODS(X)
#undef X
};
static const struct qb_named_table table = {"method", QB_COUNT(named), named};

json_t *qb_method_descriptions(void)
{
	json_t *all = json_array();

	for (int i = 0; i < table.count; i++) {
		json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "name", named[i]->name, "summary", named[i]->summary,
			"stage", methods[i]->stage == QB_METHOD_GRAPH ? "graph" : "weights"));
	}
	return all;
}

json_t *qb_method_schema(void)
{
	return qb_named_table_schema(&table);
}

/* Lists in jobs */

static enum qb_err read_use(struct qb_method_use *use, const json_t *v, const char *at, struct qb_errbuf *eb)
{
	json_t *canonical;
	int index;

	QB_TRY(qb_named_read(&index, &use->params, &table, v, at, NULL, eb));
	use->method = methods[index];
	canonical = json_is_object(v) ? json_incref((json_t *)v) : json_pack("{s:s}", "name", named[index]->name);
	use->key = canonical ? json_dumps(canonical, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
	json_decref(canonical);
	return use->key ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the methods");
}

enum qb_err qb_method_list_parse(struct qb_method_list *out, const json_t *list, const char *at,
	struct qb_errbuf *eb)
{
	struct qb_method_list l = {0};
	size_t n = json_array_size(list);
	enum qb_err err = QB_OK;

	l.use = calloc(n + 1, sizeof(*l.use));
	if (!l.use) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the methods");
	}
	for (size_t i = 0; err == QB_OK && i < n; i++) {
		char here[128];

		snprintf(here, sizeof(here), "%.100s[%zu]", at, i);
		l.count++;
		err = read_use(&l.use[i], json_array_get(list, i), here, eb);
		for (size_t k = 0; err == QB_OK && k < i; k++) {
			if (l.use[k].method == l.use[i].method) {
				err = qb_fail_field(eb, QB_EJOB, here, "", "%s is there twice",
					l.use[i].method->named.name);
			}
		}
	}
	if (err != QB_OK) {
		qb_method_list_fini(&l);
		return err;
	}
	*out = l;
	return QB_OK;
}

void qb_method_list_fini(struct qb_method_list *list)
{
	for (int i = 0; i < list->count; i++) {
		free(list->use[i].params);
		free(list->use[i].key);
	}
	free(list->use);
	*list = (struct qb_method_list){0};
}

/* Variants */

static bool needs_bias(const struct qb_method_list *l)
{
	for (int i = 0; i < l->count; i++) {
		if (l->use[i].method->needs_bias) {
			return true;
		}
	}
	return false;
}

/* The next graph method of a list from *i on, or NULL. */
static const struct qb_method_use *next_graph(const struct qb_method_list *l, int *i)
{
	while (*i < l->count) {
		const struct qb_method_use *u = &l->use[(*i)++];

		if (u->method->stage == QB_METHOD_GRAPH) {
			return u;
		}
	}
	return NULL;
}

bool qb_method_list_same_graph(const struct qb_method_list *a, const struct qb_method_list *b)
{
	const struct qb_method_use *x, *y;
	int i = 0, k = 0;

	do {
		x = next_graph(a, &i);
		y = next_graph(b, &k);
		if (!x != !y || (x && strcmp(x->key, y->key))) {
			return false;
		}
	} while (x);
	return needs_bias(a) == needs_bias(b);
}

bool qb_method_list_changes_graph(const struct qb_method_list *list)
{
	return next_graph(list, &(int){0}) || needs_bias(list);
}

static json_t *report_of(json_t *reports, const struct qb_method *m)
{
	json_object_set_new(reports, m->named.name, json_object());
	return json_object_get(reports, m->named.name);
}

enum qb_err qb_method_list_run_graph(const struct qb_method_list *list, struct qb_method_graph *m,
	json_t *reports, struct qb_errbuf *eb)
{
	const struct qb_method_use *u;
	int i = 0;

	if (needs_bias(list)) {
		QB_TRY(qb_pass_add_biases(m->graph, eb));
	}
	while ((u = next_graph(list, &i))) {
		enum qb_err err;

		m->report = report_of(reports, u->method);
		err = u->method->graph(m, u->params, eb);
		if (err != QB_OK) {
			return qb_fail_in(eb, err, "method %s", u->method->named.name);
		}
	}
	return QB_OK;
}

enum qb_err qb_method_list_run_weights(const struct qb_method_list *list,
	struct qb_method_weights *m, json_t *reports, struct qb_errbuf *eb)
{
	for (int i = 0; i < list->count; i++) {
		const struct qb_method_use *u = &list->use[i];
		enum qb_err err;

		if (u->method->stage != QB_METHOD_WEIGHTS) {
			continue;
		}
		m->report = report_of(reports, u->method);
		m->method = u->method->named.name;
		err = u->method->weights(m, u->params, eb);
		if (err != QB_OK) {
			return qb_fail_in(eb, err, "method %s, scheme %s", u->method->named.name,
				m->quantization->scheme.name);
		}
	}
	return QB_OK;
}

enum qb_err qb_method_set(struct qb_method_weights *m, const struct qb_value *constant,
	const float *y, struct qb_errbuf *eb)
{
	QB_TRY(qb_quantization_override(m->quantization, constant, y, eb));
	return qb_overlay_refresh(m->overlay, constant, eb);
}
