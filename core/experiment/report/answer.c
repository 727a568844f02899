/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/experiment/report/html.h"

struct rated {
	const json_t *row;
	double cost, loss, low, high; /* low to high: 95 % interval of the loss; NAN: none */
};

struct question {
	const json_t *result;
	struct qb__metric_words metric;
	enum qb__cost cost;
	double at; /* what the metric may lose */
	struct rated *all;
	size_t n;
};

static const struct {
	const char *least, *less, *takes;
} words[QB__COSTS] = {
	{"the smallest", "smaller", "takes"}, {"the cheapest in gates", "cheaper in gates", "needs"}, {"the fastest", "faster", "takes"},
};

static bool within(double x, double at)
{
	return x <= at + 1e-9 * fmax(1, fabs(at));
}

static bool overlap(const struct rated *a, const struct rated *b)
{
	return a->low <= b->high && b->low <= a->high;
}

static int order(double d)
{
	return (d > 0) - (d < 0);
}

/* The cheapest first; of equally cheap ones the one that costs less otherwise, then the one that loses less. */
static int by_cost(const void *x, const void *y)
{
	static const enum qb__cost others[] = {QB__GATES, QB__LATENCY, QB__SIZE};
	const struct rated *a = x, *b = y;
	int d = order(a->cost - b->cost);

	for (size_t i = 0; !d && i < sizeof(others) / sizeof(others[0]); i++) {
		d = order(qb__cost_of(a->row, others[i]) - qb__cost_of(b->row, others[i])); /* 0 where one is not known */
	}
	return d ? d : order(a->loss - b->loss);
}

static int by_loss(const void *x, const void *y)
{
	const struct rated *a = x, *b = y;
	int d = order(a->loss - b->loss);

	return d ? d : by_cost(x, y);
}

static bool ask(struct question *q, const json_t *result)
{
	const json_t *schemes = json_object_get(result, "schemes"), *row;
	char rounded[32];
	bool known = false;
	size_t i;

	*q = (struct question){.result = result, .metric = qb__metric_words(qb__string_at(result, "metric_name")), .at = 1};
	for (int c = QB__COSTS - 1; c >= 0; c--) {
		json_array_foreach((json_t *)schemes, i, row) {
			if (!isnan(qb__cost_of(row, (enum qb__cost)c))) {
				q->cost = (enum qb__cost)c;
				known = true;
			}
		}
	}
	if (strcmp(q->metric.unit, "%")) {
		snprintf(rounded, sizeof(rounded), "%.0e", fabs(qb__number_at(json_object_get(result, "float"), "metric") / 100));
		q->at = strtod(rounded, NULL);
		q->at = q->at > 0 ? q->at : 0.01;
	}
	q->all = calloc(json_array_size(schemes) + 1, sizeof(*q->all));
	json_array_foreach((json_t *)schemes, i, row) {
		const double sign = q->metric.lower_is_better ? 1 : -1, delta = qb__number_at(row, "delta");
		const double low = sign * qb__number_at(row, "delta_low"), high = sign * qb__number_at(row, "delta_high");
		struct rated r = {.row = row, .cost = qb__cost_of(row, q->cost), .loss = sign * delta, .low = NAN, .high = NAN};

		if (!isnan(low) && !isnan(high)) {
			r.low = fmin(low, high);
			r.high = fmax(low, high);
		}
		if (q->all && known && !isnan(r.cost) && !isnan(delta) && !(qb__number_at(row, "nan_outputs") > 0)) {
			q->all[q->n++] = r;
		}
	}
	return q->all != NULL;
}

static void name(FILE *f, const struct rated *r)
{
	qb__html_text(f, qb__string_at(r->row, "scheme"));
}

/* "lose at most 1 point of top-1", of one scheme "loses" */
static void limit(FILE *f, const struct question *q, const char *of_one)
{
	fprintf(f, "%s%s at most %.4g%s of %s", q->metric.lower_is_better ? "add" : "lose", of_one, q->at,
		strcmp(q->metric.unit, "%") ? "" : q->at == 1 ? " point" : " points", q->metric.label);
}

static void change(FILE *f, const struct question *q, const json_t *row)
{
	const double delta = qb__number_at(row, "delta"), low = qb__number_at(row, "delta_low"), high = qb__number_at(row, "delta_high");
	const bool interval = !isnan(low) && !isnan(high);

	if (delta == 0 && !interval && json_is_null(json_object_get(row, "delta_low"))) {
		fprintf(f, "does not change %s on these samples, which give no interval then", q->metric.label);
		return;
	}
	fprintf(f, "changes %s by ", q->metric.label);
	qb__html_fixed(f, delta, q->metric.digits, true);
	fputs(strcmp(q->metric.unit, "%") ? "" : " points", f);
	if (interval) {
		fputs(" (95 % interval ", f);
		qb__html_fixed(f, low, q->metric.digits, true);
		fputs(" to ", f);
		qb__html_fixed(f, high, q->metric.digits, true);
		fputs(")", f);
	}
}

static void doubt(FILE *f, const struct question *q, const struct rated *r, const struct rated *beside)
{
	if (within(r->low, q->at)) {
		fputs(" The interval reaches into the limit: these samples do not rule it out.", f);
	} else if (beside && overlap(r, beside)) {
		fputs(" The intervals of the two overlap.", f);
	}
}

static const json_t *same_tensor(const struct rated *r, const json_t *tensor)
{
	const json_t *t;
	size_t i;

	json_array_foreach(r ? json_object_get(r->row, "tensors") : NULL, i, t) {
		if (!strcmp(qb__string_at(t, "name"), qb__string_at(tensor, "name")) && !strcmp(qb__string_at(t, "kind"), qb__string_at(tensor, "kind"))) {
			return t;
		}
	}
	return NULL;
}

static void tensor(FILE *f, const json_t *t, const struct rated *beside)
{
	const json_t *other = same_tensor(beside, t);
	const double db = qb__number_at(other, "sqnr_db");

	qb__html_text(f, qb__string_at(t, "name"));
	fprintf(f, " (%s) ", qb__string_at(t, "kind"));
	qb__html_decibel(f, qb__number_at(t, "sqnr_db"), qb__number_at(t, "sqnr_high_db"));
	if (other && (json_is_true(json_object_get(other, "exact")) || !isnan(db))) {
		fputs(", ", f);
		if (json_is_true(json_object_get(other, "exact"))) {
			fputs("exact", f);
		} else {
			qb__html_decibel(f, db, qb__number_at(other, "sqnr_high_db"));
		}
		fputs(" in ", f);
		name(f, beside);
	}
}

/* The tensors of a scheme with the lowest SQNR of their own, each beside what another scheme makes of it. */
static void where(FILE *f, const struct rated *r, const struct rated *beside)
{
	enum { MOST = 3 };
	const json_t *lowest[MOST] = {NULL}, *t;
	int n = 0;
	size_t i;

	json_array_foreach(json_object_get(r->row, "tensors"), i, t) {
		const double db = qb__number_at(t, "sqnr_db");
		int at = n;

		while (!isnan(db) && at > 0 && qb__number_at(lowest[at - 1], "sqnr_db") > db) {
			at--;
		}
		if (!isnan(db) && at < MOST) {
			memmove(&lowest[at + 1], &lowest[at], (size_t)((n < MOST ? n : MOST - 1) - at) * sizeof(lowest[0]));
			lowest[at] = t;
			n += n < MOST;
		}
	}
	for (int k = 0; k < n; k++) {
		fputs(k ? "; " : " Its lowest SQNR: ", f);
		tensor(f, lowest[k], beside);
	}
	fputs(n ? "." : "", f);
}

static void cost_sentence(FILE *f, const struct question *q, const struct rated *r)
{
	const double whole = qb__cost_of(json_object_get(q->result, "float"), q->cost), samples = qb__number_at(q->result, "samples");

	fprintf(f, "It %s ", words[q->cost].takes);
	qb__html_cost(f, r->cost, q->cost);
	if (whole > 0) {
		fputs(", ", f);
		qb__html_fixed(f, r->cost / whole * 100, 0, false);
		fputs(" % of float's ", f);
		qb__html_cost(f, whole, q->cost);
	}
	if (q->cost == QB__LATENCY && json_is_true(json_object_get(json_object_get(r->row, "latency"), "short"))) {
		fputs(" (median of a short run)", f);
	}
	fputs(", and ", f);
	change(f, q, r->row);
	if (r->low <= 0 && r->high >= 0) {
		fputs(", which the ", f);
		if (samples > 0) {
			fprintf(f, "%.0f ", samples);
		}
		fputs("samples cannot tell from no change", f);
	}
	fputs(".", f);
}

/* The interval of the answer may reach over the limit: then the cheapest whose does not is named as well. */
static void reaches(FILE *f, const struct question *q, const struct rated *good, size_t n)
{
	if (isnan(good->high) || within(good->high, q->at)) {
		return;
	}
	fputs(" Its interval reaches over the limit", f);
	for (size_t i = 0; i < n; i++) {
		if (within(good[i].high, q->at)) {
			fprintf(f, "; %s whose whole interval is within is ", words[q->cost].least);
			name(f, &good[i]);
			fputs(" (", f);
			qb__html_cost(f, good[i].cost, q->cost);
			fputs(").", f);
			return;
		}
	}
	fputs(", as does that of every other scheme within.", f);
}

static void names(FILE *f, const struct rated *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fputs(i == 0 ? "" : i + 1 == n ? " and " : ", ", f);
		name(f, &list[i]);
	}
}

/* Those that cost as much as the first. */
static void alike(FILE *f, const struct rated *good, size_t n)
{
	size_t same = 1;

	while (same < n && good[same].cost == good->cost) {
		same++;
	}
	if (same > 1) {
		fputs(" ", f);
		names(f, good + 1, same - 1);
		fputs(same == 2 ? " costs as much and qualifies too." : " cost as much and qualify too.", f);
	}
}

static void left_out(FILE *f, const struct question *q, bool (*test)(const json_t *row), const char *why)
{
	struct rated *list = calloc(json_array_size(json_object_get(q->result, "schemes")) + 1, sizeof(*list));
	const json_t *row;
	size_t i, n = 0;

	json_array_foreach(json_object_get(q->result, "schemes"), i, row) {
		if (list && test(row)) {
			list[n++].row = row;
		}
	}
	if (n) {
		fputs(" Left out: ", f);
		names(f, list, n);
		fprintf(f, ", %s.", why);
	}
	free(list);
}

static bool has_nan(const json_t *row)
{
	return qb__number_at(row, "nan_outputs") > 0;
}

static void all_left_out(FILE *f, const struct question *q)
{
	if (q->cost == QB__LATENCY) {
		left_out(f, q, qb__is_emulated, "emulated here, so that the time says nothing");
	}
	left_out(f, q, has_nan, "with outputs that are NaN");
}

/* Why what is cheaper than the answer does not answer: the dearest of those, and of as dear ones that which loses least. */
static void next_cheaper(FILE *f, const struct question *q, const struct rated *found)
{
	const struct rated *next = NULL;

	for (size_t i = 0; i < q->n; i++) {
		const struct rated *r = &q->all[i];

		if (r->cost < found->cost && (!next || r->cost > next->cost || (r->cost == next->cost && r->loss < next->loss))) {
			next = r;
		}
	}
	if (!next) {
		fprintf(f, "No scheme %s is %s.", q->cost == QB__LATENCY ? "that ran natively" : "of this sweep", words[q->cost].less);
		return;
	}
	fprintf(f, "The next %s one, ", words[q->cost].less);
	name(f, next);
	fputs(" (", f);
	qb__html_cost(f, next->cost, q->cost);
	fputs("), fails: it ", f);
	change(f, q, next->row);
	fputs(".", f);
	doubt(f, q, next, found);
	where(f, next, found);
}

static void write_found(FILE *f, const struct question *q, struct rated *good, size_t n)
{
	qsort(good, n, sizeof(*good), by_cost);
	fputs("<h2>", f);
	name(f, good);
	fprintf(f, " is %s of the schemes that ", words[q->cost].least);
	limit(f, q, "");
	fputs(".</h2>\n<p>", f);
	cost_sentence(f, q, good);
	reaches(f, q, good, n);
	alike(f, good, n);
	all_left_out(f, q);
	fputs("</p>\n<p>", f);
	next_cheaper(f, q, good);
	fputs("</p>\n", f);
}

/* Nothing qualifies: what comes nearest, and where it loses. */
static void write_nothing(FILE *f, const struct question *q)
{
	qsort(q->all, q->n, sizeof(*q->all), by_loss);
	fputs("<h2>No scheme of this sweep ", f);
	limit(f, q, "s");
	fputs(".</h2>\n<p>The nearest, ", f);
	name(f, q->all);
	fprintf(f, ", %s ", words[q->cost].takes);
	qb__html_cost(f, q->all->cost, q->cost);
	fputs(" and ", f);
	change(f, q, q->all->row);
	fputs(".", f);
	doubt(f, q, q->all, NULL);
	all_left_out(f, q);
	fputs("</p>\n<p>", f);
	where(f, q->all, NULL);
	fputs("</p>\n", f);
}

void qb__answer_write(FILE *f, const json_t *result)
{
	struct question q;
	struct rated *good;
	size_t n = 0;

	if (!ask(&q, result)) {
		return;
	}
	good = calloc(q.n + 1, sizeof(*good));
	for (size_t i = 0; good && i < q.n; i++) {
		if (within(q.all[i].loss, q.at)) {
			good[n++] = q.all[i];
		}
	}
	if (!q.n) {
		fputs("<h2>There is nothing to choose from: no scheme of this sweep has both a metric and this cost.</h2>\n<p>", f);
		all_left_out(f, &q);
		fputs("</p>\n", f);
	} else if (n) {
		write_found(f, &q, good, n);
	} else {
		write_nothing(f, &q);
	}
	free(good);
	free(q.all);
}
