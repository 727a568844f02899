/* SPDX-License-Identifier: Apache-2.0 */
#include "common/result_csv.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 8, LEVELS_MAX = 4, NAME_MAX_BYTES = 256 };

/* Where the rows of a kind of job are: lists or single objects, by their path. Of several parts each row begins with
 * the part's name, in the column "row". Rows of a path through a list have the id or the name of its entry in the column "of". */
static const struct kind {
	const char *type;
	const char *columns; /* these first, in this order; the others as rows bring them */
	struct {
		const char *name, *path;
	} part[PARTS_MAX];
} kinds[] = {
	{"ptq", "scheme metric delta delta_low delta_high best output_sqnr_db output_sqnr_low_db output_sqnr_high_db size_bytes latency.execution latency.threads "
		"latency.p50_ns latency.p90_ns latency.p99_ns latency.mean_ns latency.min_ns latency.stddev_ns latency.count",
		{{"", "float"}, {"", "schemes"}}},
	{"diagnose", "", {{"float", "float"}, {"all", "all"}, {"layer", "layers"}, {"tensor", "tensors"}, {"largest", "largest"},
		{"mixed", "mixed.front"}}},
	{"train", "", {{"start", "start"}, {"final", "final"}, {"epoch", "history"}, {"step", "steps"}}},
	{"qat", "", {{"float", "float"}, {"start", "start"}, {"final", "final"}, {"epoch", "history"}, {"step", "steps"},
		{"layer", "layers"}}},
	{"outliers", "of id name", {{"summary", "summary"}, {"summary_scheme", "summary.schemes"}, {"run", "runs"}, {"scheme", "runs.schemes"},
		{"tensor", "runs.tensors"}, {"residual", "runs.residual"}, {"head", "runs.attention"}, {"epoch", "runs.training.history"}}},
	{"toy", "", {{"run", "runs"}}},
	{"tensor", "", {{"", "rows"}}},
	{"sqnr", "", {{"", "rows"}}},
	{"hwcost", "", {{"", "rows"}}},
};

/* Of a list of objects: what stands for one in a cell. Other such lists are tables of their own. */
static const struct {
	const char *list, *field;
} named[] = {{"methods", "name"}, {"worst_channels", "channel"}, {"channels", "channel"}, {"tokens", "position"}};

struct table {
	json_t *rows;    /* flat: names of columns to values */
	json_t *columns; /* an object, for its order */
};

static const struct kind *kind_of(const json_t *result)
{
	static const struct kind other = {"", "", {{"", "rows"}}};
	const char *type = json_string_value(json_object_get(result, "type"));

	for (size_t i = 0; type && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].type, type)) {
			return &kinds[i];
		}
	}
	return &other;
}

static void write_scalar(FILE *f, const json_t *v)
{
	char text[40];

	if (json_is_string(v)) {
		fputs(json_string_value(v), f);
	} else if (json_is_integer(v)) {
		fprintf(f, "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		for (int digits = 15; digits <= 17; digits++) { /* %g cuts zeros, but writes 90 as 9e+01 in one digit */
			snprintf(text, sizeof(text), "%.*g", digits, json_real_value(v));
			if (strtod(text, NULL) == json_real_value(v)) {
				break;
			}
		}
		fputs(text, f);
	} else if (json_is_boolean(v)) {
		fputs(json_is_true(v) ? "true" : "false", f);
	}
}

static void write_cell(FILE *f, const char *s)
{
	bool quoted = s[strcspn(s, ",\"\r\n")] != '\0';

	quoted ? fputc('"', f) : 0;
	for (; *s; s++) {
		*s == '"' ? fputs("\"\"", f) : fputc(*s, f);
	}
	quoted ? fputc('"', f) : 0;
}

void qb_csv_value(FILE *f, const json_t *v)
{
	json_is_string(v) ? write_cell(f, json_string_value(v)) : write_scalar(f, v);
}

/* A list as one text; NULL where it is a table of its own. */
static json_t *joined(const char *key, const json_t *list)
{
	const json_t *v;
	const char *field = NULL;
	char *text = NULL;
	size_t len = 0, i;
	json_t *made;
	FILE *f;

	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		field = strcmp(named[i].list, key) ? field : named[i].field;
	}
	json_array_foreach(list, i, v) {
		v = json_is_object(v) && field ? json_object_get(v, field) : v;
		if (json_is_object(v) || json_is_array(v)) {
			return NULL;
		}
	}
	f = open_memstream(&text, &len);
	if (!f) {
		return NULL;
	}
	json_array_foreach(list, i, v) {
		i ? fputc(' ', f) : 0;
		write_scalar(f, json_is_object(v) ? json_object_get(v, field) : v);
	}
	fclose(f);
	made = text ? json_string(text) : NULL;
	free(text);
	return made;
}

static void flatten(json_t *row, json_t *columns, const char *prefix, const json_t *v, int level)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)v, key, value) {
		char name[NAME_MAX_BYTES];
		json_t *list = json_is_array(value) ? joined(key, value) : NULL;

		snprintf(name, sizeof(name), "%.120s%s%.100s", prefix, *prefix ? "." : "", key);
		if (json_is_object(value)) {
			if (level < LEVELS_MAX) {
				flatten(row, columns, name, value, level + 1);
			}
		} else if (list || !json_is_array(value)) {
			json_object_set(row, name, list ? list : value);
			json_object_set_new(columns, name, json_true());
		}
		json_decref(list);
	}
}

static void add_row(struct table *t, const struct kind *kind, const char *part, const json_t *of, const json_t *v)
{
	json_t *row = json_object();

	if (*part) {
		json_object_set_new(row, "row", json_string(part));
	}
	if (of) {
		json_object_set(row, "of", (json_t *)of);
	}
	if (!strcmp(kind->type, "ptq") && !json_object_get(v, "scheme")) {
		json_object_set_new(row, "scheme", json_string("float"));
	}
	flatten(row, t->columns, "", v, 0);
	json_array_append_new(t->rows, row);
}

/* What is at the path in v; of: the entry of a list that v is or is in. */
static void add_rows(struct table *t, const struct kind *kind, const char *part, const json_t *of, const json_t *v, const char *path)
{
	const char *dot = strchr(path, '.');
	const json_t *inner, *one;
	char key[64];
	size_t i;

	snprintf(key, sizeof(key), "%.*s", dot ? (int)(dot - path) : (int)strlen(path), path);
	inner = json_object_get(v, key);
	if (dot && json_is_object(inner)) {
		add_rows(t, kind, part, of, inner, dot + 1);
	} else if (json_is_object(inner)) {
		add_row(t, kind, part, of, inner);
	}
	json_array_foreach(inner, i, one) {
		const json_t *id = json_object_get(one, "id");

		if (dot) {
			add_rows(t, kind, part, id ? id : json_object_get(one, "name"), one, dot + 1);
		} else {
			add_row(t, kind, part, of, one);
		}
	}
}

static void begin(struct table *t, const struct kind *kind)
{
	const char *p = kind->columns;

	t->rows = json_array();
	t->columns = json_object();
	if (*kind->part[0].name) {
		json_object_set_new(t->columns, "row", json_true());
	}
	while (*p) {
		size_t n = strcspn(p, " ");
		char name[NAME_MAX_BYTES];

		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		json_object_set_new(t->columns, name, json_true());
		p += n + strspn(p + n, " ");
	}
}

static void write_table(FILE *f, const struct table *t)
{
	const char *name, *separator = "";
	json_t *ignored, *row;
	size_t i;

	json_object_foreach(t->columns, name, ignored) {
		fputs(separator, f);
		write_cell(f, name);
		separator = ",";
	}
	fputs("\r\n", f);
	json_array_foreach(t->rows, i, row) {
		separator = "";
		json_object_foreach(t->columns, name, ignored) {
			const json_t *v = json_object_get(row, name);

			fputs(separator, f);
			qb_csv_value(f, v);
			separator = ",";
		}
		fputs("\r\n", f);
	}
}

char *qb_result_csv(const json_t *result, size_t *len)
{
	const struct kind *kind = kind_of(result);
	struct table t;
	char *text = NULL;
	FILE *f;

	begin(&t, kind);
	for (size_t i = 0; i < PARTS_MAX && kind->part[i].path; i++) {
		add_rows(&t, kind, kind->part[i].name, NULL, result, kind->part[i].path);
	}
	f = open_memstream(&text, len);
	if (f) {
		write_table(f, &t);
		fclose(f);
	}
	json_decref(t.rows);
	json_decref(t.columns);
	return text;
}
