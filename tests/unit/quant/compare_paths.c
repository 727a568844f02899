/* SPDX-License-Identifier: Apache-2.0
 *
 * Every path of the kernels against plain C, bit for bit, with nothing but the kernels linked: test_neon.sh builds it for
 * another processor and runs it under emulation.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/kernels/quantize/kernels.h"

enum { N = 10007, KINDS = 4 };

static const char *const names[] = {"int8", "uint8", "int4", "int8_asym", "E2", "E3", "E4", "E5",
	"e4m3fn", "e5m2", "e4m3fnuz", "bf16", "fp16", "e2m1", "e3m2", "log4", "nf4", NULL};

static float x[N], scale[N], inverse[N], plain[N], other[N];

/* Kind 0: any bits at all; the others: numbers inside, around and far below the range. */
static void draw(uint64_t stream, int kind, int stride)
{
	static const float widths[KINDS] = {0, 2, 300, 1e-3f};

	for (uint64_t i = 0; i < N; i++) {
		double u = qb_random_uniform(1, stream, i);
		uint32_t bits = (uint32_t)(u * 4294967296.0);

		x[i] = (float)(u - 0.5) * widths[kind];
		if (kind == 0) {
			memcpy(&x[i], &bits, sizeof(bits));
		}
		scale[i] = 0.001f + (float)qb_random_uniform(2, stream, stride ? i : 0);
		inverse[i] = 1 / scale[i];
	}
}

static bool same(const struct qb_grid *g, const struct qb_kernels *path, int kind, int stride,
	bool fast, size_t block)
{
	struct qb_run_args a = {.x = x, .y = plain, .n = block ? N / 64 * 64 : N, .scale = scale,
		.stride = block ? 0 : stride, .block = block, .inverse = fast ? inverse : NULL};
	struct qb_run_args b = a;
	struct qb_qdq_sums sums[2] = {{0}};

	b.y = other;
	qb_kernels_at(0)->qdq(g, &a);
	path->qdq(g, &b);
	if (memcmp(plain, other, sizeof(plain)) != 0 || kind == 0) {
		return memcmp(plain, other, sizeof(plain)) == 0;
	}
	qb_kernels_at(0)->measure(g, &a, &sums[0]);
	path->measure(g, &b, &sums[1]);
	return memcmp(plain, other, sizeof(plain)) == 0 &&
		memcmp(&sums[0], &sums[1], sizeof(sums[0])) == 0;
}

int main(void)
{
	const struct qb_kernels *path;
	int compared = 0, different = 0;

	for (int p = 1; (path = qb_kernels_at(p)); p++) {
		for (int f = 0; names[f]; f++) {
			struct qb_format format;
			struct qb_grid grid;

			if (qb_format_parse(&format, names[f], NULL) != QB_OK) {
				return 2;
			}
			qb_grid_init(&grid, &format);
			for (int i = 0; i < KINDS * 4; i++) {
				int kind = i / 4, stride = i / 2 % 2;
				bool fast = i % 2;

				draw((uint64_t)(f * KINDS + kind), kind, stride);
				if (fast && !qb_grid_divides_fast(&grid, scale[0])) {
					continue;
				}
				compared++;
				if (!same(&grid, path, kind, stride, fast, 0) ||
					(stride && qb_grid_takes_blocks(&grid, 32) &&
						!same(&grid, path, kind, stride, fast, 32))) {
					different++;
					printf("%s, %s: kind %d, stride %d, fast %d differs from plain C\n",
						path->name, names[f], kind, stride, fast);
				}
			}
		}
		printf("%s: %d comparisons with plain C, %d different\n", path->name, compared, different);
	}
	/* A mask leaves plain C alone. */
	different += !qb_cpu_mask(QB_CPU_PLAIN) || qb_kernels_at(1) != NULL || qb_kernels() != qb_kernels_at(0);
	return different > 0 || compared == 0;
}
