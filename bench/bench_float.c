/* SPDX-License-Identifier: Apache-2.0
 *
 * Float networks at batch 1 against ONNX Runtime, in turns in one process: the largest relative difference of the
 * outputs, the ratio of the times, and their geometric mean over all networks. Inputs come from MODEL.npz beside
 * MODEL.onnx where there is one. -v prints our own time by step, -k by kind of step.
 *
 *   bench_float [-v | -k] [-t THREADS] [-s SECONDS] [-l LIBONNXRUNTIME] MODEL.onnx ...
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/ort.h"
#include "core/analysis/latency.h"
#include "core/base/random.h"
#include "core/base/size.h"
#include "core/experiment/network.h"
#include "core/experiment/sample.h"

enum { IO_MAX = 16, KINDS_MAX = 256 };

struct options {
	int threads;
	double seconds;
	bool by_step, by_kind;
	const char *library;
};

struct bench {
	struct qb_graph *model;
	struct qb_network *network;
	struct qb_session *session;
	struct qb_run run;
	struct qb_dataset *data;
	struct qb_sample *sample;
	struct ort *ort;
	void *in[IO_MAX], *out[IO_MAX];
};

static enum qb_err query(void *arg, struct qb_errbuf *eb)
{
	struct bench *b = arg;

	return qb_session_run(b->session, &b->run, eb);
}

/* Floats in [-1, 1); ones for whole numbers. */
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

static enum qb_err feed(struct bench *b, const char *model, struct qb_errbuf *eb)
{
	const struct qb_graph *g = b->network->graph;
	char path[4096];

	QB_TRY(make_room(g->input, g->inputs, b->in, eb));
	QB_TRY(make_room(g->output, g->outputs, b->out, eb));
	b->run = (struct qb_run){.input = (const void *const *)b->in, .output = b->out};
	snprintf(path, sizeof(path), "%.*s.npz", (int)strlen(model) - 5, model);
	if (strlen(model) > 5 && !access(path, R_OK)) {
		QB_TRY(qb_open_data(&b->data, path, b->model, NULL, eb));
		QB_TRY(qb_sample_create(&b->sample, g, b->data, eb));
		b->run.input = qb_sample_inputs(b->sample);
		return QB_OK;
	}
	for (int i = 0; i < g->inputs; i++) {
		make_up(g->input[i], (uint64_t)i, b->in[i]);
	}
	return QB_OK;
}

static double difference(const float *a, const float *b, size_t n)
{
	double worst = 0, top = 0;

	for (size_t i = 0; i < n; i++) {
		worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
		top = fmax(top, fabs((double)b[i]));
	}
	return top > 0 ? worst / top : worst;
}

struct kind {
	const char *what, *implementation, *type;
	int64_t ns;
	double macs;
	int steps;
};

static int slower_first(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
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
	k[i].macs += s->macs;
	k[i].steps++;
}

static enum qb_err print_steps(struct bench *b, const struct options *o, struct qb_errbuf *eb)
{
	const struct qb_plan *plan = b->network->plan;
	int steps = qb_plan_steps(plan), runs = 10, kinds = 0;
	int64_t *ns = calloc((size_t)steps + 1, sizeof(*ns));
	struct kind kind[KINDS_MAX];
	enum qb_err err = QB_OK;

	if (!ns) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d steps", steps);
	}
	b->run.step_ns = ns;
	for (int i = 0; i < runs; i++) {
		QB_TRY_OUT(query(b, eb));
	}
	for (int i = 0; i < steps; i++) {
		struct qb_step_info s = qb_plan_step(plan, i);
		double us = (double)ns[i] * 1e-3 / runs;

		add_kind(kind, &kinds, &s, ns[i] / runs);
		if (o->by_step) {
			printf("  %9.2f us %7.1f GMAC/s  %-10s %-22s %-12s %.40s\n", us,
				s.macs / us * 1e-3, s.kind, s.implementation, s.node ? s.node->type : "",
				s.node ? s.node->name : "");
		}
	}
	qsort(kind, (size_t)kinds, sizeof(*kind), slower_first);
	for (int i = 0; o->by_kind && i < kinds; i++) {
		printf("  %9.2f us %7.1f GMAC/s  %4d  %-10s %-22s %s\n", (double)kind[i].ns * 1e-3,
			kind[i].macs / (double)QB_MAX(kind[i].ns, INT64_C(1)), kind[i].steps, kind[i].what,
			kind[i].implementation, kind[i].type);
	}
out:
	free(ns);
	return err;
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* The least processor time of a query, which other programs on the machine disturb less than the clock on the wall. */
static enum qb_err measure_cpu(struct bench *b, int64_t least[2], struct qb_errbuf *eb)
{
	least[0] = least[1] = INT64_MAX;
	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 2; k++) {
			int64_t start = cpu_ns();

			QB_TRY(k ? ort_run(b->ort, eb) : query(b, eb));
			start = cpu_ns() - start;
			least[k] = QB_MIN(least[k], start);
		}
	}
	return QB_OK;
}

static enum qb_err measure(struct bench *b, const char *model, const struct options *o,
	double *ratio, struct qb_errbuf *eb)
{
	struct qb_latency_options opt = {.min_seconds = o->seconds, .min_queries = 3};
	struct qb_latency_subject s[2] = {{query, b}, {NULL, NULL}};
	struct qb_latency l[2];
	const struct qb_graph *g;
	int64_t cpu[2];
	double apart;

	QB_TRY(qb_graph_import(&b->model, model, eb));
	QB_TRY(qb_graph_prepare(b->model, eb));
	QB_TRY(qb_network_create_plain(&b->network, b->model, 1, o->threads, eb));
	g = b->network->graph;
	QB_TRY(feed(b, model, eb));
	QB_TRY(qb_session_create(&b->session, b->network->plan, false, eb));
	QB_TRY(query(b, eb));
	if (!o->library) {
		QB_TRY(qb_latency_measure(s, 1, &opt, l, NULL, NULL, eb));
		printf("%-40s ours %9.3f ms\n", model, (double)l[0].p50_ns * 1e-6);
		return QB_OK;
	}
	QB_TRY(ort_create(&b->ort, o->library, model, o->threads, g, b->run.input, eb));
	QB_TRY(ort_run(b->ort, eb));
	apart = difference(b->run.output[0], ort_output(b->ort), qb_value_size(g->output[0]));
	s[1] = (struct qb_latency_subject){ort_run, b->ort};
	QB_TRY(qb_latency_measure(s, 2, &opt, l, NULL, NULL, eb));
	QB_TRY(measure_cpu(b, cpu, eb));
	*ratio = (double)l[0].p50_ns / (double)l[1].p50_ns;
	printf("%-36s apart %.1e  p50 ours %9.3f peer %9.3f ms  ratio %.2f  of minima %.2f  of processor time %.2f\n", model, apart,
		(double)l[0].p50_ns * 1e-6, (double)l[1].p50_ns * 1e-6, *ratio,
		(double)l[0].min_ns / (double)l[1].min_ns, (double)cpu[0] / (double)cpu[1]);
	return QB_OK;
}

static void bench_fini(struct bench *b)
{
	for (int i = 0; i < IO_MAX; i++) {
		free(b->in[i]);
		free(b->out[i]);
	}
	ort_destroy(&b->ort);
	qb_sample_destroy(&b->sample);
	qb_dataset_close(&b->data);
	qb_session_destroy(&b->session);
	qb_network_destroy(&b->network);
	qb_graph_destroy(&b->model);
}

static bool read_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "t:s:l:vk")) != -1) {
		if (c == 't') {
			o->threads = atoi(optarg);
		} else if (c == 's') {
			o->seconds = atof(optarg);
		} else if (c == 'l') {
			o->library = optarg;
		} else if (c == 'v') {
			o->by_step = true;
		} else if (c == 'k') {
			o->by_kind = true;
		} else {
			return false;
		}
	}
	return optind < argc && o->threads >= 1;
}

int main(int argc, char **argv)
{
	struct options o = {.threads = 1, .seconds = 2};
	double logs = 0;
	int measured = 0, failed = 0;

	if (!read_options(&o, argc, argv)) {
		fprintf(stderr, "usage: %s [-v | -k] [-t THREADS] [-s SECONDS] [-l LIBONNXRUNTIME] MODEL.onnx ...\n",
			argv[0]);
		return 2;
	}
	printf("batch 1, %d thread%s, %s\n", o.threads, o.threads > 1 ? "s" : "", qb_exec_isa());
	for (int i = optind; i < argc; i++) {
		struct qb_errbuf eb = {0};
		struct bench b = {0};
		double ratio = 0;
		enum qb_err err = measure(&b, argv[i], &o, &ratio, &eb);

		if (!err && (o.by_step || o.by_kind)) {
			err = print_steps(&b, &o, &eb);
		}
		if (err) {
			printf("%s: %s\n", argv[i], eb.text);
			failed = 1;
		} else if (ratio > 0) {
			logs += log(ratio);
			measured++;
		}
		fflush(stdout);
		bench_fini(&b);
	}
	if (measured) {
		printf("geometric mean of %d ratios %.3f\n", measured, exp(logs / measured));
	}
	return failed;
}
