/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that become other bytes line by line, by tables. Wide registers and plain C give the same bytes: nothing is
 * summed but integers.
 */
#ifndef QB_KERNELS_INT8_LOOKUP_H
#define QB_KERNELS_INT8_LOOKUP_H

#include <stdint.h>

/* y[i] = table[x[i]]; y may be x. */
void qb_int8_map(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n);
void qb_int8_map_plain(const uint8_t table[256], const uint8_t *x, uint8_t *y, int64_t n);

/* Softmax of n numbers x_scale * (x - any zero), as bytes y_scale * (y - zero). What e^-(x_scale * d) counts for is a whole
 * number, high[d / 16] * low[d % 16] to the nearest, so that sums are exact. */
struct qb_int8_softmax {
	float high[16], low[16];
	float y_scale;
	int zero, top;
};
void qb_int8_softmax_init(struct qb_int8_softmax *s, int64_t n, float x_scale, float y_scale, int zero,
	int top);
/* keep [n]: 255 where a number counts, 0 where it does not, of which there is not only the latter; NULL: all count.
 * room [n]. */
void qb_int8_softmax(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep,
	int32_t *room, uint8_t *y, int64_t n);
void qb_int8_softmax_plain(const struct qb_int8_softmax *s, const uint8_t *x, const uint8_t *keep,
	int32_t *room, uint8_t *y, int64_t n);

#endif
