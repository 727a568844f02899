/* SPDX-License-Identifier: Apache-2.0 */
#include "common/json_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 15, DIGITS_MAX = 17, NUMBER_MAX = 64 };

/* Writes the shortest text of the number at from [n] to `to`, as long as that or shorter; returns its length. The locale is
 * C's: no program of ours sets another. */
static size_t shorten(char *to, const char *from, size_t n)
{
	char text[NUMBER_MAX], again[NUMBER_MAX];
	bool real = false;
	int len = 0;
	double x;

	for (size_t i = 0; i < n; i++) {
		real = real || from[i] == '.' || from[i] == 'e' || from[i] == 'E';
	}
	if (!real || n >= sizeof(text)) {
		memmove(to, from, n);
		return n;
	}
	memcpy(text, from, n);
	text[n] = '\0';
	x = strtod(text, NULL);
	for (int digits = DIGITS; digits <= DIGITS_MAX; digits++) {
		len = snprintf(again, sizeof(again), "%.*g", digits, x);
		if (strtod(again, NULL) == x) {
			break;
		}
	}
	if (!strpbrk(again, ".e")) {
		len += snprintf(again + len, sizeof(again) - (size_t)len, ".0");
	}
	if ((size_t)len >= n) {
		memmove(to, from, n);
		return n;
	}
	memcpy(to, again, (size_t)len);
	return (size_t)len;
}

char *qb_json_text(const json_t *v, size_t flags)
{
	char *text = json_dumps(v, flags | JSON_REAL_PRECISION(DIGITS_MAX)), *to = text;
	const char *from = text;
	bool quoted = false;

	while (from && *from) {
		size_t n = quoted ? 0 : strspn(from, "+-.0123456789eE");

		/* Words (true, false, null) begin with a letter and may hold an e. */
		if (n && *from != 'e' && *from != 'E') {
			to += shorten(to, from, n);
			from += n;
			continue;
		}
		if (quoted && *from == '\\') {
			*to++ = *from++;
		} else if (*from == '"') {
			quoted = !quoted;
		}
		*to++ = *from++;
	}
	if (to) {
		*to = '\0';
	}
	return text;
}
