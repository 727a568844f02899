/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantize-dequantize of runs of elements. The same code is compiled for every instruction set and chosen at run time;
 * it uses only IEEE operations in a fixed order, so all paths agree bit for bit.
 */
#ifndef QB_KERNELS_QUANTIZE_KERNELS_H
#define QB_KERNELS_QUANTIZE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/format/format.h"
#include "core/kernels/quantize/sums.h"

/* The grid of a format in the form the kernels use. */
struct qb_grid {
	enum qb_format_kind kind; /* INT, FLOAT or TABLE */
	float lo, hi;      /* smallest and largest finite value */
	/* floats */
	bool even;         /* signed, with subnormals and a zero: nothing is special near 0 */
	bool overflowing;  /* the same to infinity in place of saturating, signed: a short way as well */
	bool simple;       /* saturating, with subnormals, -0 if signed, and hi * lift finite: the short way */
	float lift;        /* times the power of two of an octave: the float whose unit in the last place is the octave's step */
	/* Rounding the float's own bits to nearest: below_half is added, and 1 where the last bit kept is set, which makes
	 * ties even. Without mantissa bits the significand 1 counts as odd, its neighbour 2 as even: that 1 is in
	 * below_half, and last is 0. */
	uint32_t below_half, last, kept;
	int drop;          /* float32 mantissa bits that the format lacks */
	float small;       /* below it the step is that of the subnormals, and adding magic rounds to it */
	float magic;
	float flush;       /* without subnormals the smallest normal number, else 0 */
	float zero_to;     /* twice the magnitude up to which elements become 0; -1: never */
	float floor, below; /* an element under floor becomes below (unsigned formats) */
	float over, nan;   /* what an element beyond hi becomes, and NaN */
	uint32_t sign, zero_sign, over_sign; /* masks of the sign bit: of all, of zeros, of over */
	/* tables: index = how many cuts the element is above; padded with infinities to steps (a power of two) - 1 */
	int steps;
	float value[QB_FORMAT_TABLE_MAX];
	float cut[QB_FORMAT_TABLE_MAX];
	/* Tables of at most 16 as registers: entry -i (modulo 8) has what step i of a binary search compares with (the
	 * third step's 4 cuts, the fourth's 8), and the values of the lower and the upper half. */
	float quarter[16], eighth[16], low[16], high[16];
};

/* Whether a->inverse may be given for the scale. */
bool qb_grid_divides_fast(const struct qb_grid *g, float scale);
/* Whether a->block may be given: blocks of 16, 32, 64... elements and the usual grids. */
bool qb_grid_takes_blocks(const struct qb_grid *g, size_t block);

void qb_grid_init(struct qb_grid *g, const struct qb_format *f);

/* y[i] = scale * (clip(round(x[i] / scale) + zero) - zero); x may be y. Per element scale and zero when their stride is 1. */
struct qb_run_args {
	const float *x, *ref; /* ref: NULL or the reference values */
	float *y;
	size_t n;
	const float *scale;
	const int32_t *zero; /* NULL: 0 */
	int stride;          /* 0: one scale for all; 1: one an element */
	/* NULL, or the scales' rounded reciprocals: division without the divider, which is exact for scales and grids
	 * in the middle of float32's range (qb_grid_divides_fast). */
	const float *inverse;
	/* 0, or the size of the blocks that have a scale each, with qb_grid_takes_blocks. n is a multiple of 64; stride is
	 * 0, zero NULL, and inverse given only where the scales are powers of two, for then it loses nothing, or where
	 * divides_fast says that qb_grid_divides_fast holds for each of them and that the grid has no NaN. */
	size_t block;
	bool divides_fast;
	bool stream;         /* past the caches: y is 64-byte aligned, not x, and too large to be read again soon */
};

/* Sums over finite elements x at each of count scales, a multiple of QB_FIT_LANES; zero: NULL or a zero point each. Elements
 * beyond the grid's ends count clip_weight times in noise and cross. */
enum { QB_FIT_LANES = 16 };
struct qb_fit_args {
	const float *x;
	size_t n, count;
	const float *scale, *zero;
	float clip_weight;
};
struct qb_fit {
	double noise; /* sum (Q(x) - x)^2 */
	double cross; /* sum (Q(x) - x) Q(x): the noise's derivative by log(scale), halved */
	double power; /* sum Q(x)^2 */
};
/* Whether fit takes the grid: integers, and floats that are simple. */
bool qb_grid_fits(const struct qb_grid *g);

struct qb_kernels {
	const char *name;
	void (*qdq)(const struct qb_grid *g, const struct qb_run_args *a);
	void (*measure)(const struct qb_grid *g, const struct qb_run_args *a, struct qb_qdq_sums *s);
	void (*fit)(const struct qb_grid *g, const struct qb_fit_args *a, struct qb_fit *out);
	/* each[i] = scale[i / block], i < blocks * block */
	void (*spread)(const float *scale, size_t blocks, size_t block, float *each);
	/* max[i] = the largest finite magnitude of x[i * block .. (i + 1) * block) */
	void (*block_max)(const float *x, size_t blocks, size_t block, float *max);
};

/* The fastest at the level in force (core/base/cpu.h). */
const struct qb_kernels *qb_kernels(void);
/* Every path that the level admits, plain C first; NULL at the end. For tests. */
const struct qb_kernels *qb_kernels_at(int i);

#endif
