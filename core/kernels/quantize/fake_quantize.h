/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake quantization for training: quantize-dequantize whose scale and offset may be learned, and its gradient.
 *
 * The forward pass is qb_qdq's rounding path, bit for bit: y = s (clip(round(x / s), n - z, p - z)), where [n, p] are the ends
 * of the format's canonical grid and z = clip(round(-offset / s), n, p) is an integer's zero point.
 *
 * The backward pass is that of a surrogate y = s (h(v) + r), v = x / s, whose remainder r = Q(v) - h(v) is held; D = h'(v),
 * g = dL/dy:
 *   inside the range    dL/dx = g D     dL/ds = g (Q(v) - D v)      dL/doffset = 0
 *   below it            dL/dx = 0       dL/ds = g n'                dL/doffset = g     (above: p')
 * n' is n with a learned offset (LSQ+: y = s n + offset), n - z with a fixed zero point. The estimators differ in D and in
 * what counts as inside:
 *   ste   D = 1; round(v) lies in the range: half a step beyond it counts (Nagel et al., ICML 2022)
 *   lsq   D = 1; v lies in the range (Esser et al., ICLR 2020; LSQ+: Bhalgat et al., CVPR Workshops 2020). Of floating-point
 *         formats this is the gradient of a learned range c = p s with the octave held (Kuzmin et al., NeurIPS 2022)
 *   pact  D = 1; n < v < p, and inside dL/ds = 0: all of it comes from what is clipped (Choi et al., 2018)
 *   ewgs  D = 1 + delta sign(g) (v - round(v)) (Lee et al., CVPR 2021), delta per step of the grid
 *   dsq   h(v) = f + 1/2 + (S / 2) tanh(k u), f = floor(v), u = v - f - 1/2, S = 1 / (1 - alpha), k = ln(2 / alpha - 1)
 *         (Gong et al., ICCV 2019)
 * Sums are added up in a fixed order; every level of the processor gives the same bits.
 */
#ifndef QB_KERNELS_QUANTIZE_FAKE_QUANTIZE_H
#define QB_KERNELS_QUANTIZE_FAKE_QUANTIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/format/format.h"

#define QB_ESTIMATORS(X) \
	X(QB_ESTIMATOR_STE, "ste") \
	X(QB_ESTIMATOR_LSQ, "lsq") \
	X(QB_ESTIMATOR_PACT, "pact") \
	X(QB_ESTIMATOR_EWGS, "ewgs") \
	X(QB_ESTIMATOR_DSQ, "dsq")
enum qb_estimator {
#define X(id, name) id,
	QB_ESTIMATORS(X)
#undef X
};
/* NULL beyond the last. */
const char *qb_estimator_name(int estimator);
/* QB_EINVAL names the estimators. */
enum qb_err qb_estimator_parse(enum qb_estimator *out, const char *name, struct qb_errbuf *eb);

/* Scales below count as this. */
#define QB_FAKE_QUANTIZE_SCALE_LEAST 1e-8f

struct qb_fake_quantizer {
	struct qb_format format;
	enum qb_estimator estimator;
	float factor;        /* delta of ewgs, in steps; alpha of dsq, in (0, 1) */
	int64_t channels;    /* 1: per tensor */
	const float *scale;  /* [channels] */
	const float *offset; /* [channels], learned; or NULL */
	const int32_t *zero; /* [channels], fixed, where offset is NULL; NULL: 0 */
};

/* Can such a format be trained with the estimator: no blocks; integers alone for ewgs and dsq. */
enum qb_err qb_fake_quantizer_check(const struct qb_format *f, enum qb_estimator estimator, struct qb_errbuf *eb);

/* The scale and the zero point with which channel c is quantized. */
float qb_fake_quantizer_scale(const struct qb_fake_quantizer *q, int64_t c);
int32_t qb_fake_quantizer_zero(const struct qb_fake_quantizer *q, int64_t c);

/* y = Q(x), x seen as [outer, channels, inner] (per tensor: any that multiply to its size). y may be x. */
void qb_fake_quantize(const struct qb_fake_quantizer *q, const float *x, float *y, int64_t outer, int64_t inner);

/* Sums of a gradient, set by the call: [channels] each. offset may be NULL. */
struct qb_fake_quantizer_gradient {
	double *scale, *offset;
	double factor; /* by alpha of dsq; 0 for the others */
};
/* dx may be dy, not x. */
void qb_fake_quantize_gradient(const struct qb_fake_quantizer *q, const float *x, const float *dy, float *dx,
	int64_t outer, int64_t inner, struct qb_fake_quantizer_gradient *sums);

/* The zero point of a learned offset; 0 of one that is no number. */
int32_t qb__fake_quantize_zero(const struct qb_format *f, double offset, double scale);

/* The same in double precision, plainly, element by element. Formats that are neither integers nor floats round in float32. */
struct qb_fake_quantizer_f64 {
	struct qb_format format;
	enum qb_estimator estimator;
	double factor;
	int64_t channels;
	const double *scale, *offset;
	const int32_t *zero;
};
void qb_fake_quantize_f64(const struct qb_fake_quantizer_f64 *q, const double *x, double *y, int64_t outer, int64_t inner);
void qb_fake_quantize_gradient_f64(const struct qb_fake_quantizer_f64 *q, const double *x, const double *dy, double *dx,
	int64_t outer, int64_t inner, struct qb_fake_quantizer_gradient *sums);

#endif
