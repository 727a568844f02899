/* SPDX-License-Identifier: Apache-2.0
 *
 * The diagnose job: where a scheme loses what it loses. Every layer alone under the scheme and every layer alone in
 * float; clipping and rounding, channels and outliers of every tensor; and, given other schemes and a budget, which
 * layers should have which, as a ptq job that is ready to run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"
#include "core/experiment/faults.h"
#include "core/experiment/greedy.h"
#include "core/experiment/kinds.h"
#include "core/experiment/mixed.h"
#include "core/experiment/params.h"
#include "core/experiment/ptq_spec.h"
#include "core/experiment/sample.h"
#include "core/experiment/tensor_rows.h"

enum { SAMPLES = 64, GROUP = 8, GROUP_BYTES = 512 << 20, WORST = 5, LARGEST = 20, MEASURED = 6 };

/* Shares of the progress bar. */
static const double SWEPT = 0.15, MIXED = 0.9;

struct diagnose {
	struct qb_job *job, ptq_job;
	json_t *ptq; /* the description of a ptq job of "scheme" and the candidates */
	struct qb_ptq_spec spec;
	bool sensitivity;    /* try every layer alone */
	const json_t *mixed; /* NULL: not asked for */
	struct qb_budget budget;
	struct qb_graph *model;
	struct qb_dataset *data;
	struct qb_sweep *sweep;
	struct qb_mix_layers *layers;
	struct qb_mixer *mixer;
	struct qb_faults *faults;
	int runs, done; /* mixtures in all, and so far */
	struct qb_mixture_result floats, all, *only, *but; /* only [schemes][layers]; but [layers] */
};

/* The description */

static enum qb_err read_budget(struct diagnose *d, struct qb_errbuf *eb)
{
#define X(id, name, text) name,
	static const char *const kinds[] = {QB_BUDGETS(X) NULL};
#undef X
	static const char *const known[] = {"kind", "value", "share", "threads", NULL};
	const json_t *b;
	int kind = QB_BUDGET_SIZE;
	int64_t threads = 1;

	d->budget = (struct qb_budget){.value = NAN, .share = NAN};
	QB_TRY(qb_param_object(d->mixed, "mixed", "budget", &b, eb));
	if (b) {
		QB_TRY(qb_param_only(b, "mixed.budget", known, eb));
		QB_TRY(qb_param_choice(b, "mixed.budget", "kind", kinds, &kind, eb));
		QB_TRY(qb_param_real(b, "mixed.budget", "value", 0, 1e30, &d->budget.value, eb));
		QB_TRY(qb_param_real(b, "mixed.budget", "share", 0, 1, &d->budget.share, eb));
		QB_TRY(qb_param_int(b, "mixed.budget", "threads", 1, d->job->host->threads, &threads, eb));
	}
	d->budget.kind = (enum qb_budget_kind)kind;
	d->budget.threads = (int)threads;
	if (isnan(d->budget.value) == isnan(d->budget.share)) {
		return qb_fail(eb, QB_EJOB, "mixed.budget: give a \"value\" or a \"share\" of what float costs, "
			"such as {\"kind\": \"size\", \"share\": 0.2}");
	}
	return QB_OK;
}

/* Fields that a ptq job has too, and its schemes: the one in question first. */
static enum qb_err make_ptq(struct diagnose *d, struct qb_errbuf *eb)
{
	static const char *const own[] = {"type", "scheme", "sensitivity", "mixed", "samples", "workdir",
		"fresh"};
	const json_t *candidates = NULL;
	json_t *schemes = json_array(), *one;
	size_t i;

	d->ptq = json_copy((json_t *)d->job->spec);
	for (i = 0; i < QB_COUNT(own); i++) {
		json_object_del(d->ptq, own[i]);
	}
	json_object_set_new(d->ptq, "schemes", schemes);
	one = json_object_get(d->job->spec, "scheme");
	if (!one) {
		return qb_fail(eb, QB_EJOB, "scheme: say what to look into, such as \"int8\"");
	}
	json_array_append(schemes, one);
	if (d->mixed) {
		static const char *const known[] = {"candidates", "budget", NULL};

		QB_TRY(qb_param_only(d->mixed, "mixed", known, eb));
		QB_TRY(qb_param_array(d->mixed, "mixed", "candidates", &candidates, eb));
		if (!json_array_size(candidates)) {
			return qb_fail(eb, QB_EJOB, "mixed.candidates: give other schemes for single layers, such as "
				"[\"int8\", \"float32\"]");
		}
		QB_TRY(read_budget(d, eb));
	}
	json_array_foreach(candidates, i, one) {
		json_array_append(schemes, one);
	}
	json_object_set_new(d->ptq, "latency", json_false());
	return QB_OK;
}

static enum qb_err parse(struct diagnose *d, struct qb_errbuf *eb)
{
	static const char *const known[] = {"type", "model", "data", "metric", "seed", "preprocess",
		"scheme", "sensitivity", "mixed", "weights", "activations", "methods", "calibration", "samples", "threads",
		"workdir", "fresh", NULL};
	int64_t samples = SAMPLES;

	QB_TRY(qb_param_only(d->job->spec, "", known, eb));
	QB_TRY(qb_param_object(d->job->spec, "", "mixed", &d->mixed, eb));
	QB_TRY(qb_param_int(d->job->spec, "", "samples", 1, INT64_MAX, &samples, eb));
	d->sensitivity = true;
	QB_TRY(qb_param_bool(d->job->spec, "", "sensitivity", &d->sensitivity, eb));
	if (d->mixed && !d->sensitivity) {
		return qb_fail(eb, QB_EJOB, "sensitivity: false leaves nothing for \"mixed\" to choose by");
	}
	QB_TRY(make_ptq(d, eb));
	d->ptq_job = (struct qb_job){.spec = d->ptq, .host = d->job->host};
	if (qb_ptq_spec_parse(&d->spec, &d->ptq_job, eb) != QB_OK) {
		return eb && !strncmp(eb->text, "schemes[", 8)
			? qb_fail_in(eb, eb->code, "of [scheme, mixed.candidates ...]")
			: eb ? eb->code : QB_EJOB;
	}
	d->spec.max_samples = samples;
	for (int i = 0; i < d->spec.schemes; i++) {
		if (qb_method_list_changes_graph(&d->spec.methods[i])) {
			return qb_fail(eb, QB_EJOB, "methods: those of scheme %s rewrite the network, and layers of "
				"different networks cannot be mixed; use methods that decide weights",
				d->spec.scheme[i].name);
		}
	}
	return QB_OK;
}

/* The work */

static enum qb_err sweep_progress(void *arg, const char *stage, double fraction,
	struct qb_errbuf *eb)
{
	struct diagnose *d = arg;

	return qb_job_progress(d->job, stage, fraction * SWEPT, eb, "%s %s on %s", stage,
		d->spec.model_name, d->spec.data_name);
}

static enum qb_err prepare(struct diagnose *d, struct qb_errbuf *eb)
{
	const struct qb_sweep_options opt = {.metric = d->spec.metric, .threads = d->spec.threads,
		.calibration_samples = d->spec.calibration_samples, .samples = d->spec.max_samples,
		.scheme = d->spec.scheme, .methods = d->spec.methods, .schemes = d->spec.schemes,
		.seed = (uint64_t)d->spec.seed, .progress = sweep_progress, .arg = d};
	size_t layers;

	QB_TRY(qb_job_progress(d->job, "load", 0, eb, "reading %s", d->spec.model_name));
	QB_TRY(qb_graph_import(&d->model, d->spec.model_path, eb));
	QB_TRY(qb_open_data(&d->data, d->spec.data_path, d->model, &d->spec.preprocess, eb));
	QB_TRY(qb_sweep_run(&d->sweep, d->model, d->data, &opt, eb));
	QB_TRY(qb_mix_layers_create(&d->layers, d->sweep->variant[0].network, eb));
	QB_TRY(qb_mixer_create(&d->mixer, d->sweep, d->layers, d->data, d->spec.metric,
		d->spec.max_samples, d->spec.threads, eb));
	QB_TRY(qb_faults_create(&d->faults, d->sweep, 0, d->data, eb));
	layers = (size_t)d->layers->count;
	d->only = calloc(layers * (size_t)d->spec.schemes + 1, sizeof(*d->only));
	d->but = calloc(layers + 1, sizeof(*d->but));
	d->runs = (int)layers * (d->spec.schemes + 1) + 2;
	return d->only && d->but ? QB_OK
		: qb_fail(eb, QB_ENOMEM, "no memory for %d layers", d->layers->count);
}

/* All layers one way, but one of them the other way. */
struct request {
	int all, layer, other; /* layer -1: none */
	struct qb_mixture_result *out;
};

static enum qb_err run_group(struct diagnose *d, const struct request *r, int count,
	struct qb_errbuf *eb)
{
	int layers = d->layers->count, *choice = malloc((size_t)(layers * count + 1) * sizeof(*choice));
	struct qb_mixture_result result[GROUP];
	const int *each[GROUP];
	enum qb_err err;

	if (!choice) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d layers", layers);
	}
	for (int k = 0; k < count; k++) {
		each[k] = choice + k * layers;
		for (int l = 0; l < layers; l++) {
			choice[k * layers + l] = l == r[k].layer ? r[k].other : r[k].all;
		}
	}
	err = qb_mixer_run(d->mixer, each, count, result, eb);
	for (int k = 0; err == QB_OK && k < count; k++) {
		*r[k].out = result[k];
	}
	free(choice);
	return err;
}

/* As many at a time as their weights have room. */
static int group_size(const struct diagnose *d)
{
	size_t bytes = qb_model_bytes(d->sweep->variant[0].network->graph, NULL) + 1;

	return (int)QB_MAX(QB_MIN(GROUP_BYTES / bytes, (size_t)GROUP), (size_t)1);
}

static enum qb_err run_layers(struct diagnose *d, struct qb_errbuf *eb)
{
	int layers = d->layers->count, n = 0, size = group_size(d);
	struct request *r = calloc((size_t)d->runs, sizeof(*r));
	enum qb_err err = r ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for %d runs", d->runs);

	if (r) {
		r[n++] = (struct request){QB_MIXTURE_FLOAT, -1, 0, &d->floats};
		r[n++] = (struct request){0, -1, 0, &d->all};
	}
	for (int l = 0; r && d->sensitivity && l < layers; l++) {
		r[n++] = (struct request){0, l, QB_MIXTURE_FLOAT, &d->but[l]};
		for (int s = 0; s < d->spec.schemes; s++) {
			r[n++] = (struct request){QB_MIXTURE_FLOAT, l, s, &d->only[s * layers + l]};
		}
	}
	for (int k = 0; err == QB_OK && k < n; k += size) {
		err = qb_job_progress(d->job, "layers", SWEPT + (MIXED - SWEPT) * k / n, eb,
			"layer %d of %d alone", k / (d->spec.schemes + 1) + 1, layers);
		err = err == QB_OK ? run_group(d, r + k, QB_MIN(size, n - k), eb) : err;
	}
	free(r);
	return err;
}

/* Results */

static json_t *outcome(const struct diagnose *d, const struct qb_mixture_result *r)
{
	return json_pack("{s:o, s:o, s:o}", "metric", qb_json_real(r->metric), "delta",
		qb_json_real(r->metric - d->floats.metric), "output_sqnr_db",
		qb_json_real(qb_sqnr_db(r->signal, r->noise)));
}

static json_t *layer_rows(const struct diagnose *d)
{
	json_t *rows = json_array();
	double sum = 0;

	for (int l = 0; l < d->layers->count; l++) {
		sum += d->only[l].noise;
	}
	for (int l = 0; d->sensitivity && l < d->layers->count; l++) {
		const struct qb_mix_layer *layer = &d->layers->layer[l];

		qb_job_metric(d->job, "layer", d->spec.scheme[0].name, layer->name, "only_sqnr",
			qb_sqnr_db(d->only[l].signal, d->only[l].noise), "dB");
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:f, s:I, s:o, s:o, s:o}", "layer", layer->name, "type",
				layer->type, "macs", layer->macs, "weight_bytes",
				(json_int_t)layer->float_bytes, "only", outcome(d, &d->only[l]), "all_but",
				outcome(d, &d->but[l]), "noise_share",
				qb_json_real(sum > 0 ? d->only[l].noise / sum : NAN)));
	}
	return rows;
}

static const char *layer_name(const struct diagnose *d, const struct qb_value *v)
{
	int l = d->layers->of[v->index];

	return l >= 0 ? d->layers->layer[l].name : "";
}

/* The channels that hold most of the noise. */
static json_t *worst_channels(const struct qb_fault *f)
{
	json_t *rows = json_array();
	int64_t worst[WORST];
	int n = 0;

	for (int64_t c = 0; c < f->channels; c++) {
		int at = n;

		while (at > 0 && f->channel[worst[at - 1]].noise < f->channel[c].noise) {
			if (at < WORST) {
				worst[at] = worst[at - 1];
			}
			at--;
		}
		if (at < WORST) {
			worst[at] = c;
			n = n < WORST ? n + 1 : n;
		}
	}
	for (int k = 0; k < n && f->noise > 0; k++) {
		const struct qb_channel_fault *c = &f->channel[worst[k]];

		json_array_append_new(rows,
			json_pack("{s:I, s:o, s:f, s:f}", "channel", (json_int_t)worst[k], "sqnr_db",
				qb_json_real(qb_sqnr_db(c->signal, c->noise)), "noise_share",
				c->noise / f->noise, "inf_norm", (double)c->inf_norm));
	}
	return rows;
}

static json_t *tensor_rows(const struct diagnose *d)
{
	json_t *rows = json_array();

	for (int i = 0; i < d->faults->count; i++) {
		const struct qb_fault *f = &d->faults->fault[i];
		const struct qb_qdq_sums *s = &d->sweep->row[0].sums[f->value->index];
		double clip = f->noise > 0 ? f->clip / f->noise : 0;

		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:f, s:f, s:f, s:o, s:I, s:o}", "name",
				f->value->name, "kind", f->value->constant ? "weight" : "activation", "layer",
				layer_name(d, f->value), "format", f->q->format.name, "sqnr_db",
				qb_json_real(qb_sqnr_db(f->signal, f->noise)), "network_sqnr_db",
				f->value->constant ? json_null()
					: qb_json_real(qb_sqnr_db(s->ref_signal, s->ref_noise)),
				"clipping", clip, "rounding", f->noise > 0 ? 1 - clip : 0, "inf_norm",
				(double)f->inf_norm, "kurtosis", qb_json_real(qb_fault_kurtosis(f)),
				"channels", (json_int_t)f->channels, "worst_channels", worst_channels(f)));
	}
	return rows;
}

struct large {
	const struct qb_fault *fault;
	int64_t channel;
	float norm;
};

/* The channels of activations with the largest magnitudes, one entry a channel. */
static json_t *largest_rows(const struct diagnose *d, struct qb_errbuf *eb, enum qb_err *err)
{
	struct large top[LARGEST];
	json_t *rows = json_array();
	int n = 0;

	*err = QB_OK;
	for (int i = 0; i < d->faults->count; i++) {
		const struct qb_fault *f = &d->faults->fault[i];

		for (int64_t c = 0; !f->value->constant && c < f->channels; c++) {
			float norm = f->channel[c].inf_norm;
			int at = n;

			while (at > 0 && top[at - 1].norm < norm) {
				if (at < LARGEST) {
					top[at] = top[at - 1];
				}
				at--;
			}
			if (at < LARGEST) {
				top[at] = (struct large){f, c, norm};
				n = n < LARGEST ? n + 1 : n;
			}
		}
	}
	for (int k = 0; k < n && *err == QB_OK; k++) {
		float median = qb_fault_median_norm(top[k].fault, eb, err);

		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:I, s:f, s:o}", "layer", layer_name(d, top[k].fault->value),
				"tensor", top[k].fault->value->name, "channel", (json_int_t)top[k].channel,
				"inf_norm", (double)top[k].norm, "ratio",
				qb_json_real((double)top[k].norm / median)));
	}
	return rows;
}

/* Mixed precision */

static const json_t *scheme_json(const struct diagnose *d, int scheme)
{
	return json_array_get(json_object_get(d->ptq, "schemes"), (size_t)scheme);
}

/* What a layer of a scheme's "layers" is told. */
static json_t *layer_value(const json_t *scheme)
{
	json_t *v = json_deep_copy(scheme);

	if (json_is_object(v) && json_object_get(v, "scheme")) {
		json_t *name = json_incref(json_object_get(v, "scheme"));

		json_decref(v);
		return name;
	}
	json_object_del(v, "name");
	json_object_del(v, "methods");
	json_object_del(v, "layers");
	return v;
}

/* An upload as a job names it: its id where a server runs this, else its path. */
static json_t *upload(const struct diagnose *d, const char *field)
{
	json_t *v = json_object_get(d->job->spec, field), *id = json_object_get(v, "id");

	return json_incref(id ? id : json_is_object(v) ? json_object_get(v, "path") : v);
}

/* The scheme in question with other schemes for the layers that choice gives them. */
static json_t *mixed_scheme(const struct diagnose *d, const int *choice)
{
	const json_t *base = scheme_json(d, 0);
	json_t *scheme = json_is_object(base) ? json_deep_copy(base) : json_pack("{s:O}", "scheme", base);
	json_t *layers = json_object();

	for (int l = 0; l < d->layers->count; l++) {
		if (choice[l] != 0) {
			json_object_set_new(layers, d->layers->layer[l].name,
				layer_value(scheme_json(d, choice[l])));
		}
	}
	json_object_set_new(scheme, "name", json_string("mixed"));
	json_object_set_new(scheme, "layers", layers);
	return scheme;
}

static json_t *ready_job(const struct diagnose *d, const int *choice)
{
	json_t *job = json_copy(d->ptq);

	json_object_set_new(job, "type", json_string("ptq"));
	json_object_set_new(job, "model", upload(d, "model"));
	json_object_set_new(job, "data", upload(d, "data"));
	json_object_set_new(job, "schemes", json_pack("[O, o]", scheme_json(d, 0),
		mixed_scheme(d, choice)));
	json_object_del(job, "latency");
	json_object_del(job, "threads");
	return job;
}

struct mix {
	struct qb_greedy_problem problem;
	double *cost, *noise; /* [layers][schemes] */
	double float_cost, budget;
	struct qb_greedy_step *path;
	int steps, *choice;
};

static enum qb_err mix_init(struct mix *m, const struct diagnose *d, struct qb_errbuf *eb)
{
	int layers = d->layers->count, schemes = d->spec.schemes;
	size_t n = (size_t)layers * (size_t)schemes + 1;
	double *with_float = calloc(n + (size_t)layers, sizeof(double));
	enum qb_err err = QB_OK;

	m->cost = calloc(n, sizeof(double));
	m->noise = calloc(n, sizeof(double));
	m->path = calloc(n, sizeof(*m->path));
	m->choice = calloc((size_t)layers + 1, sizeof(*m->choice));
	if (!with_float || !m->cost || !m->noise || !m->path || !m->choice) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %d layers", layers);
		goto out;
	}
	QB_TRY_OUT(qb_mixed_costs(with_float, &d->budget, d->sweep, d->layers, d->mixer, d->model,
		d->data, eb));
	for (int l = 0; l < layers; l++) {
		m->float_cost += with_float[l * (schemes + 1)];
		for (int s = 0; s < schemes; s++) {
			m->cost[l * schemes + s] = with_float[l * (schemes + 1) + 1 + s];
			m->noise[l * schemes + s] = d->only[s * layers + l].noise;
		}
	}
	m->problem = (struct qb_greedy_problem){layers, schemes, m->noise, m->cost};
	m->budget = isnan(d->budget.value) ? d->budget.share * m->float_cost : d->budget.value;
out:
	free(with_float);
	return err;
}

static void mix_fini(struct mix *m)
{
	free(m->cost);
	free(m->noise);
	free(m->path);
	free(m->choice);
}

/* The path without a limit, some of whose points are measured. */
static enum qb_err front_rows(struct mix *m, struct diagnose *d, json_t *rows, struct qb_errbuf *eb)
{
	int *choice = m->choice, every;

	QB_TRY(qb_greedy_run(&m->problem, INFINITY, choice, m->path, &m->steps, eb));
	every = QB_MAX((m->steps + MEASURED - 1) / MEASURED, 1);
	/* Again from the start, along the path. */
	for (int k = 0; k < m->steps; k++) {
		const struct qb_greedy_step *s = &m->path[k];
		struct qb_mixture_result r;
		json_t *row;

		if (k == 0) {
			qb_greedy_start(&m->problem, choice);
		} else {
			choice[s->layer] = s->to;
		}
		row = json_pack("{s:o, s:o, s:f, s:o}", "layer",
			k ? json_string(d->layers->layer[s->layer].name) : json_null(), "to",
			k ? json_string(d->spec.scheme[s->to].name) : json_null(), "cost", s->cost,
			"predicted_sqnr_db", qb_json_real(qb_sqnr_db(d->floats.signal, s->noise)));
		if (k % every == 0 || k == m->steps - 1) {
			const int *one = choice;

			QB_TRY(qb_mixer_run(d->mixer, &one, 1, &r, eb));
			json_object_update_new(row, outcome(d, &r));
		}
		json_array_append_new(rows, row);
	}
	return QB_OK;
}

static json_t *candidate_names(const struct diagnose *d)
{
	json_t *names = json_array();

	for (int s = 0; s < d->spec.schemes; s++) {
		json_array_append_new(names, json_string(d->spec.scheme[s].name));
	}
	return names;
}

static enum qb_err choose(struct mix *m, struct diagnose *d, json_t *out, struct qb_errbuf *eb)
{
	struct qb_mixture_result r;
	const int *one = m->choice;
	json_t *chosen;

	if (qb_greedy_run(&m->problem, m->budget, m->choice, m->path, &m->steps, eb) != QB_OK) {
		return qb_fail_in(eb, QB_EJOB, "mixed.budget");
	}
	QB_TRY(qb_mixer_run(d->mixer, &one, 1, &r, eb));
	chosen = outcome(d, &r);
	json_object_set_new(chosen, "cost", json_real(m->path[m->steps - 1].cost));
	json_object_set_new(chosen, "predicted_sqnr_db",
		qb_json_real(qb_sqnr_db(d->floats.signal, m->path[m->steps - 1].noise)));
	json_object_set_new(chosen, "scheme", mixed_scheme(d, m->choice));
	json_object_set_new(out, "chosen", chosen);
	json_object_set_new(out, "job", ready_job(d, m->choice));
	return QB_OK;
}

static enum qb_err mix(struct diagnose *d, json_t **out, struct qb_errbuf *eb)
{
#define X(id, name, text) name,
	static const char *const kinds[] = {QB_BUDGETS(X) NULL};
#undef X
	struct mix m = {0};
	json_t *front = json_array();
	enum qb_err err;

	*out = json_null();
	if (!d->mixed) {
		json_decref(front);
		return QB_OK;
	}
	QB_TRY_OUT(qb_job_progress(d->job, "mixed", MIXED, eb, "choosing among %d schemes for %d layers",
		d->spec.schemes, d->layers->count));
	if (d->budget.kind == QB_BUDGET_LATENCY) {
		QB_TRY_OUT(qb_job_section_begin(d->job, "latency", eb));
		err = mix_init(&m, d, eb);
		qb_job_section_end(d->job, "latency");
	} else {
		err = mix_init(&m, d, eb);
	}
	if (err != QB_OK) {
		goto out;
	}
	*out = json_pack("{s:o, s:s, s:f, s:f, s:O}", "candidates", candidate_names(d), "budget_kind",
		kinds[d->budget.kind], "budget", m.budget, "float_cost", m.float_cost, "front", front);
	QB_TRY_OUT(front_rows(&m, d, front, eb));
	QB_TRY_OUT(choose(&m, d, *out, eb));
out:
	json_decref(front);
	mix_fini(&m);
	return err;
}

static enum qb_err result_of(struct diagnose *d, json_t **result, struct qb_errbuf *eb)
{
	json_t *mixed = NULL, *largest;
	enum qb_err err;

	largest = largest_rows(d, eb, &err);
	if (err == QB_OK) {
		err = mix(d, &mixed, eb);
	}
	if (err != QB_OK) {
		json_decref(largest);
		json_decref(mixed);
		return err;
	}
	*result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "type",
		"diagnose", "model", d->spec.model_name, "data", d->spec.data_name, "metric_name",
		d->spec.metric, "scheme", d->spec.scheme[0].name, "samples",
		(json_int_t)qb_mixer_samples(d->mixer), "calibration_samples",
		(json_int_t)d->sweep->calibration_samples, "float", outcome(d, &d->floats), "all",
		outcome(d, &d->all), "layers", layer_rows(d), "tensors", tensor_rows(d), "largest", largest,
		"mixed", mixed);
	return *result ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the results");
}

enum qb_err qb_experiment_diagnose(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct diagnose d = {.job = job};
	enum qb_err err;

	QB_TRY_OUT(parse(&d, eb));
	QB_TRY_OUT(prepare(&d, eb));
	QB_TRY_OUT(run_layers(&d, eb));
	QB_TRY_OUT(result_of(&d, result, eb));
out:
	free(d.only);
	free(d.but);
	qb_faults_destroy(&d.faults);
	qb_mixer_destroy(&d.mixer);
	qb_mix_layers_destroy(&d.layers);
	qb_sweep_destroy(&d.sweep);
	qb_dataset_close(&d.data);
	qb_graph_destroy(&d.model);
	qb_ptq_spec_fini(&d.spec);
	json_decref(d.ptq);
	return err;
}
