/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/range_search.h"

#include <math.h>

#include "core/base/size.h"
#include "core/quant/quantizer.h"

/* The coarse scan is geometric, and fine enough to land in the right valley: the error has a kink wherever a value
 * changes its code, so that neighbouring valleys differ by little. */
enum { SCAN = 40, REFINE = 14 };
static const double SCAN_LEAST = 1.0 / 64;

struct line {
	double lo, hi;      /* range at t = 1 */
	bool move_lo, move_hi;
	qb_range_error_fn *error;
	void *arg;
	double best, best_t;
	const struct qb_format *format;
	double numbers, step; /* the widest step of the format's grid */
};

static void range_at(const struct line *l, double t, float *lo, float *hi)
{
	*lo = (float)(l->move_lo ? l->lo * t : l->lo);
	*hi = (float)(l->move_hi ? l->hi * t : l->hi);
}

static double at(struct line *l, double t)
{
	float lo, hi;
	double e;

	range_at(l, t, &lo, &hi);
	e = l->error(l->arg, lo, hi);
	if (e < l->best) {
		l->best = e;
		l->best_t = t;
	}
	return e;
}

/* Of an error e at t no more than half a step a number is rounding; the rest is clipping, which grows as the range
 * shrinks. Once that alone exceeds the best, no smaller range is better. */
static bool only_grows(const struct line *l, double t, double e)
{
	float lo, hi, scale;
	int32_t zero;

	range_at(l, t, &lo, &hi);
	if (!isfinite(e) || !qb_quantizer_scale(l->format, lo, hi, &scale, &zero)) {
		return false;
	}
	return e - l->numbers * l->step * l->step * scale * scale / 4 > l->best * (1 + 1e-6);
}

/* Golden section on [a, b]. */
static void refine(struct line *l, double a, double b)
{
	const double g = 0.6180339887498949;
	double x = b - g * (b - a), y = a + g * (b - a), ex = at(l, x), ey = at(l, y);

	for (int i = 0; i < REFINE; i++) {
		if (ex <= ey) {
			b = y;
			y = x;
			ey = ex;
			x = b - g * (b - a);
			ex = at(l, x);
		} else {
			a = x;
			x = y;
			ex = ey;
			y = a + g * (b - a);
			ey = at(l, y);
		}
	}
}

static double search_line(struct line *l, double least, double most)
{
	double ratio = pow(least / most, 1.0 / (SCAN - 1)), t = most, from, e = 0;

	l->best = INFINITY;
	l->best_t = 1;
	at(l, 1);
	for (int i = 0; i < SCAN && !only_grows(l, t / ratio, e); i++, t *= ratio) {
		e = at(l, t);
	}
	from = l->best_t;
	refine(l, from * ratio, QB_MIN(from / ratio, most));
	return l->best_t;
}

/* The best of an even scan on a logarithmic scale, then of a finer one around it. */
static double scan_line(struct line *l)
{
	enum { STEPS = 256, FINER = 16 };
	const double step = log(SCAN_LEAST) / (STEPS - 1);
	double from;

	l->best = INFINITY;
	l->best_t = 1;
	for (int k = 0; k < STEPS; k++) {
		at(l, exp(k * step));
	}
	from = log(l->best_t);
	for (int k = -FINER + 1; k < FINER; k++) {
		at(l, exp(QB_MIN(from + k * step / FINER, 0)));
	}
	return l->best_t;
}

static void search_asymmetric(struct line *l)
{
	double t = search_line(l, SCAN_LEAST, 1);

	l->lo *= t;
	l->hi *= t;
	for (int round = 0; round < 2 && l->lo < 0 && l->hi > 0; round++) {
		l->move_lo = false;
		l->move_hi = true;
		l->hi *= search_line(l, 0.5, 1.5);
		l->move_lo = true;
		l->move_hi = false;
		l->lo *= search_line(l, 0.5, 1.5);
	}
}

/* Of the canonical grid, or a little more: a float's steps are those of its last octave, unless it lacks the numbers
 * around 0. */
static double widest_step(const struct qb_format *f)
{
	double widest = 0;

	if (f->kind == QB_FORMAT_INT) {
		return 1;
	}
	if (f->kind == QB_FORMAT_FLOAT) {
		widest = ldexp(1, ilogb(qb_format_max(f)) - f->man_bits);
		return f->no_subnormals || f->no_zero ? fmax(widest, ldexp(1, 2 - f->bias)) : widest;
	}
	for (int i = 1; i < f->table_count; i++) {
		widest = fmax(widest, (double)f->table[i] - f->table[i - 1]);
	}
	return widest;
}

static bool is_affine(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_INT && f->asymmetric;
}

/* What the data spans as a range that one factor scales. */
static struct line line_of(const struct qb_format *f, double min, double max,
	qb_range_error_fn *error, void *arg)
{
	struct line l = {.lo = min, .hi = max, .move_lo = true, .move_hi = true, .error = error,
		.arg = arg};

	if (!is_affine(f)) {
		l.hi = f->is_signed ? fmax(-min, max) : max;
		l.lo = f->is_signed ? -l.hi : 0;
	}
	return l;
}

void qb__range_search(const struct qb_format *f, double min, double max, double numbers,
	qb_range_error_fn *error, void *arg, float *lo, float *hi)
{
	struct line l = line_of(f, min, max, error, arg);

	l.format = f;
	l.numbers = numbers;
	l.step = widest_step(f);
	if (is_affine(f)) {
		search_asymmetric(&l);
	} else {
		/* A float's grid repeats with every octave: beyond the largest value lies another octave of choices. */
		double t = search_line(&l, SCAN_LEAST, f->kind == QB_FORMAT_INT ? 1 : 2);

		l.lo *= t;
		l.hi *= t;
	}
	*lo = (float)l.lo;
	*hi = (float)l.hi;
}

void qb__range_scan(const struct qb_format *f, double min, double max, qb_range_error_fn *error,
	void *arg, float *lo, float *hi)
{
	struct line l = line_of(f, min, max, error, arg);
	double t = scan_line(&l);

	l.lo *= t;
	l.hi *= t;
	if (is_affine(f) && l.lo < 0 && l.hi > 0) {
		/* Each side goes on inwards alone. */
		l.move_lo = false;
		l.hi *= scan_line(&l);
		l.move_lo = true;
		l.move_hi = false;
		l.lo *= scan_line(&l);
	}
	*lo = (float)l.lo;
	*hi = (float)l.hi;
}
