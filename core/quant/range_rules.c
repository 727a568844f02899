/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/range_rules.h"

#include <math.h>

#include "core/quant/quantizer.h"

bool qb__range_is_affine(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_INT && f->asymmetric;
}

bool qb__range_is_chosen(const struct qb_format *f)
{
	return f->real_scale && !f->block;
}

void qb__range_whole(const struct qb_format *f, double min, double max, float *lo, float *hi)
{
	if (qb__range_is_affine(f) || !qb__range_is_chosen(f)) {
		*lo = (float)fmin(min, 0);
		*hi = (float)fmax(max, 0);
	} else if (f->is_signed) {
		*hi = (float)fmax(-min, max);
		*hi = fmaxf(*hi, 0);
		*lo = -*hi;
	} else {
		*lo = 0;
		*hi = (float)fmax(max, 0);
	}
}

bool qb__range_is_search(enum qb_range_method m)
{
	return m == QB_RANGE_MSE || m == QB_RANGE_SQNR || m == QB_RANGE_ENTROPY;
}

bool qb__range_of_integers(const struct qb_format *f, bool integers, double min, double max, float *lo, float *hi)
{
	double least = qb_format_min(f), most = qb_format_max(f), zero = 0;

	if (f->kind != QB_FORMAT_INT || !integers) {
		return false;
	}
	if (qb__range_is_affine(f)) {
		zero = least - fmin(min, 0);
	}
	if (min + zero < least || fmax(max, 0) + zero > most) {
		return false;
	}
	qb__range_of(f, 1, zero, lo, hi);
	return true;
}

/* The range under which the format's scale is 2^e, near the one whose zero point belongs to lo. */
static void range_of_exponent(const struct qb_format *f, double lo, int e, float *to_lo, float *to_hi)
{
	double s = ldexp(1, e), min = qb_format_min(f), max = qb_format_max(f), zero;

	if (qb__range_is_affine(f)) {
		zero = fmin(fmax(nearbyint(min - lo / s), min), max);
		*to_lo = (float)(s * (min - zero));
		*to_hi = (float)(s * (max - zero));
	} else {
		*to_hi = (float)(s * max);
		*to_lo = f->is_signed ? -*to_hi : 0;
	}
}

void qb__range_power_of_two(const struct qb_format *f, qb_range_error_fn *error, void *arg, float *lo,
	float *hi)
{
	struct qb_quantizer q;
	float best_lo, best_hi;
	int e;

	if (qb_quantizer_init(&q, f, -1, 1, lo, hi, NULL) != QB_OK) {
		return;
	}
	e = (int)ceil(log2((double)q.scale[0]));
	qb_quantizer_fini(&q);
	range_of_exponent(f, *lo, e, &best_lo, &best_hi);
	if (error) {
		double least = error(arg, best_lo, best_hi);

		for (int k = e - 2; k <= e + 1; k++) {
			float l, h;
			double now;

			range_of_exponent(f, *lo, k, &l, &h);
			now = error(arg, l, h);
			if (now < least) {
				least = now;
				best_lo = l;
				best_hi = h;
			}
		}
	}
	*lo = best_lo;
	*hi = best_hi;
}

double qb__range_clip_weight(enum qb_range_method m)
{
	return m == QB_RANGE_SQNR ? QB_RANGE_SQNR_CLIP_WEIGHT : 1;
}
