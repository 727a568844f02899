/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum qb_err qb_fail(struct qb_errbuf *eb, enum qb_err code, const char *fmt, ...)
{
	if (eb) {
		va_list ap;

		eb->code = code;
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

const char *qb_err_name(enum qb_err code)
{
	static const char *const names[] = {
#define X(c, name, text) [c] = name,
		QB_ERRORS(X)
#undef X
	};

	return (size_t)code < sizeof(names) / sizeof(names[0]) ? names[code] : "internal";
}
