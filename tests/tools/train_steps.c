/* SPDX-License-Identifier: Apache-2.0
 *
 * Trains a network and prints each step, for tests that compare with another framework and that kill it.
 * Usage: train_steps MODEL DATA [KEY=VALUE ...]; OUT=FILE writes the trained network, KILL=STEP ends as SIGKILL does after that step.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/train/trainer_state.h"

struct options {
	struct qb_train_config config;
	const char *out;
	long kill;
	bool quiet, profile;
	double scale, mean, deviation; /* of preprocessing; scale 0: none */
	struct qb_trainer *trainer;
};

static void set_number(struct options *o, const char *key, double v)
{
	struct qb_train_config *c = &o->config;
	struct qb_optimizer_config *w = &c->optimizer[QB_PARAMETERS_WEIGHTS];
	const struct {
		const char *key;
		double *real;
		int64_t *wide;
		int *integer;
		bool *truth;
	} known[] = {
		{"epochs", .integer = &c->epochs}, {"batch", .wide = &c->batch}, {"shards", .wide = &c->shards},
		{"accumulation", .wide = &c->accumulation}, {"threads", .integer = &c->threads}, {"rate", .real = &w->rate},
		{"decay", .real = &w->decay}, {"momentum", .real = &w->momentum}, {"nesterov", .truth = &w->nesterov},
		{"beta2", .real = &w->beta2}, {"warm_up", .wide = &c->schedule.warm_up}, {"axis", .integer = &c->loss.axis},
		{"smoothing", .real = &c->loss.smoothing}, {"next_token", .truth = &c->loss.next_token},
		{"distillation", .real = &c->loss.distillation}, {"temperature", .real = &c->loss.temperature},
		{"flip", .truth = &c->augment.flip}, {"crop", .wide = &c->augment.crop}, {"shift", .wide = &c->augment.shift},
		{"rotate", .real = &c->augment.rotate}, {"shear", .real = &c->augment.shear}, {"stretch", .real = &c->augment.scale},
		{"brightness", .real = &c->augment.brightness},
		{"noise", .real = &c->augment.noise}, {"clip", .real = &c->clip_norm}, {"ema", .real = &c->ema},
		{"every", .wide = &c->checkpoint_every}, {"quiet", .truth = &o->quiet}, {"profile", .truth = &o->profile},
		{"scale", .real = &o->scale}, {"mean", .real = &o->mean}, {"std", .real = &o->deviation},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(known[i].key, key)) {
			continue;
		}
		if (known[i].real) {
			*known[i].real = v;
		} else if (known[i].wide) {
			*known[i].wide = (int64_t)v;
		} else if (known[i].integer) {
			*known[i].integer = (int)v;
		} else {
			*known[i].truth = v != 0;
		}
		return;
	}
	fprintf(stderr, "no option %s\n", key);
	exit(2);
}

static void set_option(struct options *o, char *text)
{
	char *value = strchr(text, '=');

	if (!value) {
		fprintf(stderr, "%s is not KEY=VALUE\n", text);
		exit(2);
	}
	*value++ = '\0';
	if (!strcmp(text, "OUT")) {
		o->out = value;
	} else if (!strcmp(text, "KILL")) {
		o->kill = strtol(value, NULL, 10);
	} else if (!strcmp(text, "checkpoint")) {
		o->config.checkpoint = value;
	} else if (!strcmp(text, "seed")) {
		o->config.seed = strtoull(value, NULL, 10);
	} else if (!strcmp(text, "batch_norm")) {
		o->config.batch_norm = strcmp(value, "frozen") ? QB_BATCH_NORM_TRAIN : QB_BATCH_NORM_FROZEN;
	} else if (!strcmp(text, "optimizer")) {
		(void)qb_optimizer_from_name(value, &o->config.optimizer[QB_PARAMETERS_WEIGHTS].kind);
	} else if (!strcmp(text, "schedule")) {
		(void)qb_schedule_from_name(value, &o->config.schedule.kind);
	} else if (!strcmp(text, "loss")) {
		(void)qb_loss_from_name(value, &o->config.loss.kind);
	} else {
		set_number(o, text, strtod(value, NULL));
	}
}

static enum qb_err print_step(void *arg, const struct qb_train_step *s, struct qb_errbuf *eb)
{
	const struct options *o = arg;

	(void)eb;
	if (!o->quiet) {
		printf("step %" PRId64 " loss %.9g norm %.9g rate %.9g samples", s->at.step, s->loss, s->gradient_norm, s->rate);
		for (int64_t i = 0; i < o->config.batch; i++) {
			printf(" %" PRId64, o->trainer->picked[i]);
		}
		printf("\n");
		fflush(stdout);
	}
	if (o->kill && s->at.step == o->kill) {
		raise(SIGKILL);
	}
	return QB_OK;
}

static enum qb_err open_data(const struct options *o, struct qb_dataset **out, const struct qb_graph *g, const char *path,
	struct qb_errbuf *eb)
{
	const float scale = (float)o->scale, mean = (float)o->mean, deviation = o->deviation > 0 ? (float)o->deviation : 1;
	const struct qb_preprocess preprocess = {.scales = 1, .means = 1, .stds = 1, .scale = &scale, .mean = &mean,
		.std = &deviation};
	struct qb_input_spec *spec = calloc((size_t)g->inputs, sizeof(*spec));
	enum qb_err err;

	for (int i = 0; i < g->inputs; i++) {
		const struct qb_value *v = g->input[i];

		spec[i] = (struct qb_input_spec){.name = v->name, .dtype = v->dtype, .ndim = v->shape.ndim};
		for (int k = 0; k < v->shape.ndim; k++) {
			spec[i].dim[k] = v->shape.dim[k] < 0 ? -1 : v->shape.dim[k];
		}
	}
	err = qb_dataset_open(out, path, spec, g->inputs, o->scale != 0 ? &preprocess : NULL, eb);
	free(spec);
	return err;
}

static void print_profile(const struct options *o, const int64_t *ns)
{
	const struct qb_plan *plan = qb_trainer_plan(o->trainer);

	for (int i = 0; ns && i < qb_plan_steps(plan); i++) {
		struct qb_step_info s = qb_plan_step(plan, i);

		printf("profile %.3f ms %s %s: %s\n", (double)ns[i] / 1e6, s.node ? s.node->type : "", s.node ? s.node->name : "",
			s.implementation);
	}
}

static enum qb_err train(struct options *o, const char *model, const char *data_path, struct qb_errbuf *eb)
{
	const struct qb_train_callbacks cb = {.arg = o, .step = print_step};
	struct qb_graph *g = NULL, *trained = NULL;
	struct qb_dataset *data = NULL;
	struct qb_train_result r;
	int64_t *ns = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_graph_import(&g, model, eb));
	QB_TRY_OUT(open_data(o, &data, g, data_path, eb));
	QB_TRY_OUT(qb_trainer_create(&o->trainer, g, data, &o->config, NULL, eb));
	printf("memory %zu steps %" PRId64 "\n", qb_trainer_bytes(o->trainer), qb_trainer_steps(o->trainer));
	ns = o->profile ? calloc((size_t)qb_plan_steps(qb_trainer_plan(o->trainer)), sizeof(*ns)) : NULL;
	qb_trainer_profile(o->trainer, ns);
	QB_TRY_OUT(qb_trainer_run(o->trainer, &cb, &r, eb));
	for (int i = 0; i < r.epochs; i++) {
		printf("epoch %d loss %.9g\n", r.history[i].epoch, r.history[i].loss);
	}
	print_profile(o, ns);
	printf("resumed %" PRId64 " ended %" PRId64 "\n", r.resumed, r.step);
	if (o->out) {
		QB_TRY_OUT(qb_trainer_network(o->trainer, &trained, eb));
		QB_TRY_OUT(qb_graph_export(trained, o->out, eb));
	}
out:
	free(ns);
	qb_graph_destroy(&trained);
	qb_trainer_destroy(&o->trainer);
	qb_dataset_close(&data);
	qb_graph_destroy(&g);
	return err;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct qb_optimizer_config chosen;
	struct qb_errbuf eb = {0};

	if (argc < 3) {
		fprintf(stderr, "usage: %s MODEL DATA [KEY=VALUE ...]\n", argv[0]);
		return 2;
	}
	qb_train_config_init(&o.config);
	o.config.schedule.kind = QB_SCHEDULE_CONSTANT;
	for (int i = 3; i < argc; i++) {
		set_option(&o, argv[i]);
	}
	chosen = o.config.optimizer[QB_PARAMETERS_WEIGHTS];
	qb_train_config_set_optimizer(&o.config, &chosen);
	if (train(&o, argv[1], argv[2], &eb) != QB_OK) {
		fprintf(stderr, "%s: %s\n", qb_err_name(eb.code), eb.text);
		return 1;
	}
	return 0;
}
