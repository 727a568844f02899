/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/metric.h"
#include "cli/table.h"

enum { SHOWN = 12 };

static void finish(struct cli_table **t, const char *title, FILE *out)
{
	fprintf(out, "\n%s\n", title);
	cli_table_print(*t, out);
	cli_table_destroy(t);
}

/* Diagnosis */

struct ranked {
	const json_t *row;
	double by;
};

static int larger_first(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->by, y = ((const struct ranked *)b)->by;

	return (x < y) - (x > y);
}

static double noise_share(const json_t *row)
{
	return cli_number(row, "noise_share");
}

static double lost_db(const json_t *row)
{
	return -cli_number(row, "sqnr_db");
}

/* The rows with the largest values of f; NULL without memory. */
static struct ranked *rank(const json_t *rows, double (*f)(const json_t *row))
{
	struct ranked *r = calloc(json_array_size(rows) + 1, sizeof(*r));
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if (r) {
			r[i] = (struct ranked){row, isnan(f(row)) ? -INFINITY : f(row)};
		}
	}
	if (r) {
		qsort(r, json_array_size(rows), sizeof(*r), larger_first);
	}
	return r;
}

static void outcome_cells(struct cli_table *t, const json_t *outcome, const char *metric)
{
	char text[CLI_CHANGE_MAX];

	cli_table_cell(t, "%s", cli_sqnr(outcome, "output_sqnr", text));
	cli_table_cell(t, "%s", cli_metric_change(metric, cli_number(outcome, "delta"), cli_number(outcome, "delta_low"),
		cli_number(outcome, "delta_high"), text));
}

static void print_layers(const json_t *rows, const char *metric, FILE *out)
{
	struct cli_table *t = cli_table_create(
		"layer|type|>noise|>alone, dB|>change|>all but it, dB|>change");
	struct ranked *r = rank(rows, noise_share);

	for (size_t i = 0; t && r && i < json_array_size(rows) && i < SHOWN; i++) {
		const json_t *only = json_object_get(r[i].row, "only");
		const json_t *but = json_object_get(r[i].row, "all_but");

		cli_table_cell(t, "%s", cli_text(r[i].row, "layer"));
		cli_table_cell(t, "%s", cli_text(r[i].row, "type"));
		cli_table_number(t, "%.1f %%", 100 * r[i].by);
		outcome_cells(t, only, metric);
		outcome_cells(t, but, metric);
	}
	free(r);
	if (t) {
		finish(&t, "layers that add most noise to the output; of changes and behind ± the 95 % interval", out);
	}
}

static void print_tensors(const json_t *rows, FILE *out)
{
	struct cli_table *t = cli_table_create(
		"tensor|kind|format|>SQNR dB|>in the network|>clipping|>rounding|>largest|>kurtosis");
	struct ranked *r = rank(rows, lost_db);
	char text[CLI_CHANGE_MAX];

	for (size_t i = 0; t && r && i < json_array_size(rows) && i < SHOWN; i++) {
		const json_t *row = r[i].row;

		cli_table_cell(t, "%s", cli_text(row, "name"));
		cli_table_cell(t, "%s", cli_text(row, "kind"));
		cli_table_cell(t, "%s", cli_text(row, "format"));
		if (json_is_true(json_object_get(row, "exact"))) {
			cli_table_cell(t, "exact");
		} else {
			cli_table_number(t, "%.1f", cli_number(row, "sqnr_db"));
		}
		cli_table_cell(t, "%s", cli_sqnr(row, "network_sqnr", text));
		cli_table_number(t, "%.0f %%", 100 * cli_number(row, "clipping"));
		cli_table_number(t, "%.0f %%", 100 * cli_number(row, "rounding"));
		cli_table_number(t, "%.3f", cli_number(row, "inf_norm"));
		cli_table_number(t, "%.1f", cli_number(row, "kurtosis"));
	}
	free(r);
	if (t) {
		finish(&t, "tensors with the least SQNR of their own; behind ± the 95 % interval", out);
	}
}

static void print_largest(const json_t *rows, FILE *out)
{
	struct cli_table *t = cli_table_create("layer|>channel|>largest|>against the median channel");
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if (t && i < SHOWN) {
			cli_table_cell(t, "%s", cli_text(row, "layer"));
			cli_table_cell(t, "%.0f", cli_number(row, "channel"));
			cli_table_number(t, "%.2f", cli_number(row, "inf_norm"));
			cli_table_number(t, "%.1fx", cli_number(row, "ratio"));
		}
	}
	if (t) {
		finish(&t, "largest activations", out);
	}
}

static void print_mixed(const json_t *mixed, const char *metric, FILE *out)
{
	const json_t *chosen = json_object_get(mixed, "chosen"), *v;
	const json_t *layers = json_object_get(json_object_get(chosen, "scheme"), "layers");
	char change[CLI_CHANGE_MAX], sqnr[CLI_CHANGE_MAX];
	const char *name;

	fprintf(out, "\nmixed precision: %s %.6g of at most %.6g (float %.6g); %s %.4f, change %s, %s dB\n",
		cli_text(mixed, "budget_kind"), cli_number(chosen, "cost"), cli_number(mixed, "budget"),
		cli_number(mixed, "float_cost"), metric, cli_number(chosen, "metric"), cli_metric_change(metric,
			cli_number(chosen, "delta"), cli_number(chosen, "delta_low"), cli_number(chosen, "delta_high"), change),
		cli_sqnr(chosen, "output_sqnr", sqnr));
	json_object_foreach((json_t *)layers, name, v) {
		char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_COMPACT);

		fprintf(out, "  %s: %s\n", name, text ? text : json_string_value(v));
		free(text);
	}
	fputs("its job is in the result: \"mixed\".\"job\"\n", out);
}

void cli_explain_calibration(const json_t *result, FILE *out)
{
	const json_t *spread = json_object_get(result, "calibration_spread");
	double n = cli_number(result, "calibration_samples");

	if (spread) {
		fprintf(out, json_is_true(spread) ? ", %.0f spread over the data calibrate" :
			", the data's first %.0f calibrate", n);
	}
}

void cli_explain_text(const json_t *result, FILE *out)
{
	const json_t *text = json_object_get(result, "text");

	if (!text) {
		return;
	}
	fprintf(out, "text: %s, %.0f windows of %.0f tokens, vocabulary %.0f", cli_text(text, "task"), cli_number(text, "windows"),
		cli_number(text, "length"), cli_number(text, "vocabulary"));
	if (json_object_get(text, "least_loss")) {
		fprintf(out, "; %.1f %% of the tokens are copies, and the least token_loss there is, is %.4f", 100 * cli_number(text, "copied"),
			cli_number(text, "least_loss"));
	}
	fputc('\n', out);
}

void cli_explain_diagnosis(const json_t *result, FILE *out)
{
	const json_t *all = json_object_get(result, "all");
	const char *metric = cli_text(result, "metric_name");
	char change[CLI_CHANGE_MAX], sqnr[CLI_CHANGE_MAX];

	fprintf(out, "%s on %s under %s, %.0f samples", cli_text(result, "model"), cli_text(result, "data"),
		cli_text(result, "scheme"), cli_number(result, "samples"));
	cli_explain_calibration(result, out);
	fprintf(out, ": %s %.4f, in float %.4f, change %s; %s dB at the output\n", metric, cli_number(all, "metric"),
		cli_number(json_object_get(result, "float"), "metric"), cli_metric_change(metric, cli_number(all, "delta"),
			cli_number(all, "delta_low"), cli_number(all, "delta_high"), change), cli_sqnr(all, "output_sqnr", sqnr));
	cli_explain_text(result, out);
	if (json_array_size(json_object_get(result, "layers"))) {
		print_layers(json_object_get(result, "layers"), metric, out);
	}
	print_tensors(json_object_get(result, "tensors"), out);
	print_largest(json_object_get(result, "largest"), out);
	if (json_is_object(json_object_get(result, "mixed"))) {
		print_mixed(json_object_get(result, "mixed"), metric, out);
	}
}

/* Profiles */

static double time_of(const json_t *row)
{
	return cli_number(row, "ns");
}

static void print_profile(const json_t *row, const char *name, FILE *out)
{
	const json_t *p = json_object_get(json_object_get(row, "latency"), "profile");
	const json_t *types = json_object_get(p, "types"), *stayed = json_object_get(p, "stayed_float");
	struct cli_table *t = p ? cli_table_create("operator|as|>steps|>time|>share") : NULL;
	struct ranked *r = t ? rank(types, time_of) : NULL;
	const json_t *one;
	char title[256], text[32];
	size_t i;

	for (i = 0; r && i < json_array_size(types) && i < SHOWN; i++) {
		cli_table_cell(t, "%s", cli_text(r[i].row, "type"));
		cli_table_cell(t, "%s", cli_text(r[i].row, "kind"));
		cli_table_cell(t, "%.0f", cli_number(r[i].row, "steps"));
		cli_table_cell(t, "%s", cli_duration(r[i].by, text));
		cli_table_number(t, "%.1f %%", 100 * cli_number(r[i].row, "share"));
	}
	free(r);
	if (!t) {
		return;
	}
	snprintf(title, sizeof(title), "where the time of %.60s goes; conversions take %s", name,
		cli_duration(cli_number(p, "conversions_ns"), text));
	finish(&t, title, out);
	json_array_foreach(stayed, i, one) {
		if (i < SHOWN) {
			fprintf(out, "  %s stays float: %s (%s)\n", cli_text(one, "node"), cli_text(one, "why"),
				cli_duration(cli_number(one, "ns"), text));
		}
	}
	if (json_array_size(stayed) > SHOWN) {
		fprintf(out, "  and %zu more\n", json_array_size(stayed) - SHOWN);
	}
}

void cli_explain_profiles(const json_t *result, FILE *out)
{
	const json_t *row;
	size_t i;

	print_profile(json_object_get(result, "float"), "float", out);
	json_array_foreach(json_object_get(result, "schemes"), i, row) {
		print_profile(row, cli_text(row, "scheme"), out);
	}
}
