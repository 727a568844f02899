/* SPDX-License-Identifier: Apache-2.0
 *
 * The quantizer of one weight in training. It runs beside the graph, once a step: the graph is fed Q(w), and the gradient that it
 * gives by Q(w) goes back through the quantizer.
 */
#ifndef QB_TRAIN_WEIGHT_QUANTIZER_H
#define QB_TRAIN_WEIGHT_QUANTIZER_H

#include <stddef.h>

#include "core/kernels/quantize/fake_quantize.h"
#include "core/quant/quantizer.h"

/* Where the scales of weights begin. lsq: 2 mean|w| / sqrt(p) (Esser et al., ICLR 2020). lsq_plus: max |mean -/+ 3 deviations|
 * over -n (Bhalgat et al., 2020). mse: least squared error of 100 candidates, max|w| / p times 1 to 100 hundredths. scheme: those
 * of the scheme that the training starts from. */
#define QB_WEIGHT_RANGES(X) \
	X(QB_WEIGHT_RANGE_LSQ, "lsq") \
	X(QB_WEIGHT_RANGE_LSQ_PLUS, "lsq_plus") \
	X(QB_WEIGHT_RANGE_MSE, "mse") \
	X(QB_WEIGHT_RANGE_SCHEME, "scheme")
enum qb_weight_range {
#define X(id, name) id,
	QB_WEIGHT_RANGES(X)
#undef X
};
enum { QB_WEIGHT_RANGE_CANDIDATES = 100 };

struct qb_weight_quantizer {
	struct qb_format format;
	enum qb_estimator estimator;
	/* DoReFa's normalisation (Zhou et al., 2016), PACT's weights: what is quantized is t = tanh(w) / max|tanh(w)|. On the
	 * format's own grid, which unlike DoReFa's 2^bits levels holds 0 and so can be deployed; the range stays where it began,
	 * max|tanh(w)| of the first weights, a factor that a batch norm behind cancels. */
	bool dorefa;
	int64_t outer, width, inner; /* the weight seen around its channel axis: [outer, width, inner] */
	int64_t channels;            /* of the scale: width, or 1 per tensor */
	int32_t *zero;               /* [channels] of asymmetric formats, fixed; else NULL; owned */
	float *scratch;              /* [elements]: t of dorefa, owned */
	double *sums;                /* [channels]: of the gradients of scales, owned */
};

/* A weight of outer * width * inner elements, with a scale for each of its `width` channels or one for all. */
enum qb_err qb_weight_quantizer_init(struct qb_weight_quantizer *q, const struct qb_format *f, enum qb_estimator estimator,
	bool dorefa, bool per_channel, int64_t outer, int64_t width, int64_t inner, struct qb_errbuf *eb);
void qb_weight_quantizer_fini(struct qb_weight_quantizer *q);
static inline size_t qb_weight_quantizer_size(const struct qb_weight_quantizer *q)
{
	return (size_t)(q->outer * q->width * q->inner);
}

/* scale [channels] from the weight w. start: for QB_WEIGHT_RANGE_SCHEME, with as many channels or one, whose zero points are
 * taken, too; asymmetric formats always take it. */
enum qb_err qb_weight_quantizer_begin(struct qb_weight_quantizer *q, enum qb_weight_range range, const float *w,
	const struct qb_quantizer *start, float *scale, struct qb_errbuf *eb);

/* y = Q(w). factor: of the estimator (core/kernels/quantize/fake_quantize.h). */
void qb_weight_quantize(struct qb_weight_quantizer *q, const float *scale, const float *w, float *y);
/* The integers of y, of an integer format: y / scale + zero. */
void qb_weight_codes(const struct qb_weight_quantizer *q, const float *scale, const float *y, int16_t *codes);

/* gradient [elements]: d loss / d Q(w) becomes d loss / d w. dscale [channels] is set (zeros where dorefa keeps the range);
 * *dfactor, where not NULL: by alpha of dsq. */
void qb_weight_quantizer_backward(struct qb_weight_quantizer *q, const float *scale, float factor, const float *w, float *gradient,
	float *dscale, float *dfactor);

/* LSQ's gradient scale 1 / sqrt(N p): N elements share a scale, p is the largest code (of floats the largest value in steps of
 * the smallest octave is no such number: 1 is taken). */
float qb_lsq_gradient_scale(const struct qb_format *f, double elements);

#endif
