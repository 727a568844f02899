/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512: register tiles of rows that lie evenly apart, without epilogue, for products that are small: few pointers stand for
 * all rows, so that tiles may be high, and little is done beside multiply-adds.
 */
#include "core/base/size.h"
#include "core/kernels/f32/gemm_levels.h"

#if defined(__x86_64__)
#include "core/kernels/f32/avx512.h"

enum {
	MR = 16, PANELS = 4, TOGETHER = 3, /* rows that a pointer stands for */
	POINTERS = (MR + TOGETHER - 1) / TOGETHER,
	AHEAD = 64 * QB_F32_PANEL,
};

/* Weights are asked for AHEAD before they are wanted, for they may come from a third-level cache; what lies behind those of a
 * panel is mostly wanted next. */
INLINE_AVX512 void tile_avx512(const struct qb__f32_strided *p, const int rows, const int panels, const float *x, float *y)
{
	const int64_t x_row = p->x_row, panel = p->panel, y_row = p->y_row;
	const float *at[POINTERS], *w = p->w;
	__m512 sum[MR][PANELS];

#pragma GCC unroll 6
	for (int g = 0; g < POINTERS; g++) {
		at[g] = x + TOGETHER * g * x_row;
	}
#pragma GCC unroll 64
	for (int i = 0; i < rows * panels; i++) {
		sum[i / panels][i % panels] = _mm512_setzero_ps();
	}
	for (int64_t k = p->depth; k > 0; k--, w += QB_F32_PANEL) {
		__m512 u[PANELS];

#pragma GCC unroll 4
		for (int j = 0; j < panels; j++) {
			u[j] = _mm512_loadu_ps(w + j * panel);
			__builtin_prefetch(w + j * panel + AHEAD, 0, 2);
		}
#pragma GCC unroll 6
		for (int g = 0; g < (rows + TOGETHER - 1) / TOGETHER; g++) {
			__asm__("" : "+r"(at[g])); /* or each row would have a pointer of its own */
		}
#pragma GCC unroll 16
		for (int i = 0; i < rows; i++) {
			__m512 s = _mm512_set1_ps(at[i / TOGETHER][i % TOGETHER * x_row]);

#pragma GCC unroll 4
			for (int j = 0; j < panels; j++) {
				sum[i][j] = _mm512_fmadd_ps(s, u[j], sum[i][j]);
			}
		}
#pragma GCC unroll 6
		for (int g = 0; g < (rows + TOGETHER - 1) / TOGETHER; g++) {
			at[g]++;
		}
	}
#pragma GCC unroll 4
	for (int j = 0; j < panels; j++) {
		const __mmask16 some = lanes_512(p->width - QB_F32_PANEL * j);

#pragma GCC unroll 16
		for (int i = 0; i < rows; i++) {
			_mm512_mask_storeu_ps(y + i * y_row + QB_F32_PANEL * j, some, sum[i][j]);
		}
	}
}

typedef void tile_fn(const struct qb__f32_strided *p, const float *x, float *y);

#define TILE(rows, panels) \
	AVX512 static void strided_##rows##_##panels(const struct qb__f32_strided *p, const float *x, float *y) \
	{ \
		tile_avx512(p, rows, panels, x, y); \
	}
#define TILES_1(rows) TILE(rows, 1)
#define TILES_2(rows) TILES_1(rows) TILE(rows, 2)
#define TILES_3(rows) TILES_2(rows) TILE(rows, 3)
#define TILES_4(rows) TILES_3(rows) TILE(rows, 4)
TILES_4(1) TILES_4(2) TILES_4(3) TILES_4(4) TILES_4(5) TILES_4(6) TILES_2(7) TILES_2(8) TILES_2(9) TILES_2(10) /* as heights has it */
TILES_2(11) TILES_2(12) TILES_2(13) TILES_2(14) TILES_1(15) TILES_1(16)

#define ROW_1(rows) strided_##rows##_1
#define ROW_2(rows) ROW_1(rows), strided_##rows##_2
#define ROW_3(rows) ROW_2(rows), strided_##rows##_3
#define ROW_4(rows) ROW_3(rows), strided_##rows##_4
static tile_fn *const sized[MR][PANELS] = {{ROW_4(1)}, {ROW_4(2)}, {ROW_4(3)}, {ROW_4(4)}, {ROW_4(5)}, {ROW_4(6)}, {ROW_2(7)}, {ROW_2(8)},
	{ROW_2(9)}, {ROW_2(10)}, {ROW_2(11)}, {ROW_2(12)}, {ROW_2(13)}, {ROW_2(14)}, {ROW_1(15)}, {ROW_1(16)}};
static const uint8_t heights[PANELS] = {16, 14, 6, 6};

/* How many panels at once: as few as make a tile of enough multiply-adds, so that weights are read once, or stay in the
 * first-level cache. */
static int panels_of(int64_t rows)
{
	return rows <= heights[3] ? 4 : rows > heights[1] && rows <= heights[0] ? 1 : 2;
}

/* In tiles of nearly equal size, as other products are cut. */
void qb__f32_strided_avx512(const struct qb__f32_strided *all, int64_t rows)
{
	struct qb__f32_strided p = *all;
	int64_t left = (p.width + QB_F32_PANEL - 1) / QB_F32_PANEL, most = panels_of(rows), groups = (left + most - 1) / most;

	for (int width = p.width; groups > 0; groups--) {
		int64_t panels = (left + groups - 1) / groups, tiles = (rows + heights[panels - 1] - 1) / heights[panels - 1];
		const float *x = p.x;
		float *y = p.y;

		p.width = (int)QB_MIN(panels * QB_F32_PANEL, (int64_t)width);
		for (int64_t todo = rows, height; todo > 0; todo -= height, tiles--) {
			height = (todo + tiles - 1) / tiles;
			sized[height - 1][panels - 1](&p, x, y);
			x += height * p.x_row;
			y += height * p.y_row;
		}
		left -= panels;
		width -= p.width;
		p.w += panels * p.panel;
		p.y += panels * QB_F32_PANEL;
	}
}
#endif
