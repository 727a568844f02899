/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of kernels.h, one file each, and what they share: plain C computes what is left of whole vectors.
 */
#ifndef QB_KERNELS_INT8_LEVELS_H
#define QB_KERNELS_INT8_LEVELS_H

#include "core/kernels/int8/kernels.h"

#if defined(__x86_64__)
extern const struct qb_int8_kernels qb__int8_avx2, qb__int8_avx512;
extern const struct qb_int8_winograd qb__int8_avx2_winograd;

/* Small weights: 16-bit accumulators. */
void qb__int8_avx2_pack_small(struct qb_int8_matrix *m, const int8_t *rows);
void qb__int8_avx2_conv_small(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a);
void qb__int8_avx2_pack_nibbles(struct qb_int8_matrix *m, const int8_t *rows);
void qb__int8_avx2_conv_nibbles(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a);
#elif defined(__aarch64__)
extern const struct qb_int8_kernels qb__int8_neon, qb__int8_neon_dot, qb__int8_neon_i8mm;
#endif

/* Where channel c is in unpacked order: what interleaving the bytes of four kernel elements inside 128-bit lanes leaves. */
static inline int64_t qb__unpacked_at(int64_t block, int64_t c)
{
	int64_t in = c % block, lanes = block / 16;

	return c / block * block + in % 16 / 4 * 4 * lanes + in / 16 * 4 + in % 4;
}

/* Are a 3 x 3 kernel's columns one step apart? At borders, and with a stride or a dilation, they are not. */
static inline bool qb__columns_slide(const uint8_t *const *row, int64_t step)
{
	bool slide = true;

	for (int i = 0; i < 9; i += 3) {
		slide = slide && (uintptr_t)row[i + 1] - (uintptr_t)row[i] == (uintptr_t)step &&
			(uintptr_t)row[i + 2] - (uintptr_t)row[i + 1] == (uintptr_t)step;
	}
	return slide;
}

/* [blocks of 16 outputs][k / group][16][group] */
void qb__int8_pack_groups(struct qb_int8_matrix *m, const int8_t *rows, int64_t group);
/* The same with outputs o and o + 8 in the low and the high half of a byte, bias added to each. */
void qb__int8_pack_halves(struct qb_int8_matrix *m, const int8_t *rows, int64_t group, int bias);
/* Groups of four; halves with 8 added. */
void qb__int8_pack_quads(struct qb_int8_matrix *m, const int8_t *rows);
void qb__int8_pack_nibbles(struct qb_int8_matrix *m, const int8_t *rows);
void qb__int8_expand_bytes(const uint8_t *x, void *to, int64_t n);
void qb__int8_add_plain(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
	size_t n);
void qb__int8_average_plain(const uint8_t *const *row, int64_t rows, int64_t channels,
	float multiplier, float offset, int lo, int hi, uint8_t *y);
void qb__int8_max_plain(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y);
void qb__int8_quantize_plain(const float *x, uint8_t *y, size_t n, float scale, int zero, int top);
void qb__int8_dequantize_plain(const uint8_t *x, float *y, size_t n, float scale, int zero);

#endif
