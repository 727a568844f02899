/* SPDX-License-Identifier: Apache-2.0
 *
 * A fake quantizer and its gradient on elements from stdin: fake_quantize FORMAT ESTIMATOR FACTOR OUTER CHANNELS INNER OFFSET.
 * stdin: x, dy [OUTER, CHANNELS, INNER], scale [CHANNELS] and, where OFFSET is 1, offset [CHANNELS], float32. stdout: y, dx, dscale,
 * doffset [CHANNELS], dfactor [1].
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/kernels/quantize/fake_quantize.h"

static float *take(size_t n)
{
	float *x = calloc(n + 1, sizeof(*x));

	if (!x || fread(x, sizeof(*x), n, stdin) != n) {
		fprintf(stderr, "stdin ends too early\n");
		exit(1);
	}
	return x;
}

static void give(const double *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float v = (float)x[i];

		fwrite(&v, sizeof(v), 1, stdout);
	}
}

int main(int argc, char **argv)
{
	struct qb_fake_quantizer q = {0};
	struct qb_fake_quantizer_gradient sums;
	struct qb_errbuf eb = {0};
	int64_t outer, inner;
	size_t n;
	float *x, *dy, *y;

	if (argc != 8) {
		fprintf(stderr, "usage: fake_quantize FORMAT ESTIMATOR FACTOR OUTER CHANNELS INNER OFFSET\n");
		return 2;
	}
	if (qb_format_parse(&q.format, argv[1], &eb) != QB_OK || qb_estimator_parse(&q.estimator, argv[2], &eb) != QB_OK ||
		qb_fake_quantizer_check(&q.format, q.estimator, &eb) != QB_OK) {
		fprintf(stderr, "%s\n", eb.text);
		return 1;
	}
	q.factor = (float)atof(argv[3]);
	outer = atoll(argv[4]);
	q.channels = atoll(argv[5]);
	inner = atoll(argv[6]);
	n = (size_t)(outer * q.channels * inner);
	x = take(n);
	dy = take(n);
	y = calloc(n + 1, sizeof(*y));
	q.scale = take((size_t)q.channels);
	q.offset = atoi(argv[7]) ? take((size_t)q.channels) : NULL;
	sums = (struct qb_fake_quantizer_gradient){calloc((size_t)q.channels, sizeof(double)), calloc((size_t)q.channels, sizeof(double)),
		0};
	if (!y || !sums.scale || !sums.offset) {
		return 1;
	}
	qb_fake_quantize(&q, x, y, outer, inner);
	fwrite(y, sizeof(*y), n, stdout);
	qb_fake_quantize_gradient(&q, x, dy, y, outer, inner, &sums);
	fwrite(y, sizeof(*y), n, stdout);
	give(sums.scale, (size_t)q.channels);
	give(sums.offset, (size_t)q.channels);
	give(&sums.factor, 1);
	free(x);
	free(dy);
	free(y);
	free((void *)q.scale);
	free((void *)q.offset);
	free(sums.scale);
	free(sums.offset);
	return 0;
}
