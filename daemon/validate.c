/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/validate.h"

#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, ERRORS_MAX = 50 };

struct check {
	const json_t *root; /* of the schema */
	json_t *errors;
	int depth;
};

static bool check_value(struct check *c, const json_t *schema, const json_t *v, const char *path);

static bool wrong(struct check *c, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool wrong(struct check *c, const char *path, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (json_array_size(c->errors) < ERRORS_MAX) {
		/* A cut in the middle of a character makes the text invalid; %% replaces it then. */
		json_t *detail = json_string(text);

		json_array_append_new(c->errors, json_pack("{s:s, s:o}", "field", path, "detail",
			detail ? detail : json_string("is not allowed here")));
	}
	return false;
}

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number";
	case JSON_NULL:
		return "null";
	default:
		return "a boolean";
	}
}

static bool has_type(const json_t *v, const char *type)
{
	if (!strcmp(type, "object")) {
		return json_is_object(v);
	}
	if (!strcmp(type, "array")) {
		return json_is_array(v);
	}
	if (!strcmp(type, "string")) {
		return json_is_string(v);
	}
	if (!strcmp(type, "integer")) {
		return json_is_integer(v) ||
			(json_is_real(v) && json_real_value(v) == floor(json_real_value(v)));
	}
	if (!strcmp(type, "number")) {
		return json_is_number(v);
	}
	if (!strcmp(type, "boolean")) {
		return json_is_boolean(v);
	}
	return !strcmp(type, "null") && json_is_null(v);
}

static bool type_fits(const json_t *type, const json_t *v)
{
	const json_t *t;
	size_t i;

	if (json_is_string(type)) {
		return has_type(v, json_string_value(type));
	}
	json_array_foreach(type, i, t) {
		if (has_type(v, json_string_value(t))) {
			return true;
		}
	}
	return false;
}

static bool check_type(struct check *c, const json_t *type, const json_t *v, const char *path)
{
	char *want;

	if (!type || type_fits(type, v)) {
		return true;
	}
	want = json_dumps(type, JSON_ENCODE_ANY | JSON_COMPACT);
	wrong(c, path, "is %s; it must be of type %s", type_name(v), want ? want : "?");
	free(want);
	return false;
}

static bool check_choice(struct check *c, const json_t *schema, const json_t *v, const char *path)
{
	const json_t *one = json_object_get(schema, "const"), *all = json_object_get(schema, "enum"), *e;
	size_t i;
	char *text;
	bool found = false;

	if (!one && !all) {
		return true;
	}
	found = one && json_equal(one, v);
	json_array_foreach(all, i, e) {
		found = found || json_equal(e, v);
	}
	if (!found) {
		text = json_dumps(one ? one : all, JSON_ENCODE_ANY | JSON_COMPACT);
		wrong(c, path, one ? "must be %s" : "must be one of %s", text ? text : "?");
		free(text);
	}
	return found;
}

static bool check_number(struct check *c, const json_t *schema, const json_t *v, const char *path)
{
	const json_t *lo = json_object_get(schema, "minimum"), *hi = json_object_get(schema, "maximum");
	const json_t *above = json_object_get(schema, "exclusiveMinimum");
	const json_t *below = json_object_get(schema, "exclusiveMaximum");
	double x = json_number_value(v);

	if (lo && x < json_number_value(lo)) {
		return wrong(c, path, "is %g; it must be at least %g", x, json_number_value(lo));
	}
	if (hi && x > json_number_value(hi)) {
		return wrong(c, path, "is %g; it must be at most %g", x, json_number_value(hi));
	}
	if (above && x <= json_number_value(above)) {
		return wrong(c, path, "is %g; it must be above %g", x, json_number_value(above));
	}
	if (below && x >= json_number_value(below)) {
		return wrong(c, path, "is %g; it must be below %g", x, json_number_value(below));
	}
	return true;
}

static bool check_string(struct check *c, const json_t *schema, const json_t *v, const char *path)
{
	const json_t *lo = json_object_get(schema, "minLength"), *hi = json_object_get(schema, "maxLength");
	const char *pattern = json_string_value(json_object_get(schema, "pattern"));
	json_int_t n = (json_int_t)json_string_length(v);
	regex_t re;
	bool ok = true;

	if (lo && n < json_integer_value(lo)) {
		return wrong(c, path, "is too short; it needs %d characters or more",
			(int)json_integer_value(lo));
	}
	if (hi && n > json_integer_value(hi)) {
		return wrong(c, path, "is too long; it may have %d characters",
			(int)json_integer_value(hi));
	}
	if (pattern && regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) == 0) {
		ok = regexec(&re, json_string_value(v), 0, NULL, 0) == 0;
		regfree(&re);
	}
	return ok || wrong(c, path, "is written wrongly; it must match %s", pattern);
}

static bool check_array(struct check *c, const json_t *schema, const json_t *v, const char *path)
{
	const json_t *lo = json_object_get(schema, "minItems"), *hi = json_object_get(schema, "maxItems");
	const json_t *items = json_object_get(schema, "items"), *e;
	size_t i, n = json_array_size(v);
	char at[512];
	bool ok = true;

	if (lo && (json_int_t)n < json_integer_value(lo)) {
		return wrong(c, path, "has %zu items; it needs at least %d", n,
			(int)json_integer_value(lo));
	}
	if (hi && (json_int_t)n > json_integer_value(hi)) {
		return wrong(c, path, "has %zu items; it may have %d", n, (int)json_integer_value(hi));
	}
	if (items) {
		json_array_foreach(v, i, e) {
			snprintf(at, sizeof(at), "%.480s[%zu]", path, i);
			ok = check_value(c, items, e, at) && ok;
		}
	}
	return ok;
}

static bool unknown_key(struct check *c, const json_t *properties, const char *key, const char *at)
{
	char list[400] = "";
	const char *name;
	json_t *p;
	size_t n = 0;

	(void)key;
	json_object_foreach((json_t *)properties, name, p) {
		if (n < sizeof(list)) {
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", name);
		}
	}
	return wrong(c, at, "is not known here; known are: %s", list);
}

static bool check_object(struct check *c, const json_t *schema, const json_t *v, const char *path)
{
	const json_t *properties = json_object_get(schema, "properties"), *e;
	const json_t *more = json_object_get(schema, "additionalProperties");
	const char *key, *dot = *path ? "." : "";
	json_t *member;
	size_t i;
	char at[512];
	bool ok = true;

	json_array_foreach(json_object_get(schema, "required"), i, e) {
		if (!json_object_get(v, json_string_value(e))) {
			snprintf(at, sizeof(at), "%.300s%s%.200s", path, dot, json_string_value(e));
			ok = wrong(c, at, "is missing");
		}
	}
	json_object_foreach((json_t *)v, key, member) {
		const json_t *sub = json_object_get(properties, key);

		snprintf(at, sizeof(at), "%.300s%s%.200s", path, dot, key);
		if (sub) {
			ok = check_value(c, sub, member, at) && ok;
		} else if (json_is_false(more)) {
			ok = unknown_key(c, properties, key, at);
		} else if (json_is_object(more)) {
			ok = check_value(c, more, member, at) && ok;
		}
	}
	return ok;
}

static const json_t *follow(const struct check *c, const char *ref)
{
	const json_t *at = c->root;
	char part[128];

	if (strncmp(ref, "#/", 2) != 0) {
		return NULL;
	}
	for (const char *p = ref + 2; *p && at;) {
		size_t n = strcspn(p, "/");

		snprintf(part, sizeof(part), "%.*s", (int)n, p);
		at = json_object_get(at, part);
		p += n + (p[n] == '/');
	}
	return at;
}

/* The field of a branch that has to be one constant, such as a "name" that tells objects apart; NULL: none. */
static const json_t *constant_of(const struct check *c, const json_t *branch, const char **key)
{
	const char *ref = json_string_value(json_object_get(branch, "$ref"));
	json_t *p;

	branch = ref ? follow(c, ref) : branch;
	json_object_foreach(json_object_get(branch, "properties"), *key, p) {
		if (json_object_get(p, "const")) {
			return json_object_get(p, "const");
		}
	}
	return NULL;
}

/* The branch whose constant an object has. Where it has none of them, says which there are. */
static const json_t *branch_meant(struct check *c, const json_t *branches, const json_t *v,
	const char *path, bool *said)
{
	json_t *known = json_array();
	const json_t *branch, *one, *found = NULL, *has = NULL;
	const char *key, *first = NULL;
	size_t i;

	json_array_foreach(branches, i, branch) {
		one = constant_of(c, branch, &key);
		if (!one || (first && strcmp(first, key) != 0)) {
			continue;
		}
		first = key;
		has = json_object_get(v, key);
		json_array_append(known, (json_t *)one);
		found = has && json_equal(one, has) ? branch : found;
	}
	if (!found && has && json_array_size(known) > 1) {
		char at[512], *text = json_dumps(known, JSON_COMPACT);

		snprintf(at, sizeof(at), "%.300s.%.200s", path, first);
		*said = !wrong(c, at, "must be one of %s", text ? text : "?");
		free(text);
	}
	json_decref(known);
	return found;
}

/* Every branch may say what is wrong; the one that gets deepest into the value is what its writer meant. */
static bool check_any(struct check *c, const json_t *branches, const json_t *v, const char *path)
{
	json_t *best = NULL, *saved = c->errors;
	size_t i, best_depth = 0;
	const json_t *branch;
	bool ok = !json_array_size(branches), said = false;

	branch = json_is_object(v) ? branch_meant(c, branches, v, path, &said) : NULL;
	if (branch || said) {
		return branch && check_value(c, branch, v, path);
	}
	json_array_foreach(branches, i, branch) {
		json_t *tried = json_array();
		const char *field;
		size_t depth;

		c->errors = tried;
		if (check_value(c, branch, v, path)) {
			ok = true;
			json_decref(tried);
			break;
		}
		field = json_string_value(json_object_get(json_array_get(tried, 0), "field"));
		depth = field ? strlen(field) : 0;
		if (!best || depth > best_depth) {
			json_decref(best);
			best = tried;
			best_depth = depth;
		} else {
			if (depth == best_depth && depth == strlen(path)) {
				json_array_extend(best, tried);
			}
			json_decref(tried);
		}
	}
	c->errors = saved;
	if (!ok && json_array_size(saved) < ERRORS_MAX) {
		json_array_extend(saved, best);
	}
	json_decref(best);
	return ok;
}

static bool check_combined(struct check *c, const json_t *schema, const json_t *v, const char *path)
{
	const json_t *any = json_object_get(schema, "anyOf"), *one = json_object_get(schema, "oneOf");
	const json_t *all = json_object_get(schema, "allOf"), *not = json_object_get(schema, "not"), *e;
	json_t *saved = c->errors;
	size_t i;
	bool ok = true, fits;

	json_array_foreach(all, i, e) {
		ok = check_value(c, e, v, path) && ok;
	}
	if (any || one) {
		ok = check_any(c, any ? any : one, v, path) && ok;
	}
	if (not) {
		c->errors = json_array();
		fits = check_value(c, not, v, path);
		json_decref(c->errors);
		c->errors = saved;
		ok = fits ? wrong(c, path, "is not allowed") : ok;
	}
	return ok;
}

static bool check_value(struct check *c, const json_t *schema, const json_t *v, const char *path)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	bool ok;

	if (json_is_boolean(schema)) {
		return json_is_true(schema) || wrong(c, path, "is not allowed");
	}
	if (c->depth >= DEPTH_MAX) {
		return wrong(c, path, "is nested too deeply");
	}
	c->depth++;
	ok = (!ref || !follow(c, ref) || check_value(c, follow(c, ref), v, path)) &&
		check_type(c, json_object_get(schema, "type"), v, path) &&
		check_choice(c, schema, v, path) && check_combined(c, schema, v, path);
	if (ok && json_is_number(v)) {
		ok = check_number(c, schema, v, path);
	} else if (ok && json_is_string(v)) {
		ok = check_string(c, schema, v, path);
	} else if (ok && json_is_array(v)) {
		ok = check_array(c, schema, v, path);
	} else if (ok && json_is_object(v)) {
		ok = check_object(c, schema, v, path);
	}
	c->depth--;
	return ok;
}

bool qb_validate(const json_t *schema, const json_t *value, json_t *errors)
{
	struct check c = {.root = schema, .errors = errors};

	return check_value(&c, schema, value, "");
}
