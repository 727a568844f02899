/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/training_profile.h"

#include <stdlib.h>
#include <time.h>

#include "core/analysis/profile.h"
#include "core/base/order.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum qb_err qb_training_profile_begin(struct qb_training_profile *p, struct qb_trainer *t, struct qb_errbuf *eb)
{
	p->step_ns = calloc((size_t)qb_plan_steps(qb_trainer_plan(t)) + 1, sizeof(*p->step_ns));
	p->each = calloc((size_t)qb_trainer_steps(t) + 1, sizeof(*p->each));
	return p->step_ns && p->each ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the times of steps");
}

void qb_training_profile_fini(struct qb_training_profile *p)
{
	free(p->step_ns);
	free(p->each);
	p->step_ns = NULL;
	p->each = NULL;
}

void qb_training_profile_step(struct qb_training_profile *p)
{
	double t = now();

	if (p->mark > 0) {
		p->seconds += t - p->mark;
		p->each[p->steps++] = t - p->mark;
	}
	p->mark = t;
}

void qb_training_profile_pause(struct qb_training_profile *p)
{
	p->mark = now();
}

/* [n], n > 0; in any order, which changes. */
static double median(double *x, int64_t n)
{
	qsort(x, (size_t)n, sizeof(*x), qb_double_order);
	return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

json_t *qb_training_profile_json(const struct qb_training_profile *p, const struct qb_trainer *t, int64_t batch, int threads)
{
	if (!p->step_ns || !p->steps) {
		return json_null();
	}
	return json_pack("{s:I, s:f, s:f, s:f, s:i, s:o?}", "steps", (json_int_t)p->steps, "seconds", p->seconds, "seconds_per_step",
		median(p->each, p->steps), "samples_per_second", (double)batch * (double)p->steps / p->seconds, "threads", threads,
		"plan", qb_profile_of_times(qb_trainer_plan(t), p->step_ns, (int)p->steps));
}
