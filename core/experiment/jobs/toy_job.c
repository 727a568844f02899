/* SPDX-License-Identifier: Apache-2.0
 *
 * The toy job: one weight whose target lies between two levels, trained by each of several methods (Nagel et al., ICML 2022,
 * figure 1). The straight-through estimator oscillates, with the share and period that its formula predicts; dampening and freezing end it.
 */
#include <stdlib.h>

#include "core/experiment/jobs/kinds.h"
#include "core/experiment/spec/train_method_spec.h"
#include "core/format/format.h"
#include "core/train/toy.h"

enum { RUNS_MAX = 16, STEPS_MAX = 10000 };

struct toy {
	struct qb_toy_config config;
	const char *format;
	int64_t seed;
	const json_t *asked; /* methods, a run each */
	int runs;
	struct qb_train_method_list methods[RUNS_MAX];
};

static void set_defaults(void *out)
{
	struct toy *t = out;

	qb_toy_config_init(&t->config);
	t->format = "int5";
	t->seed = 1;
}

static const struct qb_field fields[] = {
	{"methods", QB_FIELD_LIST, offsetof(struct toy, asked), 1, RUNS_MAX, .any = qb_train_method_entries,
		.takes = "methods, each of which trains the weight", .summary = "each trains the weight anew, alone or as a list of methods "
			"that work together; default: lsq, dampen with lambda 1, freeze"},
	{"target", QB_FIELD_REAL, offsetof(struct toy, config.target), -1000, 1000, .summary = "where the weight would be without quantization"},
	{"start", QB_FIELD_REAL, offsetof(struct toy, config.start), -1000, 1000, .summary = "the weight at first"},
	{"format", QB_FIELD_STRING, offsetof(struct toy, format), .summary = "an integer format"},
	{"scale", QB_FIELD_REAL, offsetof(struct toy, config.scale), QB_FIELD_LEAST_REAL, 1000, .summary = "distance of its levels"},
	{"lr", QB_FIELD_REAL, offsetof(struct toy, config.rate), 0, 1000, .summary = "learning rate of gradient descent"},
	{"steps", QB_FIELD_INT, offsetof(struct toy, config.steps), .low = 1, .high = STEPS_MAX},
	{"deviation", QB_FIELD_REAL, offsetof(struct toy, config.deviation), 0, 10,
		.summary = "of a batch's mean x^2 around 1; 0: the expectation itself"},
	{"momentum", QB_FIELD_REAL, offsetof(struct toy, config.momentum), 0, 1, .summary = "of the frequency of oscillations"},
	{"seed", QB_FIELD_LONG, offsetof(struct toy, seed), .low = 0, .high = QB_FIELD_MOST_LONG},
	{0}};

static enum qb_err read_methods(struct toy *t, struct qb_errbuf *eb)
{
	json_t *usual = t->asked ? NULL : json_pack("[s, {s:s, s:f}, s]", "lsq", "name", "dampen", "lambda", 1.0, "freeze");
	const json_t *list = t->asked ? t->asked : usual;
	enum qb_err err = QB_OK;

	for (size_t i = 0; err == QB_OK && i < json_array_size(list); i++) {
		char at[32];

		snprintf(at, sizeof(at), "methods[%zu]", i);
		err = qb_train_method_read(&t->methods[i], json_array_get(list, i), at, eb);
		t->runs += err == QB_OK;
	}
	json_decref(usual);
	return err;
}

static enum qb_err parse(struct toy *t, const struct qb_job *job, struct qb_errbuf *eb)
{
	set_defaults(t);
	QB_TRY(qb_job_read(t, job, fields, eb));
	if (qb_format_parse(&t->config.format, t->format, eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, "", "format");
	}
	if (t->config.format.kind != QB_FORMAT_INT || t->config.format.block || t->config.format.bits > 16) {
		return qb_fail_field(eb, QB_EJOB, "", "format", "%s is no integer of at most 16 bits, and oscillations are between "
			"integers", t->format);
	}
	t->config.seed = (uint64_t)t->seed;
	return read_methods(t, eb);
}

static void fini(struct toy *t)
{
	for (int i = 0; i < t->runs; i++) {
		qb_train_method_list_fini(&t->methods[i]);
	}
}

static json_t *points(const struct qb_toy *toy)
{
	json_t *rows = json_array();

	for (int i = 0; i < toy->points; i++) {
		const struct qb_toy_point *p = &toy->point[i];

		json_array_append_new(rows, json_pack("{s:i, s:f, s:f, s:f, s:f, s:b}", "step", i, "latent", p->latent, "quantized",
			p->quantized, "loss", p->loss, "frequency", p->frequency, "frozen", (int)p->frozen));
	}
	return rows;
}

static json_t *run_row(const struct toy *t, int i, const struct qb_toy *toy)
{
	char name[128];

	return json_pack("{s:s, s:o, s:o, s:i, s:o}", "method", qb_train_method_name(&t->methods[i], name, sizeof(name)), "share",
		toy->period > 0 ? json_real(toy->share) : json_null(), "period", toy->period > 0 ? json_real(toy->period) : json_null(),
		"changes", toy->changes, "points", points(toy));
}

static enum qb_err result_of(struct toy *t, struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	json_t *rows = json_array(), *all = NULL;
	enum qb_err err = QB_OK;

	for (int i = 0; err == QB_OK && i < t->runs; i++) {
		struct qb_toy *toy = NULL;

		t->config.methods = &t->methods[i];
		err = qb_job_progress(job, "train", (double)i / t->runs, eb, "method %d of %d", i + 1, t->runs);
		err = err == QB_OK ? qb_toy_run(&toy, &t->config, eb) : err;
		if (err == QB_OK) {
			json_array_append_new(rows, run_row(t, i, toy));
			json_decref(all);
			all = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:i, s:f, s:f, s:f, s:f}", "type", "toy", "format", t->format,
				"target", t->config.target, "start", t->config.start, "scale", t->config.scale, "lr", t->config.rate, "steps",
				t->config.steps, "lower", toy->lower, "upper", toy->upper, "share_predicted", toy->share_predicted,
				"period_predicted", toy->period_predicted);
		}
		qb_toy_destroy(&toy);
	}
	if (err == QB_OK) {
		json_object_set(all, "runs", rows);
		*result = json_incref(all);
	}
	json_decref(all);
	json_decref(rows);
	return err;
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct toy t = {0};
	enum qb_err err = parse(&t, job, eb);

	fini(&t);
	return err;
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct toy t = {0};
	enum qb_err err = parse(&t, job, eb);

	if (err == QB_OK) {
		err = result_of(&t, job, result, eb);
	}
	fini(&t);
	return err;
}

const struct qb_experiment qb_experiment_toy = {
	.type = "toy",
	.summary = "one weight between two levels: who oscillates, and who does not",
	.live = true,
	.job = {
		.summary = "One weight whose target lies between two levels of its format, trained by each of several methods.",
		.fields = fields,
		.bytes = sizeof(struct toy),
		.defaults = set_defaults,
	},
	.run = run,
	.check = check,
};
