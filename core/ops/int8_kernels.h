/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer kernels: unsigned 8-bit activations times signed 8-bit weights into 32 bits, requantised at once.
 *
 * Activations lie channels-last, a row of `stride` bytes a pixel (a multiple of 4; bytes past the channels count for
 * nothing). A stored byte u means scale * (u - zero); signed and narrower formats are shifted so that they start at 0.
 * Every kernel exists in plain C and for AVX-512 VNNI; they agree bit for bit.
 */
#ifndef QB_OPS_INT8_KERNELS_H
#define QB_OPS_INT8_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What turns a 32-bit sum into a stored byte: clamp(round(sum * multiplier + offset), lo, hi), to nearest even, one
 * multiplier and offset a channel. */
struct qb_requant {
	const float *multiplier, *offset; /* [channels rounded up to 64] */
	int lo, hi;
};

/* Weights of a matrix product for the kernels: [blocks of 16 outputs][k / 4][16][4], zeros past the end. */
struct qb_int8_matrix {
	int64_t outputs, k;  /* k: bytes of one packed row, a multiple of 4 */
	int8_t *packed;      /* [outputs rounded up to 16] * k */
	int32_t *start;      /* [outputs rounded up to 16]: what a sum begins with (-zero * sum of weights) */
};
size_t qb_int8_packed_bytes(int64_t outputs, int64_t k);
/* rows [outputs][k]. m->outputs, m->k, m->packed are set; zeros fill the last block. */
void qb_int8_pack(struct qb_int8_matrix *m, const int8_t *rows);

/* y [pixels][y_stride] = requant(start + sum over taps t and channels c of x[pixel][t][c] * w). row[p * taps + t]
 * points at tap t of pixel p: `chunk` bytes, a multiple of 4, with taps * chunk == m->k. */
void qb_int8_conv(const struct qb_int8_matrix *m, const uint8_t *const *row, int64_t pixels,
	int64_t taps, int64_t chunk, const struct qb_requant *r, uint8_t *y, int64_t y_stride);

/* What a depthwise convolution needs of its channels, in the kernels' own order. */
struct qb_int8_channels {
	const int8_t *packed;               /* qb_int8_pack_depthwise */
	const int32_t *start;               /* [channels rounded up to 64], in unpacked order */
	const float *multiplier, *offset;   /* the same */
	int lo, hi;
	int64_t channels, taps;
};
/* [channels rounded up to 64] numbers of 4 bytes into that order. */
void qb_int8_unpacked_order(const void *from, void *to, int64_t channels);

/* Depthwise: y[p][c] = requant(start[c] + sum over taps of (row[t] + p * step)[c] * w[t][c]): a run of pixels whose
 * taps move on by `step` bytes. */
size_t qb_int8_depthwise_bytes(int64_t channels, int64_t taps);
void qb_int8_pack_depthwise(int8_t *packed, const int8_t *w, int64_t channels, int64_t taps);
void qb_int8_depthwise(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride);

/* y = clamp(round(a * ma + b * mb + offset), lo, hi) over n bytes. */
struct qb_int8_add {
	float ma, mb, offset;
	int lo, hi;
};
void qb_int8_add(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
	size_t n);

/* y[c] = clamp(round(multiplier * sum over rows of row[i][c] + offset)). */
void qb_int8_average(const uint8_t *const *row, int64_t rows, int64_t channels, float multiplier,
	float offset, int lo, int hi, uint8_t *y);
void qb_int8_max(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y);

/* Float to bytes and back: clamp(round(x / scale) + zero, 0, top), scale * (u - zero); NaN becomes zero. */
void qb_int8_quantize(const float *x, uint8_t *y, size_t n, float scale, int zero, int top);
void qb_int8_dequantize(const uint8_t *x, float *y, size_t n, float scale, int zero);

/* Is the fast path there? For tests, plain C can be forced. */
bool qb_int8_is_fast(void);
void qb_int8_force_plain(bool plain);

#endif
