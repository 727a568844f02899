/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer kernels: unsigned 8-bit activations times signed 8-bit weights into 32 bits, requantized at once.
 *
 * Activations lie channels-last, a row of `stride` bytes a pixel (a multiple of 4; bytes past the channels are ignored,
 * and up to 64 of them are read). A stored byte u means scale * (u - zero); signed and narrower formats are shifted so
 * that they start at 0. One table of functions a CPU level; all agree bit for bit. How weights are packed is private to
 * a table: what one table packs only the same table reads.
 */
#ifndef QB_KERNELS_INT8_KERNELS_H
#define QB_KERNELS_INT8_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer sums could leave 32 bits: 65536 * 255 * 128 = 2^31 - 2^23. */
enum { QB_INT8_K_MAX = 65536 };

/* Requantization of a 32-bit sum to a stored byte: clamp(round(sum * multiplier + offset), lo, hi), to nearest even, one
 * multiplier and offset a channel. */
struct qb_requant {
	const float *multiplier, *offset; /* [channels rounded up to 64] */
	int lo, hi;
};

/* Weights of a matrix product, packed in blocks of 16 outputs, zeros past the end. */
struct qb_int8_matrix {
	int64_t outputs, k; /* k: a multiple of the form's group, at most QB_INT8_K_MAX */
	void *packed;       /* qb_int8_packed_bytes, 64-byte aligned */
	int32_t *start;     /* [outputs rounded up to 16]: what a sum begins with (-zero * sum of weights) */
	int64_t run;        /* set by pack: groups whose products fit a 16-bit accumulator */
	int32_t row_weight; /* set by pack: how often conv adds the sum of a pixel's elements, where a level does so */
};
size_t qb_int8_packed_bytes(int64_t outputs, int64_t k, int bits);

/* So many pixels at least share what a call reads of long sums' weights; more may be taken in several goes. */
enum { QB_INT8_PIXELS = 56 };

/* A GEMM by indirection: y [pixels][y_stride] = requant(start + sum over kernel elements t and i < chunk of
 * x[pixel][offset[t] + i] * w). */
struct qb_int8_conv_args {
	const void *const *x;           /* [pixels]: pointers to elements */
	int64_t pixels;
	const int64_t *offset;          /* [kernel_elements], counted in elements */
	int64_t kernel_elements, chunk; /* their product is m->k */
	const struct qb_requant *r;
	uint8_t *y;
	int64_t y_stride;
};
typedef void qb_int8_conv_fn(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a);

/* How a table multiplies by weights of one width. Sums are exact in every form, whatever the weights. */
enum qb_int8_width {
	QB_INT8_WHOLE,   /* any byte */
	QB_INT8_SMALL,   /* from -32 to 32 */
	QB_INT8_NIBBLES, /* from -8 to 7, packed two a byte */
	QB_INT8_WIDTHS
};
struct qb_int8_form {
	int bits; /* of a packed weight */
	/* It reads activations as elements of 1 or 2 bytes, in runs whose lengths are multiples of `group`; expand
	 * writes n elements (and up to 31 more). */
	int64_t element_bytes, group;
	void (*expand)(const uint8_t *x, void *to, int64_t n);
	/* rows [outputs][k]. m->outputs, m->k, m->packed are set; zeros fill the last block. */
	void (*pack)(struct qb_int8_matrix *m, const int8_t *rows);
	qb_int8_conv_fn *conv;
};

/* How a table multiplies two activations, as attention does: the right operand is packed when it is there, its zero point
 * taken off. */
struct qb_int8_product {
	/* As in a form; where element_bytes is 1, expand copies. bits: of a packed element. */
	int64_t element_bytes, group;
	int bits;
	void (*expand)(const uint8_t *x, void *to, int64_t n);
	/* right [rows][stride] bytes of which m->outputs are columns; m->outputs, m->k (rows rounded up to the group, at
	 * most QB_INT8_K_MAX / 2), m->packed and m->start have their place. Sums start with left_zero * (zero - element)
	 * over a column; whole blocks are written. */
	void (*pack)(struct qb_int8_matrix *m, const uint8_t *right, int64_t rows, int64_t stride, int zero,
		int left_zero);
	qb_int8_conv_fn *conv; /* of one kernel element */
};

/* A 3 x 3 convolution of stride 1 by Winograd's F(4 x 4, 3 x 3) (A. Lavin and S. Gray, Fast Algorithms for Convolutional
 * Neural Networks, CVPR 2016): tiles of 4 x 4 outputs from 6 x 6 inputs, 36 multiplications in place of 144. All in
 * integers, and exact where no output's sum of products can leave
 * +- QB_INT8_WINOGRAD_SUM_MAX (what it starts with not counted): the same bytes as the convolution itself. */
enum { QB_INT8_WINOGRAD_IN = 6, QB_INT8_WINOGRAD_OUT = 4, QB_INT8_WINOGRAD_SUM_MAX = (1 << 25) - 1 };
struct qb_int8_winograd {
	/* rows [outputs][channels][9] to m[36]; m->outputs, m->k (channels rounded up to 2) and m->packed (room for 16
	 * bits) are set. */
	void (*pack)(struct qb_int8_matrix *m, int64_t channels, const int8_t *rows);
	/* row[36]: the tile's pixels; v [36][v_step], channels rounded up to 16. */
	void (*input)(const uint8_t *const *row, int64_t channels, int16_t *v, int64_t v_step);
	/* y [rows][y_stride] = x[row] [k] of 16 bits . m, outputs rounded up to 16. */
	void (*gemm)(const struct qb_int8_matrix *m, const void *const *x, int64_t rows, int32_t *y,
		int64_t y_stride);
	/* m [36][m_step] to y[16], the tile's outputs; NULL: nowhere. start [outputs rounded up to 16]. */
	void (*output)(const int32_t *m, int64_t m_step, int64_t outputs, const int32_t *start,
		const struct qb_requant *r, uint8_t *const *y);
};

/* A depthwise convolution's channels, in the order of the table's kernels. */
struct qb_int8_channels {
	const int8_t *packed;               /* pack_depthwise */
	const int32_t *start;               /* [channels rounded up to 64], in unpacked order */
	const float *multiplier, *offset;   /* the same */
	int lo, hi;
	int64_t channels, kernel_elements;
};

/* y = clamp(round(a * ma + b * mb + offset), lo, hi). */
struct qb_int8_add {
	float ma, mb, offset;
	int lo, hi;
};

struct qb_int8_kernels {
	const char *name;

	struct qb_int8_form form[QB_INT8_WIDTHS];
	const struct qb_int8_winograd *winograd; /* NULL where it is no faster */

	struct qb_int8_product product;

	/* Depthwise: y[p][c] = requant(start[c] + sum over kernel elements t of (row[t] + p * step)[c] * w[t][c]): a run of
	 * pixels `step` bytes apart. */
	size_t (*depthwise_bytes)(int64_t channels, int64_t kernel_elements);
	void (*pack_depthwise)(int8_t *packed, const int8_t *w, int64_t channels, int64_t kernel_elements);
	void (*depthwise)(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step,
		int64_t pixels, uint8_t *y, int64_t y_stride);
	/* Unpacked order has blocks of so many channels, 16, 32 or 64: a 128-bit lane holds 16 of them. */
	int64_t order_block;

	void (*add)(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
		size_t n);

	/* y[c] = clamp(round(multiplier * sum over rows of row[i][c] + offset)). */
	void (*average)(const uint8_t *const *row, int64_t rows, int64_t channels, float multiplier,
		float offset, int lo, int hi, uint8_t *y);
	void (*max)(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y);

	/* Float to bytes and back: clamp(round(x / scale) + zero, 0, top), scale * (u - zero); NaN becomes zero. */
	void (*quantize)(const float *x, uint8_t *y, size_t n, float scale, int zero, int top);
	void (*dequantize)(const uint8_t *x, float *y, size_t n, float scale, int zero);
};

/* The form for n weights. */
const struct qb_int8_form *qb_int8_form(const struct qb_int8_kernels *k, const int8_t *weights, size_t n);

/* The fastest at the level in force (core/base/cpu.h). */
const struct qb_int8_kernels *qb_int8_kernels(void);
/* Every table that the level admits, plain C first; NULL at the end. For tests. */
const struct qb_int8_kernels *qb_int8_kernels_at(int i);

/* [channels rounded up to 64] elements of 4 bytes into unpacked order. */
void qb_int8_unpacked_order(const struct qb_int8_kernels *k, const void *from, void *to,
	int64_t channels);

#endif
