/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json/fields.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/json/params.h"
#include "core/base/size.h"

enum { FIELDS_MAX = 64, PATH_MAX_CHARS = 400 };

/* Reading */

static int64_t whole(double bound)
{
	return bound >= QB_FIELD_MOST_LONG ? INT64_MAX : (int64_t)bound;
}

/* The largest value, or the most entries. */
static double most_of(const void *out, const struct qb_field *f)
{
	return f->most ? QB_MIN(f->high, (double)*(const int *)((const char *)out + f->most)) : f->high;
}

static enum qb_err read_int(int *to, const json_t *obj, const char *at, const struct qb_field *f, double most,
	struct qb_errbuf *eb)
{
	int64_t v = *to;

	QB_TRY(qb_param_int(obj, at, f->name, whole(f->low), whole(most), &v, eb));
	*to = (int)v;
	return QB_OK;
}

static enum qb_err read_pair(double out[2], const json_t *obj, const char *at,
	const struct qb_field *f, struct qb_errbuf *eb)
{
	double v[2];
	int count;

	QB_TRY(qb_param_reals(obj, at, f->name, v, 2, &count, eb));
	if (count == 0) {
		return QB_OK;
	}
	if (count != 2 || !(v[0] >= f->low && v[0] <= f->high && v[1] >= f->low && v[1] <= f->high)) {
		return qb_fail_field(eb, QB_EJOB, at, f->name, "must be two numbers from %g to %g", f->low, f->high);
	}
	out[0] = v[0];
	out[1] = v[1];
	return QB_OK;
}

/* Characters, not bytes, as JSON Schema counts. */
static double length(const char *text)
{
	int n = 0;

	for (; *text; text++) {
		n += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return n;
}

static enum qb_err read_string(const char **to, const json_t *obj, const char *at, const struct qb_field *f,
	struct qb_errbuf *eb)
{
	const char *text = NULL;

	QB_TRY(qb_param_string(obj, at, f->name, &text, eb));
	if (!text) {
		return QB_OK;
	}
	if (length(text) < f->low || (f->high > 0 && length(text) > f->high)) {
		return qb_fail_field(eb, QB_EJOB, at, f->name, f->high > 0 ? "must have %.0f to %.0f characters"
			: "must have at least %.0f characters", f->low, f->high);
	}
	*to = text;
	return QB_OK;
}

static enum qb_err wrong_count(const char *at, const struct qb_field *f, double most, struct qb_errbuf *eb)
{
	return qb_fail_field(eb, QB_EJOB, at, f->name, "takes %.0f to %.0f %s", f->low, most, f->takes);
}

static enum qb_err read_list(const json_t **to, const json_t *obj, const char *at, const struct qb_field *f,
	double most, struct qb_errbuf *eb)
{
	const json_t *list = NULL;

	QB_TRY(qb_param_array(obj, at, f->name, &list, eb));
	if (list && !((double)json_array_size(list) >= f->low && (double)json_array_size(list) <= most)) {
		return wrong_count(at, f, most, eb);
	}
	*to = list;
	return QB_OK;
}

static enum qb_err read_object(void *to, const json_t *obj, const char *at, const struct qb_field *f,
	struct qb_errbuf *eb)
{
	const json_t *inner = NULL;
	char here[PATH_MAX_CHARS];

	QB_TRY(qb_param_object(obj, at, f->name, &inner, eb));
	if (!inner) {
		return QB_OK;
	}
	snprintf(here, sizeof(here), "%.300s%s%.80s", at, *at ? "." : "", f->name);
	return qb_fields_read(to, inner, here, f->object->fields, NULL, eb);
}

static enum qb_err read_field(void *out, const json_t *obj, const char *at, const struct qb_field *f,
	struct qb_errbuf *eb)
{
	void *to = (char *)out + f->offset;
	double most = most_of(out, f);

	switch (f->kind) {
	case QB_FIELD_INT:
		return read_int(to, obj, at, f, most, eb);
	case QB_FIELD_LONG:
		return qb_param_int(obj, at, f->name, whole(f->low), whole(most), to, eb);
	case QB_FIELD_REAL:
		return qb_param_real(obj, at, f->name, f->low, f->high, to, eb);
	case QB_FIELD_PAIR:
		return read_pair(to, obj, at, f, eb);
	case QB_FIELD_BOOL:
		return qb_param_bool(obj, at, f->name, to, eb);
	case QB_FIELD_CHOICE:
		return qb_param_choice(obj, at, f->name, f->choices, to, eb);
	case QB_FIELD_CHOICES:
		return qb_param_choices(obj, at, f->name, f->choices, to, eb);
	case QB_FIELD_STRING:
		return read_string(to, obj, at, f, eb);
	case QB_FIELD_OBJECT:
		return read_object(to, obj, at, f, eb);
	case QB_FIELD_LIST:
	case QB_FIELD_UPLOADS:
		return read_list(to, obj, at, f, most, eb);
	case QB_FIELD_MAP:
		return qb_param_object(obj, at, f->name, to, eb);
	case QB_FIELD_ANY:
		if (f->any[0].kind == QB_FIELD_OBJECT && f->any[1].kind == QB_FIELD_END) {
			return qb_param_object(obj, at, f->name, to, eb);
		}
		*(const json_t **)to = json_object_get(obj, f->name);
		return QB_OK;
	case QB_FIELD_REFUSED:
		return !json_object_get(obj, f->name) ? QB_OK : qb_fail_field(eb, QB_EJOB, at, f->name, "%s", f->summary);
	case QB_FIELD_UPLOAD:
	case QB_FIELD_NULL:
	case QB_FIELD_END:
		return QB_OK;
	}
	return QB_OK;
}

static enum qb_err check_names(const json_t *obj, const char *at, const struct qb_field *fields,
	const char *const *also, struct qb_errbuf *eb)
{
	const char *known[FIELDS_MAX + 1] = {NULL};
	int n = 0;

	for (int i = 0; also && also[i] && n < FIELDS_MAX; i++) {
		known[n++] = also[i];
	}
	for (int i = 0; fields && fields[i].name && n < FIELDS_MAX; i++) {
		known[n++] = fields[i].name;
	}
	return qb_param_only(obj, at, known, eb);
}

enum qb_err qb_fields_read(void *out, const json_t *obj, const char *at, const struct qb_field *fields,
	const char *const *also, struct qb_errbuf *eb)
{
	QB_TRY(check_names(obj, at, fields, also, eb));
	for (const struct qb_field *f = fields; f && f->name; f++) {
		if (f->required && !json_object_get(obj, f->name)) {
			return f->kind == QB_FIELD_LIST ? wrong_count(at, f, most_of(out, f), eb)
				: qb_fail_field(eb, QB_EJOB, at, f->name, "%s", f->takes);
		}
		QB_TRY(read_field(out, obj, at, f, eb));
	}
	return QB_OK;
}

/* JSON Schema */

static void set_bounds(json_t *schema, const struct qb_field *f)
{
	bool real = f->kind == QB_FIELD_REAL || f->kind == QB_FIELD_PAIR;
	double most = real ? QB_FIELD_MOST_REAL : f->kind == QB_FIELD_INT ? QB_FIELD_MOST_INT : QB_FIELD_MOST_LONG;

	if (real && f->low > 0 && f->low <= QB_FIELD_LEAST_REAL) {
		json_object_set_new(schema, "exclusiveMinimum", json_integer(0));
	} else if (f->low > -most) {
		json_object_set_new(schema, "minimum", real ? json_real(f->low) : json_integer(whole(f->low)));
	}
	if (f->high < most) {
		json_object_set_new(schema, "maximum", real ? json_real(f->high) : json_integer(whole(f->high)));
	}
}

static json_t *number_schema(const struct qb_field *f)
{
	bool real = f->kind == QB_FIELD_REAL || f->kind == QB_FIELD_PAIR;
	json_t *schema = json_pack("{s:s}", "type", real ? "number" : "integer");

	set_bounds(schema, f);
	return schema;
}

static json_t *strings(const char *const *text)
{
	json_t *all = json_array();

	for (int i = 0; text[i]; i++) {
		json_array_append_new(all, json_string(text[i]));
	}
	return all;
}

/* "minItems", "maxItems" and the like. */
static json_t *set_counts(json_t *schema, const struct qb_field *f, const char *least, const char *most)
{
	if (f->low > 0) {
		json_object_set_new(schema, least, json_integer(whole(f->low)));
	}
	if (f->high > 0) {
		json_object_set_new(schema, most, json_integer(whole(f->high)));
	}
	return schema;
}

static json_t *type_schema(const struct qb_field *f, const void *at, json_t *defs);

static json_t *any_schema(const struct qb_field *any, json_t *defs)
{
	json_t *all;

	if (any[0].kind != QB_FIELD_END && any[1].kind == QB_FIELD_END) {
		return type_schema(any, NULL, defs);
	}
	all = json_array();
	for (; any->kind != QB_FIELD_END; any++) {
		json_array_append_new(all, type_schema(any, NULL, defs));
	}
	return json_pack("{s:o}", "anyOf", all);
}

static json_t *bare_schema(const struct qb_field *f, const void *at, json_t *defs)
{
	switch (f->kind) {
	case QB_FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case QB_FIELD_CHOICE:
		return json_pack("{s:o}", "enum", strings(f->choices));
	case QB_FIELD_CHOICES:
		return set_counts(json_pack("{s:s, s:b, s:{s:o}}", "type", "array", "uniqueItems", 1, "items", "enum",
			strings(f->choices)), f, "minItems", "maxItems");
	case QB_FIELD_PAIR:
		return json_pack("{s:s, s:i, s:i, s:o}", "type", "array", "minItems", 2, "maxItems", 2, "items",
			number_schema(f));
	case QB_FIELD_STRING:
		return set_counts(json_pack("{s:s}", "type", "string"), f, "minLength", "maxLength");
	case QB_FIELD_NULL:
		return json_pack("{s:s}", "type", "null");
	case QB_FIELD_UPLOAD:
		return json_pack("{s:[s, s]}", "type", "string", "object");
	case QB_FIELD_UPLOADS:
		return set_counts(json_pack("{s:s, s:{s:[s, s]}}", "type", "array", "items", "type", "string", "object"), f,
			"minItems", "maxItems");
	case QB_FIELD_OBJECT:
		return qb_object_schema(f->object, at, defs);
	case QB_FIELD_LIST:
		return f->object ? qb_object_schema(f->object, NULL, defs) : set_counts(json_pack("{s:s, s:o}", "type", "array", "items", any_schema(f->any, defs)), f,
			"minItems", "maxItems");
	case QB_FIELD_MAP:
		return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", any_schema(f->any, defs));
	case QB_FIELD_ANY:
		return any_schema(f->any, defs);
	default:
		return number_schema(f);
	}
}

static json_t *type_schema(const struct qb_field *f, const void *at, json_t *defs)
{
	json_t *schema = bare_schema(f, at, defs);

	if (f->summary) {
		json_object_set_new(schema, "description", json_string(f->summary));
	}
	return schema;
}

static json_t *whole_default(const struct qb_field *f, int64_t v)
{
	return (double)v < f->low || (double)v > f->high ? NULL : json_integer(v);
}

static json_t *chosen_names(const struct qb_field *f, unsigned chosen)
{
	json_t *all = json_array();

	for (int i = 0; f->choices[i]; i++) {
		if (chosen >> i & 1) {
			json_array_append_new(all, json_string(f->choices[i]));
		}
	}
	return all;
}

/* What the member at the address holds; NULL: there is no default. */
static json_t *default_of(const struct qb_field *f, const void *at)
{
	const double *real = at;
	int chosen;

	if (f->depends || f->required) {
		return NULL;
	}
	switch (f->kind) {
	case QB_FIELD_INT:
		return whole_default(f, *(const int *)at);
	case QB_FIELD_LONG:
		return whole_default(f, *(const int64_t *)at);
	case QB_FIELD_REAL:
		return *real >= f->low && *real <= f->high ? json_real(*real) : NULL;
	case QB_FIELD_PAIR:
		return json_pack("[f, f]", real[0], real[1]);
	case QB_FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	case QB_FIELD_CHOICE:
		chosen = *(const int *)at;
		return chosen < 0 ? NULL : json_string(f->choices[chosen]);
	case QB_FIELD_CHOICES:
		return *(const unsigned *)at ? chosen_names(f, *(const unsigned *)at) : NULL;
	case QB_FIELD_STRING:
		return *(const char *const *)at ? json_string(*(const char *const *)at) : NULL;
	case QB_FIELD_LIST:
		return f->usual ? strings(f->usual) : NULL;
	case QB_FIELD_ANY:
		return f->usual ? json_string(f->usual[0]) : NULL;
	default:
		return NULL;
	}
}

json_t *qb_fields_schema(const struct qb_field *fields, const void *defaults, json_t *defs)
{
	json_t *all = json_object();

	for (const struct qb_field *f = fields; f && f->name; f++) {
		const void *at = (const char *)defaults + f->offset;
		json_t *one, *usual;

		if (f->kind == QB_FIELD_REFUSED) {
			continue;
		}
		one = type_schema(f, at, defs);
		usual = default_of(f, at);
		if (usual) {
			json_object_set_new(one, "default", usual);
		}
		json_object_set_new(all, f->name, one);
	}
	return all;
}

static json_t *fields_object(const struct qb_object *o, const void *defaults, json_t *defs)
{
	json_t *required = json_array(), *schema;

	for (const struct qb_field *f = o->fields; f && f->name; f++) {
		if (f->required) {
			json_array_append_new(required, json_string(f->name));
		}
	}
	schema = json_pack("{s:s*, s:s, s:b, s:o}", "description", o->summary, "type", "object", "additionalProperties",
		0, "properties", qb_fields_schema(o->fields, defaults, defs));
	if (json_array_size(required)) {
		json_object_set(schema, "required", required);
	}
	json_decref(required);
	return schema;
}

static json_t *whole_object(const struct qb_object *o, const void *defaults, json_t *defs)
{
	void *own;
	json_t *schema;

	if (o->schema) {
		return o->schema();
	}
	if (defaults && !o->bytes) {
		return fields_object(o, defaults, defs);
	}
	own = calloc(1, o->bytes + 1);
	if (!own) {
		return json_object();
	}
	if (o->defaults) {
		o->defaults(own);
	}
	schema = fields_object(o, own, defs);
	free(own);
	return schema;
}

json_t *qb_object_schema(const struct qb_object *o, const void *defaults, json_t *defs)
{
	if (!o->name) {
		return whole_object(o, defaults, defs);
	}
	if (!json_object_get(defs, o->name)) {
		json_object_set_new(defs, o->name, json_null()); /* while it is made: it may refer to itself */
		json_object_set_new(defs, o->name, whole_object(o, NULL, defs));
	}
	return json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%s", o->name));
}
