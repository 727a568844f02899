/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency at batch 1, ours in float and in int8 and ONNX Runtime's in both, taken in turns in one process: percentiles,
 * and ratios of the medians, of the least times and of the least processor time, which other programs on the machine
 * disturb least. Inputs come
 * from MODEL.npz beside MODEL.onnx where there is one. -v also prints where our own time goes, step by step; -k by kind of
 * step; -w names another scheme than int8, such as w4a8.
 *
 *   bench_latency [-v | -k] [-w SCHEME] [-t THREADS] [-s SECONDS] [-q QUERIES] [-l LIBONNXRUNTIME] MODEL [PEER_INT8.onnx]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/ort.h"
#include "bench/peak.h"
#include "bench/subject.h"
#include "core/analysis/latency.h"
#include "core/base/size.h"
#include "core/experiment/network.h"

struct options {
	int threads;
	double seconds;
	int64_t queries;
	bool by_step, by_kind;
	const char *scheme, *library, *model, *peer;
};

struct ours {
	struct qb_session *session;
	struct qb_run run;
};

struct bench {
	struct qb_graph *model;
	struct qb_network *plain, *tapped;
	struct qb_plan *int8;
	struct ours f32, i8;
	struct ort *ort_f32, *ort_i8;
	struct io io;
	struct qb_observer **observer;
};

static enum qb_err query(void *arg, struct qb_errbuf *eb)
{
	struct ours *o = arg;

	return qb_session_run(o->session, &o->run, eb);
}

static void observe(void *arg, int value, float *x, size_t n)
{
	struct qb_observer **o = arg;

	qb_observer_update(o[value], x, n);
}

/* Ranges from the one sample at hand: enough to time integer steps. */
static enum qb_err calibrate(struct bench *b, const char *name, struct qb_errbuf *eb)
{
	struct qb_network *n = b->tapped;
	struct qb_session *s = NULL;
	struct qb_run run = b->f32.run;
	struct qb_scheme scheme;
	enum qb_err err;

	b->observer = calloc((size_t)n->graph->values + 1, sizeof(struct qb_observer *));
	for (int i = 0; b->observer && i < n->graph->values; i++) {
		b->observer[i] = n->tapped[i] ? qb_observer_create() : NULL;
	}
	if (!b->observer) {
		return qb_fail(eb, QB_ENOMEM, "no memory for observers");
	}
	QB_TRY(qb_session_create(&s, n->plan, false, eb));
	run.tap = observe;
	run.tap_arg = b->observer;
	QB_TRY_OUT(qb_session_run(s, &run, eb));
	QB_TRY_OUT(qb_scheme_parse(&scheme, name, eb));
	QB_TRY_OUT(qb_network_quantize(n, (const struct qb_scheme *const[]){&scheme}, 1, b->observer, eb));
out:
	qb_session_destroy(&s);
	return err;
}

static enum qb_err prepare_ours(struct bench *b, const struct options *o, struct qb_errbuf *eb)
{
	const struct qb_graph *g;

	QB_TRY(qb_graph_import(&b->model, o->model, eb));
	QB_TRY(qb_graph_prepare(b->model, eb));
	QB_TRY(qb_network_create_plain(&b->plain, b->model, 1, o->threads, eb));
	QB_TRY(qb_network_create(&b->tapped, b->model, 1, o->threads, eb));
	g = b->plain->graph;
	QB_TRY(io_init(&b->io, g, b->model, o->model, eb));
	b->f32.run = b->io.run;
	b->i8.run = b->f32.run;
	QB_TRY(qb_session_create(&b->f32.session, b->plain->plan, false, eb));
	QB_TRY(calibrate(b, o->scheme, eb));
	QB_TRY(qb_plan_create_int8(&b->int8, b->tapped->graph, o->threads,
		b->tapped->quantization[0], NULL, eb));
	return qb_session_create(&b->i8.session, b->int8, false, eb);
}

static enum qb_err prepare_peers(struct bench *b, const struct options *o, struct qb_errbuf *eb)
{
	const struct qb_graph *g = b->plain->graph;

	if (!o->library) {
		return QB_OK;
	}
	QB_TRY(ort_create(&b->ort_f32, o->library, o->model, o->threads, g,
		b->io.run.input, eb));
	QB_TRY(ort_run(b->ort_f32, eb));
	QB_TRY(query(&b->f32, eb));
	printf("ONNX Runtime %s; largest relative difference of the float outputs %.1e\n",
		ort_version(b->ort_f32),
		difference(b->io.run.output[0], ort_output(b->ort_f32), qb_value_size(g->output[0])));
	return o->peer ? ort_create(&b->ort_i8, o->library, o->peer, o->threads, g,
				 b->io.run.input, eb)
		       : QB_OK;
}

static void print_ratio(const char *what, const struct qb_latency *l, const int64_t *cpu, int a, int b)
{
	printf("  %-22s %6.3f  of minima %6.3f  of processor time %6.3f\n", what,
		(double)l[a].p50_ns / (double)l[b].p50_ns, (double)l[a].min_ns / (double)l[b].min_ns,
		(double)cpu[a] / (double)cpu[b]);
}

static enum qb_err measure(struct bench *b, const struct options *o, struct qb_errbuf *eb)
{
	struct qb_latency_options opt = {.min_seconds = o->seconds, .min_queries = o->queries,
		.warmup_seconds = QB_MIN(0.2, o->seconds)};
	struct qb_latency_subject s[4] = {{query, &b->f32}, {query, &b->i8}, {ort_run, b->ort_f32},
		{ort_run, b->ort_i8}};
	static const char *const name[] = {"quantbench float", "quantbench int8",
		"ONNX Runtime float", "ONNX Runtime int8"};
	struct qb_latency l[4];
	int64_t cpu[4];
	int n = b->ort_i8 ? 4 : b->ort_f32 ? 3 : 2;

	QB_TRY(qb_latency_measure(s, n, &opt, l, NULL, NULL, eb));
	QB_TRY(least_cpu(s, n, (int)QB_MIN(o->queries, INT64_C(20)), cpu, eb));
	for (int i = 0; i < n; i++) {
		printf("  %-22s p50 %9.4f  p90 %9.4f  min %9.4f ms  (%lld runs)\n", name[i],
			(double)l[i].p50_ns * 1e-6, (double)l[i].p90_ns * 1e-6,
			(double)l[i].min_ns * 1e-6, (long long)l[i].count);
	}
	print_ratio("int8 : float", l, cpu, 1, 0);
	if (n > 2) {
		print_ratio("float : ONNX Runtime", l, cpu, 0, 2);
	}
	if (n > 3) {
		print_ratio("int8 : ONNX Runtime", l, cpu, 1, 3);
	}
	return QB_OK;
}

static enum qb_err print_both(struct bench *b, const struct options *o, struct qb_errbuf *eb)
{
	double f32 = peak_float() * o->threads, i8 = peak_int8() * o->threads;

	printf("  peak of %d thread%s: float %.1f GMAC/s, int8 %.1f GMAC/s\n", o->threads,
		o->threads > 1 ? "s" : "", f32, i8);
	QB_TRY(print_steps(&(struct step_report){"float", f32, o->by_step, o->by_kind}, b->plain->plan,
		b->f32.session, &b->io.run, eb));
	return print_steps(&(struct step_report){"int8", i8, o->by_step, o->by_kind}, b->int8, b->i8.session,
		&b->io.run, eb);
}

static void bench_fini(struct bench *b)
{
	for (int i = 0; b->observer && i < b->tapped->graph->values; i++) {
		qb_observer_destroy(&b->observer[i]);
	}
	free(b->observer);
	io_fini(&b->io);
	ort_destroy(&b->ort_f32);
	ort_destroy(&b->ort_i8);
	qb_session_destroy(&b->f32.session);
	qb_session_destroy(&b->i8.session);
	qb_plan_destroy(&b->int8);
	qb_network_destroy(&b->tapped);
	qb_network_destroy(&b->plain);
	qb_graph_destroy(&b->model);
}

int main(int argc, char **argv)
{
	struct options o = {.threads = 1, .seconds = 2, .queries = 10, .scheme = "int8"};
	struct qb_errbuf eb = {0};
	struct bench b = {0};
	enum qb_err err;
	int c;

	while ((c = getopt(argc, argv, "w:t:s:q:l:vk")) != -1) {
		if (c == 't') {
			o.threads = atoi(optarg);
		} else if (c == 'w') {
			o.scheme = optarg;
		} else if (c == 's') {
			o.seconds = atof(optarg);
		} else if (c == 'l') {
			o.library = optarg;
		} else if (c == 'q') {
			o.queries = atoll(optarg);
		} else if (c == 'v') {
			o.by_step = true;
		} else if (c == 'k') {
			o.by_kind = true;
		} else {
			return 2;
		}
	}
	if (optind >= argc || o.threads < 1) {
		fprintf(stderr, "usage: %s [-v | -k] [-w SCHEME] [-t THREADS] [-s SECONDS] [-q QUERIES] [-l LIBONNXRUNTIME] "
			"MODEL [PEER_INT8.onnx]\n", argv[0]);
		return 2;
	}
	o.model = argv[optind];
	o.peer = optind + 1 < argc ? argv[optind + 1] : NULL;
	printf("%s, %s, %d thread%s, %s\n", o.model, o.scheme, o.threads, o.threads > 1 ? "s" : "",
		qb_exec_isa());
	err = prepare_ours(&b, &o, &eb);
	err = err ? err : prepare_peers(&b, &o, &eb);
	err = err ? err : measure(&b, &o, &eb);
	if (!err && (o.by_step || o.by_kind)) {
		err = print_both(&b, &o, &eb);
	}
	if (err) {
		fprintf(stderr, "bench_latency: %s\n", eb.text);
	}
	bench_fini(&b);
	return err ? 1 : 0;
}
