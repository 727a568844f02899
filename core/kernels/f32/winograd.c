/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/winograd.h"

#include <math.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/base/vectorized.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { OUT_MOST = QB_WINOGRAD_OUT_MOST, SIZE_MOST = QB_WINOGRAD_SIZE_MOST, POINTS_MOST = SIZE_MOST * SIZE_MOST };

const struct qb_f32_winograd qb_f32_winograd_forms[QB_WINOGRAD_FORMS] = {
	{"winograd 4x4", 3, 1, 4, 6, 6, {{0.25, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
		{1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}}},
	{"winograd 3x3", 3, 1, 3, 5, 5, {{0.5, 0, 0}, {-0.5, -0.5, -0.5}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
		{1.0 / 6, 1.0 / 3, 2.0 / 3}, {0, 0, 1}}},
	{"winograd 2x2", 3, 1, 2, 4, 4, {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}}},
	{"winograd 4x4 of 2x2", 2, 1, 4, 5, 5, {{0.5, 0}, {-0.5, -0.5}, {-1.0 / 6, 1.0 / 6}, {1.0 / 6, 1.0 / 3}, {0, 1}}},
	{"winograd 4x4, stride 2", 3, 2, 4, 9, 6, {{0.5, 0, 0}, {-0.5, 0, -0.5}, {-1.0 / 6, 0, 1.0 / 6},
		{1.0 / 6, 0, 1.0 / 3}, {0, 0, 1}, {0, 1, 0}}},
};

typedef void input_fn(const float *const *row, int64_t channels, float *v, int64_t v_step);
typedef void output_fn(const float *m, int64_t m_step, int64_t outputs, const struct qb_epilogue *p, const float *const *residual,
	float *const *y);

struct level {
	input_fn *input[QB_WINOGRAD_FORMS];
	output_fn *output[QB_WINOGRAD_FORMS];
};

#define NAME(x) c_##x
#define TARGET
#define LANES 8
#include "core/kernels/f32/winograd_body.h"
#if defined(__x86_64__)
#define NAME(x) avx2_##x
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define VECTOR_MAX _mm256_max_ps
#define VECTOR_MIN _mm256_min_ps
#include "core/kernels/f32/winograd_body.h"
#undef VECTOR_MAX
#undef VECTOR_MIN
#define NAME(x) avx512_##x
#define TARGET QB_AVX512_TARGET
#define LANES 16
#define VECTOR_MAX _mm512_max_ps
#define VECTOR_MIN _mm512_min_ps
#include "core/kernels/f32/winograd_body.h"
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	const struct level *level;
} levels[] = {
	{0, &c_level},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, &avx2_level},
	{QB_FLAG_AVX2 | QB_FLAG_AVX512, &avx512_level},
#endif
};

static const struct level *level_in_force(void)
{
	int i = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[i].needs)) {
		i--;
	}
	return levels[i].level;
}

void qb_f32_winograd_input(enum qb_f32_winograd_form f, const float *const *row, int64_t channels, float *v, int64_t v_step)
{
	level_in_force()->input[f](row, channels, v, v_step);
}

void qb_f32_winograd_output(enum qb_f32_winograd_form f, const float *m, int64_t m_step, int64_t outputs,
	const struct qb_epilogue *p, const float *const *residual, float *const *y)
{
	level_in_force()->output[f](m, m_step, outputs, p, residual, y);
}
