/* SPDX-License-Identifier: Apache-2.0
 *
 * Lookup tables: elementwise functions of bytes, and softmax. Vectors and plain C give the same bytes: nothing is summed
 * but integers.
 */
#ifndef QB_KERNELS_INT8_LOOKUP_H
#define QB_KERNELS_INT8_LOOKUP_H

#include <stdint.h>

/* y[i] = table[x[i]]; y may be x. */
void qb_int8_lut(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n);
void qb_int8_lut_plain(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n);

/* Softmax of n elements x_scale * (x - any zero), as bytes y_scale * (y - zero). The weight e^-(x_scale * d) is
 * high[d / 16] * low[d % 16] rounded to an integer, so that sums are exact. */
struct qb_int8_softmax {
	float high[16], low[16];
	float y_scale;
	int zero, top;
};
void qb_int8_softmax_init(struct qb_int8_softmax *s, int64_t n, float x_scale, float y_scale, int zero,
	int top);
/* keep [n]: a mask, 255 where an element counts and 0 where not, at least one of the former; NULL: all count. room [n]:
 * scratch. */
void qb_int8_softmax(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep,
	int32_t *room, uint8_t *y, int64_t n);
void qb_int8_softmax_plain(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep,
	int32_t *room, uint8_t *y, int64_t n);

#endif
