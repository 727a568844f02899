/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole networks: the plan against plain C, integer execution against its simulation tensor by tensor. Uses the
 * project's own network, and the real ones where this machine has them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/exec/exec.h"
#include "core/quant/imported_quantizer.h"
#include "tests/unit/lacks.h"
#include "tests/unit/levels.h"

static const char *const networks[] = {"mlperf-tiny/ds_cnn.onnx", "mlperf-tiny/resnet8.onnx",
	"cifar10/resnet20.onnx", "imagenet/mobilenet_v2.onnx"};

enum { INPUTS_MAX = 4 };

static int compared_with_plain; /* networks */

struct net {
	struct qb_graph *model, *graph;
	struct qb_placement *place;
	struct qb_observer **observer;
	struct qb_plan *plan;
	bool *observed;
	void *input[INPUTS_MAX];
	float *output, *other;
	size_t outputs;
};

static size_t count(const struct qb_value *v)
{
	size_t n = 1;

	for (int i = 0; i < v->shape.ndim; i++) {
		n *= (size_t)v->shape.dim[i];
	}
	return n;
}

static void ok(enum qb_err err, const struct qb_errbuf *eb)
{
	if (err != QB_OK) {
		fail_msg("%s", eb->text);
	}
}

static void observe(void *arg, int value, float *x, size_t n)
{
	struct net *t = arg;

	qb_observer_update(t->observer[value], x, n);
}

/* Whole numbers are 0 or 1: tokens of any vocabulary, or a mask of them. */
static void fill(struct net *t, uint64_t seed)
{
	for (int k = 0; k < t->graph->inputs; k++) {
		const struct qb_value *v = t->graph->input[k];

		for (size_t i = 0; i < count(v); i++) {
			if (v->dtype == QB_F32) {
				((float *)t->input[k])[i] = (float)(2 * qb_random_normal(seed, 1 + (uint64_t)k, i));
			} else {
				((int64_t *)t->input[k])[i] = qb_random_u32(seed, 1 + (uint64_t)k, i) % 4 > 0;
			}
		}
	}
}

static void load(struct net *t, const char *path, int threads)
{
	struct qb_errbuf eb = {0};

	memset(t, 0, sizeof(*t));
	ok(qb_graph_import(&t->model, path, &eb), &eb);
	ok(qb_graph_prepare(t->model, &eb), &eb);
	ok(qb_graph_bind(&t->graph, t->model, 1, &eb), &eb);
	ok(qb_placement_create(&t->place, t->graph, &eb), &eb);
	t->observed = calloc((size_t)t->graph->values, sizeof(*t->observed));
	t->observer = calloc((size_t)t->graph->values, sizeof(*t->observer));
	for (int i = 0; i < t->graph->values; i++) {
		const struct qb_value *v = t->graph->value[i];

		t->observed[i] = t->place->role[i] == QB_ROLE_ACTIVATION || (v->imported && !v->constant);
		t->observer[i] = qb_observer_create();
	}
	ok(qb_plan_create(&t->plan, t->graph, QB_PLAN_OBSERVED, threads, t->observed, &eb), &eb);
	assert_true(t->graph->inputs <= INPUTS_MAX);
	for (int i = 0; i < t->graph->inputs; i++) {
		t->input[i] = calloc(count(t->graph->input[i]), qb_dtype_bytes(t->graph->input[i]->dtype));
	}
	t->outputs = count(t->graph->output[0]);
	t->output = calloc(t->outputs, sizeof(float));
	t->other = calloc(t->outputs, sizeof(float));
}

static void unload(struct net *t)
{
	for (int i = 0; i < t->graph->values; i++) {
		qb_observer_destroy(&t->observer[i]);
	}
	free(t->observer);
	free(t->observed);
	for (int i = 0; i < t->graph->inputs; i++) {
		free(t->input[i]);
	}
	free(t->output);
	free(t->other);
	qb_plan_destroy(&t->plan);
	qb_placement_destroy(&t->place);
	qb_graph_destroy(&t->graph);
	qb_graph_destroy(&t->model);
}

static void run(struct net *t, struct qb_session *s, struct qb_run *r, float *output)
{
	void *out[] = {output};
	struct qb_errbuf eb = {0};

	r->input = (const void *const *)t->input;
	r->output = out;
	ok(qb_session_run(s, r, &eb), &eb);
}

/* Its steps are held to what they declare. */
static struct qb_session *open_session(const struct qb_plan *plan)
{
	struct qb_errbuf eb = {0};
	struct qb_session *s;

	ok(qb_session_create(&s, plan, false, &eb), &eb);
	ok(qb_session_check_steps(s, &eb), &eb);
	return s;
}

/* frozen: as latency is measured, fused and prepared beyond what can be observed. */
static void check_float(const char *path, int threads, bool frozen)
{
	struct qb_errbuf eb = {0};
	struct qb_graph *fused = NULL;
	struct qb_plan *plan = NULL;
	struct qb_session *s;
	struct qb_run r = {0};
	struct net t;

	load(&t, path, threads);
	if (frozen) {
		ok(qb_graph_bind(&fused, t.model, 1, &eb), &eb);
		ok(qb_pass_join_frozen(fused, &eb), &eb);
		ok(qb_plan_create(&plan, fused, QB_PLAN_FROZEN, threads, NULL, &eb), &eb);
	}
	s = open_session(frozen ? plan : t.plan);
	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct qb_tensor in = {.dtype = QB_F32, .ndim = t.graph->input[0]->shape.ndim,
			.data = t.input[0]}, out;
		const struct qb_tensor *ins[] = {&in};
		float *want, scale = 0;

		memcpy(in.dim, t.graph->input[0]->shape.dim, sizeof(in.dim));
		fill(&t, seed);
		run(&t, s, &r, t.output);
		ok(qb_graph_eval(t.graph, ins, &out, &eb), &eb);
		want = out.data;
		for (size_t i = 0; i < t.outputs; i++) {
			scale = fmaxf(scale, fabsf(want[i]));
		}
		for (size_t i = 0; i < t.outputs; i++) {
			if (fabsf(want[i] - t.output[i]) > 1e-4f * fmaxf(scale, 1)) {
				fail_msg("%s: output %zu is %g, plain C gives %g (seed %d)", path, i,
					t.output[i], want[i], (int)seed);
			}
		}
		free(out.data);
	}
	qb_session_destroy(&s);
	qb_plan_destroy(&plan);
	qb_graph_destroy(&fused);
	unload(&t);
}

static void plan__real_networks__equal_plain_c(void **state)
{
	char path[4096];
	int seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		if (shared_file(networks[i], path, sizeof(path))) {
			check_float(path, 1, false);
			check_float(path, 2, false);
			check_float(path, 2, true);
			seen++;
		}
	}
	if (!seen) {
		skip();
	}
}

/* Codes of every observed value in the simulation. */
struct capture {
	const struct qb_quantization *q;
	float **want; /* [values] */
	const char *path;
	const struct qb_graph *graph;
	size_t compared, off_by_one;
};

static void keep(void *arg, int value, float *x, size_t n)
{
	struct capture *c = arg;

	c->want[value] = realloc(c->want[value], n * sizeof(float));
	qb_qdq(c->q->q[value], x, c->want[value], 1, 1, (int64_t)n);
}

/* Compares with the simulation, then goes on from the simulation's numbers. */
static void compare(void *arg, int value, float *x, size_t n)
{
	struct capture *c = arg;
	float step = c->q->q[value]->scale[0];

	for (size_t i = 0; i < n; i++) {
		float steps = fabsf(x[i] - c->want[value][i]) / step;

		if (!(steps < 1.01f)) {
			fail_msg("%s: %s[%zu] is %g in integers, %g in simulation: %g steps apart", c->path,
				c->graph->value[value]->name, i, x[i], c->want[value][i], steps);
		}
		c->off_by_one += steps > 0.5f;
		c->compared++;
		x[i] = c->want[value][i];
	}
}

/* A step that is not in integers though its output is quantized; < 0: there is none. */
static int find_float(const struct qb_plan *plan, const bool *observed)
{
	for (int i = 0; i < qb_plan_steps(plan); i++) {
		struct qb_step_info s = qb_plan_step(plan, i);

		if (s.why_float && s.node->output[0] && observed[s.node->output[0]->index]) {
			return i;
		}
	}
	return -1;
}

static void assert_integer(const char *path, const struct qb_plan *plan, const bool *observed)
{
	int i = find_float(plan, observed);

	if (i >= 0) {
		struct qb_step_info s = qb_plan_step(plan, i);

		fail_msg("%s: node %s (%s) stays float: %s", path, s.node->name, s.node->type, s.why_float);
	}
}

/* A plan that nobody observes does the work of several nodes in one step, and gives the same bytes. */
static void check_unobserved(struct net *t, const struct qb_quantization *q, int threads)
{
	struct qb_errbuf eb = {0};
	struct qb_plan *plan;
	struct qb_session *s;
	struct qb_run r = {0};

	ok(qb_plan_create_int8(&plan, t->graph, threads, q, NULL, &eb), &eb);
	s = open_session(plan);
	run(t, s, &r, t->other);
	assert_memory_equal(t->other, t->output, t->outputs * sizeof(float));
	qb_session_destroy(&s);
	qb_plan_destroy(&plan);
}

static void keep_codes(void *arg, int value, float *x, size_t n)
{
	struct capture *c = arg;

	c->want[value] = realloc(c->want[value], n * sizeof(*x));
	memcpy(c->want[value], x, n * sizeof(*x));
}

static void assert_codes(void *arg, int value, float *x, size_t n)
{
	struct capture *c = arg;

	if (memcmp(c->want[value], x, n * sizeof(*x)) != 0) {
		fail_msg("%s: %s differs from plain C", c->path, c->graph->value[value]->name);
	}
}

/* Where every quantized value is computed in integers, plain C gives the same ones. */
static void check_plain(struct net *t, struct qb_session *session, struct capture *c, const struct qb_plan *int8)
{
	const enum qb_cpu_level level = qb_cpu_level();
	struct qb_errbuf eb = {0};
	struct qb_plan *plan;
	struct qb_session *s;
	struct qb_run r = {.observe = keep_codes, .observe_arg = c, .ordered = true};

	if (level == QB_CPU_PLAIN || find_float(int8, t->observed) >= 0) {
		return;
	}
	run(t, session, &r, t->output);
	qb_cpu_mask(QB_CPU_PLAIN);
	ok(qb_plan_create_int8(&plan, t->graph, 1, c->q, t->observed, &eb), &eb);
	s = open_session(plan);
	r.observe = assert_codes;
	run(t, s, &r, t->output);
	qb_cpu_mask(level);
	compared_with_plain++;
	qb_session_destroy(&s);
	qb_plan_destroy(&plan);
}

static void check_int8(const char *path, const char *scheme_name, int threads)
{
	struct qb_errbuf eb = {0};
	struct qb_scheme scheme;
	struct qb_quantization *q;
	struct qb_overlay *overlay;
	struct qb_plan *int8;
	struct qb_session *s, *i8;
	struct capture c = {.path = path};
	struct qb_run r = {0};
	struct net t;

	load(&t, path, 1);
	c.graph = t.graph;
	s = open_session(t.plan);
	r.observe = observe;
	r.observe_arg = &t;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		fill(&t, seed);
		run(&t, s, &r, t.output);
	}
	ok(qb_scheme_parse(&scheme, scheme_name, &eb), &eb);
	ok(qb_quantization_create(&q, &scheme, t.graph, t.place, t.observer, &eb), &eb);
	ok(qb_overlay_create(&overlay, t.plan, q, &eb), &eb);
	ok(qb_plan_create_int8(&int8, t.graph, threads, q, t.observed, &eb), &eb);
	if (getenv("QB_NETWORKS_INTEGER")) {
		assert_integer(path, int8, t.observed);
	}
	i8 = open_session(int8);
	c.q = q;
	c.want = calloc((size_t)t.graph->values, sizeof(*c.want));
	fill(&t, 4);
	r = (struct qb_run){.overlay = overlay, .observe = keep, .observe_arg = &c, .ordered = true};
	run(&t, s, &r, t.output);
	r = (struct qb_run){.observe = compare, .observe_arg = &c, .ordered = true, .inject = true};
	run(&t, i8, &r, t.other);
	r = (struct qb_run){0};
	run(&t, i8, &r, t.output);
	check_unobserved(&t, q, threads);
	check_plain(&t, i8, &c, int8);
	assert_true(c.compared > 0);
	/* Only sums that fall on a rounding threshold may differ. */
	assert_true((double)c.off_by_one < 0.001 * (double)c.compared + 2);
	for (int i = 0; i < t.graph->values; i++) {
		free(c.want[i]);
	}
	free(c.want);
	qb_session_destroy(&s);
	qb_session_destroy(&i8);
	qb_plan_destroy(&int8);
	qb_overlay_destroy(&overlay);
	qb_quantization_destroy(&q);
	unload(&t);
}

/* Does the file bring its quantization? *single: it takes one input, of floats. */
static bool imports(const char *path, bool *single)
{
	struct qb_errbuf eb = {0};
	struct qb_graph *g = NULL;
	bool any;

	ok(qb_graph_import(&g, path, &eb), &eb);
	ok(qb_graph_prepare(g, &eb), &eb);
	any = qb_graph_is_quantized(g);
	*single = g->inputs == 1 && g->input[0]->dtype == QB_F32;
	qb_graph_destroy(&g);
	return any;
}

/* More networks, given by name: QB_NETWORKS=FILE:FILE..., and with QB_NETWORKS_INTEGER no step of theirs is float. */
static int check_given(void)
{
	char all[8192], *rest = all, *path;
	const char *given = getenv("QB_NETWORKS");
	int seen = 0;

	snprintf(all, sizeof(all), "%s", given ? given : "");
	while ((path = strtok_r(rest, ":", &rest))) {
		bool single, imported = imports(path, &single);
		const char *scheme = imported ? "carried" : "int8";

		if (single) {
			check_float(path, 1, false);
			check_float(path, 2, true);
		}
		check_int8(path, scheme, 1);
		check_int8(path, scheme, 2);
		if (!imported) {
			check_int8(path, "w4a8", 1);
			check_int8(path, "w4a8", 2);
		}
		seen++;
	}
	return seen;
}

static void int8__real_networks__within_one_step_of_simulation(void **state)
{
	char path[4096];
	int seen = check_given();

	(void)state;
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		if (shared_file(networks[i], path, sizeof(path))) {
			check_int8(path, "int8", 1);
			check_int8(path, "w4a8", 2);
			assert_true(compared_with_plain > 0 || qb_cpu_level() == QB_CPU_PLAIN);
			seen++;
		}
	}
	if (!seen) {
		skip();
	}
}

/* Networks that bring their quantization: scales and zero points that no range of ours would give. */
static void int8__imported_quantizers__within_one_step_of_simulation(void **state)
{
	static const char *const quantized[] = {"tflite/mobilenet_v1_0.25_128_quant.tflite",
		"tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"};
	char path[4096];
	int seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(quantized) / sizeof(quantized[0]); i++) {
		if (shared_file(quantized[i], path, sizeof(path))) {
			check_int8(path, "carried", 1 + (int)i);
			seen++;
		}
	}
	if (!seen) {
		skip();
	}
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan__real_networks__equal_plain_c),
		cmocka_unit_test(int8__real_networks__within_one_step_of_simulation),
		cmocka_unit_test(int8__imported_quantizers__within_one_step_of_simulation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
