/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/outlier_results.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"

/* Tensors of a run that are shown, those of the largest infinity norms; --csv and --json have all. */
enum { TENSORS_SHOWN = 6 };

/* "4.52", of several seeds "4.52 +- 0.03". */
static void spread_cell(struct cli_table *t, const json_t *spread)
{
	double mean = cli_number(spread, "mean"), sd = cli_number(spread, "sd");

	if (isnan(sd)) {
		cli_table_number(t, "%.5g", mean);
	} else {
		cli_table_cell(t, "%.5g +- %.2g", mean, sd);
	}
}

static void print_summary(const json_t *result, FILE *out)
{
	const json_t *row, *scheme;
	char headings[4096];
	size_t n = (size_t)snprintf(headings, sizeof(headings), "|>%.60s", cli_text(result, "metric_name")), i, k;
	struct cli_table *t;

	json_array_foreach(json_object_get(result, "schemes"), i, scheme) {
		n += n < sizeof(headings) ? (size_t)snprintf(headings + n, sizeof(headings) - n, "|>%.60s", json_string_value(scheme)) : 0;
	}
	if (n < sizeof(headings)) {
		snprintf(headings + n, sizeof(headings) - n, "|>max inf norm|>avg kurtosis|>sinks");
	}
	t = n < sizeof(headings) ? cli_table_create(headings) : NULL;
	json_array_foreach(json_object_get(result, "summary"), i, row) {
		if (!t) {
			break;
		}
		cli_table_cell(t, "%s", cli_text(row, "name"));
		spread_cell(t, json_object_get(row, "float"));
		json_array_foreach(json_object_get(row, "schemes"), k, scheme) {
			spread_cell(t, json_object_get(scheme, "metric"));
		}
		spread_cell(t, json_object_get(row, "max_inf_norm"));
		spread_cell(t, json_object_get(row, "avg_kurtosis"));
		spread_cell(t, json_object_get(row, "sink_share"));
	}
	if (t) {
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
}

static double norm_of(const json_t *tensor)
{
	double norm = cli_number(tensor, "inf_norm");

	return isnan(norm) ? INFINITY : norm;
}

/* How many of the others have a larger norm; equal ones by their order. */
static int rank_of(const json_t *tensors, size_t at)
{
	const json_t *v;
	int above = 0;
	size_t i;

	json_array_foreach(tensors, i, v) {
		double mine = norm_of(json_array_get(tensors, at)), other = norm_of(v);

		above += other > mine || (other == mine && i < at);
	}
	return above;
}

static void tensor_row(struct cli_table *t, const json_t *tensor)
{
	const json_t *channel = json_array_get(json_object_get(tensor, "channels"), 0);
	const json_t *token = json_array_get(json_object_get(tensor, "tokens"), 0);

	cli_table_cell(t, "%s", cli_text(tensor, "name"));
	cli_table_cell(t, "%s", cli_text(tensor, "kind"));
	cli_table_number(t, "%.4g", norm_of(tensor));
	cli_table_number(t, "%.4g", cli_number(tensor, "kurtosis"));
	cli_table_number(t, "%.0f", cli_number(tensor, "beyond_6sd"));
	cli_table_number(t, "%.0f", cli_number(channel, "channel"));
	cli_table_number(t, "%.0f", cli_number(token, "position"));
	cli_table_number(t, "%.1f", cli_number(tensor, "sqnr_db"));
}

static void print_run(const json_t *run, FILE *out)
{
	const json_t *tensors = json_object_get(run, "tensors");
	struct cli_table *t = cli_table_create("tensor|kind|>inf norm|>kurtosis|>beyond 6 sd|>channel|>token|>SQNR dB");
	int count = (int)json_array_size(tensors);

	fprintf(out, "\n%s: the tensors of the largest infinity norms\n", cli_text(run, "id"));
	for (int rank = 0; t && rank < TENSORS_SHOWN && rank < count; rank++) {
		for (size_t i = 0; i < (size_t)count; i++) {
			if (rank_of(tensors, i) == rank) {
				tensor_row(t, json_array_get(tensors, i));
			}
		}
	}
	if (t) {
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
}

void cli_results_outliers(const json_t *result, FILE *out)
{
	const json_t *run, *calibration = json_object_get(result, "calibration");
	size_t i;

	fprintf(out, "%s on %s, %.0f samples; %.0f to calibrate, %zu times\n\n", cli_text(result, "model"), cli_text(result, "data"),
		cli_number(result, "samples"), cli_number(calibration, "samples"), json_array_size(json_object_get(calibration, "seeds")));
	print_summary(result, out);
	json_array_foreach(json_object_get(result, "runs"), i, run) {
		print_run(run, out);
	}
	fputs("inf norm, kurtosis: means over sequences; channel: of the largest magnitude; token: where most elements lie beyond 6 sd;\n"
	      "sinks: share of the heads of which one token gets more than 0.3 of the attention\n", out);
}
