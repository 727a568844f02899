/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake quantization in double precision, element by element: what finite differences are taken of.
 */
#include <math.h>

#include "core/kernels/quantize/fake_quantize.h"
#include "core/kernels/quantize/kernels.h"

/* The element of the canonical grid next to v, ties to even; v lies within the range. */
static double round_to_grid(const struct qb_format *f, double v)
{
	int e, least = 1 - f->bias;
	struct qb_grid g;
	float x = (float)v, y, one = 1;

	if (f->kind == QB_FORMAT_INT) {
		return nearbyint(v);
	}
	if (f->kind == QB_FORMAT_FLOAT && !f->no_subnormals && !f->no_zero) {
		frexp(v, &e);
		e = v == 0 || e - 1 < least ? least : e - 1;
		return ldexp(nearbyint(ldexp(v, f->man_bits - e)), e - f->man_bits);
	}
	qb_grid_init(&g, f);
	qb_kernels()->qdq(&g, &(struct qb_run_args){.x = &x, .y = &y, .n = 1, .scale = &one});
	return (double)y;
}

/* One element of channel c. */
struct element {
	double s, v, q, n, p, below, above; /* v clipped becomes q; [n, p] is the range in steps */
};

static struct element element_of(const struct qb_fake_quantizer_f64 *q, double x, int64_t c)
{
	struct element e = {.s = fmax(q->scale[c], (double)QB_FAKE_QUANTIZE_SCALE_LEAST)};
	double lo = qb_format_min(&q->format), hi = qb_format_max(&q->format), zero = 0;

	if (q->offset && q->format.kind == QB_FORMAT_INT) {
		zero = qb__fake_quantize_zero(&q->format, q->offset[c], e.s);
	} else if (q->zero && !q->offset) {
		zero = q->zero[c];
	}
	e.v = x / e.s;
	e.n = lo - zero;
	e.p = hi - zero;
	e.below = q->offset ? lo : e.n;
	e.above = q->offset ? hi : e.p;
	e.q = round_to_grid(&q->format, fmin(fmax(e.v, e.n), e.p));
	return e;
}

void qb_fake_quantize_f64(const struct qb_fake_quantizer_f64 *q, const double *x, double *y, int64_t outer, int64_t inner)
{
	for (int64_t i = 0; i < outer * q->channels * inner; i++) {
		struct element e = element_of(q, x[i], i / inner % q->channels);

		y[i] = e.q * e.s;
	}
}

static bool is_inside(const struct qb_fake_quantizer_f64 *q, const struct element *e)
{
	if (q->estimator == QB_ESTIMATOR_STE && q->format.kind == QB_FORMAT_INT) {
		return nearbyint(e->v) >= e->n && nearbyint(e->v) <= e->p;
	}
	return q->estimator == QB_ESTIMATOR_PACT ? e->v > e->n && e->v < e->p : e->v >= e->n && e->v <= e->p;
}

void qb_fake_quantize_gradient_f64(const struct qb_fake_quantizer_f64 *q, const double *x, const double *dy, double *dx,
	int64_t outer, int64_t inner, struct qb_fake_quantizer_gradient *sums)
{
	const double alpha = q->factor, S = 1 / (1 - alpha), k = log(2 / alpha - 1), dk = -2 / (alpha * (2 - alpha));

	for (int64_t c = 0; c < q->channels; c++) {
		sums->scale[c] = 0;
		if (sums->offset) {
			sums->offset[c] = 0;
		}
	}
	sums->factor = 0;
	for (int64_t i = 0; i < outer * q->channels * inner; i++) {
		const int64_t c = i / inner % q->channels;
		const struct element e = element_of(q, x[i], c);
		const bool inside = is_inside(q, &e);
		const double g = dy[i], u = e.v - floor(e.v) - 0.5, t = tanh(k * u);
		double D = 1;

		if (q->estimator == QB_ESTIMATOR_EWGS) {
			D = 1 + alpha * ((g > 0) - (g < 0)) * (e.v - e.q);
		} else if (q->estimator == QB_ESTIMATOR_DSQ) {
			D = S * k / 2 * (1 - t * t);
			sums->factor += inside ? e.s * g * (S * S / 2 * t + S / 2 * (1 - t * t) * u * dk) : 0;
		}
		sums->scale[c] += g * (!inside ? (e.v >= e.p ? e.above : e.below) :
			q->estimator == QB_ESTIMATOR_PACT ? 0 : e.q - D * e.v);
		if (sums->offset) {
			sums->offset[c] += inside ? 0 : g;
		}
		dx[i] = inside ? g * D : 0;
	}
}
