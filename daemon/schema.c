/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/schema.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, PART_MAX = 256 };

enum shape { ANYTHING, SCHEMA, SCHEMA_LIST, SCHEMA_MAP, REFERENCE, TYPES, LIST, NAMES, NUMBER, COUNT, BOOLEAN, PATTERN };

static const struct {
	const char *name;
	enum shape shape;
} keywords[] = {
#define X(name, shape) {name, shape},
	QB_SCHEMA_KEYWORDS(X)
#undef X
};

struct check {
	const json_t *root;
	int depth;
	char *why;
	size_t why_len;
};

static bool wrong(const struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(const struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, c->why_len, fmt, ap);
	va_end(ap);
	return false;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* One part of a JSON Pointer within a URI: %25 is a percent sign, ~1 a slash, ~0 a tilde. */
static bool decode(const char *text, size_t n, char out[PART_MAX])
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c == '%' && i + 2 < n && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
			c = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
			i += 2;
		} else if (c == '~' && i + 1 < n) {
			c = text[++i] == '1' ? '/' : '~';
		}
		if (used + 1 >= PART_MAX) {
			return false;
		}
		out[used++] = c;
	}
	out[used] = '\0';
	return true;
}

const json_t *qb_schema_follow(const json_t *root, const char *ref)
{
	const json_t *at = root;
	char part[PART_MAX];

	if (*ref != '#' || (ref[1] && ref[1] != '/')) {
		return NULL;
	}
	for (const char *p = ref + 1; *p && at;) {
		size_t n = strcspn(++p, "/");

		if (!decode(p, n, part)) {
			return NULL;
		}
		at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10)) : json_object_get(at, part);
		p += n;
	}
	return at;
}

/* What ECMAScript's patterns and POSIX's write alike: no escapes of classes that only one of them has, no backslash
 * within brackets (where POSIX takes it literally), no groups that begin with a question mark. */
static bool means_the_same(const char *pattern)
{
	bool brackets = false;

	for (const char *p = pattern; *p; p++) {
		if (*p == '\\') {
			if (brackets || !p[1] || (isalnum((unsigned char)p[1]) && !strchr("wWsSbB", p[1]))) {
				return false;
			}
			p++;
		} else if (*p == '[' && !brackets) {
			brackets = true;
			p += p[1] == '^';
		} else if (*p == '[') {
			return false; /* [:alpha:] */
		} else if (*p == ']') {
			brackets = false;
		} else if (!brackets && p[0] == '(' && p[1] == '?') {
			return false;
		}
	}
	return true;
}

bool qb_schema_pattern(const char *pattern, regex_t *out)
{
	return means_the_same(pattern) && regcomp(out, pattern, REG_EXTENDED | REG_NOSUB) == 0;
}

static bool is_type(const json_t *v)
{
	static const char *const types[] = {"null", "boolean", "object", "array", "number", "string", "integer"};

	for (size_t i = 0; json_is_string(v) && i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcmp(types[i], json_string_value(v))) {
			return true;
		}
	}
	return false;
}

static bool is_name(const json_t *v)
{
	return json_is_string(v);
}

static bool all(const json_t *list, bool (*test)(const json_t *v))
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		if (!test(v)) {
			return false;
		}
	}
	return json_is_array(list);
}

static bool is_pattern(const json_t *v)
{
	regex_t re;

	if (!json_is_string(v) || !qb_schema_pattern(json_string_value(v), &re)) {
		return false;
	}
	regfree(&re);
	return true;
}

/* For the values that are no schemas. */
static bool has_shape(const struct check *c, enum shape shape, const json_t *v)
{
	double x = json_number_value(v);

	switch (shape) {
	case REFERENCE:
		return json_is_string(v) && qb_schema_follow(c->root, json_string_value(v));
	case TYPES:
		return is_type(v) || (json_array_size(v) && all(v, is_type));
	case LIST:
		return json_is_array(v);
	case NAMES:
		return all(v, is_name);
	case NUMBER:
		return json_is_number(v);
	case COUNT:
		return json_is_number(v) && x >= 0 && x == floor(x);
	case BOOLEAN:
		return json_is_boolean(v);
	case PATTERN:
		return is_pattern(v);
	default:
		return true;
	}
}

static bool check_schema(struct check *c, const json_t *schema);

/* An array of schemas, or an object of them. */
static bool check_all(struct check *c, const json_t *schemas)
{
	const json_t *v;
	const char *key;
	size_t i;

	json_array_foreach(schemas, i, v) {
		if (!check_schema(c, v)) {
			return false;
		}
	}
	json_object_foreach((json_t *)schemas, key, v) {
		if (!check_schema(c, v)) {
			return false;
		}
	}
	return true;
}

static bool check_keyword(struct check *c, const char *name, const json_t *v)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		enum shape shape = keywords[i].shape;
		char *text;

		if (strcmp(keywords[i].name, name) != 0) {
			continue;
		}
		if (shape == SCHEMA) {
			return check_schema(c, v);
		}
		if ((shape == SCHEMA_LIST && json_array_size(v)) || (shape == SCHEMA_MAP && json_is_object(v))) {
			return check_all(c, v);
		}
		if (shape != SCHEMA_LIST && shape != SCHEMA_MAP && has_shape(c, shape, v)) {
			return true;
		}
		text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		wrong(c, "\"%s\" cannot be %.200s", name, text ? text : "this");
		free(text);
		return false;
	}
	return wrong(c, "the keyword \"%.60s\" is not understood", name);
}

static bool check_schema(struct check *c, const json_t *schema)
{
	const char *key;
	json_t *v;
	bool ok = true;

	if (json_is_boolean(schema)) {
		return true;
	}
	if (!json_is_object(schema) || c->depth >= DEPTH_MAX) {
		return wrong(c, json_is_object(schema) ? "it is nested too deeply" : "a schema is an object, true or false");
	}
	c->depth++;
	json_object_foreach((json_t *)schema, key, v) {
		ok = ok && check_keyword(c, key, v);
	}
	c->depth--;
	return ok;
}

bool qb_schema_check(const json_t *schema, char *why, size_t why_len)
{
	struct check c = {.root = schema, .why = why, .why_len = why_len};

	return check_schema(&c, schema);
}
