/* SPDX-License-Identifier: Apache-2.0
 *
 * Float networks at batch 1 against ONNX Runtime, in turns, each in a process of its own: the largest relative difference
 * of the outputs, the ratio of the times, and their geometric mean over all networks. Inputs come from MODEL.npz beside
 * MODEL.onnx where there is one. -v prints our own time by step, -k by kind of step. -p takes our kernels of a technique,
 * or oneDNN's, whatever core/exec/lower/f32/choice.c would choose; it names the techniques.
 *
 *   bench_float [-v | -k] [-p TECHNIQUE=ours | -p TECHNIQUE=onednn] [-t THREADS] [-s SECONDS] [-l LIBONNXRUNTIME] MODEL.onnx ...
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/network_side.h"
#include "core/base/cpu.h"
#include "core/exec/lower/f32/choice.h"

struct options {
	int threads;
	double seconds;
	bool by_step, by_kind;
	const char *library;
};

static void print(const char *model, const struct side *a, const struct side *b)
{
	struct ratios r = side_ratios(a, b);

	printf("%-36s difference %.1e  p50 ours %9.3f peer %9.3f ms  ratio %.2f  of minima %.2f  of processor time %.2f (%.3f : %.3f "
		"ms)\n", model, sides_difference(a, b), (double)a->latency.p50_ns * 1e-6, (double)b->latency.p50_ns * 1e-6, r.p50,
		r.least, r.cpu, (double)a->cpu_ns * 1e-6, (double)b->cpu_ns * 1e-6);
}

/* *ratio stays where there is no peer. */
static enum qb_err measure(const char *model, const struct options *o, double *ratio, struct qb_errbuf *eb)
{
	const struct qb_latency_options opt = {.min_seconds = o->seconds, .min_queries = 3};
	struct network_side ours = {.model = model, .threads = o->threads, .by_step = o->by_step, .by_kind = o->by_kind};
	struct network_side peer = {.model = model, .threads = o->threads, .library = o->library, .file = model};
	struct side s[] = {our_side(&ours, "quantbench"), ort_side(&peer, "ONNX Runtime")};
	int sides = o->library ? 2 : 1;
	enum qb_err err;

	QB_TRY_OUT(sides_start(s, sides, eb));
	QB_TRY_OUT(sides_measure(s, sides, &opt, eb));
	if (o->library) {
		print(model, &s[0], &s[1]);
		*ratio = side_ratios(&s[0], &s[1]).p50;
	} else {
		printf("%-40s ours %9.3f ms\n", model, (double)s[0].latency.p50_ns * 1e-6);
	}
	QB_TRY_OUT(sides_finish(s, sides, eb));
out:
	sides_end(s, sides);
	return err;
}

/* TECHNIQUE=ours or TECHNIQUE=onednn. */
static bool prefer(const char *text)
{
	const char *which = strchr(text, '=');
	int t = 0;

	while (which && t < QB_F32_TECHNIQUES && (strncmp(qb_f32_technique_name((enum qb_f32_technique)t), text, (size_t)(which - text)) != 0 ||
		qb_f32_technique_name((enum qb_f32_technique)t)[which - text])) {
		t++;
	}
	if (!which || t == QB_F32_TECHNIQUES || (strcmp(which, "=ours") != 0 && strcmp(which, "=onednn") != 0)) {
		return false;
	}
	qb_f32_prefer((enum qb_f32_technique)t, strcmp(which, "=ours") == 0 ? QB_F32_OURS : QB_F32_ONEDNN);
	return true;
}

static bool read_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "t:s:l:p:vk")) != -1) {
		if (c == 't') {
			o->threads = atoi(optarg);
		} else if (c == 's') {
			o->seconds = atof(optarg);
		} else if (c == 'l') {
			o->library = optarg;
		} else if (c == 'p' && prefer(optarg)) {
			continue;
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
		fprintf(stderr, "usage: %s [-v | -k] [-p TECHNIQUE=ours | -p TECHNIQUE=onednn] [-t THREADS] [-s SECONDS] [-l LIBONNXRUNTIME] "
			"MODEL.onnx ...\n", argv[0]);
		return 2;
	}
	printf("batch 1, %d thread%s, %s\n", o.threads, o.threads > 1 ? "s" : "", qb_cpu_level_name(qb_cpu_level()));
	for (int i = optind; i < argc; i++) {
		struct qb_errbuf eb = {0};
		double ratio = 0;
		enum qb_err err = measure(argv[i], &o, &ratio, &eb);

		if (err) {
			printf("%s: %s\n", argv[i], eb.text);
			failed = 1;
		} else if (ratio > 0) {
			logs += log(ratio);
			measured++;
		}
		fflush(stdout);
	}
	if (measured) {
		printf("geometric mean of %d ratios %.3f\n", measured, exp(logs / measured));
	}
	return failed;
}
