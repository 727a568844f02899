/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of the sqnr job as JSON.
 */
#include <math.h>
#include <string.h>

#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"
#include "core/experiment/jobs/sqnr.h"

enum { DENSITY_POINTS = 241 };

static json_t *density_json(const struct qb_distribution *clipped)
{
	struct qb_distribution d = *clipped;
	double mean, power, from, to, edge[DENSITY_POINTS + 1], spread, ends[2];
	struct qb_moments m[DENSITY_POINTS + 2];
	json_t *x = json_array(), *p = json_array(), *points = json_array();

	qb_distribution_moments(&d, &mean, &power);
	d.clip = 0;
	spread = 5 * sqrt(fmax(power - mean * mean, 0));
	from = fmax(mean - spread, -qb_distribution_bound(clipped));
	to = fmin(mean + spread, qb_distribution_bound(clipped));
	for (int i = 0; i <= DENSITY_POINTS; i++) {
		edge[i] = from + (to - from) * i / DENSITY_POINTS;
	}
	qb_distribution_cells(&d, edge, DENSITY_POINTS + 1, m);
	for (int i = 0; i < DENSITY_POINTS; i++) {
		json_array_append_new(x, json_real((edge[i] + edge[i + 1]) / 2));
		json_array_append_new(p, json_real(m[i + 1].m0 / (edge[i + 1] - edge[i])));
	}
	if (clipped->clip > 0) {
		ends[0] = -clipped->clip;
		ends[1] = clipped->clip;
		qb_distribution_cells(&d, ends, 2, m);
		json_array_append_new(points, json_pack("[f, f]", ends[0], m[0].m0));
		json_array_append_new(points, json_pack("[f, f]", ends[1], m[2].m0));
	}
	return json_pack("{s:o, s:o, s:o}", "x", x, "p", p, "points", points);
}

static json_t *distributions_json(const struct qb_sqnr_job *s)
{
	json_t *a = json_array();

	for (int i = 0; i < s->distributions; i++) {
		const struct qb_named_distribution *d = &s->distribution[i];
		double mean, power;
		json_t *o;

		qb_distribution_moments(&d->d, &mean, &power);
		o = json_pack("{s:s, s:s, s:o, s:o, s:o}", "label", d->label, "name", d->name, "mean",
			qb_json_real(mean), "rms", qb_json_real(sqrt(power)), "bound",
			qb_json_real(qb_distribution_bound(&d->d)));
		if (s->density) {
			json_object_set_new(o, "density", density_json(&d->d));
		}
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *row_json(const struct qb_sqnr_job *s, const char *label, double value, const char *asked,
	const struct qb_sqnr_row *r)
{
	double no = r->exact ? 0 : NAN; /* NaN plus anything is null */

	return json_pack("{s:s, s:o, s:s, s:s, s:f, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
		"distribution", label, "value", qb_json_real(s->swept ? value : NAN), "asked", asked, "format", r->format,
		"bits", r->bits, "exact", r->exact, "range", qb_json_real(no + r->s.range), "low",
		qb_json_real(no + r->s.low), "high", qb_json_real(no + r->s.high), "scale",
		qb_json_real(no + r->s.scale), "zero", qb_json_real(no + r->s.zero), "power", qb_json_real(no + r->s.power), "mse",
		qb_json_real(no + r->s.mse), "mse_db", qb_json_real(no + r->s.mse_db), "sqnr_db",
		qb_json_real(no + r->s.sqnr_db), "clip_mse", qb_json_real(no + r->s.clip_mse), "dot_mse",
		qb_json_real(no + r->dot_mse), "dot_sqnr_db",
		qb_json_real(no + qb_sqnr_db(r->dot_power, r->dot_mse)), "measured_mse",
		qb_json_real(r->measured_mse), "measured_sqnr_db", qb_json_real(r->measured_db), "measured_sqnr_low_db",
		qb_json_real(r->measured_db - r->measured_half_db), "measured_sqnr_high_db",
		qb_json_real(r->measured_db + r->measured_half_db), "best", r->best);
}

static const char *winner(const struct qb_sqnr_job *s, int d, int v)
{
	for (int f = 0; f < s->formats; f++) {
		if (qb__sqnr_row_at(s, d, v, f)->best) {
			return s->format[f].name;
		}
	}
	return NULL;
}

static json_t *crossings_json(const struct qb_sqnr_job *s)
{
	json_t *a = json_array();

	for (int d = 0; d < s->distributions; d++) {
		for (int v = 1; v < s->values; v++) {
			const char *before = winner(s, d, v - 1), *after = winner(s, d, v);

			if (before && after && strcmp(before, after) != 0) {
				json_array_append_new(a, json_pack("{s:s, s:f, s:f, s:s, s:s}", "distribution",
					s->distribution[d].label, "from", s->value[v - 1], "to", s->value[v],
					"before", before, "after", after));
			}
		}
	}
	return a;
}

static json_t *rows_json(const struct qb_sqnr_job *s)
{
	json_t *a = json_array();

	for (int d = 0; d < s->distributions; d++) {
		for (int v = 0; v < s->values; v++) {
			for (int f = 0; f < s->formats; f++) {
				const struct qb_sqnr_row *r = qb__sqnr_row_at(s, d, v, f);
				const char *label = s->distribution[d].label;

				if (!r->there) {
					continue;
				}
				json_array_append_new(a, row_json(s, label, s->value[v], s->format[f].name, r));
				if (!s->swept) {
					qb_job_metric(s->job, "model", r->format, label, "sqnr", qb__sqnr_row_db(r), "dB");
				}
			}
		}
	}
	return a;
}

static json_t *sweep_json(const struct qb_sqnr_job *s)
{
	json_t *values = json_array();

	for (int i = 0; i < s->values; i++) {
		json_array_append_new(values, json_real(s->value[i]));
	}
	return json_pack("{s:s, s:o}", "parameter", qb__sqnr_parameters[s->parameter], "values", values);
}

json_t *qb__sqnr_result(const struct qb_sqnr_job *s)
{
	return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "type", "sqnr", "samples",
		(json_int_t)s->samples, "seed", (json_int_t)s->seed, "sweep",
		s->swept ? sweep_json(s) : json_null(), "distributions", distributions_json(s), "rows",
		rows_json(s), "crossings", crossings_json(s));
}
