/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm_backward_levels.h"

#include <math.h>

#include "core/base/cpu.h"
#include "core/base/size.h"

static void product_plain(const struct qb_f32_outer *p)
{
	for (int64_t r = 0; r < p->rows; r++) {
		for (int64_t c = 0; c < p->columns; c++) {
			float sum = 0;

			for (int64_t k = 0; k < p->depth; k++) {
				sum = fmaf(p->a[k][p->a_offset + r], p->b[k][p->b_offset + c], sum);
			}
			p->y[r * p->y_stride + c] = p->first ? sum : p->y[r * p->y_stride + c] + sum;
		}
	}
}

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	void (*product)(const struct qb_f32_outer *p);
} levels[] = {
	{0, product_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, qb__f32_outer_avx2},
	{QB_FLAG_AVX2 | QB_FLAG_AVX512, qb__f32_outer_avx512},
#endif
};

void qb_f32_outer(const struct qb_f32_outer *p)
{
	int level = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[level].needs)) {
		level--;
	}
	levels[level].product(p);
}
