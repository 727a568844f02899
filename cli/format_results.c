/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/format_results.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/results.h"
#include "cli/table.h"

enum { GRID_COLUMNS = 16, GRANULARITIES = 4 };

/* The rows of one distribution and value follow each other, one a format, in the same order throughout. */
static size_t formats_of(const json_t *rows)
{
	const char *first = cli_text(json_array_get(rows, 0), "format");
	size_t n = 1;

	while (n < json_array_size(rows) && strcmp(cli_text(json_array_get(rows, n), "format"), first) != 0) {
		n++;
	}
	return n;
}

static void sqnr_headings(const json_t *result, size_t formats, char *out, size_t size)
{
	const json_t *sweep = json_object_get(result, "sweep");
	size_t n = (size_t)snprintf(out, size, "SQNR dB%s%s", json_is_object(sweep) ? "|>" : "",
		json_is_object(sweep) ? cli_text(sweep, "parameter") : "");

	for (size_t i = 0; i < formats && n < size; i++) {
		n += (size_t)snprintf(out + n, size - n, "|>%.60s ",
			cli_text(json_array_get(json_object_get(result, "rows"), i), "format"));
	}
}

static double row_db(const json_t *row)
{
	return cli_number(row, json_is_true(json_object_get(row, "exact")) ? "sqnr_db" : "measured_sqnr_db");
}

/* One line a distribution (and value), one column a format. */
static void sqnr_grid(const json_t *result, const json_t *rows, size_t formats, FILE *out)
{
	bool swept = json_is_object(json_object_get(result, "sweep"));
	char headings[1280];
	struct cli_table *t;

	sqnr_headings(result, formats, headings, sizeof(headings));
	t = cli_table_create(headings);
	for (size_t i = 0; t && i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		if (i % formats == 0) {
			cli_table_cell(t, "%s", cli_text(row, "distribution"));
			if (swept) {
				cli_table_number(t, "%g", cli_number(row, "value"));
			}
		}
		cli_table_number(t, json_is_true(json_object_get(row, "best")) ? "%.2f*" : "%.2f ", row_db(row));
	}
	if (t) {
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
}

/* How sure are those that nothing but random numbers tells? */
static void print_measured_errors(const json_t *rows, FILE *out)
{
	double most = NAN;
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		double half = cli_number(row, "measured_sqnr_high_db") - cli_number(row, "measured_sqnr_db");

		if (!json_is_true(json_object_get(row, "exact"))) {
			most = fmax(most, half);
		}
	}
	if (!isnan(most)) {
		fprintf(out, "formats whose error is measured, not computed: 95 %% intervals of at most ±%.2f dB\n", most);
	}
}

void cli_results_sqnr(const json_t *result, FILE *out)
{
	const json_t *rows = json_object_get(result, "rows"), *crossing;
	const char *parameter = cli_text(json_object_get(result, "sweep"), "parameter");
	size_t formats = formats_of(rows), i;

	if (!strcmp(parameter, "bits") || formats > GRID_COLUMNS) {
		cli_results_rows(rows, out);
		return;
	}
	sqnr_grid(result, rows, formats, out);
	fputs("* best of the line\n", out);
	print_measured_errors(rows, out);
	json_array_foreach(json_object_get(result, "crossings"), i, crossing) {
		fprintf(out, "%s: between %s %g and %g, %s gives way to %s\n", cli_text(crossing, "distribution"),
			parameter, cli_number(crossing, "from"), cli_number(crossing, "to"),
			cli_text(crossing, "before"), cli_text(crossing, "after"));
	}
}

/* The granularities that rows are of, in their order. */
static size_t granularities(const json_t *rows, const char *name[], size_t cap)
{
	size_t n = 0, i, k;
	const json_t *row;

	json_array_foreach(rows, i, row) {
		const char *one = cli_text(row, "granularity");

		for (k = 0; k < n && strcmp(name[k], one) != 0; k++) {
		}
		if (k == n && n < cap) {
			name[n++] = one;
		}
	}
	return n;
}

static void tensor_cells(struct cli_table *t, const json_t *tensor, const char *const granularity[], size_t count)
{
	const json_t *best, *v;
	char shape[128] = "";
	size_t n = 0, i;

	cli_table_cell(t, "%s", cli_text(tensor, "name"));
	json_array_foreach(json_object_get(tensor, "shape"), i, v) {
		if (n < sizeof(shape)) {
			n += (size_t)snprintf(shape + n, sizeof(shape) - n, "%s%lld", i ? "x" : "",
				(long long)json_integer_value(v));
		}
	}
	cli_table_cell(t, "%s", shape);
	cli_table_number(t, "%.4g", cli_number(tensor, "infinity_norm"));
	cli_table_number(t, "%.2f", cli_number(tensor, "kurtosis"));
	cli_table_number(t, "%.0f", cli_number(tensor, "outlier_count"));
	for (size_t g = 0; g < count; g++) {
		const json_t *found = NULL;

		json_array_foreach(json_object_get(tensor, "best"), i, best) {
			found = strcmp(cli_text(best, "granularity"), granularity[g]) ? found : best;
		}
		if (!found) {
			cli_table_cell(t, "-");
		} else if (json_is_true(json_object_get(found, "exact"))) {
			cli_table_cell(t, "%s exact", cli_text(found, "format"));
		} else {
			cli_table_cell(t, "%s %.2f", cli_text(found, "format"), cli_number(found, "sqnr_db"));
		}
	}
}

void cli_results_tensor(const json_t *result, FILE *out)
{
	const char *granularity[GRANULARITIES];
	size_t count = granularities(json_object_get(result, "total"), granularity, GRANULARITIES), i;
	char headings[512];
	int n = snprintf(headings, sizeof(headings), "tensor|shape|>inf norm|>kurtosis|>outliers");
	struct cli_table *t;
	const json_t *v;

	for (i = 0; i < count; i++) {
		n += snprintf(headings + n, sizeof(headings) - (size_t)n, "|best %.60s, dB", granularity[i]);
	}
	t = cli_table_create(headings);
	json_array_foreach(json_object_get(result, "tensors"), i, v) {
		if (t) {
			tensor_cells(t, v, granularity, count);
		}
	}
	if (t) {
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
	fputs("\nall tensors together\n", out);
	cli_results_rows(json_object_get(result, "total"), out);
	json_array_foreach(json_object_get(result, "skipped"), i, v) {
		fprintf(out, "skipped %s: %s\n", cli_text(v, "name"), cli_text(v, "why"));
	}
}

/* Parts that some unit has, in the order of the first row. */
static size_t part_names(const json_t *rows, const char *name[], size_t cap)
{
	const json_t *first = json_object_get(json_array_get(rows, 0), "parts"), *v, *row;
	const char *key;
	size_t n = 0, i;

	json_object_foreach((json_t *)first, key, v) {
		double most = 0;

		json_array_foreach(rows, i, row) {
			most = fmax(most, cli_number(json_object_get(row, "parts"), key));
		}
		if (most > 0 && n < cap) {
			name[n++] = key;
		}
	}
	return n;
}

static void hwcost_cells(struct cli_table *t, const json_t *row, const char *const *part, size_t parts)
{
	const json_t *operands = json_object_get(row, "operands");

	if (json_is_array(operands)) {
		cli_table_cell(t, "%s x %s", json_string_value(json_array_get(operands, 0)),
			json_string_value(json_array_get(operands, 1)));
	} else {
		cli_table_cell(t, "%s", cli_text(row, "operands"));
	}
	cli_table_cell(t, "%s", cli_text(row, "accumulator"));
	cli_table_number(t, "%.0f", cli_number(row, "gates"));
	cli_table_number(t, "%.0f", cli_number(row, "published"));
	cli_table_number(t, "%.0f", cli_number(row, "depth"));
	cli_table_number(t, "%.0f", cli_number(row, "register_bits"));
	for (size_t i = 0; i < parts; i++) {
		cli_table_number(t, "%.0f", cli_number(json_object_get(row, "parts"), part[i]));
	}
	cli_table_number(t, "%.0f", cli_number(row, "verified_pairs"));
	cli_table_number(t, "%.4g", cli_number(row, "macs_gates"));
}

void cli_results_hwcost(const json_t *result, FILE *out)
{
	const json_t *rows = json_object_get(result, "rows"), *row;
	const char *part[GRID_COLUMNS];
	size_t parts = part_names(rows, part, GRID_COLUMNS), i, n;
	char headings[1024];
	struct cli_table *t;

	n = (size_t)snprintf(headings, sizeof(headings), "operands|accumulator|>gates|>published|>depth|>register bits");
	for (i = 0; i < parts && n < sizeof(headings); i++) {
		n += (size_t)snprintf(headings + n, sizeof(headings) - n, "|>%.30s", part[i]);
	}
	snprintf(headings + n, sizeof(headings) - n, "|>pairs verified|>gates x MACs");
	t = cli_table_create(headings);
	json_array_foreach(rows, i, row) {
		if (t) {
			hwcost_cells(t, row, part, parts);
		}
	}
	if (t) {
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
	fprintf(out, "2-input gates (%s); published: arXiv:2303.17951\n", cli_text(result, "cells"));
}
