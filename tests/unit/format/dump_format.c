/* SPDX-License-Identifier: Apache-2.0
 *
 * dump_format NAME: float32 numbers from standard input to their quantized values, at scale 1, on standard output.
 * dump_format -c NAME: the values of all codes. For tests/unit/format/test_ml_dtypes.py.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/quant/quantizer.h"

int main(int argc, char **argv)
{
	struct qb_format f;
	struct qb_quantizer q;
	struct qb_errbuf eb;
	float x[1024], one = 1;
	size_t n;

	if (argc < 2 || qb_format_parse(&f, argv[argc - 1], &eb)) {
		fprintf(stderr, "dump_format: %s\n", argc < 2 ? "no name" : eb.text);
		return 1;
	}
	if (!strcmp(argv[1], "-c")) {
		for (uint32_t c = 0; c < 1u << f.bits; c++) {
			x[0] = (float)qb_format_code_value(&f, c);
			fwrite(x, sizeof(*x), 1, stdout);
		}
		return 0;
	}
	if (qb_quantizer_init(&q, &f, -1, 1, &one, &one, &eb)) {
		return 1;
	}
	q.scale[0] = 1;
	while ((n = fread(x, sizeof(*x), 1024, stdin)) > 0) {
		qb_qdq(&q, x, x, 1, 1, (int64_t)n);
		fwrite(x, sizeof(*x), n, stdout);
	}
	qb_quantizer_fini(&q);
	return 0;
}
