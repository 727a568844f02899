/* SPDX-License-Identifier: Apache-2.0
 *
 * A metric alone, and a sweep of quantizers that were made elsewhere, against the sweep that made them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ptq/task_metric.h"
#include "core/ptq/query_samples.h"
#include "core/ptq/sweep.h"
#include "tests/unit/levels.h"

struct fixture {
	struct qb_graph *model;
	struct qb_dataset *data;
	struct qb_scheme scheme;
	struct qb_sweep *sweep;
};

static void ok(enum qb_err err, const struct qb_errbuf *eb)
{
	if (err != QB_OK) {
		fail_msg("%s", eb->text);
	}
}

static enum qb_err go_on(void *arg, const char *stage, double fraction, const char *detail, struct qb_errbuf *eb)
{
	(void)arg;
	(void)stage;
	(void)fraction;
	(void)detail;
	(void)eb;
	return QB_OK;
}

static struct qb_sweep_options options(const struct fixture *f, int64_t samples)
{
	return (struct qb_sweep_options){.metric = "top1", .threads = 2, .calibration_samples = 32, .samples = samples,
		.spread = true, .momentum = 0.9, .scheme = &f->scheme, .schemes = 1, .seed = 1, .progress = go_on};
}

static struct fixture make(const char *scheme, int64_t samples)
{
	const char *top = getenv("top_srcdir");
	struct qb_errbuf eb = {0};
	struct fixture f = {0};
	struct qb_sweep_options opt;
	char model[512], data[512];

	snprintf(model, sizeof(model), "%s/demo/digits.onnx", top ? top : ".");
	snprintf(data, sizeof(data), "%s/demo/digits-test.npz", top ? top : ".");
	ok(qb_graph_import(&f.model, model, &eb), &eb);
	ok(qb_open_data(&f.data, &(struct qb_data_source){.path = data}, f.model, &eb), &eb);
	ok(qb_scheme_parse(&f.scheme, scheme, &eb), &eb);
	opt = options(&f, samples);
	ok(qb_sweep_run(&f.sweep, f.model, f.data, &opt, &eb), &eb);
	return f;
}

static void fini(struct fixture *f)
{
	qb_sweep_destroy(&f->sweep);
	qb_dataset_close(&f->data);
	qb_graph_destroy(&f->model);
}

/* 101 samples are no whole number of batches. */
static void task_metric__as_a_sweep_did__has_its_metrics(void **state)
{
	static const char *const schemes[] = {"int4", "w3a3", "E2"};
	static const int64_t samples[] = {0, 101, 1};

	(void)state;
	for (int i = 0; i < 9; i++) {
		struct fixture f = make(schemes[i / 3], samples[i % 3]);
		struct qb_task_metric_options opt = {.metric = "top1", .threads = 1 + i % 2, .samples = samples[i % 3]};
		const struct qb_network *n = f.sweep->variant[0].network;
		struct qb_errbuf eb = {0};
		double metric;

		ok(qb_task_metric(&metric, f.model, NULL, NULL, f.data, &opt, &eb), &eb);
		assert_float_equal(metric, f.sweep->float_metric, 0);
		ok(qb_task_metric(&metric, f.model, n->quantization[0], n->graph, f.data, &opt, &eb), &eb);
		assert_float_equal(metric, f.sweep->row[0].metric, 0);
		fini(&f);
	}
}

static void sweep__of_given_quantizers__is_that_which_made_them(void **state)
{
	struct fixture f = make("w3a3", 101);
	const struct qb_network *n = f.sweep->variant[0].network, *other;
	struct qb_sweep_options opt = options(&f, 101);
	struct qb_errbuf eb = {0};
	struct qb_sweep *again;

	(void)state;
	opt.given = n->quantization[0];
	opt.given_of = n->graph;
	ok(qb_sweep_run(&again, f.model, f.data, &opt, &eb), &eb);
	other = again->variant[0].network;
	assert_float_equal(again->row[0].metric, f.sweep->row[0].metric, 0);
	assert_float_equal(again->row[0].output.noise, f.sweep->row[0].output.noise, 0);
	assert_true(again->row[0].output.noise > 0);
	assert_memory_equal(again->row[0].sums, f.sweep->row[0].sums, (size_t)other->graph->values * sizeof(struct qb_qdq_sums));
	qb_sweep_destroy(&again);
	fini(&f);
}

static enum qb_err stop(void *arg, double share, struct qb_errbuf *eb)
{
	(void)arg;
	(void)share;
	return qb_fail(eb, QB_ECANCELLED, "stopped");
}

static void task_metric__that_is_told_to_stop__stops(void **state)
{
	struct fixture f = make("int8", 40);
	const struct qb_task_metric_options opt = {.metric = "top1", .threads = 1, .progress = stop};
	double metric = -1;

	(void)state;
	assert_int_equal(qb_task_metric(&metric, f.model, NULL, NULL, f.data, &opt, NULL), QB_ECANCELLED);
	assert_float_equal(metric, -1, 0);
	fini(&f);
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_metric__as_a_sweep_did__has_its_metrics),
		cmocka_unit_test(sweep__of_given_quantizers__is_that_which_made_them),
		cmocka_unit_test(task_metric__that_is_told_to_stop__stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
