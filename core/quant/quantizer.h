/* SPDX-License-Identifier: Apache-2.0
 *
 * A quantizer is a format plus a range, per tensor, per channel or per block:
 *   Q(x) = scale * (round_to_grid(x / scale + zero) - zero),   zero = 0 unless asymmetric.
 * Blocks have the scale, and asymmetric ones the zero point, of what they hold.
 * Simulation (qdq) equals encode then decode, bit for bit; all paths (C, AVX2, AVX-512, NEON) agree bit for bit.
 */
#ifndef QB_QUANT_QUANTIZER_H
#define QB_QUANT_QUANTIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/format/format.h"
#include "core/kernels/quantize/sums.h"

struct qb_quantizer {
	struct qb_format format;
	int axis;          /* channel axis of the tensor, -1: per tensor */
	int64_t channels;  /* entries of scale and zero; 1 per tensor */
	float *scale;      /* > 0; owned (qb_quantizer_fini frees) */
	int32_t *zero;     /* NULL: all 0, or the blocks have them */
};

/* Can bytes hold the codes: an integer of at most 8 bits, without blocks? */
static inline bool qb_quantizer_is_bytes(const struct qb_quantizer *q)
{
	return q->format.kind == QB_FORMAT_INT && q->format.bits <= 8 && !q->format.block;
}

/* Of that format and as many channels; scales, and zero points where it has any, are 0 until the caller sets them. */
enum qb_err qb_quantizer_alloc(struct qb_quantizer *q, const struct qb_format *f, int axis, int64_t channels, bool zeros,
	struct qb_errbuf *eb);

/* lo[channels], hi[channels]: the range to represent. Symmetric formats use max(|lo|, |hi|). A range of zero
 * width gets a scale that represents its value exactly where possible. Formats without a real scale ignore it. */
enum qb_err qb_quantizer_init(struct qb_quantizer *q, const struct qb_format *f, int axis,
	int64_t channels, const float *lo, const float *hi, struct qb_errbuf *eb);
void qb_quantizer_fini(struct qb_quantizer *q);

/* The scale and the zero point (0 where the format has none) that a quantizer of one channel gets for this range, without
 * making one: a search tries many. False where it is no range. */
bool qb_quantizer_scale(const struct qb_format *f, float lo, float hi, float *scale, int32_t *zero);

/* y = Q(x) for a row-major tensor seen as [outer, channels, inner] (per tensor: inner = n). May be in place.
 * Blocks run along the innermost dimension. NaN stays NaN where the format has one, and becomes 0 elsewhere;
 * infinities saturate, unless the format overflows. */
void qb_qdq(const struct qb_quantizer *q, const float *x, float *y, int64_t outer, int64_t channels,
	int64_t inner);

/* The same, and in one pass over memory the sums that SQNR needs, added to *s in double precision. ref: the float
 * network's values of the same tensor, or NULL. */
void qb_qdq_measure(const struct qb_quantizer *q, const float *x, const float *ref, float *y,
	int64_t outer, int64_t channels, int64_t inner, struct qb_qdq_sums *s);

/* Which numbers stochastic rounding draws: the element at i gets word first + i of (seed, stream). */
struct qb_draws {
	uint64_t seed, stream, first;
};

/* Stochastic rounding: of the grid's two neighbours of x / scale the upper one with a chance of
 * (x / scale - lower) / (upper - lower), so that the expectation is x wherever nothing saturates. Results do not
 * depend on how a tensor is cut up. */
void qb_qdq_stochastic(const struct qb_quantizer *q, const float *x, float *y, int64_t outer,
	int64_t channels, int64_t inner, const struct qb_draws *draws);

/* down[i] <= x[i] <= up[i]: the grid's neighbours of each number, between which a method may choose. Both are Q(x[i])
 * where x[i] lies on the grid or beyond its ends. Scales of blocks are those that Q(x) has. */
void qb_neighbours(const struct qb_quantizer *q, const float *x, float *down, float *up, int64_t outer,
	int64_t channels, int64_t inner);

/* Codes and back: an integer's own value (asymmetric: with its zero point added), a float's bit pattern, the index
 * into a list. decode(encode(x)) equals qdq(x) bit for bit. blocks: of block formats alone, written by encode, which takes
 * NULL, and read by decode. */
struct qb_blocks {
	float *scale;  /* of each of the ceil(inner / block) blocks of each of the outer * channels rows */
	int32_t *zero; /* the same, of asymmetric formats alone */
};
void qb_encode(const struct qb_quantizer *q, const float *x, int32_t *codes, const struct qb_blocks *blocks,
	int64_t outer, int64_t channels, int64_t inner);
void qb_decode(const struct qb_quantizer *q, const int32_t *codes, const struct qb_blocks *blocks,
	float *x, int64_t outer, int64_t channels, int64_t inner);

/* Room for count blocks, with zero points. */
enum qb_err qb_blocks_init(struct qb_blocks *b, int64_t count, struct qb_errbuf *eb);
void qb_blocks_fini(struct qb_blocks *b);

/* What encode gives the blocks of x [rows, n]. */
void qb_blocks_of(const struct qb_quantizer *q, const float *x, int64_t rows, int64_t n, const struct qb_blocks *out);

/* How many blocks that is; 0 without. */
int64_t qb_block_count(const struct qb_quantizer *q, int64_t outer, int64_t channels, int64_t inner);

#endif
