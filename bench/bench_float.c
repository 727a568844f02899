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
	bool by_step, by_kind;
	const char *library;
};

struct bench {
	struct qb_graph *model;
	struct qb_network *network;
	struct qb_session *session;
	struct io io;
	struct ort *ort;
};

static enum qb_err query(void *arg, struct qb_errbuf *eb)
{
	struct bench *b = arg;

	return qb_session_run(b->session, &b->io.run, eb);
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
	QB_TRY(io_init(&b->io, g, b->model, model, eb));
	QB_TRY(qb_session_create(&b->session, b->network->plan, false, eb));
	QB_TRY(query(b, eb));
	if (!o->library) {
		QB_TRY(qb_latency_measure(s, 1, &opt, l, NULL, NULL, eb));
		printf("%-40s ours %9.3f ms\n", model, (double)l[0].p50_ns * 1e-6);
		return QB_OK;
	}
	QB_TRY(ort_create(&b->ort, o->library, model, o->threads, g, b->io.run.input, eb));
	QB_TRY(ort_run(b->ort, eb));
	apart = difference(b->io.run.output[0], ort_output(b->ort), qb_value_size(g->output[0]));
	s[1] = (struct qb_latency_subject){ort_run, b->ort};
	QB_TRY(qb_latency_measure(s, 2, &opt, l, NULL, NULL, eb));
	QB_TRY(least_cpu(s, 2, 5, cpu, eb));
	*ratio = (double)l[0].p50_ns / (double)l[1].p50_ns;
	printf("%-36s apart %.1e  p50 ours %9.3f peer %9.3f ms  ratio %.2f  of minima %.2f  of processor time %.2f (%.3f : %.3f ms)\n", model, apart,
		(double)l[0].p50_ns * 1e-6, (double)l[1].p50_ns * 1e-6, *ratio,
		(double)l[0].min_ns / (double)l[1].min_ns, (double)cpu[0] / (double)cpu[1],
		(double)cpu[0] * 1e-6, (double)cpu[1] * 1e-6);
	return QB_OK;
}

static void bench_fini(struct bench *b)
{
	ort_destroy(&b->ort);
	io_fini(&b->io);
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
			err = print_steps(&(struct step_report){"float", peak_float() * o.threads, o.by_step,
				o.by_kind}, b.network->plan, b.session, &b.io.run, &eb);
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
