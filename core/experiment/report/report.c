/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of a ptq job as one HTML page: tables, and drawings in SVG; no script, nothing from elsewhere.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/experiment/report/answer.h"
#include "core/experiment/report/export.h"
#include "core/experiment/report/html.h"
#include "core/experiment/report/pareto.h"

static void cell(FILE *f, double v, const char *format, const char *none)
{
	char s[64];

	if (isnan(v)) {
		fprintf(f, "<td class=n>%s</td>", none);
		return;
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(s, sizeof(s), format, v);
#pragma GCC diagnostic pop
	fprintf(f, "<td class=n>%s</td>", s);
}

static void scaled_cell(FILE *f, double v, const char *const units[QB__HTML_UNITS])
{
	fputs("<td class=n>", f);
	if (!isnan(v)) {
		qb__html_scaled(f, v, units);
	}
	fputs("</td>", f);
}

static void metric_name(FILE *f, const json_t *r)
{
	const struct qb__metric_words words = qb__metric_words(qb__string_at(r, "metric_name"));

	qb__html_text(f, words.label);
	fprintf(f, "%s%s", *words.unit ? ", " : "", words.unit);
}

/* Which job, when, of what engine, where, with which seed. */
static void run_of(FILE *f, const json_t *r, const struct qb_report_run *run)
{
	const json_t *machine = json_object_get(r, "machine");
	const struct qb_host *host = run->host;

	fputs("<p>", f);
	if (host->job) {
		fputs("Job ", f);
		qb__html_text(f, host->job);
		fputs(", ", f);
	}
	if (host->started) {
		fprintf(f, "%s <time>", host->job ? "started" : "Started");
		qb__html_text(f, host->started);
		fputs("</time>, ", f);
	}
	fprintf(f, "engine %s, seed %lld; on ", host->engine ? host->engine : "unknown", (long long)run->seed);
	qb__html_text(f, qb__string_at(machine, "cpu"));
	fputs(", ", f);
	qb__html_text(f, qb__string_at(machine, "isa"));
	fprintf(f, ", %.0f thread%s.</p>\n", qb__number_at(machine, "threads"), qb__number_at(machine, "threads") == 1 ? "" : "s");
}

static void head(FILE *f, const json_t *r, const struct qb_report_run *run)
{
	bool spread = json_is_true(json_object_get(r, "calibration_spread"));

	fputs("<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">\n<title>quantbench: ", f);
	qb__html_text(f, qb__string_at(r, "model"));
	fputs("</title>\n<style>\n"
		"body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#1c2430;overflow-wrap:anywhere}\n"
		"table{border-collapse:collapse;margin:.5rem 0}th,td{padding:.2rem .7rem;border-bottom:1px solid #d5dae1;"
		"text-align:left}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\n"
		"summary{cursor:pointer;margin:.5rem 0}svg{display:block;max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;"
		"fill:#1c2430}.b{font-weight:700}small{color:#5b6675}\n"
		/* A shade says what its number does, and its letters are made for it: both are printed. */
		"td[style]{-webkit-print-color-adjust:exact;print-color-adjust:exact}\n"
		"@media screen{table{display:block;width:fit-content;max-width:100%;overflow-x:auto}th,td{overflow-wrap:normal}}\n"
		"@media print{@page{margin:12mm}body{margin:0;padding:0;max-width:none;font-size:9pt}table{font-size:8pt}"
		"th,td{padding:.1rem .25rem}tr,svg{break-inside:avoid}details:not([open]){display:none}}\n</style></head><body>\n<h1>", f);
	qb__html_text(f, qb__string_at(r, "model"));
	fputs("</h1>\n<p>", f);
	fprintf(f, "%.0f samples of ", qb__number_at(r, "samples"));
	qb__html_text(f, qb__string_at(r, "data"));
	fprintf(f, "; %s%.0f of the data%s calibrate%s; metric ", spread ? "" : "the first ",
		qb__number_at(r, "calibration_samples"), spread ? ", spread over it," : "",
		json_is_true(json_object_get(r, "held_out")) ? " and are left out" : "");
	metric_name(f, r);
	fputs(".</p>\n", f);
	run_of(f, r, run);
}

static void change_cell(FILE *f, const json_t *row, int digits)
{
	double delta = qb__number_at(row, "delta"), low = qb__number_at(row, "delta_low"), high = qb__number_at(row, "delta_high");

	fputs("<td class=n>", f);
	if (!isnan(delta)) {
		fputs(json_is_true(json_object_get(row, "best")) ? "\xe2\x98\x85 " : "", f);
		qb__html_fixed(f, delta, digits, true);
	}
	if (!isnan(low) && !isnan(high)) {
		fputs("<br><small>", f);
		qb__html_fixed(f, low, digits, true);
		fputs(" to ", f);
		qb__html_fixed(f, high, digits, true);
		fputs("</small>", f);
	}
	fputs("</td>", f);
}

static void sqnr_cell(FILE *f, const json_t *row)
{
	double db = qb__number_at(row, "output_sqnr_db"), high = qb__number_at(row, "output_sqnr_high_db");

	fputs("<td class=n>", f);
	if (!isnan(db)) {
		qb__html_fixed(f, db, 1, false);
		fputs(" dB", f);
	}
	if (!isnan(db) && !isnan(high)) {
		fprintf(f, "<br><small>\xc2\xb1%.1f dB</small>", high - db);
	}
	fputs("</td>", f);
}

static void scheme_cells(FILE *f, const json_t *row, int digits)
{
	const json_t *latency = json_object_get(row, "latency"), *gates = json_object_get(row, "gates");

	change_cell(f, row, digits);
	fputs("<td class=n>", f);
	if (!isnan(qb__number_at(row, "metric"))) {
		qb__html_fixed(f, qb__number_at(row, "metric"), digits, false);
	}
	fputs("</td>", f);
	sqnr_cell(f, row);
	scaled_cell(f, qb__number_at(row, "size_bytes"), qb__html_bytes);
	cell(f, qb__number_at(gates, "unit"), "%.0f", "");
	scaled_cell(f, qb__number_at(gates, "network"), qb__html_counts);
	scaled_cell(f, qb__number_at(latency, "p50_ns"), qb__html_times);
	scaled_cell(f, qb__number_at(latency, "p99_ns"), qb__html_times);
	fputs("<td>", f);
	qb__html_text(f, qb__string_at(latency, "execution"));
	fputs(json_is_true(json_object_get(latency, "short")) ? ", short run" : "", f);
	fputs("</td></tr>\n", f);
}

static void table(FILE *f, const json_t *r)
{
	const json_t *schemes = json_object_get(r, "schemes"), *row;
	int digits = qb__metric_words(qb__string_at(r, "metric_name")).digits;
	bool emulated = false;
	size_t i;

	fputs("<h2>Schemes</h2>\n<table><tr><th>scheme<th class=n>change<th class=n>", f);
	metric_name(f, r);
	fputs("<th class=n>output SQNR<th class=n>size<th class=n>gates a MAC<th class=n>gates &times; MACs<th class=n>p50<th class=n>p99"
		"<th>runs</tr>\n<tr><td>float</td>", f);
	scheme_cells(f, json_object_get(r, "float"), digits);
	json_array_foreach((json_t *)schemes, i, row) {
		emulated = emulated || qb__is_emulated(row);
		fputs("<tr><td>", f);
		qb__html_text(f, qb__string_at(row, "scheme"));
		fputs("</td>", f);
		scheme_cells(f, row, digits);
	}
	fputs("</table>\n<p><small>\xe2\x98\x85: the best, or no worse than it by what the samples can tell. Under a change its 95 % interval, by a "
		"seeded bootstrap paired over the samples, or the exact bound for so many where no answer changes; \xc2\xb1: that of the SQNR. Size: of the weights as stored. Gates: of a multiply-accumulate unit "
		"for these operands, and of all of a sample.", f);
	fputs(emulated ? " Emulated: no such instructions here, so its time says nothing about hardware that has them." : "", f);
	fputs("</small></p>\n", f);
}

static void part(FILE *f, const json_t *row, const char *key)
{
	static const char *const words[] = {"granularity", "range"};
	const json_t *p = json_object_get(row, key);

	fputs("<td>", f);
	if (json_is_object(p)) {
		qb__html_text(f, qb__string_at(p, "format"));
		for (size_t i = 0; i < QB_COUNT(words); i++) {
			if (json_is_string(json_object_get(p, words[i]))) {
				fputs(", ", f);
				qb__html_text(f, qb__string_at(p, words[i]));
			}
		}
	} else {
		fputs("float32", f);
	}
	fputs("</td>", f);
}

/* What each scheme is. */
static void definitions(FILE *f, const json_t *schemes)
{
	const json_t *row, *m;
	size_t i, k;

	fputs("<table><tr><th>scheme<th>weights<th>activations<th>methods</tr>\n", f);
	json_array_foreach((json_t *)schemes, i, row) {
		fputs("<tr><td>", f);
		qb__html_text(f, qb__string_at(row, "scheme"));
		fputs("</td>", f);
		part(f, row, "weights");
		part(f, row, "activations");
		fputs("<td>", f);
		json_array_foreach(json_object_get(row, "methods"), k, m) {
			fputs(k ? ", " : "", f);
			qb__html_text(f, qb__string_at(m, "name"));
		}
		fputs("</td></tr>\n", f);
	}
	fputs("</table>\n", f);
}

static double delta_of(const json_t *row)
{
	return qb__number_at(row, "delta");
}

static double latency_of(const json_t *row)
{
	return qb__number_at(json_object_get(row, "latency"), "p50_ns");
}

/* The 95 % interval over a bar, where the row has one. */
static void interval(FILE *f, double low, double high, double zero, double scale, int y)
{
	if (!isnan(low) && !isnan(high)) {
		fprintf(f, "<path class=interval d='M%.1f %dV%dM%.1f %dH%.1fM%.1f %dV%d' stroke=#1c2430 fill=none />", zero + low * scale, y + 7, y + 15,
			zero + low * scale, y + 11, zero + high * scale, zero + high * scale, y + 7, y + 15);
	}
}

/* Bars from one line: label, value written at the end of its bar; the changes with their intervals. */
static void bars(FILE *f, const json_t *rows, const char *title, double (*value)(const json_t *),
	void (*write)(FILE *f, const json_t *row, double v))
{
	const bool changes = value == delta_of;
	double lo = 0, hi = 0, scale, zero;
	const json_t *row;
	size_t i;
	int y = 0;

	json_array_foreach((json_t *)rows, i, row) {
		double v = value(row);

		lo = fmin(lo, changes ? fmin(v, qb__number_at(row, "delta_low")) : v);
		hi = fmax(hi, changes ? fmax(v, qb__number_at(row, "delta_high")) : v);
	}
	if (!(hi - lo > 0)) {
		return;
	}
	scale = 460 / (hi - lo);
	zero = 180 - lo * scale;
	fputs("<h2>", f);
	qb__html_text(f, title);
	fprintf(f, "</h2>\n<svg viewBox='0 0 760 %zu' width=760 role=img>\n", 22 * json_array_size(rows) + 6);
	json_array_foreach((json_t *)rows, i, row) {
		double v = value(row);

		fprintf(f, "<text x=110 y=%d text-anchor=end>", y + 16);
		qb__html_text(f, qb__string_at(row, "scheme"));
		fputs("</text>", f);
		if (!isnan(v)) {
			fprintf(f, "<rect x=%.1f y=%d width=%.1f height=16 fill=%s></rect><text x=%.1f y=%d>",
				v < 0 ? zero + v * scale : zero, y + 3, fmax(fabs(v) * scale, 1),
				v < 0 ? "'#c4512d'" : "'#2f6fb2'", 180 + 460 + 12.0, y + 16);
			write(f, row, v);
			fputs("</text>\n", f);
			if (changes) {
				interval(f, qb__number_at(row, "delta_low"), qb__number_at(row, "delta_high"), zero, scale, y);
			}
		}
		y += 22;
	}
	fputs("</svg>\n", f);
}

static void write_change(FILE *f, const json_t *row, double v)
{
	(void)row;
	qb__html_fixed(f, v, 2, true);
}

static void write_latency(FILE *f, const json_t *row, double v)
{
	qb__html_scaled(f, v, qb__html_times);
	fputs(qb__is_emulated(row) ? " (emulated)" : "", f);
}

static const json_t *tensor_named(const json_t *row, const char *name)
{
	const json_t *t;
	size_t i;

	json_array_foreach(json_object_get(row, "tensors"), i, t) {
		if (!strcmp(qb__string_at(t, "name"), name)) {
			return t;
		}
	}
	return NULL;
}

/* Light where much noise is, dark where little; the number stands in every cell, so colour is not all. */
static bool is_exact(const json_t *tensor)
{
	return json_is_true(json_object_get(tensor, "exact"));
}

static void heat_cell(FILE *f, double db, bool exact)
{
	double share = exact ? 1 : isnan(db) ? 0 : fmin(fmax(db / 50, 0), 1);
	int red = (int)(250 - 180 * share), green = (int)(240 - 105 * share), blue = (int)(225 - 35 * share);

	fprintf(f, "<td class=n style='background:rgb(%d,%d,%d);color:%s'>", red, green, blue,
		share > 0.6 ? "#fff" : "#1c2430");
	if (isnan(db)) {
		fputs(exact ? "exact</td>" : "</td>", f);
	} else {
		fprintf(f, "%.1f</td>", db);
	}
}

static void heat_map(FILE *f, const json_t *r)
{
	const json_t *schemes = json_object_get(r, "schemes"), *most = NULL, *row, *t;
	size_t i, k;

	json_array_foreach((json_t *)schemes, i, row) {
		const json_t *tensors = json_object_get(row, "tensors");

		most = json_array_size(tensors) > json_array_size(most) ? tensors : most;
	}
	fputs("<h2>SQNR of every tensor, dB</h2>\n<details open><summary>tensors &times; schemes</summary><table><tr><th>tensor"
		"<th>kind", f);
	json_array_foreach((json_t *)schemes, i, row) {
		fputs("<th class=n>", f);
		qb__html_text(f, qb__string_at(row, "scheme"));
	}
	fputs("</tr>\n", f);
	json_array_foreach((json_t *)most, k, t) {
		fputs("<tr><td>", f);
		qb__html_text(f, qb__string_at(t, "name"));
		fputs("</td><td>", f);
		qb__html_text(f, qb__string_at(t, "kind"));
		fputs("</td>", f);
		json_array_foreach((json_t *)schemes, i, row) {
			const json_t *mine = tensor_named(row, qb__string_at(t, "name"));

			if (mine) {
				heat_cell(f, qb__number_at(mine, "sqnr_db"), is_exact(mine));
			} else {
				fputs("<td>float</td>", f);
			}
		}
		fputs("</tr>\n", f);
	}
	fputs("</table></details>\n", f);
}

static void tensor_sqnr_cell(FILE *f, const json_t *t)
{
	double db = qb__number_at(t, "sqnr_db"), high = qb__number_at(t, "sqnr_high_db");

	fputs("<td class=n>", f);
	if (!isnan(db)) {
		qb__html_fixed(f, db, 1, false);
	} else if (is_exact(t)) {
		fputs("exact", f);
	}
	if (!isnan(db) && !isnan(high)) {
		fprintf(f, " <small>\xc2\xb1%.1f</small>", high - db);
	}
	fputs("</td>", f);
}

static void tensors(FILE *f, const json_t *row)
{
	const json_t *t;
	size_t i;

	fputs("<details><summary>", f);
	qb__html_text(f, qb__string_at(row, "scheme"));
	fputs("</summary><table><tr><th>tensor<th>layer<th>format<th class=n>channels<th class=n>represents from<th class=n>to"
		"<th class=n>seen from<th class=n>to<th class=n>SQNR, dB</tr>\n", f);
	json_array_foreach(json_object_get(row, "tensors"), i, t) {
		fputs("<tr><td>", f);
		qb__html_text(f, qb__string_at(t, "name"));
		fputs("</td><td>", f);
		qb__html_text(f, qb__string_at(t, "layer"));
		fputs("</td><td>", f);
		qb__html_text(f, qb__string_at(t, "format"));
		fputs("</td>", f);
		cell(f, qb__number_at(t, "channels"), "%.0f", "");
		cell(f, qb__number_at(t, "min"), "%.4g", "");
		cell(f, qb__number_at(t, "max"), "%.4g", "");
		cell(f, qb__number_at(t, "observed_min"), "%.4g", "");
		cell(f, qb__number_at(t, "observed_max"), "%.4g", "");
		tensor_sqnr_cell(f, t);
		fputs("</tr>\n", f);
	}
	fputs("</table></details>\n", f);
}

void qb_report_write(FILE *f, const json_t *result, const struct qb_report_run *run)
{
	const json_t *schemes = json_object_get(result, "schemes"), *row;
	size_t i;

	head(f, result, run);
	qb__answer_write(f, result);
	table(f, result);
	definitions(f, schemes);
	qb__pareto_write(f, result);
	bars(f, schemes, "Change against float", delta_of, write_change);
	bars(f, schemes, "Latency, p50", latency_of, write_latency);
	heat_map(f, result);
	fputs("<h2>Tensors</h2>\n<p><small>\xc2\xb1: the 95 % interval over batches of samples; the error of a weight is known.</small></p>\n", f);
	json_array_foreach((json_t *)schemes, i, row) {
		tensors(f, row);
	}
	fputs("</body></html>\n", f);
}
