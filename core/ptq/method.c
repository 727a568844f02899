/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/method.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/near.h"
#include "core/base/size.h"

#define X(name) extern const struct qb_method qb_method_##name;
QB_METHODS(X)
#undef X

static const struct qb_method *const methods[] = {
#define X(name) &qb_method_##name,
	QB_METHODS(X)
#undef X
};

const struct qb_method *qb_method_at(int i)
{
	return i >= 0 && i < (int)QB_COUNT(methods) ? methods[i] : NULL;
}

const struct qb_method *qb_method_find(const char *name)
{
	for (size_t i = 0; i < QB_COUNT(methods); i++) {
		if (!strcmp(methods[i]->name, name)) {
			return methods[i];
		}
	}
	return NULL;
}

/* What they are */

static json_t *parameters(const struct qb_method *m)
{
	void *usual = calloc(1, m->params_bytes + 1);
	json_t *all = NULL;

	if (usual && m->defaults) {
		m->defaults(usual);
	}
	if (usual) {
		all = qb_fields_schema(m->fields, usual, NULL);
	}
	free(usual);
	return all;
}

json_t *qb_method_descriptions(void)
{
	json_t *all = json_array();

	for (size_t i = 0; i < QB_COUNT(methods); i++) {
		json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "name", methods[i]->name, "summary",
			methods[i]->summary, "stage", methods[i]->stage == QB_METHOD_GRAPH ? "graph" : "weights"));
	}
	return all;
}

static json_t *object_schema(const struct qb_method *m)
{
	json_t *properties = json_pack("{s:{s:s}}", "name", "const", m->name), *more = parameters(m);

	json_object_update(properties, more);
	json_decref(more);
	return json_pack("{s:s, s:s, s:s, s:b, s:[s], s:o}", "title", m->name, "description", m->summary, "type",
		"object", "additionalProperties", 0, "required", "name", "properties", properties);
}

json_t *qb_method_schema(void)
{
	json_t *any = json_array(), *names = json_array();

	for (size_t i = 0; i < QB_COUNT(methods); i++) {
		json_array_append_new(any, object_schema(methods[i]));
		json_array_append_new(names, json_string(methods[i]->name));
	}
	json_array_append_new(any, json_pack("{s:s, s:o}", "title", "by name", "enum", names));
	return json_pack("{s:o}", "anyOf", any);
}

/* Lists in jobs */

static enum qb_err unknown(const char *name, const char *at, struct qb_errbuf *eb)
{
	const char *all[QB_COUNT(methods)];
	char names[512] = "";

	for (size_t i = 0; i < QB_COUNT(methods); i++) {
		size_t n = strlen(names);

		all[i] = methods[i]->name;
		snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", methods[i]->name);
	}
	qb_fail_field(eb, QB_EJOB, at, "", "there is no method \"%s\"; there are %s", name, names);
	qb_near_note(eb, name, all, QB_COUNT(methods));
	return QB_EJOB;
}

/* Beside its parameters. */
static const char *const method_name[] = {"name", NULL};

static enum qb_err read_use(struct qb_method_use *use, const json_t *v, const char *at,
	struct qb_errbuf *eb)
{
	const json_t *obj = json_is_object(v) ? v : NULL;
	const char *name = json_string_value(obj ? json_object_get(obj, "name") : v);
	json_t *canonical;

	if (!name) {
		return qb_fail_field(eb, QB_EJOB, at, "", "must be the name of a method, or an object with "
			"\"name\" and its parameters");
	}
	use->method = qb_method_find(name);
	if (!use->method) {
		return unknown(name, at, eb);
	}
	use->params = calloc(1, use->method->params_bytes + 1);
	canonical = obj ? json_incref((json_t *)obj) : json_pack("{s:s}", "name", name);
	use->key = canonical ? json_dumps(canonical, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
	json_decref(canonical);
	if (!use->params || !use->key) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the methods");
	}
	if (use->method->defaults) {
		use->method->defaults(use->params);
	}
	if (obj) {
		QB_TRY(qb_fields_read(use->params, obj, at, use->method->fields, method_name, eb));
	}
	return use->method->check ? use->method->check(use->params, at, eb) : QB_OK;
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
					l.use[i].method->name);
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
	json_object_set_new(reports, m->name, json_object());
	return json_object_get(reports, m->name);
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
			return qb_fail_in(eb, err, "method %s", u->method->name);
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
		m->method = u->method->name;
		err = u->method->weights(m, u->params, eb);
		if (err != QB_OK) {
			return qb_fail_in(eb, err, "method %s, scheme %s", u->method->name,
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
