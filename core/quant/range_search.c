/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/range_search.h"

#include <math.h>

#include "core/base/size.h"

/* Where few elements make the error, it has a kink wherever one of them changes its code, and many valleys: the scan is as
 * fine as the grid, and each point stands for the best scale of the codes at hand. The deepest minima are refined together. */
enum { LANES = QB_RANGE_LANES, VALLEYS = 3, NARROWER = LANES / VALLEYS, ROUNDS = 5, ROUNDS_SMOOTH = 3 };
enum { POINTS_LEAST = 16, POINTS_MOST = 128 };
/* More elements than these average their kinks out, and the more the smoother. */
enum { FEWEST = 32, FEW = 1024, MANY = 16384 };
/* The least range, of what the data spans. */
static const double SCAN_LEAST = 1.0 / 64;

static bool is_affine(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_INT && f->asymmetric;
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
	if (f->kind == QB_FORMAT_LOG2) {
		return qb_format_max(f) / 2;
	}
	for (int i = 1; i < f->table_count; i++) {
		widest = fmax(widest, (double)f->table[i] - f->table[i - 1]);
	}
	return widest;
}

/* The largest value that a range c = -lo = hi gives a quantizer's scale by. */
static double range_unit(const struct qb_format *f)
{
	double min = qb_format_min(f), max = qb_format_max(f);

	if (f->kind == QB_FORMAT_INT || min >= 0 || max <= 0) {
		return max > 0 ? max : -min;
	}
	return fmin(max, -min);
}

void qb__range_of(const struct qb_format *f, double scale, double zero, float *lo, float *hi)
{
	if (is_affine(f)) {
		*lo = (float)(scale * (qb_format_min(f) - zero));
		*hi = (float)(scale * (qb_format_max(f) - zero));
		return;
	}
	*hi = (float)(scale * range_unit(f));
	*lo = f->is_signed ? -*hi : 0;
}

/* A list of values, unlike a grid of octaves, may be densest anywhere: up to where the data meets its smallest. */
static double smallest_value(const struct qb_format *f)
{
	double least = range_unit(f);

	for (int i = 0; i < f->table_count; i++) {
		double v = fabs((double)f->table[i]);

		least = v > 0 && v < least ? v : least;
	}
	return least;
}

void qb__range_scales(const struct qb_range_problem *p, double *from, double *to)
{
	const struct qb_format *f = p->format;
	double unit = range_unit(f), most = f->is_signed ? fmax(-p->min, p->max) : p->max;
	bool plain = f->kind == QB_FORMAT_INT && p->count > MANY; /* no octaves, and no kinks */

	if (is_affine(f)) {
		double steps = qb_format_max(f) - qb_format_min(f);

		/* one step less, for the zero point is whole */
		most = steps > 1 ? (p->max - p->min) / (steps - 1) : fmax(-p->min, p->max);
		unit = 1;
	}
	*to = (plain ? 1.1 : 2.0) * most / unit;
	*from = SCAN_LEAST * most / unit;
	if (f->kind == QB_FORMAT_TABLE && p->count <= FEW) {
		*to = 2 * most / smallest_value(f);
	}
}

static int points_per_octave(const struct qb_range_problem *p)
{
	const struct qb_format *f = p->format;
	int n = f->kind == QB_FORMAT_INT ? f->bits - 1 : f->kind == QB_FORMAT_FLOAT ? f->man_bits + 2 : 4; /* log2 */

	if (p->points) {
		return p->points;
	}
	n = QB_MAX(QB_MIN(1 << QB_MIN(n, 10), (int)POINTS_MOST), (int)POINTS_LEAST);
	for (double few = FEW; few < (f->kind == QB_FORMAT_INT ? p->count : 2 * p->peers); few *= 4) {
		n /= 2;
	}
	return QB_MAX(n, (int)POINTS_LEAST) * (p->count <= FEWEST ? 4 : p->count <= 4 * FEWEST ? 2 : 1);
}

/* The window of an asymmetric format's codes covers k ... k + steps times the scale, for some whole k. Moving it by one takes the
 * error of what lies below the code that it leaves up, and of what lies above the one that it gains down: the one grows
 * with k and the other falls, so that the noise is convex in k. */
struct window {
	const struct qb_range_problem *p;
	double scale, steps, count, sum;
};

/* Does the noise of window k + 1 exceed that of window k? Of windows that all cut nothing off, the one that begins with data
 * that is more above 0 than below, or ends with the other. */
static bool is_past(const struct window *w, double k)
{
	double below, sum, gained, left = (k + 0.5) * w->scale, right = (k + w->steps + 0.5) * w->scale, lost;

	w->p->below(w->p->arg, left, &below, &sum);
	lost = left * below - sum;
	w->p->below(w->p->arg, right, &below, &sum);
	gained = (w->sum - sum) - right * (w->count - below);
	return lost > gained || (lost == gained && w->p->max < -w->p->min);
}

double qb__range_zero(const struct qb_range_problem *p, double scale)
{
	struct window w = {p, scale, qb_format_max(p->format) - qb_format_min(p->format), 0, 0};
	double from = floor(p->min / scale) - w.steps, to = ceil(p->max / scale);

	if (p->holds_zero) {
		from = fmax(from, -w.steps);
		to = fmin(to, 0);
	}
	p->below(p->arg, INFINITY, &w.count, &w.sum);
	while (from < to) {
		double k = floor((from + to) / 2);

		if (is_past(&w, k)) {
			to = k;
		} else {
			from = k + 1;
		}
	}
	return qb_format_min(p->format) - from;
}

/* A scale, and the best one of the codes that it gives. */
struct point {
	double scale, better, least;
};

struct search {
	const struct qb_range_problem *p;
	double step; /* the widest of the format's grid */
	double best, best_scale, best_zero;
};

/* For the codes at hand the noise is a parabola of the scale, whose derivative and curvature the sums tell. */
static struct point point_of(double scale, const struct qb_fit *f)
{
	double t = f->power > 0 ? f->cross / f->power : 0;

	return (struct point){scale, scale * (1 - t), fmax(f->noise - t * f->cross, 0)};
}

static double zero_of(const struct search *s, double scale)
{
	return is_affine(s->p->format) ? qb__range_zero(s->p, scale) : 0;
}

/* out[i] of scale[i], and the noise of the last. */
static double evaluate(struct search *s, const double *scale, int count, struct point *out)
{
	double zero[LANES] = {0};
	struct qb_fit fit[LANES];

	for (int i = 0; i < count; i++) {
		zero[i] = zero_of(s, scale[i]);
	}
	s->p->fit(s->p->arg, scale, zero, count, fit);
	for (int i = 0; i < count; i++) {
		out[i] = point_of(scale[i], &fit[i]);
		if (fit[i].noise < s->best) {
			s->best = fit[i].noise;
			s->best_scale = scale[i];
			s->best_zero = zero[i];
		}
	}
	return fit[count - 1].noise;
}

/* Of a noise at some scale no more than half a step an element is rounding; the rest is clipping, which grows as the range
 * shrinks. Once that alone exceeds the best, no smaller range is better. */
static bool only_grows(const struct search *s, double scale, double noise)
{
	double step = s->step * scale;

	return noise - s->p->count * step * step / 4 > s->best * (1 + 1e-6) || s->best == 0;
}

/* The deepest local minima of a sequence of points, deepest first. */
struct valleys {
	struct point kept[VALLEYS], before, last;
	int count;
};

static void add_point(struct valleys *v, const struct point *next)
{
	const struct point p = v->last;

	if (p.least < v->before.least && p.least <= next->least) {
		int i = v->count < VALLEYS ? v->count++ : VALLEYS;

		for (; i > 0 && v->kept[i - 1].least > p.least; i--) {
			if (i < VALLEYS) {
				v->kept[i] = v->kept[i - 1];
			}
		}
		if (i < VALLEYS) {
			v->kept[i] = p;
		}
	}
	v->before = p;
	v->last = *next;
}

static void scan(struct search *s, double from, double to, double ratio, struct valleys *v)
{
	const struct point end = {.least = INFINITY};
	struct point point[LANES];
	double scale[LANES], noise = 0;

	v->before = v->last = end;
	for (double at = to; at >= from && !(at < to && only_grows(s, at, noise)); at = scale[LANES - 1] / ratio) {
		scale[0] = at;
		for (int i = 1; i < LANES; i++) {
			scale[i] = scale[i - 1] / ratio;
		}
		noise = evaluate(s, scale, LANES, point);
		for (int i = 0; i < LANES; i++) {
			add_point(v, &point[i]);
		}
	}
	add_point(v, &end);
}

/* Narrows the brackets, a step to each side, around the valleys' floors, to a third each round: the best scale of a floor's codes
 * and four between the ends. */
static void refine(struct search *s, struct valleys *v, double ratio, int rounds)
{
	static const double between[NARROWER] = {0, -2.0 / 3, -1.0 / 3, 1.0 / 3, 2.0 / 3};
	struct point point[LANES];
	double scale[LANES];

	for (int round = 0; round < rounds; round++, ratio = cbrt(ratio)) {
		for (int i = 0; i < v->count * NARROWER; i++) {
			const struct point *p = &v->kept[i / NARROWER];

			scale[i] = i % NARROWER ? p->scale * pow(ratio, between[i % NARROWER]) : p->better;
		}
		evaluate(s, scale, v->count * NARROWER, point);
		for (int i = 0; i < v->count * NARROWER; i++) {
			struct point *p = &v->kept[i / NARROWER];

			*p = point[i].least < p->least ? point[i] : *p;
		}
	}
	for (int i = 0; i < v->count; i++) {
		scale[i] = v->kept[i].better;
	}
	evaluate(s, scale, v->count, point);
}

void qb__range_search(const struct qb_range_problem *p, double *scale, double *zero)
{
	struct search s = {.p = p, .step = widest_step(p->format), .best = INFINITY, .best_scale = 1};
	double ratio = pow(2, 1.0 / points_per_octave(p)), from = p->from, to = p->to;
	struct valleys v = {.count = 0};

	if (!(to > 0)) {
		qb__range_scales(p, &from, &to);
	}
	scan(&s, from, to, ratio, &v);
	if (v.count && s.best > 0) {
		refine(&s, &v, ratio, p->peers > FEW ? ROUNDS_SMOOTH : ROUNDS);
	}
	*scale = s.best_scale;
	*zero = s.best_zero;
}

/* The scan of anything */

struct line {
	double lo, hi; /* range at t = 1 */
	bool move_lo, move_hi;
	qb_range_error_fn *error;
	void *arg;
	double best, best_t;
};

static double at(struct line *l, double t)
{
	double e = l->error(l->arg, (float)(l->move_lo ? l->lo * t : l->lo), (float)(l->move_hi ? l->hi * t : l->hi));

	if (e < l->best) {
		l->best = e;
		l->best_t = t;
	}
	return e;
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
