/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/profile.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/order.h"

enum { RUNS_MIN = 3, RUNS_MAX = 101 };
static const int64_t BUDGET_NS = 500000000;

struct profile {
	const struct qb_plan *plan;
	int steps, runs;
	int64_t *ns;     /* [RUNS_MAX][steps] */
	int64_t *median; /* [steps] */
	int64_t total;
};

static enum qb_err run_all(struct profile *p, struct qb_session *session, const struct qb_run *run,
	struct qb_errbuf *eb)
{
	struct qb_run timed = *run;
	int64_t spent = 0;

	QB_TRY(qb_session_run(session, run, eb));
	while (p->runs < RUNS_MIN || (p->runs < RUNS_MAX && spent < BUDGET_NS)) {
		timed.step_ns = p->ns + (size_t)p->runs * (size_t)p->steps;
		QB_TRY(qb_session_run(session, &timed, eb));
		for (int i = 0; i < p->steps; i++) {
			spent += timed.step_ns[i];
		}
		p->runs++;
	}
	return QB_OK;
}

static void take_medians(struct profile *p)
{
	int64_t column[RUNS_MAX];

	for (int i = 0; i < p->steps; i++) {
		for (int r = 0; r < p->runs; r++) {
			column[r] = p->ns[(size_t)r * (size_t)p->steps + (size_t)i];
		}
		qsort(column, (size_t)p->runs, sizeof(*column), qb_int64_order);
		p->median[i] = column[p->runs / 2];
		p->total += p->median[i];
	}
}

static bool is_conversion(const char *kind)
{
	return !strcmp(kind, "quantize") || !strcmp(kind, "dequantize") || !strcmp(kind, "reorder");
}

static double share(const struct profile *p, int64_t ns)
{
	return p->total ? (double)ns / (double)p->total : 0;
}

static const char *type_of(const struct qb_step_info *s)
{
	return s->node ? s->node->type : "";
}

static json_t *step_rows(const struct profile *p)
{
	json_t *rows = json_array();

	for (int i = 0; i < p->steps; i++) {
		struct qb_step_info s = qb_plan_step(p->plan, i);

		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s, s:s, s:I, s:f, s:f}", "node",
				s.node ? s.node->name : "", "type", type_of(&s), "kind", s.kind,
				"implementation", s.implementation ? s.implementation : "", "ns",
				(json_int_t)p->median[i], "share", share(p, p->median[i]), "macs",
				is_conversion(s.kind) ? 0 : s.macs));
	}
	return rows;
}

/* The row of this type and kind so far, or a new one. */
static json_t *type_row(json_t *rows, const char *type, const char *kind)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if (!strcmp(json_string_value(json_object_get(row, "type")), type) &&
			!strcmp(json_string_value(json_object_get(row, "kind")), kind)) {
			return row;
		}
	}
	row = json_pack("{s:s, s:s, s:I, s:f, s:i}", "type", type, "kind", kind, "ns", (json_int_t)0,
		"share", 0.0, "steps", 0);
	json_array_append_new(rows, row);
	return row;
}

static json_t *type_rows(const struct profile *p)
{
	json_t *rows = json_array();

	for (int i = 0; i < p->steps; i++) {
		struct qb_step_info s = qb_plan_step(p->plan, i);
		json_t *row = type_row(rows, type_of(&s), s.kind);
		int64_t ns = json_integer_value(json_object_get(row, "ns")) + p->median[i];

		json_object_set_new(row, "ns", json_integer(ns));
		json_object_set_new(row, "share", json_real(share(p, ns)));
		json_object_set_new(row, "steps",
			json_integer(json_integer_value(json_object_get(row, "steps")) + 1));
	}
	return rows;
}

static json_t *float_rows(const struct profile *p, int64_t *sum)
{
	json_t *rows = json_array();

	for (int i = 0; i < p->steps; i++) {
		struct qb_step_info s = qb_plan_step(p->plan, i);

		if (s.why_float && !is_conversion(s.kind)) {
			*sum += p->median[i];
			json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:I}", "node",
				s.node ? s.node->name : "", "type", type_of(&s), "why", s.why_float, "ns",
				(json_int_t)p->median[i]));
		}
	}
	return rows;
}

static json_t *profile_json(const struct profile *p)
{
	int64_t conversions = 0, floats = 0;
	json_t *stayed = float_rows(p, &floats);

	for (int i = 0; i < p->steps; i++) {
		conversions += is_conversion(qb_plan_step(p->plan, i).kind) ? p->median[i] : 0;
	}
	return json_pack("{s:i, s:I, s:I, s:I, s:o, s:o, s:o}", "runs", p->runs, "total_ns",
		(json_int_t)p->total, "conversions_ns", (json_int_t)conversions, "float_ns",
		(json_int_t)floats, "types", type_rows(p), "stayed_float", stayed, "steps", step_rows(p));
}

enum qb_err qb_profile(json_t **out, const struct qb_plan *plan, struct qb_session *session,
	const struct qb_run *run, struct qb_errbuf *eb)
{
	struct profile p = {.plan = plan, .steps = qb_plan_steps(plan)};
	enum qb_err err;

	p.ns = calloc((size_t)p.steps * RUNS_MAX + 1, sizeof(*p.ns));
	p.median = calloc((size_t)p.steps + 1, sizeof(*p.median));
	if (!p.ns || !p.median) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the times of %d steps", p.steps);
		goto out;
	}
	QB_TRY_OUT(run_all(&p, session, run, eb));
	take_medians(&p);
	*out = profile_json(&p);
	if (!*out) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a profile");
	}
out:
	free(p.ns);
	free(p.median);
	return err;
}

json_t *qb_profile_of_times(const struct qb_plan *plan, const int64_t *ns, int runs)
{
	struct profile p = {.plan = plan, .steps = qb_plan_steps(plan), .runs = runs};
	json_t *all = NULL;

	p.median = calloc((size_t)p.steps + 1, sizeof(*p.median));
	if (p.median && runs > 0) {
		for (int i = 0; i < p.steps; i++) {
			p.median[i] = ns[i] / runs;
			p.total += p.median[i];
		}
		all = profile_json(&p);
	}
	free(p.median);
	return all;
}
