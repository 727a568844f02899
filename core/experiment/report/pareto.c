/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/pareto.h"

#include <math.h>
#include <stdlib.h>

#include "core/experiment/report/html.h"

enum { WIDTH = 760, HEIGHT = 280, LEFT = 70, RIGHT = 30, TOP = 12, BOTTOM = 40, TICKS = 4, LABEL_WIDTH = 50, LABEL_HEIGHT = 12 };

struct point {
	const json_t *row;
	const char *name;
	double cost, change, low, high;
	double label; /* where its name lies */
	bool front;
};

struct drawing {
	struct qb__metric_words metric;
	enum qb__cost cost;
	struct point *points;
	size_t n;
	double most, bottom, top; /* of the axes */
};

static double x_of(const struct drawing *d, double cost)
{
	return LEFT + cost / d->most * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct drawing *d, double change)
{
	return TOP + (d->top - change) / (d->top - d->bottom) * (HEIGHT - TOP - BOTTOM);
}

static void add(struct drawing *d, const json_t *row, const char *name, double change)
{
	const struct point p = {.row = row, .name = name, .cost = qb__cost_of(row, d->cost), .change = change,
		.low = qb__number_at(row, "delta_low"), .high = qb__number_at(row, "delta_high")};

	if (!isnan(p.cost) && !isnan(p.change)) {
		d->points[d->n++] = p;
		d->most = fmax(d->most, p.cost);
		d->bottom = fmin(fmin(d->bottom, p.change), p.low); /* fmin and fmax leave NAN out */
		d->top = fmax(fmax(d->top, p.change), p.high);
	}
}

static bool beats(const struct point *a, const struct point *b, double better)
{
	return a->cost <= b->cost && better * a->change >= better * b->change && (a->cost < b->cost || a->change != b->change);
}

static int by_cost(const void *a, const void *b)
{
	const double x = ((const struct point *)a)->cost, y = ((const struct point *)b)->cost;

	return (x > y) - (x < y);
}

static void find_front(struct drawing *d)
{
	qsort(d->points, d->n, sizeof(*d->points), by_cost);
	for (size_t i = 0; i < d->n; i++) {
		d->points[i].front = true;
		for (size_t k = 0; k < d->n; k++) {
			d->points[i].front = d->points[i].front && !beats(&d->points[k], &d->points[i], d->metric.lower_is_better ? -1 : 1);
		}
	}
}

static void axes(FILE *f, const struct drawing *d)
{
	for (int i = 0; i <= TICKS; i++) {
		const double change = d->bottom + (d->top - d->bottom) * i / TICKS, cost = d->most * i / TICKS;

		fprintf(f, "<path d='M%d %.1fH%d' stroke=#d5dae1 /><text x=%d y=%.1f text-anchor=end>", LEFT, y_of(d, change), WIDTH - RIGHT, LEFT - 6,
			y_of(d, change) + 4);
		qb__html_fixed(f, change, d->metric.digits, true);
		fprintf(f, "</text><text x=%.1f y=%d text-anchor=middle>", x_of(d, cost), HEIGHT - BOTTOM + 18);
		qb__html_scaled(f, cost, d->cost == QB__SIZE ? qb__html_bytes : d->cost == QB__GATES ? qb__html_counts : qb__html_times);
		fputs("</text>\n", f);
	}
	fprintf(f, "<path d='M%d %.1fH%d' stroke=#5b6675 stroke-dasharray='4 3' />\n", LEFT, y_of(d, 0), WIDTH - RIGHT);
}

/* Beside its point, below the names that lie there already. */
static void label(FILE *f, struct drawing *d, size_t i)
{
	struct point *p = &d->points[i];
	const double x = x_of(d, p->cost);
	const bool left = x > WIDTH - 140;

	p->label = y_of(d, p->change) - 7;
	for (size_t k = 0; k < i; k++) {
		const struct point *o = &d->points[k];

		if (fabs(x_of(d, o->cost) - x) < LABEL_WIDTH && fabs(o->label - p->label) < LABEL_HEIGHT) {
			p->label = o->label + LABEL_HEIGHT;
			k = (size_t)-1; /* from the first again */
		}
	}
	fprintf(f, "<text x=%.1f y=%.1f%s>", left ? x - 9 : x + 9, p->label, left ? " text-anchor=end" : "");
	qb__html_text(f, p->name);
	fputs("</text>\n", f);
}

static void draw(FILE *f, struct drawing *d)
{
	const struct point *before = NULL;

	for (size_t i = 0; i < d->n; i++) {
		const struct point *p = &d->points[i];
		const double x = x_of(d, p->cost), y = y_of(d, p->change);

		if (p->front && before) {
			fprintf(f, "<path d='M%.1f %.1fH%.1fV%.1f' fill=none stroke=#2f6fb2 />", x_of(d, before->cost), y_of(d, before->change), x, y);
		}
		before = p->front ? p : before;
		if (!isnan(p->low) && !isnan(p->high)) {
			fprintf(f, "<path class=interval d='M%.1f %.1fV%.1f' stroke=#2f6fb2 />", x, y_of(d, p->low), y_of(d, p->high));
		}
		fprintf(f, "<circle cx=%.1f cy=%.1f r=5 stroke=#2f6fb2 fill=%s />", x, y, p->front ? "#2f6fb2" : "#fff");
		label(f, d, i);
	}
}

void qb__pareto_write(FILE *f, const json_t *result)
{
	static const char *const names[QB__COSTS] = {"size", "gates", "latency"};
	const json_t *schemes = json_object_get(result, "schemes"), *row;
	struct drawing d = {.metric = qb__metric_words(qb__string_at(result, "metric_name")),
		.points = calloc(json_array_size(schemes) + 1, sizeof(*d.points))};
	size_t i;

	for (int c = 0; d.points && c < QB__COSTS; c++) {
		d.cost = (enum qb__cost)c;
		d.n = 0;
		d.most = d.bottom = d.top = 0;
		json_array_foreach((json_t *)schemes, i, row) {
			add(&d, row, qb__string_at(row, "scheme"), qb__number_at(row, "delta"));
		}
		if (!d.n || !(d.most > 0)) {
			continue;
		}
		add(&d, json_object_get(result, "float"), "float", 0);
		d.top += d.top == d.bottom; /* nothing changes */
		find_front(&d);
		fprintf(f, "<h2>Pareto: %s against %s</h2>\n<svg viewBox='0 0 %d %d' width=%d role=img aria-label='Change of %s against %s; the numbers are in the table'>\n",
			d.metric.label, names[c], WIDTH, HEIGHT, WIDTH, d.metric.label, names[c]);
		axes(f, &d);
		draw(f, &d);
		fputs("</svg>\n<p><small>Filled: on the front, which no other beats by costing less without being worse. Bars: 95 % intervals.", f);
		fputs(c == QB__LATENCY ? " Emulated times are left out." : "", f);
		fputs("</small></p>\n", f);
	}
	free(d.points);
}
