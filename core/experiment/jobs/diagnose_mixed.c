/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/sensitivity_rows.h"
#include "core/experiment/jobs/diagnose_mixed.h"

#include <math.h>
#include <stdlib.h>

#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"
#include "core/mixed/greedy.h"
#include "core/experiment/spec/scheme_spec.h"

/* Points of the front that are run, not only predicted. */
enum { MEASURED = 6, CANDIDATES_MAX = 15 };
#define HOW_MUCH "give a \"value\" or a \"share\" of what float costs, such as {\"kind\": \"size\", \"share\": 0.2}"

#define X(id, name, text) name,
static const char *const budget_kinds[] = {QB_BUDGETS(X) NULL};
#undef X

static const struct qb_object budget_object = {.fields = (const struct qb_field[]){
	{"kind", QB_FIELD_CHOICE, offsetof(struct qb_mixed_spec, kind), .choices = budget_kinds,
		.summary = "bytes of weights, gates of multiply-accumulate units, or nanoseconds of a run"},
	{"value", QB_FIELD_REAL, offsetof(struct qb_mixed_spec, budget.value), 0, QB_FIELD_MOST_REAL, .summary = "in the kind's unit"},
	{"share", QB_FIELD_REAL, offsetof(struct qb_mixed_spec, budget.share), 0, 1, .summary = "of what float costs"},
	{"threads", QB_FIELD_INT, offsetof(struct qb_mixed_spec, budget.threads), 1, QB_FIELD_MOST_INT,
		.summary = "of a run whose latency is measured", .most = offsetof(struct qb_mixed_spec, most_threads)},
	{0}}};

const struct qb_object qb_mixed_object = {.fields = (const struct qb_field[]){
	{"candidates", QB_FIELD_LIST, offsetof(struct qb_mixed_spec, candidates), 1, CANDIDATES_MAX, .required = true,
		.any = qb_scheme_entries, .takes = "other schemes for single layers, such as [\"int8\", \"float32\"]"},
	{"budget", QB_FIELD_OBJECT, .object = &budget_object, .required = true, .takes = HOW_MUCH},
	{0}}};

void qb_mixed_defaults(struct qb_mixed_spec *out)
{
	*out = (struct qb_mixed_spec){.kind = QB_BUDGET_SIZE, .budget = {.value = NAN, .share = NAN, .threads = 1}};
}

enum qb_err qb_mixed_check(struct qb_mixed_spec *spec, struct qb_errbuf *eb)
{
	if (isnan(spec->budget.value) == isnan(spec->budget.share)) {
		return qb_fail_field(eb, QB_EJOB, "mixed", "budget", HOW_MUCH);
	}
	spec->budget.kind = (enum qb_budget_kind)spec->kind;
	return QB_OK;
}

/* The choice as a job */

static const json_t *scheme_json(const struct qb_mixed_args *w, int scheme)
{
	return json_array_get(json_object_get(w->ptq, "schemes"), (size_t)scheme);
}

/* Names mean the same in a scheme and in a layer unless the job or a scheme has words of its own. */
static bool is_plain(const struct qb_mixed_args *w, int scheme)
{
	return json_is_string(scheme_json(w, 0)) && json_is_string(scheme_json(w, scheme)) &&
		!json_object_get(w->ptq, "weights") && !json_object_get(w->ptq, "activations");
}

/* What a layer of a scheme's "layers" is told: the candidate's name, or all that it settled on. */
static json_t *layer_value(const struct qb_mixed_args *w, int scheme)
{
	const struct qb_scheme *s = &w->scheme[scheme];

	if (is_plain(w, scheme)) {
		return json_incref((json_t *)scheme_json(w, scheme));
	}
	return json_pack("{s:o, s:o}", "weights", qb_scheme_part_words(&s->weights), "activations",
		qb_scheme_part_words(&s->activations));
}

/* The scheme in question with other schemes for the layers that choice gives them. */
static json_t *mixed_scheme(const struct qb_mixed_args *w, const int *choice)
{
	const json_t *base = scheme_json(w, 0);
	json_t *scheme = json_is_object(base) ? json_deep_copy(base) : json_pack("{s:O}", "scheme", base);
	json_t *layers = json_object_get(scheme, "layers");

	json_object_set_new(scheme, "name", json_string("mixed"));
	if (!layers) {
		layers = json_object();
		json_object_set_new(scheme, "layers", layers);
	}
	for (int l = 0; l < w->layers->count; l++) {
		if (choice[l] != 0) {
			json_object_set_new(layers, w->layers->layer[l].name, layer_value(w, choice[l]));
		}
	}
	return scheme;
}

/* An upload as a job names it: its id where a server runs this, else its path. */
static json_t *upload(const struct qb_mixed_args *w, const char *field)
{
	json_t *v = json_object_get(w->job->spec, field), *id = json_object_get(v, "id");

	return json_incref(id ? id : json_is_object(v) ? json_object_get(v, "path") : v);
}

static json_t *ready_job(const struct qb_mixed_args *w, const int *choice)
{
	json_t *job = json_copy((json_t *)w->ptq);

	json_object_set_new(job, "type", json_string("ptq"));
	json_object_set_new(job, "model", upload(w, "model"));
	json_object_set_new(job, "data", upload(w, "data"));
	json_object_set_new(job, "schemes", json_pack("[O, o]", scheme_json(w, 0),
		mixed_scheme(w, choice)));
	json_object_del(job, "latency");
	json_object_del(job, "threads");
	return job;
}

/* The search */

struct mix {
	const struct qb_mixed_args *args;
	struct qb_greedy_problem problem;
	double *cost, *noise; /* [layers][schemes] */
	double float_cost, budget;
	struct qb_greedy_step *path;
	int steps, *choice;
};

static enum qb_err mix_init(struct mix *m, const struct qb_budget *budget, struct qb_errbuf *eb)
{
	const struct qb_mixed_args *w = m->args;
	int layers = w->layers->count, schemes = w->sensitivity->schemes;
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
	QB_TRY_OUT(qb_layer_costs(with_float, budget, w->sweep, w->layers, w->eval, w->model, w->data,
		eb));
	for (int l = 0; l < layers; l++) {
		m->float_cost += with_float[l * (schemes + 1)];
		for (int s = 0; s < schemes; s++) {
			m->cost[l * schemes + s] = with_float[l * (schemes + 1) + 1 + s];
			m->noise[l * schemes + s] = w->sensitivity->only[s * layers + l].output.noise;
		}
	}
	m->problem = (struct qb_greedy_problem){layers, schemes, m->noise, m->cost};
	m->budget = isnan(budget->value) ? budget->share * m->float_cost : budget->value;
out:
	free(with_float);
	return err;
}

/* Nothing else runs while costs in time are taken. */
static enum qb_err mix_init_alone(struct mix *m, const struct qb_budget *budget, struct qb_errbuf *eb)
{
	struct qb_job *job = m->args->job;
	enum qb_err err;

	if (budget->kind != QB_BUDGET_LATENCY) {
		return mix_init(m, budget, eb);
	}
	QB_TRY(qb_job_section_begin(job, "latency", eb));
	err = mix_init(m, budget, eb);
	qb_job_section_end(job, "latency");
	return err;
}

static void mix_fini(struct mix *m)
{
	free(m->cost);
	free(m->noise);
	free(m->path);
	free(m->choice);
}

/* Adds what a step of the path costs and what it should lose to row. */
static void set_predicted(json_t *row, const struct mix *m, const struct qb_greedy_step *s)
{
	json_object_set_new(row, "cost", json_real(s->cost));
	json_object_set_new(row, "predicted_sqnr_db",
		qb_json_real(qb_sqnr_db(m->args->sensitivity->floats.output.signal, s->noise)));
}

/* Runs the choice and adds what it really loses. */
static enum qb_err set_measured(json_t *row, const struct mix *m, struct qb_errbuf *eb)
{
	struct qb_mixture_result r;
	const int *one = m->choice;
	json_t *outcome;

	QB_TRY(qb_mixture_eval_run(m->args->eval, &one, 1, &r, eb));
	outcome = qb_sensitivity_outcome(m->args->sensitivity, &r);
	json_object_update(row, outcome);
	json_decref(outcome);
	return QB_OK;
}

/* The path without a limit, some of whose points are measured. */
static enum qb_err front_rows(struct mix *m, json_t *rows, struct qb_errbuf *eb)
{
	const struct qb_mixed_args *w = m->args;
	int every;

	QB_TRY(qb_greedy_run(&m->problem, INFINITY, m->choice, m->path, &m->steps, eb));
	every = QB_MAX((m->steps + MEASURED - 1) / MEASURED, 1);
	/* Again from the start, along the path. */
	for (int k = 0; k < m->steps; k++) {
		const struct qb_greedy_step *s = &m->path[k];
		json_t *row;

		if (k == 0) {
			qb_greedy_start(&m->problem, m->choice);
		} else {
			m->choice[s->layer] = s->to;
		}
		row = json_pack("{s:o, s:o}", "layer",
			k ? json_string(w->layers->layer[s->layer].name) : json_null(), "to",
			k ? json_string(w->scheme[s->to].name) : json_null());
		json_array_append_new(rows, row);
		set_predicted(row, m, s);
		if (k % every == 0 || k == m->steps - 1) {
			QB_TRY(set_measured(row, m, eb));
		}
	}
	return QB_OK;
}

static enum qb_err choose(struct mix *m, json_t *out, struct qb_errbuf *eb)
{
	json_t *chosen = json_object();

	json_object_set_new(out, "chosen", chosen);
	if (qb_greedy_run(&m->problem, m->budget, m->choice, m->path, &m->steps, eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, "mixed", "budget");
	}
	QB_TRY(set_measured(chosen, m, eb));
	set_predicted(chosen, m, &m->path[m->steps - 1]);
	json_object_set_new(chosen, "scheme", mixed_scheme(m->args, m->choice));
	json_object_set_new(out, "job", ready_job(m->args, m->choice));
	return QB_OK;
}

static json_t *candidate_names(const struct qb_mixed_args *w)
{
	json_t *names = json_array();

	for (int s = 0; s < w->sensitivity->schemes; s++) {
		json_array_append_new(names, json_string(w->scheme[s].name));
	}
	return names;
}

enum qb_err qb_mixed_run(json_t **out, const struct qb_mixed_spec *spec,
	const struct qb_mixed_args *w, struct qb_errbuf *eb)
{
	struct mix m = {.args = w};
	json_t *front = json_array(), *mixed = NULL;
	enum qb_err err;

	QB_TRY_OUT(mix_init_alone(&m, &spec->budget, eb));
	mixed = json_pack("{s:o, s:s, s:f, s:f, s:O}", "candidates", candidate_names(w), "budget_kind",
		budget_kinds[spec->budget.kind], "budget", m.budget, "float_cost", m.float_cost, "front",
		front);
	QB_TRY_OUT(front_rows(&m, front, eb));
	QB_TRY_OUT(choose(&m, mixed, eb));
	*out = json_incref(mixed);
out:
	json_decref(mixed);
	json_decref(front);
	mix_fini(&m);
	return err;
}
