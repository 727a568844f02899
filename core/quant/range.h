/* SPDX-License-Identifier: Apache-2.0
 *
 * From values to a range: exactly for a tensor at hand, and by a streaming observer in bounded memory.
 */
#ifndef QB_QUANT_RANGE_H
#define QB_QUANT_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/format/format.h"

/* minmax: all that was seen. running_minmax: a moving average of each batch's minimum and maximum (of weights, minmax).
 * percentile: all but the tails. mse: least squared error. sqnr: the same with what is clipped counting three times, as
 * AIMET's analyzer of that name has it. entropy: least Kullback-Leibler divergence, as TensorRT calibrates; mse where fewer
 * elements than QB_RANGE_ENTROPY_LEAST were seen. */
#define QB_RANGE_METHODS(X) \
	X(QB_RANGE_MINMAX, "minmax") \
	X(QB_RANGE_RUNNING_MINMAX, "running_minmax") \
	X(QB_RANGE_PERCENTILE, "percentile") \
	X(QB_RANGE_MSE, "mse") \
	X(QB_RANGE_SQNR, "sqnr") \
	X(QB_RANGE_ENTROPY, "entropy")
enum qb_range_method {
#define X(id, name) id,
	QB_RANGE_METHODS(X)
#undef X
};
/* NULL beyond the last. */
const char *qb_range_method_name(enum qb_range_method m);
#define QB_RANGE_SQNR_CLIP_WEIGHT 3
#define QB_RANGE_ENTROPY_LEAST 8192

struct qb_range_options {
	enum qb_range_method method;
	double percentile; /* in per cent, e.g. 99.99; two-sided */
	bool power_of_two; /* the scale becomes a power of two: the best of those near for what the method minimises, else
	                    * the first that cuts nothing more off */
};

/* A streaming summary of one tensor (or of one channel): minimum, maximum and a fine histogram whose bins
 * widen by powers of two as the range grows, so that one pass suffices and order does not matter. NaN and
 * infinities are left out and counted. */
struct qb_observer;
struct qb_observer *qb_observer_create(void);
void qb_observer_destroy(struct qb_observer **o);
void qb_observer_update(struct qb_observer *o, const float *x, size_t n);
/* Adds what other saw; the result does not depend on how the data was split. */
void qb_observer_merge(struct qb_observer *o, const struct qb_observer *other);
/* The least and the largest finite number of the last update; false if it had none. */
bool qb_observer_last(const struct qb_observer *o, float *lo, float *hi);
/* One batch's [lo, hi] into the moving average: momentum times what was there, 1 - momentum times this; the first as it
 * is. Unlike all else it depends on the order. */
void qb_observer_run(struct qb_observer *o, float lo, float hi, double momentum);
/* 0, 0 when nothing was seen. */
void qb_observer_minmax(const struct qb_observer *o, float *lo, float *hi);
/* Finite elements seen, and the others. */
uint64_t qb_observer_count(const struct qb_observer *o);
uint64_t qb_observer_nonfinite(const struct qb_observer *o);
/* Bins [*first, return + *first) of width *width hold what was seen: bin i is [i * width, (i + 1) * width). Exact
 * zeros are in bin 0. count (or NULL) takes up to cap of them. */
int qb_observer_histogram(const struct qb_observer *o, int *first, double *width, uint64_t *count,
	int cap);

/* The range for format f by the method. Signed symmetric formats return lo = -hi, unsigned ones lo = 0; an
 * asymmetric range always holds 0. Integers within an integer format's codes get a scale of 1 from mse and sqnr where what
 * these found is not exact. A format whose scale is fixed, or kept per block, gets the plain minmax.
 * Percentile: of |x| for symmetric formats; for asymmetric ones (100 - percentile) / 2 are cut from each side, but
 * nothing from a side that ends at 0. */
void qb_range_from_observer(const struct qb_observer *o, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi);
/* Squared error of the format under that range on what was seen. */
double qb_range_error_of_observer(const struct qb_observer *o, const struct qb_format *f, float lo,
	float hi);
/* The same from the data itself, exactly: mse is the error that the quantizer itself makes on x. */
void qb_range_from_data(const float *x, size_t n, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi);

#endif
