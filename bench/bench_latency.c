/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency at batch 1, ours in float and in int8 and ONNX Runtime's in both, taken in turns, each in a process of its own:
 * percentiles, and ratios of the medians, of the least times and of the least processor time, which other programs on
 * the machine disturb least. Inputs come from MODEL.npz beside MODEL.onnx where there is one. -v also prints where our
 * own time goes, step by step; -k by kind of step; -w names another scheme than int8, such as w4a8.
 *
 *   bench_latency [-v | -k] [-w SCHEME] [-t THREADS] [-s SECONDS] [-q QUERIES] [-l LIBONNXRUNTIME] MODEL [PEER_INT8.onnx]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/network_side.h"
#include "core/base/cpu.h"
#include "core/base/size.h"

struct options {
	int threads;
	double seconds;
	int64_t queries;
	bool by_step, by_kind;
	const char *scheme, *library, *model, *peer;
};

static void print_ratio(const char *what, const struct side *a, const struct side *b)
{
	struct ratios r = side_ratios(a, b);

	printf("  %-22s %6.3f  of minima %6.3f  of processor time %6.3f\n", what, r.p50, r.least, r.cpu);
}

static void print(const struct options *o, const struct side *s, int sides)
{
	if (sides > 2) {
		printf("ONNX Runtime %s; largest relative difference of the float outputs %.1e\n",
			ort_version(o->library), sides_difference(&s[0], &s[2]));
	}
	for (int i = 0; i < sides; i++) {
		const struct qb_latency *l = &s[i].latency;

		printf("  %-22s p50 %9.4f  p90 %9.4f  min %9.4f ms  (%lld runs)\n", s[i].name, (double)l->p50_ns * 1e-6,
			(double)l->p90_ns * 1e-6, (double)l->min_ns * 1e-6, (long long)l->count);
	}
	print_ratio("int8 : float", &s[1], &s[0]);
	if (sides > 2) {
		print_ratio("float : ONNX Runtime", &s[0], &s[2]);
	}
	if (sides > 3) {
		print_ratio("int8 : ONNX Runtime", &s[1], &s[3]);
	}
}

static enum qb_err measure(const struct options *o, struct qb_errbuf *eb)
{
	const struct qb_latency_options opt = {.min_seconds = o->seconds, .min_queries = o->queries,
		.warmup_seconds = QB_MIN(0.2, o->seconds)};
	const struct network_side base = {.model = o->model, .threads = o->threads, .by_step = o->by_step,
		.by_kind = o->by_kind, .library = o->library, .file = o->model};
	struct network_side n[] = {base, base, base, base};
	struct side s[] = {our_side(&n[0], "quantbench float"), our_side(&n[1], "quantbench int8"),
		ort_side(&n[2], "ONNX Runtime float"), ort_side(&n[3], "ONNX Runtime int8")};
	int sides = !o->library ? 2 : o->peer ? 4 : 3;
	enum qb_err err;

	n[1].scheme = o->scheme;
	n[3].file = o->peer;
	QB_TRY_OUT(sides_start(s, sides, eb));
	QB_TRY_OUT(sides_measure(s, sides, &opt, eb));
	print(o, s, sides);
	QB_TRY_OUT(sides_finish(s, sides, eb));
out:
	sides_end(s, sides);
	return err;
}

int main(int argc, char **argv)
{
	struct options o = {.threads = 1, .seconds = 2, .queries = 10, .scheme = "int8"};
	struct qb_errbuf eb = {0};
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
		qb_cpu_level_name(qb_cpu_level()));
	err = measure(&o, &eb);
	if (err) {
		fprintf(stderr, "bench_latency: %s\n", eb.text);
	}
	return err ? 1 : 0;
}
