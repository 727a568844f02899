/* SPDX-License-Identifier: Apache-2.0
 *
 * What calibration costs: all ranges of a network found on N samples of random data, in plain float passes over as many (limit
 * 1.3), and the memory that it takes (limit 1.5 GB). One thread, processor time. The float passes are timed on some
 * samples before and some after, each in a process of its own, so that calibration's memory is its own.
 *
 *	bench_calibration MODEL [SAMPLES]        1,000 samples unless said otherwise
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/ptq/float_baseline.h"
#include "core/ptq/query_samples.h"
#include "core/ptq/variant.h"

/* Of the float pass, which are enough to know what one costs. */
enum { PLAIN_SAMPLES = 32 };

struct subject {
	const char *model, *data;
	int64_t samples;
};

struct seconds {
	double passes; /* a sample */
	double ranges; /* of all */
};

struct figures {
	struct seconds seconds;
	long kib;       /* largest resident memory */
};

struct loaded {
	struct qb_graph *model;
	struct qb_dataset *data;
	struct qb_network *network; /* of one sample */
	struct qb_stream *stream;
};

static enum qb_err load(struct loaded *l, const struct subject *s, struct qb_errbuf *eb)
{
	const float one = 1, mean = 127.5f, std = 60;
	const struct qb_preprocess p = {1, 1, 1, &one, &mean, &std};

	QB_TRY(qb_graph_import(&l->model, s->model, eb));
	QB_TRY(qb_graph_prepare(l->model, eb));
	QB_TRY(qb_open_data(&l->data, &(struct qb_data_source){.path = s->data, .preprocess = &p}, l->model, eb));
	QB_TRY(qb_network_create(&l->network, l->model, 1, 1, eb));
	return qb_stream_create(&l->stream, l->data, l->network->graph, 1, qb_stream_window(l->data, 1, 8), 1, eb);
}

static double process_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Passes end where quantizers begin. */
static enum qb_err note(void *arg, const char *stage, double fraction, const char *detail,
	struct qb_errbuf *eb)
{
	double *passed = arg;

	(void)fraction;
	(void)detail;
	(void)eb;
	if (!strcmp(stage, "quantize")) {
		*passed = process_seconds();
	}
	return QB_OK;
}

/* From the first sample to quantizers for all that int8 quantizes: passes with observers, then the search for ranges. */
static enum qb_err calibrate(const struct subject *s, struct seconds *seconds, struct qb_errbuf *eb)
{
	double start, passed = 0;
	struct qb_sweep_row row = {.reports = json_object()};
	struct qb_sweep sweep = {.rows = 1, .row = &row};
	struct qb_scheme scheme;
	const struct qb_sweep_options opt = {.threads = 1, .momentum = 0.9, .scheme = &scheme, .schemes = 1, .seed = 1,
		.progress = note, .arg = &passed};
	struct qb_calibration calibration = {.samples = s->samples, .batch = 1};
	struct loaded l = {0};

	QB_TRY(load(&l, s, eb));
	QB_TRY(qb_scheme_parse(&scheme, "int8", eb));
	scheme.weights.granularity = QB_PER_CHANNEL;
	scheme.weights.range.method = scheme.activations.range.method = QB_RANGE_MSE;
	QB_TRY(qb_variants_create(&sweep, l.model, &opt, eb));
	sweep.variant[0].network = l.network;
	calibration.stream = l.stream;
	start = process_seconds();
	QB_TRY(qb_variants_quantize(&sweep, &opt, &calibration, eb));
	seconds->passes = (passed - start) / (double)s->samples;
	seconds->ranges = process_seconds() - passed;
	return QB_OK;
}

static enum qb_err run_plain(void *plain, const struct qb_batch *b, struct qb_errbuf *eb)
{
	return qb_float_baseline_run(plain, b, eb);
}

/* A float pass over some of the samples, nothing observed and all fused. */
static enum qb_err plain(const struct subject *s, struct seconds *seconds, struct qb_errbuf *eb)
{
	struct qb_stream_work work = {.run = run_plain};
	struct qb_float_baseline *p = NULL;
	struct loaded l = {0};

	QB_TRY(load(&l, s, eb));
	QB_TRY(qb_float_baseline_create(&p, l.model, 1, 1, eb));
	work.arg = p;
	QB_TRY(qb_stream_run(l.stream, 0, 1, PLAIN_SAMPLES < s->samples ? PLAIN_SAMPLES : s->samples, &work, eb));
	seconds->passes = qb_float_baseline_seconds(p, 1);
	qb_float_baseline_destroy(&p);
	return QB_OK;
}

typedef enum qb_err work_fn(const struct subject *s, struct seconds *seconds, struct qb_errbuf *eb);

static int work_in_child(work_fn *work, const struct subject *s, int answer)
{
	struct seconds seconds = {0};
	struct qb_errbuf eb = {0};

	omp_set_num_threads(1);
	if (work(s, &seconds, &eb) != QB_OK) {
		fprintf(stderr, "bench_calibration: %s: %s\n", s->model, eb.text);
		return 1;
	}
	return write(answer, &seconds, sizeof(seconds)) != (ssize_t)sizeof(seconds);
}

/* In a process of its own, which ends with it and has then said what went wrong, if anything did. */
static bool run(struct figures *f, work_fn *work, const struct subject *s)
{
	struct rusage u;
	int status, pipes[2];
	pid_t child;
	bool good;

	if (pipe(pipes)) {
		perror("bench_calibration");
		return false;
	}
	child = fork();
	if (child == 0) {
		_exit(work_in_child(work, s, pipes[1]));
	}
	close(pipes[1]);
	good = child > 0 && wait4(child, &status, 0, &u) == child && !status &&
		read(pipes[0], &f->seconds, sizeof(f->seconds)) == (ssize_t)sizeof(f->seconds);
	close(pipes[0]);
	f->kib = good ? u.ru_maxrss : 0;
	return good;
}

/* An .npy of bytes by chance, [samples, ...]. */
static bool write_data(const char *path, const int64_t *dim, int64_t samples)
{
	size_t each = (size_t)(dim[1] * dim[2] * dim[3]);
	unsigned char *x = malloc(each);
	char header[128];
	FILE *f = fopen(path, "wb");
	bool good;
	int n;

	memset(header, ' ', sizeof(header));
	memcpy(header, "\x93NUMPY\1\0\x76\0", 10);
	n = snprintf(header + 10, sizeof(header) - 10, "{'descr': '|u1', 'fortran_order': False, 'shape': (%lld, %lld, %lld, "
		"%lld), }", (long long)samples, (long long)dim[1], (long long)dim[2], (long long)dim[3]);
	header[10 + n] = ' ';
	header[127] = '\n';
	good = f && x && fwrite(header, 1, sizeof(header), f) == sizeof(header);
	for (int64_t s = 0; good && s < samples; s++) {
		for (size_t i = 0; i < each; i++) {
			x[i] = (unsigned char)(256 * qb_random_uniform(1, (uint64_t)s, i));
		}
		good = fwrite(x, 1, each, f) == each;
	}
	free(x);
	return f && !fclose(f) && good;
}

/* The model's one input. Read in a process of its own, for the others are to begin with little memory. */
static enum qb_err prepare(const struct subject *s, struct seconds *unused, struct qb_errbuf *eb)
{
	struct qb_graph *g = NULL;
	const struct qb_shape *x;

	(void)unused;
	QB_TRY(qb_graph_import(&g, s->model, eb));
	x = &g->input[0]->shape;
	if (g->inputs != 1 || x->ndim != 4 || x->dim[1] < 1 || x->dim[2] < 1 || x->dim[3] < 1) {
		return qb_fail(eb, QB_EUNSUPPORTED, "takes a network with one input [N,C,H,W]");
	}
	return write_data(s->data, x->dim, s->samples) ? QB_OK : qb_fail(eb, QB_EIO, "cannot write %s", s->data);
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/bench_calibration.XXXXXX.npy";
	struct subject s = {argc > 1 ? argv[1] : NULL, path, argc > 2 ? atoll(argv[2]) : 1000};
	struct figures made, before, after, all;
	double pass, n;
	bool good;
	int file;

	if (!s.model || s.samples < 1) {
		fputs("bench_calibration MODEL [SAMPLES]\n", stderr);
		return 2;
	}
	file = mkstemps(path, 4);
	if (file < 0) {
		perror(path);
		return 1;
	}
	close(file);
	good = run(&made, prepare, &s) && run(&before, plain, &s) && run(&all, calibrate, &s) && run(&after, plain, &s);
	unlink(path);
	if (!good) {
		return 1;
	}
	n = (double)s.samples;
	pass = (before.seconds.passes + after.seconds.passes) / 2;
	printf("%s, %lld samples\n  float passes %.1f s (%.1f by what came before, %.1f by what came after)\n", s.model,
		(long long)s.samples, n * pass, n * before.seconds.passes, n * after.seconds.passes);
	printf("  passes that observe %.1f s: %.2f of that, limit 1.3%s; then the search for ranges, once, %.1f s\n",
		n * all.seconds.passes, all.seconds.passes / pass, all.seconds.passes > 1.3 * pass ? "  above it" : "",
		all.seconds.ranges);
	printf("  largest memory %.0f MB, limit 1500%s\n", (double)all.kib * 1.024e-3, (double)all.kib > 1.5e9 / 1024 ? "  above it"
		: "");
	return 0;
}
