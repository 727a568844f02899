/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/near.h"

static const char *kind(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_NULL:
		return "null";
	default:
		return "true or false";
	}
}

static enum qb_err wrong(const char *at, const char *key, const json_t *v, const char *want,
	struct qb_errbuf *eb)
{
	return qb_fail_field(eb, QB_EJOB, at, key, "is %s, must be %s", kind(v), want);
}

enum qb_err qb_param_string(const json_t *obj, const char *at, const char *key, const char **out,
	struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(obj, key);

	if (!v) {
		return QB_OK;
	}
	if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v)) {
		return wrong(at, key, v, "a string", eb);
	}
	*out = json_string_value(v);
	return QB_OK;
}

enum qb_err qb_param_bool(const json_t *obj, const char *at, const char *key, bool *out,
	struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(obj, key);

	if (!v) {
		return QB_OK;
	}
	if (!json_is_boolean(v)) {
		return wrong(at, key, v, "true or false", eb);
	}
	*out = json_is_true(v);
	return QB_OK;
}

enum qb_err qb_param_int(const json_t *obj, const char *at, const char *key, int64_t low,
	int64_t high, int64_t *out, struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(obj, key);

	if (!v) {
		return QB_OK;
	}
	if (!json_is_integer(v)) {
		return wrong(at, key, v, "a whole number", eb);
	}
	if (json_integer_value(v) < low || json_integer_value(v) > high) {
		return qb_fail_field(eb, QB_EJOB, at, key, "is %lld, must be from %lld to %lld",
			(long long)json_integer_value(v), (long long)low, (long long)high);
	}
	*out = json_integer_value(v);
	return QB_OK;
}

enum qb_err qb_param_real(const json_t *obj, const char *at, const char *key, double low,
	double high, double *out, struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(obj, key);

	if (!v) {
		return QB_OK;
	}
	if (!json_is_number(v)) {
		return wrong(at, key, v, "a number", eb);
	}
	if (json_number_value(v) < low || json_number_value(v) > high) {
		return qb_fail_field(eb, QB_EJOB, at, key, "is %g, must be from %g to %g",
			json_number_value(v), low, high);
	}
	*out = json_number_value(v);
	return QB_OK;
}

enum qb_err qb_param_object(const json_t *obj, const char *at, const char *key,
	const json_t **out, struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(obj, key);

	if (v && !json_is_object(v)) {
		return wrong(at, key, v, "an object", eb);
	}
	*out = v;
	return QB_OK;
}

enum qb_err qb_param_array(const json_t *obj, const char *at, const char *key, const json_t **out,
	struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(obj, key);

	if (v && !json_is_array(v)) {
		return wrong(at, key, v, "an array", eb);
	}
	*out = v;
	return QB_OK;
}

enum qb_err qb_param_reals(const json_t *obj, const char *at, const char *key, double *out,
	int cap, int *count, struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(obj, key);
	int n = 0;

	*count = 0;
	if (!v) {
		return QB_OK;
	}
	if (json_is_number(v)) {
		out[0] = json_number_value(v);
		*count = 1;
		return QB_OK;
	}
	if (!json_is_array(v) || json_array_size(v) == 0) {
		return wrong(at, key, v, "a number or a list of numbers", eb);
	}
	if (json_array_size(v) > (size_t)cap) {
		return qb_fail_field(eb, QB_EJOB, at, key, "has %zu entries, at most %d are possible",
			json_array_size(v), cap);
	}
	for (n = 0; n < (int)json_array_size(v); n++) {
		const json_t *e = json_array_get(v, (size_t)n);

		if (!json_is_number(e) || !isfinite(json_number_value(e))) {
			char here[128];

			snprintf(here, sizeof(here), "%.60s%s%.40s[%d]", at, *at ? "." : "", key, n);
			return qb_fail_field(eb, QB_EJOB, here, "", "is %s, must be a number", kind(e));
		}
		out[n] = json_number_value(e);
	}
	*count = n;
	return QB_OK;
}

static void list(const char *const *names, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; names[i] && n < size; i++) {
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", names[i]);
	}
}

static int count(const char *const *names)
{
	int n = 0;

	while (names[n]) {
		n++;
	}
	return n;
}

/* The index of s in names; -1: it is not there. */
static int find(const char *const *names, const char *s)
{
	for (int i = 0; s && names[i]; i++) {
		if (!strcmp(names[i], s)) {
			return i;
		}
	}
	return -1;
}

enum qb_err qb_param_choice(const json_t *obj, const char *at, const char *key,
	const char *const *names, int *out, struct qb_errbuf *eb)
{
	const char *s = NULL;
	char all[512];

	QB_TRY(qb_param_string(obj, at, key, &s, eb));
	if (!s) {
		return QB_OK;
	}
	if (find(names, s) < 0) {
		list(names, all, sizeof(all));
		qb_fail_field(eb, QB_EJOB, at, key, "is \"%.100s\", must be one of %s", s, all);
		qb_near_note(eb, s, names, count(names));
		return QB_EJOB;
	}
	*out = find(names, s);
	return QB_OK;
}

enum qb_err qb_param_choices(const json_t *obj, const char *at, const char *key,
	const char *const *names, unsigned *out, struct qb_errbuf *eb)
{
	const json_t *array = NULL, *v;
	unsigned chosen = 0;
	char all[512], here[128];
	size_t i;

	QB_TRY(qb_param_array(obj, at, key, &array, eb));
	json_array_foreach(array, i, v) {
		int k = find(names, json_string_value(v));

		if (k < 0) {
			list(names, all, sizeof(all));
			snprintf(here, sizeof(here), "%.60s%s%.40s[%zu]", at, *at ? "." : "", key, i);
			qb_fail_field(eb, QB_EJOB, here, "", "must be one of %s", all);
			qb_near_note(eb, json_string_value(v), names, count(names));
			return QB_EJOB;
		}
		chosen |= 1u << k;
	}
	*out = array ? chosen : *out;
	return QB_OK;
}

enum qb_err qb_param_only(const json_t *obj, const char *at, const char *const *known,
	struct qb_errbuf *eb)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)obj, key, v) {
		char all[512];
		int i = 0;

		while (known[i] && strcmp(known[i], key)) {
			i++;
		}
		if (!known[i]) {
			list(known, all, sizeof(all));
			qb_fail_field(eb, QB_EJOB, at, key, "there is no such field; the fields are %s", all);
			qb_near_note(eb, key, known, count(known));
			return QB_EJOB;
		}
	}
	return QB_OK;
}
