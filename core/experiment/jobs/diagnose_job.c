/* SPDX-License-Identifier: Apache-2.0
 *
 * The diagnose job: where a scheme loses what it loses. Every layer alone under the scheme and every layer alone in
 * float (sensitivity.h); clipping and rounding, channels and outliers of every tensor (core/experiment/report/error_rows.h); and, given other
 * schemes and a budget, which layers should have which (diagnose_mixed.h).
 */
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/experiment/report/sensitivity_rows.h"
#include "core/experiment/spec/uploads_check.h"
#include "core/experiment/report/error_rows.h"
#include "core/experiment/jobs/kinds.h"
#include "core/experiment/jobs/diagnose_mixed.h"
#include "core/experiment/spec/ptq_spec.h"
#include "core/ptq/query_samples.h"
#include "core/experiment/report/tensor_rows.h"
#include "core/experiment/report/text_rows.h"
#include "core/quant/model_bytes.h"

/* Shares of the progress bar. */
static const double SWEPT = 0.15, MIXED = 0.9;

struct diagnose {
	struct qb_ptq_spec spec; /* first: the fields that a ptq job has too fill it (QB_PTQ_UPLOADS) */
	struct qb_job *job, ptq_job;
	json_t *ptq; /* the description of a ptq job of "scheme" and the candidates */
	const json_t *scheme; /* as it is asked for */
	int64_t samples;
	bool alone; /* try every layer alone */
	bool mix;
	struct qb_mixed_spec mixed;
	struct qb_graph *model;
	struct qb_dataset *data;
	struct qb_sweep *sweep;
	struct qb_mixture_layers *layers;
	struct qb_mixture_eval *eval;
	struct qb_error_terms *terms;
	struct qb_sensitivity *sensitivity;
};

static void set_defaults(void *out)
{
	struct diagnose *d = out;

	qb_ptq_spec_defaults(&d->spec);
	qb_mixed_defaults(&d->mixed);
	d->samples = 64;
	d->alone = true;
}

static const struct qb_object calibration = {.fields = (const struct qb_field[]){
	QB_PTQ_CALIBRATION,
	{"held_out", QB_FIELD_REFUSED, .summary = "is for ptq jobs; a diagnosis looks at tensors on the samples that calibrate"},
	{0}}};

static const struct qb_field fields[] = {
	QB_PTQ_UPLOADS,
	{"samples", QB_FIELD_LONG, offsetof(struct diagnose, samples), 1, QB_FIELD_MOST_LONG,
		.summary = "the first samples, on which every layer is tried"},
	{"scheme", QB_FIELD_ANY, offsetof(struct diagnose, scheme), .any = qb_scheme_entries, .required = true,
		.takes = "say what to look into, such as \"int8\"", .summary = "what to look into, as one of a ptq job's schemes"},
	QB_PTQ_WORDS,
	{"calibration", QB_FIELD_OBJECT, .object = &calibration},
	{"sensitivity", QB_FIELD_BOOL, offsetof(struct diagnose, alone),
		.summary = "try every layer alone; false looks at tensors only"},
	{"mixed", QB_FIELD_OBJECT, offsetof(struct diagnose, mixed), .object = &qb_mixed_object,
		.summary = "choose a scheme for every layer under a budget"},
	{0}};

/* Fields that a ptq job has too, and its schemes: the one in question first. */
static void make_ptq(struct diagnose *d)
{
	static const char *const own[] = {"type", "scheme", "sensitivity", "mixed", "samples", "workdir",
		"checkpoints", "fresh"};
	json_t *schemes = json_array(), *one;
	size_t i;

	d->ptq = json_copy((json_t *)d->job->spec);
	for (i = 0; i < QB_COUNT(own); i++) {
		json_object_del(d->ptq, own[i]);
	}
	json_object_set_new(d->ptq, "schemes", schemes);
	json_object_set_new(d->ptq, "latency", json_false());
	json_array_append(schemes, (json_t *)d->scheme);
	json_array_foreach(d->mixed.candidates, i, one) {
		json_array_append(schemes, one);
	}
}

static void scheme_path(size_t i, char *out, size_t size)
{
	if (i == 0) {
		snprintf(out, size, "scheme");
	} else {
		snprintf(out, size, "mixed.candidates[%zu]", i - 1);
	}
}

static enum qb_err parse_ptq(struct diagnose *d, struct qb_errbuf *eb)
{
	make_ptq(d);
	d->ptq_job = *d->job;
	d->ptq_job.spec = d->ptq;
	QB_TRY(qb_ptq_spec_parse(&d->spec, &d->ptq_job, scheme_path, eb));
	for (int i = 0; i < d->spec.schemes; i++) {
		if (qb_method_list_changes_graph(&d->spec.methods[i])) {
			return qb_fail_field(eb, QB_EJOB, "", "methods", "those of scheme %s rewrite the network, and layers of "
				"different networks cannot be mixed; use methods that decide weights",
				d->spec.scheme[i].name);
		}
	}
	return QB_OK;
}

static enum qb_err parse(struct diagnose *d, struct qb_errbuf *eb)
{
	set_defaults(d);
	d->spec.most_threads = d->mixed.most_threads = d->job->host->threads;
	QB_TRY(qb_job_read(d, d->job, fields, eb));
	d->mix = d->mixed.candidates;
	if (d->mix && !d->alone) {
		return qb_fail_field(eb, QB_EJOB, "", "sensitivity", "false leaves nothing for \"mixed\" to choose by");
	}
	if (d->mix) {
		QB_TRY(qb_mixed_check(&d->mixed, eb));
	}
	QB_TRY(parse_ptq(d, eb));
	d->spec.max_samples = d->samples;
	return QB_OK;
}

static enum qb_err sweep_progress(void *arg, const char *stage, double fraction, const char *detail,
	struct qb_errbuf *eb)
{
	struct diagnose *d = arg;

	return qb_job_progress(d->job, stage, fraction * SWEPT, eb, "%s %s on %s%s%s", stage,
		d->spec.model_name, d->spec.data_name, detail ? ": " : "", detail ? detail : "");
}

static enum qb_err layer_progress(void *arg, int layer, double fraction, struct qb_errbuf *eb)
{
	struct diagnose *d = arg;

	fraction = SWEPT + (MIXED - SWEPT) * fraction;
	return layer < 0 ? qb_job_progress(d->job, "layers", fraction, eb, "the whole network")
			 : qb_job_progress(d->job, "layers", fraction, eb, "layer %d of %d alone", layer + 1,
				   d->layers->count);
}

static enum qb_err work(struct diagnose *d, struct qb_errbuf *eb)
{
	const struct qb_data_source source = qb_ptq_spec_source(&d->spec, d->spec.data_path, d->spec.data_name);
	struct qb_sweep_options opt = qb_ptq_sweep_options(&d->spec);
	const struct qb_network *n;

	opt.progress = sweep_progress;
	opt.check = qb_job_check;
	opt.check_arg = d->job;
	opt.arg = d;
	QB_TRY(qb_job_progress(d->job, "load", 0, eb, "reading %s", d->spec.model_name));
	QB_TRY(qb_job_in_file(qb_graph_import(&d->model, d->spec.model_path, eb), "model",
		d->spec.model_name, eb));
	QB_TRY(qb_job_in_file(qb_open_data(&d->data, &source, d->model, eb), "data", d->spec.data_name, eb));
	QB_TRY(qb_sweep_run(&d->sweep, d->model, d->data, &opt, eb));
	n = d->sweep->variant[0].network;
	QB_TRY(qb_mixture_layers_create(&d->layers, n, eb));
	QB_TRY(qb_mixture_eval_create(&d->eval, d->sweep, d->layers, d->data, &(struct qb_mixture_options){
		.metric = d->spec.metric, .samples = d->spec.max_samples, .threads = d->spec.threads, .seed = (uint64_t)d->spec.seed}, eb));
	QB_TRY(qb_error_terms_create(&d->terms, d->sweep, 0, d->data, eb));
	return qb_sensitivity_create(&d->sensitivity, d->eval, d->layers, &(struct qb_sensitivity_options){
		.schemes = d->spec.schemes, .alone = d->alone, .model_bytes = qb_model_bytes(n->graph, NULL),
		.heard = layer_progress, .arg = d}, eb);
}

static enum qb_err mix(json_t **out, struct diagnose *d, struct qb_errbuf *eb)
{
	const struct qb_mixed_args w = {.job = d->job, .ptq = d->ptq, .scheme = d->spec.scheme,
		.model = d->model, .data = d->data, .sweep = d->sweep, .layers = d->layers,
		.eval = d->eval, .sensitivity = d->sensitivity};

	if (!d->mix) {
		*out = json_null();
		return QB_OK;
	}
	QB_TRY(qb_job_progress(d->job, "mixed", MIXED, eb, "choosing among %d schemes for %d layers",
		d->spec.schemes, d->layers->count));
	return qb_mixed_run(out, &d->mixed, &w, eb);
}

static enum qb_err result_of(struct diagnose *d, json_t **result, struct qb_errbuf *eb)
{
	const struct qb_sensitivity *s = d->sensitivity;
	const char *scheme = d->spec.scheme[0].name;
	json_t *mixed = NULL, *largest = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_error_rows_largest(&largest, d->terms, d->layers, eb));
	QB_TRY_OUT(mix(&mixed, d, eb));
	*result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:O, s:O}", "type",
		"diagnose", "model", d->spec.model_name, "data", d->spec.data_name, "metric_name",
		d->spec.metric, "scheme", scheme, "samples", (json_int_t)qb_mixture_eval_samples(d->eval),
		"calibration_samples", (json_int_t)d->sweep->calibration_samples, "calibration_spread",
		(int)d->spec.spread, "float", qb_sensitivity_outcome(s, &s->floats), "all",
		qb_sensitivity_outcome(s, &s->all), "layers", qb_sensitivity_rows(d->job, s, d->layers, scheme), "tensors",
		qb_error_rows(d->terms, &d->sweep->row[0], qb_sweep_quantization(d->sweep, 0), d->layers), "largest", largest, "mixed", mixed);
	qb_text_tell(*result, d->data, qb_mixture_eval_samples(d->eval));
	if (*result && d->model->converted) {
		json_object_set_new(*result, "notes", qb_model_notes(d->model));
	}
	err = *result ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the results");
out:
	json_decref(largest);
	json_decref(mixed);
	return err;
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct diagnose d = {.job = job};
	enum qb_err err = parse(&d, eb);

	err = err == QB_OK ? qb_described_network(&d.ptq_job, &d.spec, eb) : err;
	qb_ptq_spec_fini(&d.spec);
	json_decref(d.ptq);
	return err;
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct diagnose d = {.job = job};
	enum qb_err err;

	QB_TRY_OUT(parse(&d, eb));
	QB_TRY_OUT(work(&d, eb));
	QB_TRY_OUT(result_of(&d, result, eb));
out:
	qb_sensitivity_destroy(&d.sensitivity);
	qb_error_terms_destroy(&d.terms);
	qb_mixture_eval_destroy(&d.eval);
	qb_mixture_layers_destroy(&d.layers);
	qb_sweep_destroy(&d.sweep);
	qb_dataset_close(&d.data);
	qb_graph_destroy(&d.model);
	qb_ptq_spec_fini(&d.spec);
	json_decref(d.ptq);
	return err;
}

const struct qb_experiment qb_experiment_diagnose = {
	.type = "diagnose",
	.summary = "where a scheme loses what it loses, and mixed precision",
	.job = {
		.summary = "Where a scheme loses: layer by layer, clipping and rounding, channels, outliers; and mixed precision under a "
			"budget.",
		.fields = fields,
		.bytes = sizeof(struct diagnose),
		.defaults = set_defaults,
	},
	.run = run,
	.check = check,
};
