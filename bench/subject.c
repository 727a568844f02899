/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/subject.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/ptq/network.h"

static void make_up(const struct qb_value *v, uint64_t stream, void *data)
{
	size_t n = qb_value_size(v);

	for (size_t i = 0; i < n; i++) {
		if (v->dtype == QB_F32) {
			((float *)data)[i] = 2 * (float)qb_random_uniform(1, stream, i) - 1;
		} else if (v->dtype == QB_I64) {
			((int64_t *)data)[i] = 1;
		}
	}
}

static enum qb_err make_room(struct qb_value *const *value, int count, void **data,
	struct qb_errbuf *eb)
{
	if (count > IO_MAX) {
		return qb_fail(eb, QB_EUNSUPPORTED, "more than %d inputs or outputs", IO_MAX);
	}
	for (int i = 0; i < count; i++) {
		size_t bytes = qb_value_size(value[i]) * qb_dtype_bytes(value[i]->dtype);

		data[i] = qb_aligned_alloc(bytes, 1);
		if (!data[i]) {
			return qb_fail(eb, QB_ENOMEM, "no memory for %s", value[i]->name);
		}
		memset(data[i], 0, bytes);
	}
	return QB_OK;
}

enum qb_err io_init(struct io *io, const struct qb_graph *bound, struct qb_graph *model, const char *path,
	struct qb_errbuf *eb)
{
	const char *dot = strrchr(path, '.');
	char data[4096];

	QB_TRY(make_room(bound->input, bound->inputs, io->in, eb));
	QB_TRY(make_room(bound->output, bound->outputs, io->out, eb));
	io->run = (struct qb_run){.input = (const void *const *)io->in, .output = io->out};
	snprintf(data, sizeof(data), "%.*s.npz", dot ? (int)(dot - path) : 0, path);
	if (dot && !access(data, R_OK)) {
		QB_TRY(qb_open_data(&io->data, &(struct qb_data_source){.path = data}, model, eb));
		QB_TRY(qb_query_samples_create(&io->sample, bound, io->data, eb));
		io->run.input = qb_query_samples_inputs(io->sample);
		return QB_OK;
	}
	for (int i = 0; i < bound->inputs; i++) {
		make_up(bound->input[i], (uint64_t)i, io->in[i]);
	}
	return QB_OK;
}

void io_fini(struct io *io)
{
	for (int i = 0; i < IO_MAX; i++) {
		free(io->in[i]);
		free(io->out[i]);
	}
	qb_query_samples_destroy(&io->sample);
	qb_dataset_close(&io->data);
}

/* Steps */

struct kind {
	const char *what, *implementation, *type;
	int64_t ns;
	double macs;
	int steps;
};

enum { KINDS_MAX = 256 };

static int slower_first(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

/* A conversion goes by the node that asked for it, whose multiplications are not its own. */
static double macs_of(const struct qb_step_info *s)
{
	return strcmp(s->kind, "int8") && strcmp(s->kind, "float") ? 0 : s->macs;
}

static void add_kind(struct kind *k, int *kinds, const struct qb_step_info *s, int64_t ns)
{
	const char *type = s->node ? s->node->type : "";
	int i = 0;

	while (i < *kinds && (strcmp(k[i].what, s->kind) || strcmp(k[i].type, type) ||
				     strcmp(k[i].implementation, s->implementation))) {
		i++;
	}
	if (i == KINDS_MAX) {
		return;
	}
	if (i == *kinds) {
		k[(*kinds)++] = (struct kind){s->kind, s->implementation, type, 0, 0, 0};
	}
	k[i].ns += ns;
	k[i].macs += macs_of(s);
	k[i].steps++;
}

static void print_line(const struct step_report *r, int64_t ns, double sum, double macs, const char *what,
	const char *implementation, const char *type)
{
	double rate = macs / (double)QB_MAX(ns, INT64_C(1));

	printf("  %10.2f us %5.1f %%", (double)ns * 1e-3, (double)ns / sum * 100);
	if (macs > 0 && r->peak > 0) {
		printf(" %6.1f GMAC/s %3.0f %% of peak", rate, rate / r->peak * 100);
	} else {
		printf(" %25s", "");
	}
	printf("  %-10s %-20s %s", what, implementation, type);
}

static void print_kinds(const struct step_report *r, const struct qb_plan *plan, const int64_t *ns,
	double sum)
{
	struct kind kind[KINDS_MAX];
	int kinds = 0;

	for (int i = 0; i < qb_plan_steps(plan); i++) {
		struct qb_step_info s = qb_plan_step(plan, i);

		add_kind(kind, &kinds, &s, ns[i]);
	}
	qsort(kind, (size_t)kinds, sizeof(*kind), slower_first);
	for (int i = 0; i < kinds; i++) {
		double best = r->peak > 0 ? kind[i].macs / r->peak : 0;

		print_line(r, kind[i].ns, sum, kind[i].macs, kind[i].what, kind[i].implementation, kind[i].type);
		printf(" x %d, %.0f us over the peak's\n", kind[i].steps, ((double)kind[i].ns - best) * 1e-3);
	}
}

/* The least time of each, of as many runs as two seconds hold. */
static enum qb_err time_steps(int steps, int64_t *best, struct qb_session *session,
	const struct qb_run *run, struct qb_errbuf *eb)
{
	enum { RUNS = 100 };
	const double seconds = 2;
	int64_t *ns = calloc((size_t)steps + 1, sizeof(*ns));
	struct qb_run timed = *run;
	double spent = 0;
	enum qb_err err = QB_OK;

	if (!ns) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d steps", steps);
	}
	timed.step_ns = ns;
	for (int k = 0; k < RUNS && spent < seconds * 1e9; k++) {
		memset(ns, 0, (size_t)steps * sizeof(*ns));
		QB_TRY_OUT(qb_session_run(session, &timed, eb));
		for (int i = 0; i < steps; i++) {
			best[i] = k && best[i] < ns[i] ? best[i] : ns[i];
			spent += (double)ns[i];
		}
	}
out:
	free(ns);
	return err;
}

enum qb_err print_steps(const struct step_report *r, const struct qb_plan *plan, struct qb_session *session,
	const struct qb_run *run, struct qb_errbuf *eb)
{
	int steps = qb_plan_steps(plan);
	int64_t *best = calloc((size_t)steps + 1, sizeof(*best));
	enum qb_err err = QB_OK;
	double sum = 0;

	if (!best) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d steps", steps);
	}
	QB_TRY_OUT(time_steps(steps, best, session, run, eb));
	for (int i = 0; i < steps; i++) {
		sum += (double)best[i];
	}
	printf("  %s, %d steps, least times add up to %.1f us\n", r->title, steps, sum * 1e-3);
	for (int i = 0; r->each && i < steps; i++) {
		struct qb_step_info s = qb_plan_step(plan, i);

		print_line(r, best[i], sum, macs_of(&s), s.kind, s.implementation, s.node ? s.node->type : "");
		printf(" %.50s\n", s.node ? s.node->name : "");
	}
	if (r->kinds) {
		print_kinds(r, plan, best, sum);
	}
out:
	free(best);
	return err;
}
