/* SPDX-License-Identifier: Apache-2.0
 *
 * The ptq job: what each scheme costs a network. One sweep over the data in simulation, then latency on this
 * machine, float and real int8 measured, every other format marked emulated.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/experiment/report/describe.h"
#include "core/experiment/spec/uploads_check.h"
#include "core/experiment/report/export.h"
#include "core/experiment/report/histograms.h"
#include "core/experiment/report/scheme_rows.h"
#include "core/experiment/report/text_rows.h"
#include "core/experiment/jobs/kinds.h"
#include "core/experiment/jobs/ptq_latency.h"
#include "core/experiment/spec/ptq_spec.h"
#include "core/ptq/query_samples.h"
#include "core/ptq/sweep.h"

/* Shares of the progress bar. */
static const double LOADED = 0.02, LATENCY_SHARE = 0.4;

struct ptq {
	struct qb_job *job;
	struct qb_ptq_spec spec;
	struct qb_graph *model;
	struct qb_dataset *data;
	struct qb_sweep *sweep;
	struct qb_ptq_latency *latency; /* [1 + schemes]: float first; NULL when left out */
};

static double sweep_end(const struct ptq *p)
{
	return p->spec.latency ? 1 - LATENCY_SHARE : 1;
}

static enum qb_err sweep_progress(void *arg, const char *stage, double fraction, const char *detail,
	struct qb_errbuf *eb)
{
	struct ptq *p = arg;

	return qb_job_progress(p->job, stage, LOADED + fraction * (sweep_end(p) - LOADED), eb,
		"%s %s on %s%s%s", stage, p->spec.model_name, p->spec.data_name,
		detail ? ": " : "", detail ? detail : "");
}

static enum qb_err latency_progress(void *arg, double fraction, struct qb_errbuf *eb)
{
	struct ptq *p = arg;

	return qb_job_progress(p->job, "latency", sweep_end(p) + fraction * LATENCY_SHARE, eb,
		"measuring latency of %d schemes in turns", p->spec.schemes + 1);
}

static enum qb_err load(struct ptq *p, struct qb_errbuf *eb)
{
	const struct qb_data_source source = qb_ptq_spec_source(&p->spec, p->spec.data_path, p->spec.data_name);

	QB_TRY(qb_job_progress(p->job, "load", 0, eb, "reading %s", p->spec.model_name));
	QB_TRY(qb_job_in_file(qb_graph_import(&p->model, p->spec.model_path, eb), "model",
		p->spec.model_name, eb));
	QB_TRY(qb_job_in_file(qb_open_data(&p->data, &source, p->model, eb), "data", p->spec.data_name, eb));
	return qb_job_progress(p->job, "load", LOADED, eb, "read %s", p->spec.data_name);
}

static enum qb_err run_sweep(struct ptq *p, struct qb_errbuf *eb)
{
	struct qb_sweep_options opt = qb_ptq_sweep_options(&p->spec);

	opt.progress = sweep_progress;
	opt.check = qb_job_check;
	opt.check_arg = p->job;
	opt.arg = p;
	return qb_sweep_run(&p->sweep, p->model, p->data, &opt, eb);
}

static enum qb_err run_latency(struct ptq *p, struct qb_errbuf *eb)
{
	const struct qb_ptq_latency_options opt = {.job = p->job, .spec = &p->spec, .progress = latency_progress, .arg = p};

	return qb_ptq_latency_run(&p->latency, p->model, p->data, p->sweep, &opt, eb);
}

static enum qb_err run_export(struct ptq *p, json_t *result, struct qb_errbuf *eb)
{
	json_t *rows;

	QB_TRY(qb_export_histograms(p->job, p->sweep, eb));
	if (!p->spec.exports) {
		return QB_OK;
	}
	QB_TRY(qb_export_schemes(p->job, p->sweep, p->spec.exports, &rows, eb));
	json_object_set_new(result, "exports", rows);
	return p->spec.exports & QB_EXPORT_REPORT ? qb_export_report(p->job, result, p->spec.seed, eb) : QB_OK;
}

/* [{"name", parameters, "report"}] */
static json_t *method_rows(const struct ptq *p, int i)
{
	const struct qb_method_list *l = &p->spec.methods[i];
	json_t *rows = json_array();

	for (int k = 0; k < l->count; k++) {
		const struct qb_method *m = l->use[k].method;
		json_t *row = json_loads(l->use[k].key, 0, NULL);
		json_t *report = json_object_get(m->stage == QB_METHOD_GRAPH
			? qb_sweep_variant(p->sweep, i)->reports : p->sweep->row[i].reports, m->named.name);

		json_object_set(row, "report", report);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *result_of(struct ptq *p)
{
	const struct qb_sweep *s = p->sweep;
	const struct qb_scheme_rows rows = {p->job, s, p->spec.metric, p->latency};
	json_t *schemes = json_array();

	for (int i = 0; i < p->spec.schemes; i++) {
		json_array_append_new(schemes, qb_scheme_row(&rows, i, method_rows(p, i)));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:i, s:f, s:f, s:o, s:o, s:o}", "type", "ptq",
		"model", p->spec.model_name, "data", p->spec.data_name, "metric_name",
		p->spec.metric, "samples", (json_int_t)s->samples, "calibration_samples",
		(json_int_t)s->calibration_samples, "calibration_spread", (int)p->spec.spread, "held_out",
		(int)p->spec.held_out, "batch", (int)s->variant[0].network->batch,
		"samples_per_second", (double)s->samples / s->float_seconds, "sweep_cost",
		s->total_seconds / s->float_seconds, "machine",
		qb_describe_machine(p->spec.threads), "float", qb_float_row(&rows), "schemes", schemes);
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct qb_ptq_spec spec;
	enum qb_err err = qb_ptq_spec_parse(&spec, job, NULL, eb);

	err = err == QB_OK ? qb_described_network(job, &spec, eb) : err;
	qb_ptq_spec_fini(&spec);
	return err;
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct ptq p = {.job = job};
	json_t *made = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_ptq_spec_parse(&p.spec, job, NULL, eb));
	QB_TRY_OUT(load(&p, eb));
	QB_TRY_OUT(run_sweep(&p, eb));
	QB_TRY_OUT(run_latency(&p, eb));
	made = result_of(&p);
	qb_text_tell(made, p.data, p.sweep->samples);
	if (made && p.model->converted) {
		json_object_set_new(made, "notes", qb_model_notes(p.model));
	}
	err = made ? run_export(&p, made, eb) : qb_fail(eb, QB_ENOMEM, "no memory for the results");
	if (err == QB_OK) {
		*result = made;
		made = NULL;
	}
out:
	json_decref(made);
	qb_ptq_latency_destroy(&p.latency, 1 + p.spec.schemes);
	qb_sweep_destroy(&p.sweep);
	qb_dataset_close(&p.data);
	qb_graph_destroy(&p.model);
	qb_ptq_spec_fini(&p.spec);
	return err;
}

const struct qb_experiment qb_experiment_ptq = {
	.type = "ptq",
	.summary = "post-training quantization: what each format costs a network",
	.job = {
		.summary = "Post-training quantization: calibrate, simulate every scheme on all samples, measure latency.",
		.fields = qb_ptq_fields,
		.bytes = sizeof(struct qb_ptq_spec),
		.defaults = qb_ptq_spec_defaults,
	},
	.run = run,
	.check = check,
};
