/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 64 };

struct cli_table {
	int columns;
	bool right[COLUMNS_MAX];
	char **cell; /* headings first; NULL where memory ended, printed as nothing */
	size_t cells, capacity;
};

static void add(struct cli_table *t, char *text)
{
	if (t->cells == t->capacity) {
		size_t grown = t->capacity ? 2 * t->capacity : 256;
		char **p = realloc(t->cell, grown * sizeof(*p));

		if (!p) {
			free(text);
			return;
		}
		t->cell = p;
		t->capacity = grown;
	}
	t->cell[t->cells++] = text;
}

struct cli_table *cli_table_create(const char *headings)
{
	struct cli_table *t = calloc(1, sizeof(*t));

	while (t && t->columns < COLUMNS_MAX) {
		size_t n = strcspn(headings, "|");
		bool right = *headings == '>';

		t->right[t->columns++] = right;
		add(t, strndup(headings + right, n - right));
		if (!headings[n]) {
			break;
		}
		headings += n + 1;
	}
	return t;
}

void cli_table_destroy(struct cli_table **table)
{
	struct cli_table *t = *table;

	if (t) {
		for (size_t i = 0; i < t->cells; i++) {
			free(t->cell[i]);
		}
		free(t->cell);
		free(t);
		*table = NULL;
	}
}

void cli_table_cell(struct cli_table *t, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
	}
	va_end(ap);
	add(t, text);
}

/* Characters, not bytes: names may be UTF-8. */
static int width(const char *s)
{
	int n = 0;

	for (; s && *s; s++) {
		n += ((unsigned char)*s & 0xc0) != 0x80;
	}
	return n;
}

void cli_table_number(struct cli_table *t, const char *fmt, double v)
{
	if (isnan(v)) {
		cli_table_cell(t, "-");
	} else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		cli_table_cell(t, fmt, v);
#pragma GCC diagnostic pop
	}
}

/* A name from an upload must not steer the terminal. */
static void put(const char *s, FILE *out)
{
	for (; s && *s; s++) {
		fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, out);
	}
}

void cli_table_print(const struct cli_table *t, FILE *out)
{
	int wide[COLUMNS_MAX] = {0};

	for (size_t i = 0; i < t->cells; i++) {
		int n = width(t->cell[i]), c = (int)(i % (size_t)t->columns);

		wide[c] = n > wide[c] ? n : wide[c];
	}
	for (size_t i = 0; i < t->cells; i++) {
		int c = (int)(i % (size_t)t->columns), pad = wide[c] - width(t->cell[i]);
		bool last = c == t->columns - 1;

		if (t->right[c]) {
			fprintf(out, "%*s", pad, "");
		}
		put(t->cell[i], out);
		if (!last) {
			fprintf(out, "%*s", t->right[c] ? 2 : pad + 2, "");
		} else {
			fputc('\n', out);
		}
	}
}

void cli_markdown_text(const char *text, FILE *out)
{
	for (; text && *text; text++) {
		if (strchr("\\`*_[]<>|&#~", *text)) {
			fputc('\\', out);
		}
		put((const char[]){*text, '\0'}, out);
	}
}

void cli_table_markdown(const struct cli_table *t, FILE *out)
{
	for (size_t i = 0; i < t->cells; i++) {
		int c = (int)(i % (size_t)t->columns);

		fputs(c ? " | " : "| ", out);
		cli_markdown_text(t->cell[i], out);
		if (c == t->columns - 1) {
			fputs(" |\n", out);
		}
		if (i == (size_t)t->columns - 1) {
			for (c = 0; c < t->columns; c++) {
				fputs(t->right[c] ? "|---:" : "|---", out);
			}
			fputs("|\n", out);
		}
	}
}

static const char *scaled(double v, const char *const *units, const double *factor, char *out)
{
	while (factor[1] != 0 && v >= 0.9995 * factor[1]) {
		factor++;
		units++;
	}
	v /= *factor;
	snprintf(out, 32, "%.*f %s", v >= 99.95 || *factor == 1 ? 0 : v >= 9.995 ? 1 : 2, v, *units);
	return out;
}

const char *cli_bytes(double bytes, char *out)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	static const double factor[] = {1, 1e3, 1e6, 1e9, 1e12, 0};

	return scaled(bytes, units, factor, out);
}

const char *cli_duration(double ns, char *out)
{
	static const char *const units[] = {"ns", "µs", "ms", "s"};
	static const double factor[] = {1, 1e3, 1e6, 1e9, 0};

	return scaled(ns, units, factor, out);
}
