/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json/fields.h"

#include <stdbool.h>
#include <stdint.h>

#include "core/base/size.h"
#include "core/json/params.h"

enum { FIELDS_MAX = 30 };

static enum qb_err read_int(int *out, const json_t *obj, const char *at, const struct qb_field *f,
	struct qb_errbuf *eb)
{
	int64_t v = *out;

	QB_TRY(qb_param_int(obj, at, f->name, (int64_t)f->low, (int64_t)f->high, &v, eb));
	*out = (int)v;
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

static enum qb_err read_field(void *out, const json_t *obj, const char *at, const struct qb_field *f,
	struct qb_errbuf *eb)
{
	void *to = (char *)out + f->offset;

	switch (f->kind) {
	case QB_FIELD_INT:
		return read_int(to, obj, at, f, eb);
	case QB_FIELD_LONG:
		return qb_param_int(obj, at, f->name, (int64_t)f->low, (int64_t)f->high, to, eb);
	case QB_FIELD_REAL:
		return qb_param_real(obj, at, f->name, f->low, f->high, to, eb);
	case QB_FIELD_PAIR:
		return read_pair(to, obj, at, f, eb);
	case QB_FIELD_BOOL:
		return qb_param_bool(obj, at, f->name, to, eb);
	case QB_FIELD_CHOICE:
		return qb_param_choice(obj, at, f->name, f->choices, to, eb);
	}
	return QB_OK;
}

enum qb_err qb_fields_read(void *out, const json_t *obj, const char *at, const struct qb_field *fields,
	struct qb_errbuf *eb)
{
	const char *known[FIELDS_MAX + 2] = {"name"};

	for (int i = 0; fields && fields[i].name && i < FIELDS_MAX; i++) {
		known[1 + i] = fields[i].name;
	}
	QB_TRY(qb_param_only(obj, at, known, eb));
	for (int i = 0; fields && fields[i].name; i++) {
		QB_TRY(read_field(out, obj, at, &fields[i], eb));
	}
	return QB_OK;
}

static json_t *number_schema(const struct qb_field *f, bool whole)
{
	return whole ? json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)f->low, "maximum",
			(json_int_t)f->high)
		     : json_pack("{s:s, s:f, s:f}", "type", "number", "minimum", f->low, "maximum", f->high);
}

static json_t *choice_schema(const struct qb_field *f)
{
	json_t *all = json_array();

	for (int i = 0; f->choices[i]; i++) {
		json_array_append_new(all, json_string(f->choices[i]));
	}
	return json_pack("{s:o}", "enum", all);
}

static json_t *type_schema(const struct qb_field *f)
{
	switch (f->kind) {
	case QB_FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case QB_FIELD_CHOICE:
		return choice_schema(f);
	case QB_FIELD_PAIR:
		return json_pack("{s:s, s:i, s:i, s:o}", "type", "array", "minItems", 2, "maxItems", 2, "items",
			number_schema(f, false));
	default:
		return number_schema(f, f->kind != QB_FIELD_REAL);
	}
}

static json_t *default_of(const struct qb_field *f, const void *defaults)
{
	const void *at = (const char *)defaults + f->offset;
	const double *real = at;
	int64_t whole;

	switch (f->kind) {
	case QB_FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	case QB_FIELD_CHOICE:
		return json_string(f->choices[*(const int *)at]);
	case QB_FIELD_PAIR:
		return json_pack("[f, f]", real[0], real[1]);
	case QB_FIELD_REAL:
		return json_real(*real);
	default:
		whole = f->kind == QB_FIELD_INT ? *(const int *)at : *(const int64_t *)at;
		return (double)whole < f->low ? NULL : json_integer(whole);
	}
}

json_t *qb_fields_schema(const struct qb_field *fields, const void *defaults)
{
	json_t *all = json_object();

	for (int i = 0; fields && fields[i].name; i++) {
		json_t *one = type_schema(&fields[i]), *usual = default_of(&fields[i], defaults);

		if (usual) {
			json_object_set_new(one, "default", usual);
		}
		json_object_set_new(one, "description", json_string(fields[i].summary));
		json_object_set_new(all, fields[i].name, one);
	}
	return all;
}
