/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/exec/training_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/exec/exec.h"

enum { MANY = 48 };

int64_t between(struct draw *d, int64_t from, int64_t to)
{
	return from + (int64_t)(qb_random_u32(d->seed, 7, d->at++) % (uint32_t)(to - from + 1));
}

struct tensors {
	struct qb_tensor in[MANY], want[MANY], got[MANY];
};

static void fill(struct qb_tensor *t, const struct qb_value *v, uint64_t seed)
{
	size_t n = qb_value_size(v);

	*t = (struct qb_tensor){.dtype = v->dtype, .ndim = v->shape.ndim, .data = calloc(n + 1, qb_dtype_bytes(v->dtype))};
	memcpy(t->dim, v->shape.dim, sizeof(t->dim));
	assert_non_null(t->data);
	for (size_t i = 0; i < n; i++) {
		double x = qb_random_normal(seed, (uint64_t)v->index, i);

		switch (v->dtype) {
		case QB_F32:
			((float *)t->data)[i] = (float)x;
			break;
		case QB_F64:
			((double *)t->data)[i] = x;
			break;
		case QB_I32: /* an index, 0 or -1 */
			((int32_t *)t->data)[i] = x < 0 ? -1 : 0;
			break;
		case QB_I64:
			((int64_t *)t->data)[i] = x < 0 ? -1 : 0;
			break;
		default:
			fail_msg("an input of type %s", qb_dtype_name(v->dtype));
		}
	}
}

static void evaluate(const struct qb_graph *g, struct tensors *t)
{
	const struct qb_tensor *in[MANY];
	struct qb_errbuf eb = {0};

	for (int i = 0; i < g->inputs; i++) {
		in[i] = &t->in[i];
	}
	if (qb_graph_eval(g, in, t->want, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
}

static void run_plan(const struct qb_plan *p, const struct qb_graph *g, struct tensors *t, bool checked)
{
	struct qb_session *s = NULL;
	const void *in[MANY];
	void *out[MANY];
	struct qb_errbuf eb = {0};

	for (int i = 0; i < g->inputs; i++) {
		in[i] = t->in[i].data;
	}
	for (int i = 0; i < g->outputs; i++) {
		out[i] = t->got[i].data;
	}
	if (qb_session_create(&s, p, false, &eb) != QB_OK || (checked && qb_session_check_steps(s, &eb) != QB_OK) ||
		qb_session_run(s, &(struct qb_run){.input = in, .output = out}, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	qb_session_destroy(&s);
}

static double element(const struct qb_tensor *t, size_t i)
{
	return t->dtype == QB_F64 ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i];
}

static double largest_of(const struct qb_tensor *t)
{
	double largest = 0;

	for (size_t i = 0; i < qb_tensor_size(t); i++) {
		largest = fmax(largest, fabs(element(t, i)));
	}
	return largest;
}

static void assert_near(const struct qb_tensor *got, const struct qb_tensor *want, double within, double least, uint64_t seed,
	int output)
{
	size_t n = qb_tensor_size(want);
	double largest = fmax(largest_of(want), least);

	for (size_t i = 0; i < n; i++) {
		if (!(fabs(element(got, i) - element(want, i)) <= within * largest)) {
			fail_msg("seed %d, output %d: element %zu is %.9g, not %.9g; the largest is %g", (int)seed, output, i, element(got, i),
				element(want, i), largest);
		}
	}
}

static void assert_no_evaluation(const struct qb_plan *p, uint64_t seed)
{
	int evaluated = 0;

	for (int i = 0; i < qb_plan_steps(p); i++) {
		struct qb_step_info s = qb_plan_step(p, i);

		if (!strcmp(s.implementation, "plain C")) {
			print_message("seed %d: node %s (%s) is evaluated in plain C\n", (int)seed, s.node->name, s.node->type);
			evaluated++;
		}
	}
	assert_int_equal(evaluated, 0);
}

/* The same plan with its kernels in plain C. */
static void assert_plain_alike(const struct qb_plan *p, const struct qb_graph *g, struct tensors *t)
{
	const enum qb_cpu_level level = qb_cpu_level();
	struct tensors plain = *t;

	for (int i = 0; i < g->outputs; i++) {
		fill(&plain.got[i], g->output[i], 1);
	}
	qb_cpu_mask(QB_CPU_PLAIN);
	run_plan(p, g, &plain, false);
	qb_cpu_mask(level);
	for (int i = 0; i < g->outputs; i++) {
		assert_memory_equal(plain.got[i].data, t->got[i].data, qb_value_size(g->output[i]) * qb_dtype_bytes(g->output[i]->dtype));
		free(plain.got[i].data);
	}
}

void check_training_graph(struct graph_maker *m, struct tolerance within, uint64_t seed, bool evaluated)
{
	struct qb_graph *g = gm_finish(m);
	struct tensors t = {0};
	struct qb_plan *p = NULL;
	struct qb_errbuf eb = {0};
	double largest = 0;

	assert_true(g->inputs <= MANY && g->outputs <= MANY);
	for (int i = 0; i < g->inputs; i++) {
		fill(&t.in[i], g->input[i], seed);
	}
	for (int i = 0; i < g->outputs; i++) {
		fill(&t.got[i], g->output[i], seed);
	}
	evaluate(g, &t);
	if (qb_plan_create(&p, g, QB_PLAN_TRAINING, 1, NULL, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	if (!evaluated) {
		assert_no_evaluation(p, seed);
	}
	run_plan(p, g, &t, true);
	for (int i = 0; i < g->outputs; i++) {
		largest = fmax(largest, largest_of(&t.want[i]));
	}
	for (int i = 0; i < g->outputs; i++) {
		assert_near(&t.got[i], &t.want[i], within.within, within.least * largest, seed, i);
	}
	assert_plain_alike(p, g, &t);
	qb_plan_destroy(&p);
	for (int i = 0; i < MANY; i++) {
		free(t.in[i].data);
		free(t.want[i].data);
		free(t.got[i].data);
	}
	gm_fini(m);
}

void check_training_steps(struct graph_maker *m, uint64_t seed, bool evaluated)
{
	check_training_graph(m, (struct tolerance){3e-6, 0}, seed, evaluated);
}

void check_same_training(const struct qb_graph *a, const struct qb_graph *b, uint64_t seed, size_t bytes[2])
{
	const struct qb_graph *g[2] = {a, b};
	struct tensors t[2] = {0};

	assert_int_equal(a->inputs, b->inputs);
	assert_int_equal(a->outputs, b->outputs);
	for (int k = 0; k < 2; k++) {
		struct qb_plan *p = NULL;
		struct qb_errbuf eb = {0};

		for (int i = 0; i < a->inputs; i++) {
			fill(&t[k].in[i], a->input[i], seed);
		}
		for (int i = 0; i < a->outputs; i++) {
			fill(&t[k].got[i], a->output[i], (uint64_t)k);
		}
		if (qb_plan_create(&p, g[k], QB_PLAN_TRAINING, 1, NULL, &eb) != QB_OK) {
			fail_msg("%s", eb.text);
		}
		bytes[k] = qb_plan_session_bytes(p);
		run_plan(p, g[k], &t[k], true);
		qb_plan_destroy(&p);
	}
	for (int i = 0; i < a->outputs; i++) {
		assert_memory_equal(t[0].got[i].data, t[1].got[i].data, qb_value_size(a->output[i]) * qb_dtype_bytes(a->output[i]->dtype));
	}
	for (int i = 0; i < 2 * MANY; i++) {
		free(t[i / MANY].in[i % MANY].data);
		free(t[i / MANY].got[i % MANY].data);
	}
}
