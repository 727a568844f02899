/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/training_results.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/table.h"

/* At most so many epochs are shown, evenly chosen; --csv and --json have all. */
enum { EPOCHS_SHOWN = 20 };

static void print_history(const json_t *result, FILE *out)
{
	const json_t *rows = json_object_get(result, "history");
	size_t count = json_array_size(rows), every = (count + EPOCHS_SHOWN - 1) / EPOCHS_SHOWN;
	char headings[128];
	struct cli_table *t;

	snprintf(headings, sizeof(headings), ">epoch|>loss|>rate|>%.60s", cli_text(result, "metric_name"));
	t = count ? cli_table_create(headings) : NULL;
	for (size_t i = 0; t && i < count; i++) {
		const json_t *row = json_array_get(rows, i);

		if ((i + 1) % every == 0 || i + 1 == count) {
			cli_table_number(t, "%.0f", cli_number(row, "epoch"));
			cli_table_number(t, "%.4g", cli_number(row, "loss"));
			cli_table_number(t, "%.3g", cli_number(row, "rate"));
			cli_table_number(t, "%.5g", cli_number(row, "metric"));
		}
	}
	if (t) {
		fputc('\n', out);
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
}

static void print_title(const json_t *result, const char *what, FILE *out)
{
	fprintf(out, "%s%s on %s, %.0f samples, %.0f epochs%s; %s of %.0f samples of %s\n", cli_text(result, "model"), what,
		cli_text(result, "train"), cli_number(result, "train_samples"), cli_number(result, "epochs"),
		strcmp(cli_text(result, "ended"), "early_stop") ? "" : " (stopped early)", cli_text(result, "metric_name"),
		cli_number(result, "samples"), cli_text(result, "data"));
	cli_explain_text(result, out);
	fputc('\n', out);
}

/* A network that was chosen on the samples that measure it looks better than it is; held-out ones chose it otherwise. */
static void print_choice(const json_t *result, FILE *out)
{
	double held_out = cli_number(result, "validation_samples");
	const json_t *row;
	int evaluations = 0;
	size_t i;

	json_array_foreach(json_object_get(result, "history"), i, row) {
		evaluations += !isnan(cli_number(row, "metric"));
	}
	if (evaluations < 2) {
		return;
	}
	fprintf(out, "\nfinal: after epoch %.0f, the best of %d evaluations on ", cli_number(json_object_get(result, "best"), "epoch"),
		evaluations);
	if (held_out > 0) {
		fprintf(out, "%.0f samples held out of the training data\n", held_out);
	} else {
		fputs("the same samples, and so optimistic\n", out);
	}
}

static void print_artifacts(const json_t *result, FILE *out)
{
	const json_t *artifacts = json_object_get(result, "artifacts"), *one;
	size_t i;

	json_array_foreach(artifacts, i, one) {
		fprintf(out, "%s%s", i ? ", " : "\nartifacts: ", cli_text(one, "name"));
	}
	if (json_array_size(artifacts)) {
		fputc('\n', out);
	}
}

/* With its 95 % interval, where there is one. */
static void change(struct cli_table *t, const json_t *row, double metric, double base)
{
	double low = cli_number(row, "delta_low"), high = cli_number(row, "delta_high");

	if (isnan(low) || isnan(high)) {
		cli_table_number(t, "%+.4g", metric - base);
	} else {
		cli_table_cell(t, "%+.4g (%+.3g to %+.3g)", metric - base, low, high);
	}
}

void cli_results_train(const json_t *result, FILE *out)
{
	const json_t *best = json_object_get(result, "best");
	const json_t *start = json_object_get(result, "start"), *final = json_object_get(result, "final");
	struct cli_table *t = cli_table_create("|>metric|>change|>epoch|latency p50");
	char text[32];

	print_title(result, " trained", out);
	if (t) {
		cli_table_cell(t, "start");
		cli_table_number(t, "%.5g", cli_number(start, "metric"));
		cli_table_cell(t, "-");
		cli_table_cell(t, "0");
		cli_table_cell(t, "-");
		cli_table_cell(t, "final");
		cli_table_number(t, "%.5g", cli_number(final, "metric"));
		change(t, final, cli_number(final, "metric"), cli_number(start, "metric"));
		cli_table_number(t, "%.0f", cli_number(best, "epoch"));
		cli_table_cell(t, "%s", isnan(cli_number(json_object_get(final, "latency"), "p50_ns")) ? "-"
			: cli_duration(cli_number(json_object_get(final, "latency"), "p50_ns"), text));
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
	print_choice(result, out);
	print_history(result, out);
	print_artifacts(result, out);
}

static bool has_norms(const json_t *result)
{
	return !isnan(cli_number(json_object_get(result, "final"), "running_metric"));
}

static void qat_row(struct cli_table *t, const char *name, const json_t *row, double base, bool norms)
{
	double metric = cli_number(row, "metric");
	char text[32];

	cli_table_cell(t, "%s", name);
	cli_table_number(t, "%.5g", metric);
	change(t, row, metric, base);
	if (norms) {
		cli_table_number(t, "%.5g", cli_number(row, "running_metric"));
		cli_table_number(t, "%.5g", cli_number(row, "reestimated_metric"));
	}
	cli_table_cell(t, "%s", isnan(cli_number(row, "size_bytes")) ? "-" : cli_bytes(cli_number(row, "size_bytes"), text));
	if (isnan(cli_number(json_object_get(row, "latency"), "p50_ns"))) {
		cli_table_cell(t, "-");
	} else {
		cli_table_cell(t, "%s %s", cli_duration(cli_number(json_object_get(row, "latency"), "p50_ns"), text),
			cli_text(json_object_get(row, "latency"), "execution"));
	}
}

void cli_results_qat(const json_t *result, FILE *out)
{
	const json_t *base = json_object_get(result, "float");
	const json_t *stage;
	bool norms = has_norms(result);
	struct cli_table *t = cli_table_create(norms ? "|>metric|>change|>batch norms as they ran|>re-estimated|>size|latency p50"
		: "|>metric|>change|>size|latency p50");
	char name[160];
	size_t i;

	snprintf(name, sizeof(name), " trained for %.120s", cli_text(result, "scheme"));
	print_title(result, name, out);
	if (t) {
		qat_row(t, "float", base, NAN, norms);
		json_array_foreach(json_object_get(result, "stages"), i, stage) {
			snprintf(name, sizeof(name), "stage %.100s", cli_text(stage, "scheme"));
			qat_row(t, name, json_object_get(stage, "final"), cli_number(base, "metric"), norms);
		}
		qat_row(t, "start (post-training)", json_object_get(result, "start"), cli_number(base, "metric"), norms);
		qat_row(t, "final", json_object_get(result, "final"), cli_number(base, "metric"), norms);
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
	print_choice(result, out);
	if (!isnan(cli_number(result, "oscillating"))) {
		fprintf(out, "\n%.3g %% of the weights oscillate, %.3g %% are frozen\n", 100 * cli_number(result, "oscillating"),
			100 * cli_number(result, "frozen"));
	}
	print_history(result, out);
	print_artifacts(result, out);
}

void cli_results_toy(const json_t *result, FILE *out)
{
	struct cli_table *t = cli_table_create("method|>share at the upper level|>period, steps|>last changes|>ends at|>frozen");
	const json_t *run;
	size_t i;

	fprintf(out, "target %g between levels %.4g and %.4g; predicted: %.3f of the steps at the upper one, a period of %.2f steps\n\n",
		cli_number(result, "target"), cli_number(result, "lower"), cli_number(result, "upper"),
		cli_number(result, "share_predicted"), cli_number(result, "period_predicted"));
	json_array_foreach(json_object_get(result, "runs"), i, run) {
		const json_t *points = json_object_get(run, "points"), *last = json_array_get(points, json_array_size(points) - 1);

		if (t) {
			cli_table_cell(t, "%s", cli_text(run, "method"));
			cli_table_number(t, "%.3f", cli_number(run, "share"));
			cli_table_number(t, "%.2f", cli_number(run, "period"));
			cli_table_number(t, "%.0f", cli_number(run, "changes"));
			cli_table_number(t, "%.4g", cli_number(last, "quantized"));
			cli_table_cell(t, "%s", json_is_true(json_object_get(last, "frozen")) ? "yes" : "no");
		}
	}
	if (t) {
		cli_table_print(t, out);
	}
	cli_table_destroy(&t);
	fputs("last changes: of the level, in the last quarter of the steps\n", out);
}
