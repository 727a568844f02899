/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/drop.h"

#include <math.h>
#include <string.h>

#include "cli/metric.h"
#include "cli/table.h"

struct change {
	double value, low, high; /* bounds are NaN without an interval */
};

/* The rows of a result that are compared, by index; NULL behind the last. */
static const json_t *row_at(const json_t *result, size_t i)
{
	const json_t *schemes = json_object_get(result, "schemes"), *final = json_object_get(result, "final");

	if (json_is_array(schemes)) {
		return json_array_get(schemes, i);
	}
	return i == 0 && json_is_object(final) ? final : NULL;
}

static const json_t *row_named(const json_t *result, const char *scheme)
{
	const json_t *row;

	for (size_t i = 0; (row = row_at(result, i)) != NULL; i++) {
		if (!strcmp(cli_text(row, "scheme"), scheme)) {
			return row;
		}
	}
	return NULL;
}

static double float_metric(const json_t *result)
{
	return cli_number(json_object_get(result, "float"), "metric");
}

static enum cli_exit refuse_other_results(const json_t *result, const char *name)
{
	const char *type = cli_text(result, "type");

	if (row_at(result, 0) && json_is_object(json_object_get(result, "float")) && *cli_text(result, "metric_name")) {
		return CLI_OK;
	}
	return cli_fail(CLI_USAGE, "%s: %s%s has no schemes with a metric; `check` compares those of ptq and qat jobs", name,
		*type ? "a result of type " : "this result", type);
}

/* Why two results have no interval of their difference; NULL where they have one. */
static const char *why_apart(const json_t *result, const json_t *baseline)
{
	double a = float_metric(result), b = float_metric(baseline);

	if (strcmp(cli_text(result, "data"), cli_text(baseline, "data")) != 0) {
		return "the baseline was measured on other data";
	}
	if (!json_equal(json_object_get(result, "samples"), json_object_get(baseline, "samples"))) {
		return "the baseline was measured on another number of samples";
	}
	/* Two processors' float passes differ by rounding; a sample that flips is more. */
	if (!(fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b)))) {
		return "the baseline's float network has another metric";
	}
	return NULL;
}

static struct change against_float(const json_t *row)
{
	return (struct change){cli_number(row, "delta"), cli_number(row, "delta_low"), cli_number(row, "delta_high")};
}

/* The difference of two changes against the same float, by the square-and-add method (MOVER: Zou and Donner, Statistics in
 * Medicine 27, 2008), which takes them as independent. Both are of the same samples, whose errors mostly go together, so
 * the interval is wide rather than narrow. */
static struct change against_row(const json_t *row, const json_t *reference, const char *why)
{
	struct change a = against_float(row), b = against_float(reference);
	double value = cli_number(row, "metric") - cli_number(reference, "metric");

	if (why) {
		return (struct change){value, NAN, NAN};
	}
	return (struct change){value, value - hypot(a.value - a.low, b.high - b.value),
		value + hypot(a.high - a.value, b.value - b.low)};
}

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *judge(const json_t *row, double reference, struct change c, double max_drop, bool falls)
{
	double drop = falls ? c.value : -c.value;
	double least = falls ? c.low : -c.high, most = falls ? c.high : -c.low;
	/* A loss of a tenth of a point, 97.4 - 97.3, is 0.10000000000000853 in doubles. */
	double limit = max_drop + 1e-9 * fmax(1, fabs(reference));
	bool within = drop <= limit; /* false where the metric is undefined */
	json_t *sure = isnan(least) || isnan(most) ? json_null() : json_boolean(within ? most <= limit : least > limit);

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "scheme", cli_text(row, "scheme"),
		"metric", number(cli_number(row, "metric")), "reference", number(reference), "change", number(c.value),
		"change_low", number(c.low), "change_high", number(c.high), "drop", number(drop), "within", within,
		"sure", sure);
}

static enum cli_exit compare_rows(const json_t *result, const json_t *baseline, const char *against, const char *why,
	double max_drop, json_t *rows, bool *all)
{
	bool falls = cli_metric_falls(cli_text(result, "metric_name"));
	const json_t *row;

	for (size_t i = 0; (row = row_at(result, i)) != NULL; i++) {
		const char *scheme = cli_text(row, "scheme");
		const json_t *reference = baseline ? row_named(baseline, scheme) : json_object_get(result, "float");
		json_t *judged;

		if (!reference) {
			return cli_fail(CLI_USAGE, "the baseline %s has no scheme \"%s\" to compare with", against, scheme);
		}
		judged = judge(row, cli_number(reference, "metric"),
			baseline ? against_row(row, reference, why) : against_float(row), max_drop, falls);
		*all &= json_is_true(json_object_get(judged, "within"));
		json_array_append_new(rows, judged);
	}
	return CLI_OK;
}

enum cli_exit cli_drop_compare(const json_t *result, const json_t *baseline, const char *against, double max_drop, json_t **out)
{
	const char *metric = cli_text(result, "metric_name"), *why = NULL;
	json_t *rows = json_array();
	bool all = true;
	enum cli_exit code = refuse_other_results(result, "the job");

	if (code == CLI_OK && baseline) {
		code = refuse_other_results(baseline, against);
	}
	if (code == CLI_OK && baseline && strcmp(metric, cli_text(baseline, "metric_name")) != 0) {
		code = cli_fail(CLI_USAGE, "the job has the metric %s and the baseline %s %s; they cannot be compared", metric,
			against, cli_text(baseline, "metric_name"));
	}
	if (code == CLI_OK) {
		why = baseline ? why_apart(result, baseline) : NULL;
		code = compare_rows(result, baseline, against, why, max_drop, rows, &all);
	}
	if (code == CLI_OK) {
		*out = json_pack("{s:s, s:s, s:s, s:s, s:O?, s:f, s:b, s:s?, s:O}", "metric_name", metric, "against", against,
			"model", cli_text(result, "model"), "data", cli_text(result, "data"), "samples",
			json_object_get(result, "samples"), "max_drop", max_drop, "within", all, "why_no_interval", why,
			"schemes", rows);
	}
	json_decref(rows);
	return code;
}

/* As text */

static const char *verdict(const json_t *row)
{
	bool within = json_is_true(json_object_get(row, "within")), unsure = json_is_false(json_object_get(row, "sure"));

	if (!json_is_number(json_object_get(row, "drop"))) {
		return "beyond: the metric is undefined";
	}
	if (within) {
		return unsure ? "within, but the interval reaches over the limit" : "within";
	}
	return unsure ? "beyond, but the interval reaches below the limit" : "beyond";
}

static struct cli_table *rows_table(const json_t *drops)
{
	const char *metric = cli_text(drops, "metric_name");
	bool per_cent = cli_metric_in_per_cent(metric);
	char headings[512], text[CLI_CHANGE_MAX];
	struct cli_table *t;
	const json_t *row;
	size_t i;

	snprintf(headings, sizeof(headings), "scheme|>%.60s%s|>%.200s|>change (95 %% interval)|", metric, per_cent ? " %" : "",
		cli_text(drops, "against"));
	t = cli_table_create(headings);
	json_array_foreach(json_object_get(drops, "schemes"), i, row) {
		if (!t) {
			break;
		}
		cli_table_cell(t, "%s", cli_text(row, "scheme"));
		cli_table_number(t, cli_metric_digits(metric), cli_number(row, "metric"));
		cli_table_number(t, cli_metric_digits(metric), cli_number(row, "reference"));
		cli_table_cell(t, "%s", cli_metric_change(metric, cli_number(row, "change"), cli_number(row, "change_low"),
			cli_number(row, "change_high"), text));
		cli_table_cell(t, "%s", verdict(row));
	}
	return t;
}

/* "1 of 2 schemes loses more than 1 point of top1 against float" */
static void summary(const json_t *drops, char *out, size_t size)
{
	const char *metric = cli_text(drops, "metric_name");
	double limit = cli_number(drops, "max_drop");
	size_t count = json_array_size(json_object_get(drops, "schemes")), beyond = 0, i;
	const json_t *row;
	char amount[128];

	json_array_foreach(json_object_get(drops, "schemes"), i, row) {
		beyond += !json_is_true(json_object_get(row, "within"));
	}
	snprintf(amount, sizeof(amount), "%.6g%s of %.60s", limit,
		!cli_metric_in_per_cent(metric) ? "" : limit == 1 ? " point" : " points", metric);
	if (beyond) {
		snprintf(out, size, "%zu of %zu scheme%s lose%s more than %s against %.200s", beyond, count,
			count == 1 ? "" : "s", beyond == 1 ? "s" : "", amount, cli_text(drops, "against"));
	} else {
		snprintf(out, size, "%s scheme%s lose%s at most %s against %.200s", count == 1 ? "the" : "all",
			count == 1 ? "" : "s", count == 1 ? "s" : "", amount, cli_text(drops, "against"));
	}
}

static void about(const json_t *drops, char *out, size_t size)
{
	double samples = cli_number(drops, "samples");
	const char *why = cli_text(drops, "why_no_interval");
	int n = snprintf(out, size, "%.200s on %.200s", cli_text(drops, "model"), cli_text(drops, "data"));

	if (!isnan(samples)) {
		n += snprintf(out + n, size - (size_t)n, ", %.0f samples", samples);
	}
	if (*why) {
		snprintf(out + n, size - (size_t)n, "; no interval: %s", why);
	}
}

void cli_drop_print(const json_t *drops, FILE *out)
{
	struct cli_table *t = rows_table(drops);
	char text[1024];

	about(drops, text, sizeof(text));
	fprintf(out, "%s\n\n", text);
	if (t) {
		cli_table_print(t, out);
	}
	summary(drops, text, sizeof(text));
	fprintf(out, "\n%s\n", text);
	cli_table_destroy(&t);
}

void cli_drop_markdown(const json_t *drops, FILE *out)
{
	struct cli_table *t = rows_table(drops);
	char text[1024];

	summary(drops, text, sizeof(text));
	fputs(json_is_true(json_object_get(drops, "within")) ? "### quantbench check: within the limit\n\n"
		: "### quantbench check: beyond the limit\n\n", out);
	cli_markdown_text(text, out);
	fputs(".\n\n", out);
	if (t) {
		cli_table_markdown(t, out);
	}
	about(drops, text, sizeof(text));
	fputc('\n', out);
	cli_markdown_text(text, out);
	fputs(".\n", out);
	cli_table_destroy(&t);
}
