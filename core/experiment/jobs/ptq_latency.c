/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/ptq_latency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/experiment/report/describe.h"
#include "core/analysis/profile.h"
#include "core/ptq/query_samples.h"

struct subject {
	struct qb_plan *own_plan; /* of an int8 scheme; NULL when the network's plan is used */
	struct qb_session *session;
	struct qb_run run;
};

struct bench {
	struct qb_network *frozen;     /* float, nothing observed: fused as far as possible */
	int variants;
	struct qb_network **simulated; /* [variants]: the schemes' overlays, at batch 1 */
	struct qb_query_samples *sample;
	int subjects;
	struct subject *subject;
};

static enum qb_err query(void *arg, struct qb_errbuf *eb)
{
	struct subject *s = arg;

	return qb_session_run(s->session, &s->run, eb);
}

static void bench_fini(struct bench *b)
{
	for (int i = 0; b->subject && i < b->subjects; i++) {
		qb_session_destroy(&b->subject[i].session);
		qb_plan_destroy(&b->subject[i].own_plan);
	}
	free(b->subject);
	qb_query_samples_destroy(&b->sample);
	for (int v = 0; b->simulated && v < b->variants; v++) {
		qb_network_destroy(&b->simulated[v]);
	}
	free(b->simulated);
	qb_network_destroy(&b->frozen);
}

/* Steps that run in integers, and which nodes do not, and why. */
static json_t *integer_steps(const struct qb_plan *plan)
{
	json_t *rest = json_array();
	const struct qb_node *last = NULL;
	json_int_t steps = 0;

	for (int i = 0; i < qb_plan_steps(plan); i++) {
		struct qb_step_info s = qb_plan_step(plan, i);

		steps += !strcmp(s.kind, "int8");
		if (s.why_float && s.node && s.node != last) {
			json_array_append_new(rest, json_pack("{s:s, s:s, s:s}", "node", s.node->name, "type",
				s.node->type, "why", s.why_float));
			last = s.node;
		}
	}
	return json_pack("{s:I, s:o}", "steps", steps, "float_steps", rest);
}

static enum qb_err add_scheme(struct bench *b, const struct qb_sweep *sweep, int i, int threads,
	struct qb_ptq_latency *out, struct qb_errbuf *eb)
{
	struct subject *s = &b->subject[1 + i];
	const struct qb_network *n = b->simulated[sweep->row[i].variant];
	int at = sweep->row[i].at;
	struct qb_errbuf why = {0};
	enum qb_err err = qb_int8_check(n->quantization[at], &why);

	s->run = b->subject[0].run;
	if (err == QB_OK) {
		err = qb_plan_create_int8(&s->own_plan, n->graph, threads, n->quantization[at], NULL,
			&why);
	}
	out->native = err == QB_OK;
	out->integer = out->native ? integer_steps(s->own_plan) : NULL;
	if (!out->native) {
		snprintf(out->why_emulated, sizeof(out->why_emulated), "%.250s", why.text);
		s->run.overlay = n->overlay[at];
	}
	return qb_session_create(&s->session, out->native ? s->own_plan : n->plan, false, eb);
}

static enum qb_err prepare(struct bench *b, struct qb_ptq_latency *out,
	const struct qb_graph *model, const struct qb_dataset *data,
	const struct qb_sweep *sweep, int threads, struct qb_errbuf *eb)
{
	int64_t batch = qb_model_batch(model);

	batch = batch ? batch : 1;
	b->subjects = 1 + sweep->rows;
	b->subject = calloc((size_t)b->subjects, sizeof(*b->subject));
	b->variants = sweep->variants;
	b->simulated = calloc((size_t)b->variants + 1, sizeof(*b->simulated));
	if (!b->subject || !b->simulated) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d latency subjects", b->subjects);
	}
	QB_TRY(qb_network_create_frozen(&b->frozen, model, batch, threads, eb));
	for (int v = 0; v < b->variants; v++) {
		QB_TRY(qb_network_create(&b->simulated[v], sweep->variant[v].model, batch, threads, eb));
		QB_TRY(qb_network_quantize_like(b->simulated[v], sweep->variant[v].network, eb));
	}
	QB_TRY(qb_query_samples_create(&b->sample, b->frozen->graph, data, eb));
	b->subject[0].run.input = qb_query_samples_inputs(b->sample);
	b->subject[0].run.output = qb_query_samples_outputs(b->sample);
	QB_TRY(qb_session_create(&b->subject[0].session, b->frozen->plan, false, eb));
	out[0].native = true;
	for (int i = 0; i < sweep->rows; i++) {
		QB_TRY(add_scheme(b, sweep, i, threads, &out[1 + i], eb));
	}
	return QB_OK;
}

static enum qb_err profile_natives(const struct bench *b, struct qb_ptq_latency *rows,
	struct qb_errbuf *eb)
{
	for (int i = 0; i < b->subjects; i++) {
		const struct subject *s = &b->subject[i];

		if (rows[i].native) {
			QB_TRY(qb_profile(&rows[i].profile, i == 0 ? b->frozen->plan : s->own_plan, s->session,
				&s->run, eb));
		}
	}
	return QB_OK;
}

static enum qb_err measure(struct qb_ptq_latency **out, const struct qb_graph *model,
	const struct qb_dataset *data, const struct qb_sweep *sweep, const struct qb_ptq_latency_options *opt,
	struct qb_errbuf *eb)
{
	static const struct qb_sweep none;
	const struct qb_ptq_spec *spec = opt->spec;
	int n = 1 + (sweep ? sweep->rows : 0);
	struct bench b = {0};
	struct qb_ptq_latency *rows = calloc((size_t)n, sizeof(*rows));
	struct qb_latency_subject *subjects = calloc((size_t)n, sizeof(*subjects));
	struct qb_latency *measured = calloc((size_t)n, sizeof(*measured));
	enum qb_err err = QB_OK;

	if (!rows || !subjects || !measured) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %d latency rows", n);
		goto out;
	}
	QB_TRY_OUT(prepare(&b, rows, model, data, sweep ? sweep : &none, spec->latency_threads, eb));
	for (int i = 0; i < n; i++) {
		subjects[i] = (struct qb_latency_subject){query, &b.subject[i]};
	}
	QB_TRY_OUT(qb_latency_measure(subjects, n, &spec->latency_options, measured, opt->progress, opt->arg, eb));
	for (int i = 0; i < n; i++) {
		rows[i].latency = measured[i];
		rows[i].threads = spec->latency_threads;
	}
	if (spec->profile) {
		QB_TRY_OUT(profile_natives(&b, rows, eb));
	}
	*out = rows;
	rows = NULL;
out:
	bench_fini(&b);
	free(measured);
	free(subjects);
	qb_ptq_latency_destroy(&rows, n);
	return err;
}

enum qb_err qb_ptq_latency_run(struct qb_ptq_latency **out, const struct qb_graph *model,
	const struct qb_dataset *data, const struct qb_sweep *sweep, const struct qb_ptq_latency_options *opt,
	struct qb_errbuf *eb)
{
	enum qb_err err;

	if (!opt->spec->latency) {
		return QB_OK;
	}
	QB_TRY(qb_job_section_begin(opt->job, "latency", eb));
	err = measure(out, model, data, sweep, opt, eb);
	qb_job_section_end(opt->job, "latency");
	return err;
}

void qb_ptq_latency_destroy(struct qb_ptq_latency **rows, int n)
{
	for (int i = 0; *rows && i < n; i++) {
		json_decref((*rows)[i].integer);
		json_decref((*rows)[i].profile);
	}
	free(*rows);
	*rows = NULL;
}

static json_t *bound(int64_t ns)
{
	return ns < 0 ? json_null() : json_integer(ns);
}

json_t *qb_ptq_latency_json(const struct qb_ptq_latency *l)
{
	const struct qb_latency *m = &l->latency;
	json_t *out = json_pack("{s:s, s:i, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:f, s:b}",
		"execution", l->native ? "native" : "emulated", "threads", l->threads, "p50_ns",
		(json_int_t)m->p50_ns, "p90_ns", (json_int_t)m->p90_ns, "p99_ns",
		(json_int_t)m->p99_ns, "mean_ns", m->mean_ns, "stddev_ns", m->stddev_ns, "min_ns",
		(json_int_t)m->min_ns, "max_ns", (json_int_t)m->max_ns, "count",
		(json_int_t)m->count, "seconds", m->seconds, "short", m->short_run);

	json_object_set_new(out, "early_stopping",
		json_pack("{s:f, s:o, s:o, s:o}", "confidence", 0.99, "p50_ns", bound(m->es50_ns),
			"p90_ns", bound(m->es90_ns), "p99_ns", bound(m->es99_ns)));
	json_object_set_new(out, "machine", qb_describe_machine(l->threads));
	if (!l->native) {
		json_object_set_new(out, "why_emulated", json_string(l->why_emulated));
	}
	if (l->profile) {
		json_object_set(out, "profile", l->profile);
	}
	return out;
}
