/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json/named.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/near.h"

enum { NAMES_MAX = 64 };

int qb_named_index(const struct qb_named_table *t, const char *name)
{
	for (int i = 0; i < t->count; i++) {
		if (!strcmp(t->entry[i]->name, name)) {
			return i;
		}
	}
	return -1;
}

enum qb_err qb_named_defaults(void **params, const struct qb_named *n, struct qb_errbuf *eb)
{
	void *p = calloc(1, n->params_bytes + 1);

	if (!p) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the parameters of %s", n->name);
	}
	if (n->defaults) {
		n->defaults(p);
	}
	*params = p;
	return QB_OK;
}

/* ---- reading ---- */

static enum qb_err unknown(const struct qb_named_table *t, const char *name, const char *at, struct qb_errbuf *eb)
{
	const char *all[NAMES_MAX];
	char names[512] = "";
	int count = 0;

	for (; count < t->count && count < NAMES_MAX; count++) {
		size_t n = strlen(names);

		all[count] = t->entry[count]->name;
		snprintf(names + n, sizeof(names) - n, "%s%s", count ? ", " : "", all[count]);
	}
	qb_fail_field(eb, QB_EJOB, at, "", "there is no %s \"%.100s\"; there are %s", t->noun, name, names);
	qb_near_note(eb, name, all, count);
	return QB_EJOB;
}

static enum qb_err read_params(void *params, const struct qb_named *n, const json_t *obj, const char *at,
	const char *const *also, struct qb_errbuf *eb)
{
	static const char *const name[] = {"name", NULL};

	if (obj) {
		QB_TRY(qb_fields_read(params, obj, at, n->fields, also ? also : name, eb));
	}
	return n->check ? n->check(params, at, eb) : QB_OK;
}

enum qb_err qb_named_read(int *index, void **params, const struct qb_named_table *t, const json_t *v, const char *at,
	const char *const *also, struct qb_errbuf *eb)
{
	const json_t *obj = json_is_object(v) ? v : NULL;
	const char *name = json_string_value(obj ? json_object_get(obj, "name") : v);
	int i = name ? qb_named_index(t, name) : -1;
	void *p = NULL;
	enum qb_err err;

	if (!name) {
		return qb_fail_field(eb, QB_EJOB, at, "", "must be the name of a %s, or an object with \"name\" and its parameters",
			t->noun);
	}
	if (i < 0) {
		return unknown(t, name, at, eb);
	}
	QB_TRY(qb_named_defaults(&p, t->entry[i], eb));
	err = read_params(p, t->entry[i], obj, at, also, eb);
	if (err != QB_OK) {
		free(p);
		return err;
	}
	*index = i;
	*params = p;
	return QB_OK;
}

/* ---- what they are ---- */

json_t *qb_named_schema(const struct qb_named *n)
{
	json_t *properties = json_pack("{s:{s:s}}", "name", "const", n->name), *own;
	void *usual = NULL;

	if (qb_named_defaults(&usual, n, NULL) == QB_OK) {
		own = qb_fields_schema(n->fields, usual, NULL);
		json_object_update(properties, own);
		json_decref(own);
	}
	free(usual);
	return json_pack("{s:s, s:s, s:s, s:b, s:[s], s:o}", "title", n->name, "description", n->summary, "type", "object",
		"additionalProperties", 0, "required", "name", "properties", properties);
}

json_t *qb_named_table_schema(const struct qb_named_table *t)
{
	json_t *any = json_array(), *names = json_array();

	for (int i = 0; i < t->count; i++) {
		json_array_append_new(any, qb_named_schema(t->entry[i]));
		json_array_append_new(names, json_string(t->entry[i]->name));
	}
	json_array_append_new(any, json_pack("{s:s, s:o}", "title", "by name", "enum", names));
	return json_pack("{s:o}", "anyOf", any);
}
