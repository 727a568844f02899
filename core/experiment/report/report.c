/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of a ptq job as one HTML page: tables, and drawings in SVG; no script, nothing from elsewhere.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/experiment/report/export.h"

static void text(FILE *f, const char *s)
{
	for (; s && *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '&': fputs("&amp;", f); break;
		case '"': fputs("&quot;", f); break;
		default: fputc(*s, f); break;
		}
	}
}

static const char *string_at(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* NAN where there is no number. */
static double number_at(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

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

static void head(FILE *f, const json_t *r)
{
	bool spread = json_is_true(json_object_get(r, "calibration_spread"));

	fputs("<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n<title>quantbench: ", f);
	text(f, string_at(r, "model"));
	fputs("</title>\n<style>\n"
		"body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2430}\n"
		"table{border-collapse:collapse;margin:.5rem 0}th,td{padding:.2rem .7rem;border-bottom:1px solid #d5dae1;"
		"text-align:left}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\n"
		"summary{cursor:pointer;margin:.5rem 0}svg{display:block;max-width:100%}svg text{font:12px system-ui,sans-serif;"
		"fill:#1c2430}.b{font-weight:700}\n</style></head><body>\n<h1>", f);
	text(f, string_at(r, "model"));
	fputs("</h1>\n<p>", f);
	fprintf(f, "%.0f samples of ", number_at(r, "samples"));
	text(f, string_at(r, "data"));
	fprintf(f, "; %s%.0f of the data%s calibrate%s; metric ", spread ? "" : "the first ",
		number_at(r, "calibration_samples"), spread ? ", spread over it," : "",
		json_is_true(json_object_get(r, "held_out")) ? " and are left out" : "");
	text(f, string_at(r, "metric_name"));
	fputs("; on ", f);
	text(f, string_at(json_object_get(r, "machine"), "cpu"));
	fputs(".</p>\n", f);
}

static void interval(FILE *f, double low, double high)
{
	if (isnan(low) || isnan(high)) {
		fputs("<td></td>", f);
	} else {
		fprintf(f, "<td class=n>%+.2f to %+.2f</td>", low, high);
	}
}

static void scheme_cells(FILE *f, const json_t *row)
{
	const json_t *latency = json_object_get(row, "latency");
	const char *execution = string_at(latency, "execution");

	cell(f, number_at(row, "metric"), "%.4g", "");
	cell(f, number_at(row, "delta"), "%+.2f", "");
	interval(f, number_at(row, "delta_low"), number_at(row, "delta_high"));
	cell(f, number_at(row, "output_sqnr_db"), "%.1f", "");
	cell(f, number_at(row, "size_bytes") / 1024, "%.1f", "");
	cell(f, number_at(latency, "p50_ns") / 1e3, "%.1f", "");
	cell(f, number_at(latency, "p99_ns") / 1e3, "%.1f", "");
	fputs("<td>", f);
	text(f, execution);
	fputs("</td></tr>\n", f);
}

static void table(FILE *f, const json_t *r)
{
	const json_t *schemes = json_object_get(r, "schemes"), *row;
	size_t i;

	fputs("<h2>Schemes</h2>\n<table><tr><th>scheme<th class=n>", f);
	text(f, string_at(r, "metric_name"));
	fputs("<th class=n>change<th class=n>its 95 % interval<th class=n>output SQNR, dB<th class=n>size, KiB<th class=n>p50, &micro;s<th class=n>p99, "
		"&micro;s<th>execution</tr>\n<tr><td>float</td>", f);
	scheme_cells(f, json_object_get(r, "float"));
	json_array_foreach((json_t *)schemes, i, row) {
		fputs("<tr><td>", f);
		text(f, string_at(row, "scheme"));
		fputs("</td>", f);
		scheme_cells(f, row);
	}
	fputs("</table>\n", f);
}

static void part(FILE *f, const json_t *row, const char *key)
{
	static const char *const words[] = {"granularity", "range"};
	const json_t *p = json_object_get(row, key);

	fputs("<td>", f);
	if (json_is_object(p)) {
		text(f, string_at(p, "format"));
		for (size_t i = 0; i < QB_COUNT(words); i++) {
			if (json_is_string(json_object_get(p, words[i]))) {
				fputs(", ", f);
				text(f, string_at(p, words[i]));
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
		text(f, string_at(row, "scheme"));
		fputs("</td>", f);
		part(f, row, "weights");
		part(f, row, "activations");
		fputs("<td>", f);
		json_array_foreach(json_object_get(row, "methods"), k, m) {
			fputs(k ? ", " : "", f);
			text(f, string_at(m, "name"));
		}
		fputs("</td></tr>\n", f);
	}
	fputs("</table>\n", f);
}

/* Bars from one line: label, value written at the end of its bar. */
static void bars(FILE *f, const json_t *rows, const char *title, double (*value)(const json_t *),
	const char *format)
{
	double lo = 0, hi = 0, scale, zero;
	const json_t *row;
	size_t i;
	int y = 0;

	json_array_foreach((json_t *)rows, i, row) {
		double v = value(row);

		lo = v < lo ? v : lo;
		hi = v > hi ? v : hi;
	}
	if (!(hi - lo > 0)) {
		return;
	}
	scale = 460 / (hi - lo);
	zero = 180 - lo * scale;
	fputs("<h2>", f);
	text(f, title);
	fprintf(f, "</h2>\n<svg width=760 height=%zu role=img>\n", 22 * json_array_size(rows) + 6);
	json_array_foreach((json_t *)rows, i, row) {
		double v = value(row);

		fprintf(f, "<text x=110 y=%d text-anchor=end>", y + 16);
		text(f, string_at(row, "scheme"));
		fputs("</text>", f);
		if (!isnan(v)) {
			fprintf(f, "<rect x=%.1f y=%d width=%.1f height=16 fill=%s></rect><text x=%.1f y=%d>",
				v < 0 ? zero + v * scale : zero, y + 3, fmax(fabs(v) * scale, 1),
				v < 0 ? "'#c4512d'" : "'#2f6fb2'", (v < 0 ? zero : zero + v * scale) + 6, y + 16);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			fprintf(f, format, v);
#pragma GCC diagnostic pop
			fputs("</text>\n", f);
		}
		y += 22;
	}
	fputs("</svg>\n", f);
}

static double delta_of(const json_t *row)
{
	return number_at(row, "delta");
}

static double latency_of(const json_t *row)
{
	return number_at(json_object_get(row, "latency"), "p50_ns") / 1e3;
}

static const json_t *tensor_named(const json_t *row, const char *name)
{
	const json_t *t;
	size_t i;

	json_array_foreach(json_object_get(row, "tensors"), i, t) {
		if (!strcmp(string_at(t, "name"), name)) {
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
		text(f, string_at(row, "scheme"));
	}
	fputs("</tr>\n", f);
	json_array_foreach((json_t *)most, k, t) {
		fputs("<tr><td>", f);
		text(f, string_at(t, "name"));
		fputs("</td><td>", f);
		text(f, string_at(t, "kind"));
		fputs("</td>", f);
		json_array_foreach((json_t *)schemes, i, row) {
			const json_t *mine = tensor_named(row, string_at(t, "name"));

			if (mine) {
				heat_cell(f, number_at(mine, "sqnr_db"), is_exact(mine));
			} else {
				fputs("<td>float</td>", f);
			}
		}
		fputs("</tr>\n", f);
	}
	fputs("</table></details>\n", f);
}

static void tensors(FILE *f, const json_t *row)
{
	const json_t *t;
	size_t i;

	fputs("<details><summary>", f);
	text(f, string_at(row, "scheme"));
	fputs("</summary><table><tr><th>tensor<th>layer<th>format<th class=n>channels<th class=n>represents from<th class=n>to"
		"<th class=n>seen from<th class=n>to<th class=n>SQNR, dB</tr>\n", f);
	json_array_foreach(json_object_get(row, "tensors"), i, t) {
		fputs("<tr><td>", f);
		text(f, string_at(t, "name"));
		fputs("</td><td>", f);
		text(f, string_at(t, "layer"));
		fputs("</td><td>", f);
		text(f, string_at(t, "format"));
		fputs("</td>", f);
		cell(f, number_at(t, "channels"), "%.0f", "");
		cell(f, number_at(t, "min"), "%.4g", "");
		cell(f, number_at(t, "max"), "%.4g", "");
		cell(f, number_at(t, "observed_min"), "%.4g", "");
		cell(f, number_at(t, "observed_max"), "%.4g", "");
		cell(f, number_at(t, "sqnr_db"), "%.1f", is_exact(t) ? "exact" : "");
		fputs("</tr>\n", f);
	}
	fputs("</table></details>\n", f);
}

void qb_report_write(FILE *f, const json_t *result)
{
	const json_t *schemes = json_object_get(result, "schemes"), *row;
	size_t i;

	head(f, result);
	table(f, result);
	definitions(f, schemes);
	bars(f, schemes, "Change against float", delta_of, "%+.2f");
	bars(f, schemes, "Latency, p50, \xc2\xb5s", latency_of, "%.1f");
	heat_map(f, result);
	fputs("<h2>Tensors</h2>\n", f);
	json_array_foreach((json_t *)schemes, i, row) {
		tensors(f, row);
	}
	fputs("</body></html>\n", f);
}
