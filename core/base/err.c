/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum qb_err qb_fail(struct qb_errbuf *eb, enum qb_err code, const char *fmt, ...)
{
	if (eb) {
		va_list ap;

		eb->code = code;
		eb->field[0] = eb->near[0] = '\0';
		va_start(ap, fmt);
		vsnprintf(eb->text, sizeof(eb->text), fmt, ap);
		va_end(ap);
	}
	return code;
}

enum qb_err qb_fail_in(struct qb_errbuf *eb, enum qb_err code, const char *fmt, ...)
{
	if (eb) {
		char rest[sizeof(eb->text)];
		va_list ap;
		size_t n;

		memcpy(rest, eb->text, sizeof(rest));
		va_start(ap, fmt);
		vsnprintf(eb->text, sizeof(eb->text), fmt, ap);
		va_end(ap);
		n = strlen(eb->text);
		snprintf(eb->text + n, sizeof(eb->text) - n, ": %s", rest);
		eb->code = code;
	}
	return code;
}

struct pointer {
	char *out;
	size_t n, size;
};

/* One reference token: "~" and "/" are escaped. */
static void add_token(struct pointer *p, const char *token, size_t len)
{
	if (p->n + 1 < p->size) {
		p->out[p->n++] = '/';
	}
	for (size_t i = 0; i < len && p->n + 2 < p->size; i++) {
		if (token[i] == '~' || token[i] == '/') {
			p->out[p->n++] = '~';
			p->out[p->n++] = token[i] == '~' ? '0' : '1';
		} else {
			p->out[p->n++] = token[i];
		}
	}
	p->out[p->n] = '\0';
}

/* a.b[2].layers["conv.1"] as /a/b/2/layers/conv.1, and the key behind it. */
static void set_pointer(char *out, size_t size, const char *at, const char *key)
{
	struct pointer p = {out, 0, size};

	out[0] = '\0';
	while (*at) {
		bool quoted = !strncmp(at, "[\"", 2);
		const char *end;

		at += quoted ? 2 : *at == '[' || *at == '.';
		end = quoted ? strstr(at, "\"]") : NULL;
		end = end ? end : at + strcspn(at, ".[]");
		add_token(&p, at, (size_t)(end - at));
		at = end + strspn(end, "\"]");
	}
	if (*key) {
		add_token(&p, key, strlen(key));
	}
}

enum qb_err qb_fail_in_field(struct qb_errbuf *eb, enum qb_err code, const char *at, const char *key)
{
	qb_fail_in(eb, code, "%.400s%s%.100s", at, *at && *key ? "." : "", key);
	if (eb) {
		set_pointer(eb->field, sizeof(eb->field), at, key);
	}
	return code;
}

enum qb_err qb_fail_in_entry(struct qb_errbuf *eb, enum qb_err code, const char *at, size_t i)
{
	char path[400];

	snprintf(path, sizeof(path), "%.370s[%zu]", at, i);
	return qb_fail_in_field(eb, code, path, "");
}

enum qb_err qb_fail_field(struct qb_errbuf *eb, enum qb_err code, const char *at, const char *key,
	const char *fmt, ...)
{
	if (eb) {
		va_list ap;

		qb_fail(eb, code, "%s", "");
		va_start(ap, fmt);
		vsnprintf(eb->text, sizeof(eb->text), fmt, ap);
		va_end(ap);
	}
	return qb_fail_in_field(eb, code, at, key);
}

const char *qb_err_name(enum qb_err code)
{
	static const char *const names[] = {
#define X(c, name, text) [c] = name,
		QB_ERRORS(X)
#undef X
	};

	return (size_t)code < sizeof(names) / sizeof(names[0]) ? names[code] : "internal";
}
