/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/validate.h"

#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/json_order.h"
#include "daemon/schema.h"

enum { DEPTH_MAX = 64, NESTED_MAX = 256, ERRORS_MAX = 50, KEY_MAX = 200 };

/* Where in the value we are. */
struct path {
	const struct path *up; /* NULL: the value itself */
	const char *key;       /* NULL: an element */
	size_t index;
	int depth;
};

struct check {
	const json_t *root; /* of the schema */
	json_t *errors;
	int depth; /* of schemas applied to parts of a value */
};

static bool check_value(struct check *c, const json_t *schema, const json_t *v, const struct path *path);

static struct path member(const struct path *up, const char *key)
{
	return (struct path){.up = up, .key = key, .depth = up->depth + 1};
}

static struct path element(const struct path *up, size_t index)
{
	return (struct path){.up = up, .index = index, .depth = up->depth + 1};
}

/* A name that is no name is not worth repeating for each error. */
static const char *shown(const char *key)
{
	return strlen(key) > KEY_MAX ? "(a long name)" : key;
}

/* RFC 6901 */
static void write_pointer(FILE *f, const struct path *path)
{
	if (!path->up) {
		return;
	}
	write_pointer(f, path->up);
	if (!path->key) {
		fprintf(f, "/%zu", path->index);
		return;
	}
	putc('/', f);
	for (const char *p = shown(path->key); *p; p++) {
		*p == '~' ? fputs("~0", f) : *p == '/' ? fputs("~1", f) : putc(*p, f);
	}
}

static json_t *pointer_of(const struct path *path)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	json_t *v;

	if (!f) {
		return json_string("");
	}
	write_pointer(f, path);
	fclose(f);
	v = json_string(text);
	free(text);
	return v;
}

json_t *qb_field_name(const char *pointer)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	json_t *v;

	if (!f) {
		return json_string(pointer);
	}
	while (*pointer) {
		const char *part = ++pointer;
		bool index = *part && part[strspn(part, "0123456789")] == (part[strcspn(part, "/")] ? '/' : '\0');

		pointer += strcspn(pointer, "/");
		fputs(index ? "[" : ftell(f) ? "." : "", f);
		for (; part < pointer; part++) {
			*part == '~' ? putc(*++part == '1' ? '/' : '~', f) : putc(*part, f);
		}
		fputs(index ? "]" : "", f);
	}
	fclose(f);
	v = json_string(text);
	free(text);
	return v;
}

static bool wrong(struct check *c, const struct path *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool wrong(struct check *c, const struct path *path, const char *fmt, ...)
{
	char text[512];
	json_t *detail, *pointer;
	va_list ap;

	if (json_array_size(c->errors) >= ERRORS_MAX) {
		return false;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A cut in the middle of a character makes the text invalid. */
	detail = json_string(text);
	pointer = pointer_of(path);
	json_array_append_new(c->errors, json_pack("{s:o, s:o, s:o}", "field", qb_field_name(json_string_value(pointer)),
		"pointer", pointer, "detail", detail ? detail : json_string("is not allowed here")));
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

static bool check_type(struct check *c, const json_t *type, const json_t *v, const struct path *path)
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

static bool check_choice(struct check *c, const json_t *schema, const json_t *v, const struct path *path)
{
	const json_t *one = json_object_get(schema, "const"), *all = json_object_get(schema, "enum"), *e;
	size_t i;
	char *text;
	bool found = !all;

	json_array_foreach(all, i, e) {
		found = found || !qb_json_compare(e, v);
	}
	if (found && (!one || !qb_json_compare(one, v))) {
		return true;
	}
	text = json_dumps(found ? one : all, JSON_ENCODE_ANY | JSON_COMPACT);
	wrong(c, path, found ? "must be %s" : "must be one of %s", text ? text : "?");
	free(text);
	return false;
}

static bool check_number(struct check *c, const json_t *schema, const json_t *v, const struct path *path)
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

static double characters(const json_t *v)
{
	double n = 0;

	for (const char *p = json_string_value(v); *p; p++) {
		n += ((unsigned char)*p & 0xc0) != 0x80;
	}
	return n;
}

static bool matches(const char *pattern, const char *text)
{
	regex_t re;
	bool ok = false;

	if (qb_schema_pattern(pattern, &re)) {
		ok = regexec(&re, text, 0, NULL, 0) == 0;
		regfree(&re);
	}
	return ok;
}

static bool check_string(struct check *c, const json_t *schema, const json_t *v, const struct path *path)
{
	const json_t *lo = json_object_get(schema, "minLength"), *hi = json_object_get(schema, "maxLength");
	const char *pattern = json_string_value(json_object_get(schema, "pattern"));

	if (lo && characters(v) < json_number_value(lo)) {
		return wrong(c, path, "is too short; it needs %.0f characters or more", json_number_value(lo));
	}
	if (hi && characters(v) > json_number_value(hi)) {
		return wrong(c, path, "is too long; it may have %.0f characters", json_number_value(hi));
	}
	return !pattern || matches(pattern, json_string_value(v)) ||
		wrong(c, path, "is written wrongly; it must match %s", pattern);
}

static bool check_array(struct check *c, const json_t *schema, const json_t *v, const struct path *path)
{
	const json_t *lo = json_object_get(schema, "minItems"), *hi = json_object_get(schema, "maxItems");
	const json_t *items = json_object_get(schema, "items"), *e;
	size_t i, n = json_array_size(v);
	bool ok = true;

	if (lo && (double)n < json_number_value(lo)) {
		return wrong(c, path, "has %zu items; it needs at least %.0f", n, json_number_value(lo));
	}
	if (hi && (double)n > json_number_value(hi)) {
		return wrong(c, path, "has %zu items; it may have %.0f", n, json_number_value(hi));
	}
	if (json_is_true(json_object_get(schema, "uniqueItems")) && !qb_json_all_differ(v)) {
		return wrong(c, path, "holds the same item twice");
	}
	if (items) {
		json_array_foreach(v, i, e) {
			struct path at = element(path, i);

			ok = check_value(c, items, e, &at) && ok;
		}
	}
	return ok;
}

static bool unknown_key(struct check *c, const json_t *properties, const struct path *at)
{
	char list[400] = "";
	const char *name;
	json_t *p;
	size_t n = 0;

	json_object_foreach((json_t *)properties, name, p) {
		if (n < sizeof(list)) {
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", name);
		}
	}
	return wrong(c, at, "is not known here; known are: %s", list);
}

static bool check_object(struct check *c, const json_t *schema, const json_t *v, const struct path *path)
{
	const json_t *properties = json_object_get(schema, "properties"), *e;
	const json_t *more = json_object_get(schema, "additionalProperties");
	const char *key;
	json_t *value;
	size_t i;
	bool ok = true;

	json_array_foreach(json_object_get(schema, "required"), i, e) {
		struct path at = member(path, json_string_value(e));

		ok = (json_object_get(v, json_string_value(e)) || wrong(c, &at, "is missing")) && ok;
	}
	json_object_foreach((json_t *)v, key, value) {
		const json_t *sub = json_object_get(properties, key);
		struct path at = member(path, key);

		if (sub) {
			ok = check_value(c, sub, value, &at) && ok;
		} else if (json_is_false(more)) {
			ok = unknown_key(c, properties, &at);
		} else if (more) {
			ok = check_value(c, more, value, &at) && ok;
		}
	}
	return ok;
}

/* The field of a branch that has to be one constant, such as a "name" that tells objects apart; NULL: none. */
static const json_t *constant_of(const struct check *c, const json_t *branch, const char **key)
{
	const char *ref = json_string_value(json_object_get(branch, "$ref"));
	json_t *p;

	branch = ref ? qb_schema_follow(c->root, ref) : branch;
	json_object_foreach(json_object_get(branch, "properties"), *key, p) {
		if (json_object_get(p, "const")) {
			return json_object_get(p, "const");
		}
	}
	return NULL;
}

/* The number of the branch whose constant an object has; -1: none, and where it has none of them, known says which
 * constants of which key there are. */
static int branch_meant(const struct check *c, const json_t *branches, const json_t *v, json_t *known, const char **key)
{
	const json_t *branch, *one, *has = NULL;
	const char *name;
	size_t i;

	*key = NULL;
	json_array_foreach(branches, i, branch) {
		one = constant_of(c, branch, &name);
		if (!one || (*key && strcmp(*key, name) != 0)) {
			continue;
		}
		*key = name;
		has = json_object_get(v, name);
		json_array_append(known, (json_t *)one);
		if (has && !qb_json_compare(one, has)) {
			return (int)i;
		}
	}
	if (!has || json_array_size(known) < 2) {
		*key = NULL;
	}
	return -1;
}

/* Of what every branch says, that of the branch which gets deepest into the value is what its writer meant; those that
 * complain about the value itself all speak. */
static json_t *deepest(const json_t *tried, size_t at)
{
	json_t *best = NULL, *one;
	size_t i, depth, best_depth = 0;

	json_array_foreach(tried, i, one) {
		const char *field = json_string_value(json_object_get(json_array_get(one, 0), "pointer"));

		depth = field ? strlen(field) : 0;
		if (!best || depth > best_depth) {
			best = one;
			best_depth = depth;
		} else if (depth == best_depth && depth == at) {
			json_array_extend(best, one);
		}
	}
	return best;
}

static void explain(struct check *c, const json_t *branches, const json_t *tried, const json_t *v,
	const struct path *path)
{
	json_t *known = json_array(), *best, *pointer = pointer_of(path);
	const char *key = NULL;
	int meant = json_is_object(v) ? branch_meant(c, branches, v, known, &key) : -1;

	if (meant < 0 && key) {
		struct path at = member(path, key);
		char *text = json_dumps(known, JSON_COMPACT);

		wrong(c, &at, "must be one of %s", text ? text : "?");
		free(text);
	} else {
		best = meant >= 0 ? json_array_get(tried, (size_t)meant) : deepest(tried, json_string_length(pointer));
		json_array_extend(c->errors, best);
	}
	json_decref(pointer);
	json_decref(known);
}

/* How many branches fit; what the others say is collected in tried, one array a branch. */
static size_t count_fitting(struct check *c, const json_t *branches, const json_t *v, const struct path *path,
	json_t *tried)
{
	json_t *saved = c->errors;
	const json_t *branch;
	size_t i, n = 0;

	json_array_foreach(branches, i, branch) {
		c->errors = json_array();
		n += check_value(c, branch, v, path);
		json_array_append_new(tried, c->errors);
	}
	c->errors = saved;
	return n;
}

static bool check_any(struct check *c, const json_t *branches, const json_t *v, const struct path *path, bool only_one)
{
	json_t *tried = json_array();
	size_t n = count_fitting(c, branches, v, path, tried);

	if (!n && json_array_size(c->errors) < ERRORS_MAX) {
		explain(c, branches, tried, v, path);
	}
	json_decref(tried);
	return n == 1 || (n && !only_one) || (n && wrong(c, path, "can be understood in more than one way"));
}

static bool check_not(struct check *c, const json_t *schema, const json_t *v, const struct path *path)
{
	json_t *saved = c->errors;
	bool fits;

	c->errors = json_array();
	fits = check_value(c, schema, v, path);
	json_decref(c->errors);
	c->errors = saved;
	return !fits || wrong(c, path, "is not allowed");
}

static bool check_combined(struct check *c, const json_t *schema, const json_t *v, const struct path *path)
{
	const json_t *any = json_object_get(schema, "anyOf"), *one = json_object_get(schema, "oneOf");
	const json_t *not = json_object_get(schema, "not"), *e;
	size_t i;
	bool ok = true;

	json_array_foreach(json_object_get(schema, "allOf"), i, e) {
		ok = check_value(c, e, v, path) && ok;
	}
	ok = (!any || check_any(c, any, v, path, false)) && ok;
	ok = (!one || check_any(c, one, v, path, true)) && ok;
	return (!not || check_not(c, not, v, path)) && ok;
}

static bool check_value(struct check *c, const json_t *schema, const json_t *v, const struct path *path)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	bool ok;

	if (json_is_boolean(schema)) {
		return json_is_true(schema) || wrong(c, path, "is not allowed");
	}
	if (path->depth >= DEPTH_MAX || c->depth >= NESTED_MAX) {
		return wrong(c, path, "is nested too deeply");
	}
	c->depth++;
	ok = (!ref || check_value(c, qb_schema_follow(c->root, ref), v, path)) &&
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
	const struct path here = {0};

	return check_value(&c, schema, value, &here);
}
