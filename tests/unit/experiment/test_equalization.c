/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross-layer equalization on whole networks: afterwards they compute the same, and the two ranges of every channel
 * between two layers are equal. Uses networks by name, and real ones where this machine has them.
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

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/ptq/method.h"
#include "core/graph/linear.h"
#include "core/train/networks/architecture.h"
#include "tests/unit/lacks.h"
#include "tests/unit/levels.h"

enum { SEED = 11 };

static void ok(enum qb_err err, const struct qb_errbuf *eb)
{
	if (err != QB_OK) {
		fail_msg("%s", eb->text);
	}
}

static void find_layer(struct qb_graph *g, const char *name, struct qb_linear *out)
{
	for (int i = 0; i < g->nodes; i++) {
		if (!strcmp(g->node[i]->name, name)) {
			assert_true(qb_linear_of(g->node[i], out));
			return;
		}
	}
	fail_msg("no layer %s", name);
}

static double range_out(const struct qb_linear *l, int64_t c)
{
	const float *w = l->weight->constant->data;
	double r = 0;

	for (int64_t j = 0; j < qb_linear_ins(l); j++) {
		for (int64_t t = 0; t < l->kernel_elements; t++) {
			r = fmax(r, fabs((double)w[qb_linear_at(l, c, j) + t]));
		}
	}
	return r;
}

/* share: inputs of l that are one channel of what feeds it, where a Flatten lies between. */
static double range_in(const struct qb_linear *l, int64_t c, int64_t share)
{
	const float *w = l->weight->constant->data;
	double r = 0;

	for (int64_t o = 0; o < l->outs; o++) {
		for (int64_t j = 0; j < qb_linear_ins(l); j++) {
			for (int64_t t = 0; t < l->kernel_elements && qb_linear_input(l, o, j) / share == c; t++) {
				r = fmax(r, fabs((double)w[qb_linear_at(l, o, j) + t]));
			}
		}
	}
	return r;
}

/* Channels so much smaller than the largest are dead, and left alone. */
static double least_alive(const struct qb_linear *from, const struct qb_linear *to, bool in)
{
	double most = 0;

	for (int64_t c = 0; c < from->outs; c++) {
		most = fmax(most, in ? range_in(to, c, to->ins / from->outs) : range_out(from, c));
	}
	return 1e-5 * most;
}

static int assert_equal_ranges(struct qb_graph *g, const json_t *pairs)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(pairs, i, pair) {
		struct qb_linear from, to;
		double least_out, least_in;
		int64_t alive = 0;

		find_layer(g, json_string_value(json_object_get(pair, "from")), &from);
		find_layer(g, json_string_value(json_object_get(pair, "to")), &to);
		least_out = least_alive(&from, &to, false);
		least_in = least_alive(&from, &to, true);
		for (int64_t c = 0; c < from.outs; c++) {
			double a = range_out(&from, c), b = range_in(&to, c, to.ins / from.outs);

			if (a > least_out && b > least_in && fabs(log(a / b)) > 4e-3) {
				fail_msg("%s, channel %lld: %g goes out, %g in", from.node->name, (long long)c, a, b);
			}
			alive += a > least_out && b > least_in;
		}
		assert_true(alive >= from.outs - from.outs / 4);
	}
	return (int)json_array_size(pairs);
}

static void evaluate(const struct qb_graph *model, struct qb_tensor *y)
{
	struct qb_errbuf eb = {0};
	struct qb_graph *g = NULL;
	struct qb_tensor x = {.dtype = QB_F32};
	const struct qb_tensor *in[] = {&x};

	ok(qb_graph_bind(&g, model, 1, &eb), &eb);
	x.ndim = g->input[0]->shape.ndim;
	memcpy(x.dim, g->input[0]->shape.dim, sizeof(x.dim));
	x.data = calloc(qb_tensor_size(&x), sizeof(float));
	assert_non_null(x.data);
	for (size_t i = 0; i < qb_tensor_size(&x); i++) {
		((float *)x.data)[i] = (float)qb_random_normal(SEED, 1, i);
	}
	ok(qb_graph_eval(g, in, y, &eb), &eb);
	free(x.data);
	qb_graph_destroy(&g);
}

/* Takes the model. */
static void check(struct qb_graph *model)
{
	struct qb_errbuf eb = {0};
	struct qb_graph *equal = NULL;
	json_t *list = json_pack("[{s:s, s:s}]", "name", "cross_layer_equalization", "relu6", "keep");
	json_t *reports = json_object(), *report;
	struct qb_method_graph m = {.seed = 1};
	struct qb_method_list methods = {0};
	struct qb_tensor a = {0}, b = {0};
	double noise = 0, signal = 0;

	ok(qb_graph_prepare(model, &eb), &eb);
	ok(qb_graph_clone(&equal, model, &eb), &eb);
	m.graph = equal;
	ok(qb_method_list_parse(&methods, list, "methods", &eb), &eb);
	ok(qb_method_list_run_graph(&methods, &m, reports, &eb), &eb);
	report = json_object_get(reports, "cross_layer_equalization");
	assert_true(json_is_true(json_object_get(report, "converged")));
	assert_true(assert_equal_ranges(equal, json_object_get(report, "pairs")) >= 2);
	evaluate(model, &a);
	evaluate(equal, &b);
	for (size_t i = 0; i < qb_tensor_size(&a); i++) {
		double x = (double)((float *)a.data)[i], d = (double)((float *)b.data)[i] - x;

		signal += x * x;
		noise += d * d;
	}
	assert_true(signal > 0 && noise <= 1e-9 * signal);
	free(a.data);
	free(b.data);
	json_decref(list);
	json_decref(reports);
	qb_method_list_fini(&methods);
	qb_graph_destroy(&equal);
	qb_graph_destroy(&model);
}

/* Fresh weights: ranges of channels are as they were drawn. */
static void equalization__networks_by_name__same_function_equal_ranges(void **state)
{
	static const char *const names[] = {"ds_cnn", "resnet8"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(names); i++) {
		const struct qb_architecture *a = qb_architecture_find(names[i]);
		struct qb_graph *model = NULL;
		struct qb_errbuf eb = {0};
		void *params;

		ok(qb_named_defaults(&params, &a->named, &eb), &eb);
		ok(qb_architecture_build(&model, a, &a->usual, params, SEED, &eb), &eb);
		free(params);
		check(model);
	}
}

static void equalization__real_networks__same_function_equal_ranges(void **state)
{
	static const char *const networks[] = {"mlperf-tiny/ds_cnn.onnx", "mlperf-tiny/resnet8.onnx",
		"cifar10/resnet20.onnx"};
	int found = 0;

	(void)state;
	for (size_t i = 0; i < QB_COUNT(networks); i++) {
		struct qb_graph *model = NULL;
		struct qb_errbuf eb = {0};
		char path[1024];

		if (shared_file(networks[i], path, sizeof(path))) {
			ok(qb_graph_import(&model, path, &eb), &eb);
			check(model);
			found++;
		}
	}
	if (!found) {
		skip();
	}
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equalization__networks_by_name__same_function_equal_ranges),
		cmocka_unit_test(equalization__real_networks__same_function_equal_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
