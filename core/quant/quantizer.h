/* SPDX-License-Identifier: Apache-2.0
 *
 * A quantizer is a format plus a range, per tensor, per channel or per block:
 *   Q(x) = scale * (round_to_grid(x / scale + zero) - zero),   zero = 0 unless asymmetric.
 * Simulation (qdq) equals encode then decode, bit for bit; all paths (C, AVX2, AVX-512, NEON) agree bit for bit.
 */
#ifndef QB_QUANT_QUANTIZER_H
#define QB_QUANT_QUANTIZER_H

#include <stddef.h>

#include "core/format/format.h"

struct qb_quantizer {
	struct qb_format format;
	int axis;          /* channel axis of the tensor, -1: per tensor */
	int64_t channels;  /* entries of scale and zero; 1 per tensor */
	float *scale;      /* > 0; owned (qb_quantizer_fini frees) */
	int32_t *zero;     /* NULL: all 0 */
};

/* lo[channels], hi[channels]: the range to represent. Symmetric formats use max(|lo|, |hi|). A range of zero
 * width gets a scale that represents its value exactly where possible. Formats without a real scale ignore it. */
enum qb_err qb_quantizer_init(struct qb_quantizer *q, const struct qb_format *f, int axis,
	int64_t channels, const float *lo, const float *hi, struct qb_errbuf *eb);
void qb_quantizer_fini(struct qb_quantizer *q);

/* y = Q(x) for a row-major tensor seen as [outer, channels, inner] (per tensor: inner = n). May be in place.
 * Blocks run along the innermost dimension. NaN stays NaN where the format has none: it becomes 0 and is counted by callers. */
void qb_qdq(const struct qb_quantizer *q, const float *x, float *y, int64_t outer, int64_t channels,
	int64_t inner);

/* The same, and in one pass over memory the sums that SQNR needs, added to *s in double precision. */
struct qb_qdq_sums {
	double signal;      /* sum x^2 */
	double noise;       /* sum (Q(x) - x)^2 */
	double ref_signal;  /* sum ref^2 */
	double ref_noise;   /* sum (Q(x) - ref)^2 */
};
/* ref: the float network's values of the same tensor, or NULL. */
void qb_qdq_measure(const struct qb_quantizer *q, const float *x, const float *ref, float *y,
	int64_t outer, int64_t channels, int64_t inner, struct qb_qdq_sums *s);

/* Integer codes (int8/uint8/int16 by format, as int32) and back; for floats the bit pattern. */
void qb_encode(const struct qb_quantizer *q, const float *x, int32_t *codes, int64_t outer,
	int64_t channels, int64_t inner);
void qb_decode(const struct qb_quantizer *q, const int32_t *codes, float *x, int64_t outer,
	int64_t channels, int64_t inner);

#endif
