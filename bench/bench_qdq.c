/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantize-dequantize of large float32 arrays against STREAM copy (McCalpin; 8 bytes a float, the better of memcpy and
 * a plain loop), measured in turns with each format, with one thread and two.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/kernels/quantize/kernels.h"
#include "core/quant/quantizer.h"

enum { ELEMENTS = 1 << 25, THREADS_MAX = 2, ROUNDS = 5, TURNS = 3 };

struct part {
	const struct qb_quantizer *q; /* NULL: copy by memcpy */
	const float *x;
	float *y;
	int64_t n;
	int plain;
};

static void *work(void *arg)
{
	const struct part *p = arg;

	if (p->q) {
		qb_qdq(p->q, p->x, p->y, 1, 1, p->n);
	} else if (p->plain) {
		const float *volatile from = p->x;
		const float *x = from;
		float *y = p->y;

		for (int64_t i = 0; i < p->n; i++) {
			y[i] = x[i];
			__asm__ volatile("" ::: "memory");
		}
	} else {
		memcpy(p->y, p->x, (size_t)p->n * sizeof(float));
	}
	return NULL;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* GB/s of the best round. */
static double bandwidth(const struct qb_quantizer *q, int plain, const float *x, float *y, int threads)
{
	double best = 1e9;

	for (int r = 0; r < ROUNDS; r++) {
		struct part p[THREADS_MAX];
		pthread_t id[THREADS_MAX];
		double start = seconds(), took;

		for (int t = 0; t < threads; t++) {
			int64_t n = ELEMENTS / threads;

			p[t] = (struct part){q, x + t * n, y + t * n, n, plain};
			if (t && pthread_create(&id[t], NULL, work, &p[t])) {
				exit(1);
			}
		}
		work(&p[0]);
		for (int t = 1; t < threads; t++) {
			pthread_join(id[t], NULL);
		}
		took = seconds() - start;
		best = took < best ? took : best;
	}
	return 8.0 * ELEMENTS / best * 1e-9;
}

/* Formats named as arguments, or all. */
static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], name)) {
			return true;
		}
	}
	return argc == 1;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"int8", "int4", "int8_asym", "E2", "E3", "E4", "E5", "e4m3fn",
		"e4m3fnuz", "e5m2", "e3m2", "e2m1", "fp16", "bf16", "tf32", "mxfp8_e4m3", "mxfp4",
		"mxint8", "nvfp4", "int4_g32", "log4", "nf4"};
	float *x = aligned_alloc(64, ELEMENTS * sizeof(*x)), *y = aligned_alloc(64, ELEMENTS * sizeof(*y));
	int missed = 0;

	if (!x || !y) {
		return 1;
	}
	for (size_t i = 0; i < ELEMENTS; i++) {
		x[i] = i < 4096 ? (float)qb_random_normal(1, 0, i) : x[i - 4096];
		y[i] = 0;
	}
	printf("instruction set: %s; %d elements\n", qb_kernels()->name, ELEMENTS);
	for (int threads = 1; threads <= THREADS_MAX; threads++) {
		printf("%d thread(s)\n", threads);
		for (size_t i = 0; i < QB_COUNT(names); i++) {
			struct qb_format f;
			struct qb_quantizer q;
			float lo = -4, hi = 4;
			double ratio, copy = 0, ours = 0, target = i == 0 ? 0.8 : 0.6;

			if (!is_wanted(names[i], argc, argv)) {
				continue;
			}
			if (qb_format_parse(&f, names[i], NULL) || qb_quantizer_init(&q, &f, -1, 1, &lo, &hi, NULL)) {
				return 1;
			}
			for (int turn = 0; turn < TURNS; turn++) {
				double plain = bandwidth(NULL, 1, x, y, threads);
				double block = bandwidth(NULL, 0, x, y, threads);
				double qdq = bandwidth(&q, 0, x, y, threads);

				copy = QB_MAX(copy, QB_MAX(plain, block));
				ours = QB_MAX(ours, qdq);
			}
			ratio = ours / copy;
			missed += ratio < target;
			printf("  %-12s %6.2f GB/s, %5.1f %% of copy%s\n", names[i], ours, 100 * ratio,
				ratio < target ? "  below its target" : "");
			qb_quantizer_fini(&q);
		}
	}
	printf("%d below their target (int8 80 %%, others 60 %%)\n", missed);
	free(x);
	free(y);
	return 0;
}
