/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans of real networks against the operators' plain C, integer steps against the simulation, teams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/experiment/network.h"

static const char *const networks[] = {"mlperf-tiny/ds_cnn", "mlperf-tiny/resnet8",
	"cifar10/resnet20"};

struct subject {
	struct qb_graph *model;
	struct qb_network *network;
	float *x;
	const void *in[1];
	void *out[1];
};

static void load(struct subject *s, const char *name, int64_t batch)
{
	const char *shared = getenv("QB_SHARED");
	struct qb_errbuf eb = {0};
	char path[4096];
	size_t n;

	snprintf(path, sizeof(path), "%s/data/%s.onnx", shared ? shared : "../shared", name);
	if (access(path, R_OK)) {
		print_message("%s is absent: skipped\n", path);
		skip();
	}
	assert_int_equal(qb_graph_import(&s->model, path, &eb), QB_OK);
	assert_int_equal(qb_graph_prepare(s->model, &eb), QB_OK);
	assert_int_equal(qb_network_create(&s->network, s->model, batch, 1, &eb), QB_OK);
	n = qb_value_size(s->network->graph->input[0]);
	s->x = qb_aligned_alloc(n, sizeof(*s->x));
	for (size_t i = 0; i < n; i++) {
		s->x[i] = (float)qb_random_normal(3, 0, i);
	}
	s->in[0] = s->x;
	s->out[0] = qb_aligned_alloc(qb_value_size(s->network->graph->output[0]), sizeof(float));
}

static void unload(struct subject *s)
{
	free(s->x);
	free(s->out[0]);
	qb_network_destroy(&s->network);
	qb_graph_destroy(&s->model);
}

static void float_plan__real_networks__equal_plain_c(void **state)
{
	(void)state;
	for (size_t k = 0; k < QB_COUNT(networks); k++) {
		struct subject s = {0};
		struct qb_session *session = NULL;
		struct qb_tensor in = {.dtype = QB_F32}, out[1] = {{0}};
		const struct qb_tensor *ins[] = {&in};
		struct qb_errbuf eb = {0};
		struct qb_run run;

		load(&s, networks[k], 2);
		run = (struct qb_run){.input = s.in, .output = s.out};
		assert_int_equal(qb_session_create(&session, s.network->plan, false, &eb), QB_OK);
		assert_int_equal(qb_session_run(session, &run, &eb), QB_OK);
		in.ndim = s.network->graph->input[0]->shape.ndim;
		memcpy(in.dim, s.network->graph->input[0]->shape.dim, (size_t)in.ndim * sizeof(*in.dim));
		in.data = s.x;
		assert_int_equal(qb_graph_eval(s.network->graph, ins, out, &eb), QB_OK);
		for (size_t i = 0; i < qb_value_size(s.network->graph->output[0]); i++) {
			float want = ((const float *)out[0].data)[i];

			assert_true(fabsf(((const float *)s.out[0])[i] - want) <=
				1e-4f * fmaxf(1, fabsf(want)));
		}
		free(out[0].data);
		qb_session_destroy(&session);
		unload(&s);
	}
}

/* What the simulation has for every quantized value, channels last. */
struct recording {
	const struct qb_network *n;
	const struct qb_quantization *q;
	struct qb_observer **observer;
	float **x;
	int compared;
	double worst; /* in steps */
	const char *where;
};

static void observe(void *arg, int value, float *x, size_t n)
{
	struct recording *r = arg;

	qb_observer_update(r->observer[value], x, n);
}

static void record(void *arg, int value, float *x, size_t n)
{
	struct recording *r = arg;

	r->x[value] = qb_aligned_alloc(n, sizeof(float));
	if (r->q->q[value]) {
		qb_qdq(r->q->q[value], x, r->x[value], 1, 1, (int64_t)n);
	}
}

/* Compares, and has the integers go on with the simulation's values. */
static void compare(void *arg, int value, float *x, size_t n)
{
	struct recording *r = arg;

	if (!r->q->q[value]) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		double steps =
			fabs((double)x[i] - (double)r->x[value][i]) / r->q->q[value]->scale[0];

		if (steps > r->worst) {
			r->worst = steps;
			r->where = r->n->graph->value[value]->name;
		}
	}
	memcpy(x, r->x[value], n * sizeof(*x));
	r->compared++;
}

static void run_tapped(const struct qb_plan *plan, struct qb_run run, qb_tap_fn *tap,
	struct recording *r, const struct qb_overlay *overlay)
{
	struct qb_session *session = NULL;
	struct qb_errbuf eb = {0};

	run.tap = tap;
	run.tap_arg = r;
	run.overlay = overlay;
	run.ordered = true;
	run.inject = tap == compare;
	assert_int_equal(qb_session_create(&session, plan, false, &eb), QB_OK);
	assert_int_equal(qb_session_run(session, &run, &eb), QB_OK);
	qb_session_destroy(&session);
}

static void hold_integers(struct subject *s, const char *name)
{
	struct qb_network *n = s->network;
	struct recording r = {.n = n};
	struct qb_run run = {.input = s->in, .output = s->out};
	struct qb_scheme scheme;
	struct qb_plan *int8 = NULL;
	struct qb_errbuf eb = {0};

	r.observer = calloc((size_t)n->graph->values, sizeof(struct qb_observer *));
	r.x = calloc((size_t)n->graph->values, sizeof(*r.x));
	for (int i = 0; i < n->graph->values; i++) {
		r.observer[i] = n->tapped[i] ? qb_observer_create() : NULL;
	}
	run_tapped(n->plan, run, observe, &r, NULL);
	assert_int_equal(qb_scheme_parse(&scheme, "int8", &eb), QB_OK);
	assert_int_equal(qb_network_quantize(n, &scheme, 1, r.observer, &eb), QB_OK);
	r.q = n->quantization[0];
	run_tapped(n->plan, run, record, &r, n->overlay[0]);
	assert_int_equal(qb_plan_create_int8(&int8, n->graph, 1, r.q, n->tapped, &eb), QB_OK);
	run_tapped(int8, run, compare, &r, NULL);
	print_message("%s: %d tensors, at most %.4f steps apart (%s)\n", name, r.compared, r.worst,
		r.where ? r.where : "");
	assert_true(r.compared > 5);
	assert_true(r.worst <= 1.001);
	qb_plan_destroy(&int8);
	for (int i = 0; i < n->graph->values; i++) {
		qb_observer_destroy(&r.observer[i]);
		free(r.x[i]);
	}
	free(r.observer);
	free(r.x);
}

static void int8_plan__same_inputs__each_tensor_within_one_step(void **state)
{
	(void)state;
	for (size_t k = 0; k < QB_COUNT(networks); k++) {
		struct subject s = {0};

		load(&s, networks[k], 2);
		hold_integers(&s, networks[k]);
		unload(&s);
	}
}

/* Teams */

enum { ITEMS = 1000 };

struct work {
	_Atomic int done[ITEMS];
	int64_t fail_at;
};

static enum qb_err work(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct work *w = arg;

	if (thread < 0 || thread > 2) {
		return qb_fail(eb, QB_EINTERNAL, "thread %d", thread);
	}
	if (item == w->fail_at) {
		return qb_fail(eb, QB_EINVAL, "item %d is bad", (int)item);
	}
	atomic_fetch_add(&w->done[item], 1);
	return QB_OK;
}

static void team__many_items__each_done_once(void **state)
{
	static struct work w = {.fail_at = -1};

	(void)state;
	assert_int_equal(qb_team_run(3, ITEMS, work, &w, NULL), QB_OK);
	for (int i = 0; i < ITEMS; i++) {
		assert_int_equal(w.done[i], 1);
	}
}

static void team__one_fails__its_error_comes_back(void **state)
{
	static struct work w = {.fail_at = 17};
	struct qb_errbuf eb = {0};

	(void)state;
	assert_int_equal(qb_team_run(3, ITEMS, work, &w, &eb), QB_EINVAL);
	assert_string_equal(eb.text, "item 17 is bad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(float_plan__real_networks__equal_plain_c),
		cmocka_unit_test(int8_plan__same_inputs__each_tensor_within_one_step),
		cmocka_unit_test(team__many_items__each_done_once),
		cmocka_unit_test(team__one_fails__its_error_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
