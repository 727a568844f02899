/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/results.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/format_results.h"
#include "cli/metric.h"
#include "cli/outlier_results.h"
#include "cli/table.h"
#include "cli/training_results.h"
#include "common/result_csv.h"

static void latency_cells(struct cli_table *t, const json_t *row, double reference)
{
	const json_t *l = json_object_get(row, "latency");
	double p50 = cli_number(l, "p50_ns");
	char text[32];

	if (isnan(p50)) {
		cli_table_cell(t, "-");
		cli_table_cell(t, "-");
		cli_table_cell(t, "%s", "");
		return;
	}
	cli_table_cell(t, "%s", cli_duration(p50, text));
	if (reference > 0 && p50 > 0 && !strcmp(cli_text(l, "execution"), "native")) {
		cli_table_cell(t, "%.2fx", reference / p50);
	} else {
		cli_table_cell(t, "-");
	}
	cli_table_cell(t, "%s%s", cli_text(l, "execution"),
		json_is_true(json_object_get(l, "short")) ? ", short run" : "");
}

static void ptq_row(struct cli_table *t, const json_t *row, const char *name, const char *metric,
	double reference)
{
	char text[CLI_CHANGE_MAX];

	cli_table_cell(t, "%s", name);
	cli_table_number(t, cli_metric_digits(metric), cli_number(row, "metric"));
	cli_table_cell(t, "%s", json_is_true(json_object_get(row, "best")) ? "*" : "");
	cli_table_cell(t, "%s", cli_metric_change(metric, cli_number(row, "delta"), cli_number(row, "delta_low"),
		cli_number(row, "delta_high"), text));
	cli_table_cell(t, "%s", cli_sqnr(row, "output_sqnr", text));
	cli_table_cell(t, "%s", isnan(cli_number(row, "size_bytes"))
		? "-" : cli_bytes(cli_number(row, "size_bytes"), text));
	latency_cells(t, row, reference);
}

static void print_ptq(const json_t *result, FILE *out)
{
	const char *metric = cli_text(result, "metric_name");
	const json_t *schemes = json_object_get(result, "schemes"), *base, *row;
	double reference;
	char headings[256];
	struct cli_table *t;
	size_t i;

	metric = *metric ? metric : "metric";
	base = json_object_get(result, "float");
	reference = cli_number(json_object_get(base, "latency"), "p50_ns");
	snprintf(headings, sizeof(headings),
		"scheme|>%.60s%s||>change|>SQNR dB|>size|>latency p50|>speed-up|", metric,
		cli_metric_in_per_cent(metric) ? " %" : "");
	t = cli_table_create(headings);
	if (!t) {
		return;
	}
	ptq_row(t, base, "float", metric, NAN);
	json_array_foreach(schemes, i, row) {
		ptq_row(t, row, cli_text(row, "scheme"), metric, reference);
	}
	if (*cli_text(result, "model")) {
		fprintf(out, "%s on %s", cli_text(result, "model"), cli_text(result, "data"));
		if (json_object_get(result, "samples")) {
			fprintf(out, ", %.0f samples", cli_number(result, "samples"));
		}
		cli_explain_calibration(result, out);
		fputc('\n', out);
		cli_explain_text(result, out);
		fputc('\n', out);
	}
	cli_table_print(t, out);
	fputs("* best of the schemes, or no worse by what the samples can tell; change is against float, in brackets its "
	      "95 % interval, as behind ±;\nemulated: computed in float, so its time is no prediction\n", out);
	cli_table_destroy(&t);
}

static bool is_plain(const json_t *v)
{
	return !json_is_object(v) && !json_is_array(v);
}

static void cell_value(struct cli_table *t, const json_t *v)
{
	if (json_is_string(v)) {
		cli_table_cell(t, "%s", json_string_value(v));
	} else if (json_is_integer(v)) {
		cli_table_cell(t, "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		cli_table_cell(t, "%.6g", json_real_value(v));
	} else if (json_is_boolean(v)) {
		cli_table_cell(t, "%s", json_is_true(v) ? "yes" : "no");
	} else {
		cli_table_cell(t, "-");
	}
}

/* Rows of any kind: a column for each plain member of the first. */
void cli_results_rows(const json_t *rows, FILE *out)
{
	const json_t *first = json_array_get(rows, 0), *row, *v;
	char headings[1024] = "";
	size_t used = 0, i;
	const char *key;
	struct cli_table *t;

	json_object_foreach((json_t *)first, key, v) {
		if (is_plain(v) && used < sizeof(headings)) {
			used += (size_t)snprintf(headings + used, sizeof(headings) - used, "%s%s%s",
				used ? "|" : "", json_is_number(v) ? ">" : "", key);
		}
	}
	t = used && used < sizeof(headings) ? cli_table_create(headings) : NULL;
	if (!t) {
		return;
	}
	json_array_foreach(rows, i, row) {
		json_object_foreach((json_t *)first, key, v) {
			if (is_plain(v)) {
				cell_value(t, json_object_get(row, key));
			}
		}
	}
	cli_table_print(t, out);
	cli_table_destroy(&t);
}

static void print_any(const json_t *result, FILE *out)
{
	struct cli_table *t = cli_table_create("result|");
	const char *key, *inner;
	const json_t *v, *w;

	if (!t) {
		return;
	}
	json_object_foreach((json_t *)result, key, v) {
		if (is_plain(v)) {
			cli_table_cell(t, "%s", key);
			cell_value(t, v);
		} else if (json_is_object(v)) {
			json_object_foreach((json_t *)v, inner, w) {
				if (is_plain(w)) {
					cli_table_cell(t, "%s.%s", key, inner);
					cell_value(t, w);
				}
			}
		}
	}
	cli_table_print(t, out);
	cli_table_destroy(&t);
	json_object_foreach((json_t *)result, key, v) {
		if (json_is_array(v) && json_is_object(json_array_get(v, 0))) {
			fprintf(out, "\n%s\n", key);
			cli_results_rows(v, out);
		}
	}
}

void cli_results_print(const json_t *result, FILE *out)
{
	static const struct {
		const char *type;
		void (*print)(const json_t *result, FILE *out);
	} own[] = {{"sqnr", cli_results_sqnr}, {"tensor", cli_results_tensor}, {"hwcost", cli_results_hwcost},
		{"train", cli_results_train}, {"qat", cli_results_qat}, {"toy", cli_results_toy},
		{"outliers", cli_results_outliers}};
	const json_t *rows = json_object_get(result, "rows");
	bool some = json_is_object(json_array_get(rows, 0)) || json_is_array(json_object_get(result, "history")) ||
		json_is_array(json_object_get(result, "runs"));

	for (size_t i = 0; some && i < sizeof(own) / sizeof(own[0]); i++) {
		if (!strcmp(cli_text(result, "type"), own[i].type)) {
			own[i].print(result, out);
			return;
		}
	}
	if (json_is_array(json_object_get(result, "schemes")) && json_object_get(result, "float")) {
		print_ptq(result, out);
		cli_explain_profiles(result, out);
	} else if (!strcmp(cli_text(result, "type"), "diagnose")) {
		cli_explain_diagnosis(result, out);
	} else if (some) {
		cli_results_rows(rows, out);
	} else {
		print_any(result, out);
	}
}

void cli_print_result(const struct cli *cli, const json_t *result)
{
	if (cli->opt['c']) {
		char *csv = qb_result_csv(result, &(size_t){0});

		fputs(csv ? csv : "", stdout);
		free(csv);
	} else if (cli->opt['j']) {
		cli_print_json(result);
	} else {
		cli_results_print(result, stdout);
	}
}

static void compare_cell(struct cli_table *t, const json_t *row, const char *scheme)
{
	const char *metric = cli_text(row, "metric_name");
	char value[64], change[CLI_CHANGE_MAX];
	const json_t *cell;
	size_t i;

	json_array_foreach(json_object_get(row, "cells"), i, cell) {
		double v = cli_number(cell, "metric");

		if (strcmp(cli_text(cell, "scheme"), scheme) != 0 || isnan(v)) {
			continue;
		}
		snprintf(value, sizeof(value), cli_metric_in_per_cent(metric) ? "%.2f" : "%.5g", v);
		cli_table_cell(t, "%s, %s%s", value, cli_metric_change(metric, cli_number(cell, "delta"), cli_number(cell, "delta_low"),
			cli_number(cell, "delta_high"), change), json_is_true(json_object_get(cell, "best")) ? "*" : " ");
		return;
	}
	cli_table_cell(t, "-");
}

/* Which machine a row is of. */
static void machine_of(const json_t *row, char *out, size_t size)
{
	const char *cpu = cli_text(row, "cpu"), *isa = cli_text(row, "isa"), *target = cli_text(row, "target");

	snprintf(out, size, "%s%s%s%s%s", target, *target && *cpu ? ": " : "", cpu, *isa ? ", " : "", isa);
}

static bool same_machine(const json_t *rows)
{
	char first[400] = "", one[400];
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		machine_of(row, i ? one : first, sizeof(first));
		if (i && strcmp(first, one) != 0) {
			return false;
		}
	}
	return true;
}

/* Rows of unlike machines are told apart. */
static void tell_machines(const json_t *rows, FILE *out)
{
	char text[400];
	const json_t *row;
	size_t i;

	if (same_machine(rows)) {
		return;
	}
	fputs("the jobs ran on unlike machines, whose times do not compare:\n", out);
	json_array_foreach(rows, i, row) {
		machine_of(row, text, sizeof(text));
		fprintf(out, "  %s  %s\n", cli_text(row, "job"), *text ? text : "not known");
	}
}

void cli_results_compare(const json_t *comparison, FILE *out)
{
	const json_t *schemes = json_object_get(comparison, "schemes"), *row, *scheme;
	char headings[4096] = "job|network|data|metric|>float";
	size_t used = strlen(headings), i, k;
	struct cli_table *t;

	json_array_foreach(schemes, i, scheme) {
		if (used < sizeof(headings)) {
			used += (size_t)snprintf(headings + used, sizeof(headings) - used, "|>%s ",
				json_string_value(scheme));
		}
	}
	t = used < sizeof(headings) ? cli_table_create(headings) : NULL;
	json_array_foreach(json_object_get(comparison, "rows"), k, row) {
		const char *metric = cli_text(row, "metric_name");

		if (!t) {
			break;
		}
		cli_table_cell(t, "%s", cli_text(row, "job"));
		cli_table_cell(t, "%s", cli_text(json_object_get(row, "model"), "name"));
		cli_table_cell(t, "%s", cli_text(json_object_get(row, "data"), "name"));
		cli_table_cell(t, "%s", metric);
		cli_table_number(t, cli_metric_digits(metric), cli_number(row, "float"));
		json_array_foreach(schemes, i, scheme) {
			compare_cell(t, row, json_string_value(scheme));
		}
	}
	if (t) {
		cli_table_print(t, out);
		fputs("behind each metric its change against float, in brackets the 95 % interval of that; * best of the job's schemes, or no "
			"worse by what its samples can tell\n", out);
		tell_machines(json_object_get(comparison, "rows"), out);
	}
	cli_table_destroy(&t);
}
