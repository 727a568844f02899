/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sweep of INT8, INT4, E2, E3, E4 and E5 costs in plain float passes over the data (limit: 1.5 for each scheme and the
 * float pass), calibration and the search for ranges included, and whether its memory stays flat when the data grows
 * tenfold. One thread; each run is a process of its own, so that its memory is its own.
 *
 *	bench_sweep [MODEL DATA SCALE MEAN STD]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/size.h"
#include "core/ptq/float_baseline.h"
#include "core/ptq/query_samples.h"
#include "core/ptq/sweep.h"

static const char *const names[] = {"int8", "int4", "E2", "E3", "E4", "E5"};

struct subject {
	const char *model, *data;
	float scale, mean, std;
};

struct figures {
	double seconds;
	int64_t samples;
	long kib; /* largest resident memory */
};

struct loaded {
	struct qb_graph *model;
	struct qb_dataset *data;
};

static enum qb_err load(struct loaded *l, const struct subject *s, struct qb_errbuf *eb)
{
	const struct qb_preprocess p = {1, 1, 1, &s->scale, &s->mean, &s->std};

	QB_TRY(qb_graph_import(&l->model, s->model, eb));
	QB_TRY(qb_graph_prepare(l->model, eb));
	return qb_open_data(&l->data, &(struct qb_data_source){.path = s->data, .preprocess = &p}, l->model, eb);
}

static enum qb_err ignore(void *arg, const char *stage, double fraction, const char *detail,
	struct qb_errbuf *eb)
{
	(void)arg;
	(void)stage;
	(void)fraction;
	(void)detail;
	(void)eb;
	return QB_OK;
}

static double process_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + 1e-6 * (double)u.ru_utime.tv_usec;
}

/* A sweep over the first of `parts` parts of the samples. The float pass that it is told in comes from the sweep itself,
 * measured in the same process. */
static enum qb_err sweep(const struct subject *s, int64_t parts, struct figures *out, double *plain,
	struct qb_errbuf *eb)
{
	struct qb_scheme scheme[QB_COUNT(names)];
	struct qb_sweep_options opt = {.metric = "top1", .threads = 1, .calibration_samples = 100,
		.scheme = scheme, .schemes = (int)QB_COUNT(names), .seed = 1, .progress = ignore};
	struct qb_sweep *done = NULL;
	struct loaded l = {0};
	double start;

	QB_TRY(load(&l, s, eb));
	for (size_t i = 0; i < QB_COUNT(names); i++) {
		QB_TRY(qb_scheme_parse(&scheme[i], names[i], eb));
	}
	opt.samples = qb_dataset_count(l.data) / parts;
	start = process_seconds();
	QB_TRY(qb_sweep_run(&done, l.model, l.data, &opt, eb));
	out->seconds = process_seconds() - start;
	out->samples = done->samples;
	*plain = done->float_seconds;
	return QB_OK;
}

/* In a process of its own. */
static struct figures run(const struct subject *s, int64_t parts, double *plain)
{
	struct { struct figures f; double plain; } answer = {{0, 0, 0}, 0};
	struct rusage u;
	int status, pipes[2];
	pid_t child;

	if (pipe(pipes) || (child = fork()) < 0) {
		perror("bench_sweep");
		exit(1);
	}
	if (child == 0) {
		struct qb_errbuf eb = {0};

		if (sweep(s, parts, &answer.f, &answer.plain, &eb) != QB_OK) {
			fprintf(stderr, "bench_sweep: %s: %s\n", s->model, eb.text);
			_exit(1);
		}
		_exit(write(pipes[1], &answer, sizeof(answer)) != (ssize_t)sizeof(answer));
	}
	close(pipes[1]);
	if (wait4(child, &status, 0, &u) != child || status ||
		read(pipes[0], &answer, sizeof(answer)) != (ssize_t)sizeof(answer)) {
		exit(1);
	}
	close(pipes[0]);
	answer.f.kib = u.ru_maxrss;
	*plain = answer.plain;
	return answer.f;
}

/* Seconds that grow with the data, by what a tenth of it took. */
static double growing_seconds(const struct figures *all, const struct figures *tenth)
{
	return (all->seconds - tenth->seconds) * (double)all->samples /
		(double)(all->samples - tenth->samples);
}

static void bench(const struct subject *s)
{
	double limit = 1.5 * (double)(QB_COUNT(names) + 1), plain, unused;
	struct figures tenth = run(s, 10, &unused), all = run(s, 1, &plain);
	double cost = all.seconds / plain, memory = (double)all.kib / (double)tenth.kib;

	printf("%s\n", s->model);
	printf("  %lld samples: %.2f s, a plain float pass %.2f s: %.2f passes, limit %.1f%s\n",
		(long long)all.samples, all.seconds, plain, cost, limit, cost > limit ? "  above it" : "");
	printf("  of which what does not grow with the data, calibration and ranges: %.2f s; each further pass over it %.2f\n",
		all.seconds - growing_seconds(&all, &tenth), growing_seconds(&all, &tenth) / plain);
	printf("  memory: %.1f MiB, of a tenth of the samples %.1f MiB: %.3f times\n",
		(double)all.kib / 1024, (double)tenth.kib / 1024, memory);
}

static void bench_shared(const char *model, const char *data, float scale, float mean, float std)
{
	const char *shared = getenv("QB_SHARED");
	char path[2][1024];
	struct subject s = {path[0], path[1], scale, mean, std};

	snprintf(path[0], sizeof(path[0]), "%s/data/%s", shared ? shared : "../shared", model);
	snprintf(path[1], sizeof(path[1]), "%s/data/%s", shared ? shared : "../shared", data);
	if (access(path[0], R_OK) || access(path[1], R_OK)) {
		printf("%s: not on this machine\n", model);
		return;
	}
	bench(&s);
}

int main(int argc, char **argv)
{
	for (int i = 1; i + 4 < argc; i += 5) {
		struct subject s = {argv[i], argv[i + 1], strtof(argv[i + 2], NULL),
			strtof(argv[i + 3], NULL), strtof(argv[i + 4], NULL)};

		bench(&s);
	}
	if (argc == 1) {
		bench_shared("mlperf-tiny/ds_cnn.onnx", "mlperf-tiny/kws01-test-1000.npz", 1, 0, 1);
		bench_shared("mlperf-tiny/resnet8.onnx", "cifar10/test-846.npz", 1, 0, 1);
	}
	return 0;
}
