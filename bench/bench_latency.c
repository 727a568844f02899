/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency at batch 1, ours in float and in int8 and ONNX Runtime's in both, taken in turns in one process. -v
 * also prints where our own time goes, step by step.
 *
 *   bench_latency [-v] [-t THREADS] [-s SECONDS] [-l LIBONNXRUNTIME] MODEL.onnx [PEER_INT8.onnx]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/ort.h"
#include "bench/peak.h"
#include "core/analysis/latency.h"
#include "core/base/random.h"
#include "core/experiment/network.h"

struct options {
	int threads;
	double seconds;
	bool verbose;
	const char *library, *model, *peer;
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
	void *in[16], *out[16];
	struct qb_observer **observer;
};

static enum qb_err query(void *arg, struct qb_errbuf *eb)
{
	struct ours *o = arg;

	return qb_session_run(o->session, &o->run, eb);
}

/* Floats in [-1, 1); whole numbers small enough for any table. */
static void *make_input(const struct qb_value *v, uint64_t stream)
{
	size_t n = qb_value_size(v);
	unsigned char *data = qb_aligned_alloc(n, qb_dtype_bytes(v->dtype));

	if (!data) {
		return NULL;
	}
	memset(data, 0, n * qb_dtype_bytes(v->dtype));
	for (size_t i = 0; v->dtype == QB_F32 && i < n; i++) {
		((float *)(void *)data)[i] =
			2 * (float)qb_random_uniform(1, stream, i) - 1;
	}
	for (size_t i = 0; v->dtype == QB_I64 && i < n; i++) {
		((int64_t *)(void *)data)[i] = 1;
	}
	return data;
}

static void observe(void *arg, int value, float *x, size_t n)
{
	struct qb_observer **o = arg;

	qb_observer_update(o[value], x, n);
}

/* Ranges from the one sample at hand: enough to time integer steps. */
static enum qb_err calibrate(struct bench *b, struct qb_errbuf *eb)
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
	QB_TRY_OUT(qb_scheme_parse(&scheme, "int8", eb));
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
	if (g->inputs > 16 || g->outputs > 16) {
		return qb_fail(eb, QB_EUNSUPPORTED, "more than 16 inputs or outputs");
	}
	for (int i = 0; i < g->inputs; i++) {
		b->in[i] = make_input(g->input[i], (uint64_t)i);
	}
	for (int i = 0; i < g->outputs; i++) {
		b->out[i] = qb_aligned_alloc(qb_value_size(g->output[i]),
			qb_dtype_bytes(g->output[i]->dtype));
	}
	b->f32.run = (struct qb_run){.input = (const void *const *)b->in, .output = b->out};
	b->i8.run = b->f32.run;
	QB_TRY(qb_session_create(&b->f32.session, b->plain->plan, false, eb));
	QB_TRY(calibrate(b, eb));
	QB_TRY(qb_plan_create_int8(&b->int8, b->tapped->graph, o->threads,
		b->tapped->quantization[0], NULL, eb));
	return qb_session_create(&b->i8.session, b->int8, false, eb);
}

static double difference(const float *a, const float *b, size_t n)
{
	double worst = 0, top = 0;

	for (size_t i = 0; i < n; i++) {
		worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
		top = fmax(top, fabs((double)b[i]));
	}
	return worst / fmax(top, 1);
}

static enum qb_err prepare_peers(struct bench *b, const struct options *o, struct qb_errbuf *eb)
{
	const struct qb_graph *g = b->plain->graph;

	if (!o->library) {
		return QB_OK;
	}
	QB_TRY(ort_create(&b->ort_f32, o->library, o->model, o->threads, g,
		(const void *const *)b->in, eb));
	QB_TRY(ort_run(b->ort_f32, eb));
	QB_TRY(query(&b->f32, eb));
	printf("ONNX Runtime %s; largest relative difference of the float outputs %.1e\n",
		ort_version(b->ort_f32),
		difference(b->out[0], ort_output(b->ort_f32), qb_value_size(g->output[0])));
	return o->peer ? ort_create(&b->ort_i8, o->library, o->peer, o->threads, g,
				 (const void *const *)b->in, eb)
		       : QB_OK;
}

static void print_ratio(const char *what, const struct qb_latency *a, const struct qb_latency *b)
{
	printf("  %-28s %6.2f\n", what, (double)a->p50_ns / (double)b->p50_ns);
}

static enum qb_err measure(struct bench *b, const struct options *o, struct qb_errbuf *eb)
{
	struct qb_latency_options opt = {.min_seconds = o->seconds, .min_queries = 10,
		.warmup_seconds = 0.2};
	struct qb_latency_subject s[4] = {{query, &b->f32}, {query, &b->i8}, {ort_run, b->ort_f32},
		{ort_run, b->ort_i8}};
	static const char *const name[] = {"quantbench float", "quantbench int8",
		"ONNX Runtime float", "ONNX Runtime int8"};
	struct qb_latency l[4];
	int n = b->ort_i8 ? 4 : b->ort_f32 ? 3 : 2;

	QB_TRY(qb_latency_measure(s, n, &opt, l, NULL, NULL, eb));
	for (int i = 0; i < n; i++) {
		printf("  %-22s p50 %9.4f  p90 %9.4f  min %9.4f ms  (%lld runs)\n", name[i],
			(double)l[i].p50_ns * 1e-6, (double)l[i].p90_ns * 1e-6,
			(double)l[i].min_ns * 1e-6, (long long)l[i].count);
	}
	print_ratio("int8 : float", &l[1], &l[0]);
	if (n > 2) {
		print_ratio("float : ONNX Runtime", &l[0], &l[2]);
	}
	if (n > 3) {
		print_ratio("int8 : ONNX Runtime", &l[1], &l[3]);
	}
	return QB_OK;
}

/* The least time of each step, in the order of the plan: what its multiplications come to, as a share of what the
 * threads could multiply at best. Steps without multiplications are worth their share of the whole. */
static enum qb_err print_steps(struct ours *o, const struct qb_plan *plan, const char *name,
	double peak, struct qb_errbuf *eb)
{
	enum { RUNS = 100 };
	const double seconds = 2;
	int steps = qb_plan_steps(plan);
	int64_t *ns = calloc((size_t)steps + 1, sizeof(*ns)), *best = calloc((size_t)steps + 1, sizeof(*best));
	struct ours timed = *o;
	enum qb_err err = QB_OK;
	double sum = 0, spent = 0;

	if (!ns || !best) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %d steps", steps);
		goto out;
	}
	timed.run.step_ns = ns;
	for (int r = 0; r < RUNS && spent < seconds * 1e9; r++) {
		memset(ns, 0, (size_t)steps * sizeof(*ns));
		QB_TRY_OUT(query(&timed, eb));
		for (int i = 0; i < steps; i++) {
			best[i] = r && best[i] < ns[i] ? best[i] : ns[i];
			spent += (double)ns[i];
		}
	}
	for (int i = 0; i < steps; i++) {
		sum += (double)best[i];
	}
	printf("  %s, %d steps, least times add up to %.1f us\n", name, steps, sum * 1e-3);
	for (int i = 0; i < steps; i++) {
		struct qb_step_info s = qb_plan_step(plan, i);
		bool computes = !strcmp(s.kind, "int8") || !strcmp(s.kind, "float");
		double us = (double)best[i] * 1e-3, rate = computes ? s.macs / us * 1e-3 : 0;

		printf("  %9.2f us %5.1f %%  %6.1f GMAC/s %3.0f %% of peak  %-10s %-22s %.40s\n", us,
			(double)best[i] / sum * 100, rate, peak > 0 ? rate / peak * 100 : 0, s.kind,
			s.implementation, s.node ? s.node->name : "");
	}
out:
	free(ns);
	free(best);
	return err;
}

static enum qb_err print_both(struct bench *b, const struct options *o, struct qb_errbuf *eb)
{
	double f32 = peak_float() * o->threads, i8 = peak_int8() * o->threads;

	printf("  peak of %d thread%s: float %.1f GMAC/s, int8 %.1f GMAC/s\n", o->threads,
		o->threads > 1 ? "s" : "", f32, i8);
	QB_TRY(print_steps(&b->f32, b->plain->plan, "float", f32, eb));
	return print_steps(&b->i8, b->int8, "int8", i8, eb);
}

static void bench_fini(struct bench *b)
{
	for (int i = 0; b->observer && i < b->tapped->graph->values; i++) {
		qb_observer_destroy(&b->observer[i]);
	}
	free(b->observer);
	for (int i = 0; i < 16; i++) {
		free(b->in[i]);
		free(b->out[i]);
	}
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
	struct options o = {.threads = 1, .seconds = 2};
	struct qb_errbuf eb = {0};
	struct bench b = {0};
	enum qb_err err;
	int c;

	while ((c = getopt(argc, argv, "t:s:l:v")) != -1) {
		if (c == 't') {
			o.threads = atoi(optarg);
		} else if (c == 's') {
			o.seconds = atof(optarg);
		} else if (c == 'l') {
			o.library = optarg;
		} else if (c == 'v') {
			o.verbose = true;
		} else {
			return 2;
		}
	}
	if (optind >= argc || o.threads < 1) {
		fprintf(stderr, "usage: %s [-v] [-t THREADS] [-s SECONDS] [-l LIBONNXRUNTIME] MODEL.onnx "
			"[PEER_INT8.onnx]\n", argv[0]);
		return 2;
	}
	o.model = argv[optind];
	o.peer = optind + 1 < argc ? argv[optind + 1] : NULL;
	printf("%s, %d thread%s, %s\n", o.model, o.threads, o.threads > 1 ? "s" : "",
		qb_exec_isa());
	err = prepare_ours(&b, &o, &eb);
	err = err ? err : prepare_peers(&b, &o, &eb);
	err = err ? err : measure(&b, &o, &eb);
	if (!err && o.verbose) {
		err = print_both(&b, &o, &eb);
	}
	if (err) {
		fprintf(stderr, "bench_latency: %s\n", eb.text);
	}
	bench_fini(&b);
	return err ? 1 : 0;
}
