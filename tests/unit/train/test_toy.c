/* SPDX-License-Identifier: Apache-2.0
 *
 * The regression with one quantized weight: oscillates with the share and the period that follow from its gradient, and does not
 * once it is dampened or frozen.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/train/toy.h"

static struct qb_toy *run(const char *methods, int steps, double target)
{
	json_t *list = json_loads(methods, 0, NULL);
	struct qb_train_method_list use;
	struct qb_toy_config c;
	struct qb_toy *t = NULL;
	struct qb_errbuf eb = {0};

	assert_int_equal(qb_train_method_list_parse(&use, list, "methods", &eb), QB_OK);
	qb_toy_config_init(&c);
	c.methods = &use;
	c.steps = steps;
	c.target = target;
	if (qb_toy_run(&t, &c, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	qb_train_method_list_fini(&use);
	json_decref(list);
	return t;
}

static void close_to(double got, double want, double tolerance, const char *what)
{
	if (!(fabs(got - want) <= tolerance)) {
		fail_msg("%s is %g, not %g", what, got, want);
	}
}

static void straight_through__figure__oscillates_as_predicted(void **state)
{
	const double targets[] = {0.7105, 0.705, 0.72, 0.678, 0.69};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		struct qb_toy *t = run("[\"lsq\"]", 4000, targets[i]);
		double s = 1.0 / 15, lower = 10 * s;

		close_to(t->lower, lower, 1e-9, "the lower level");
		close_to(t->upper, lower + s, 1e-9, "the upper level");
		close_to(t->share, (targets[i] - lower) / s, 0.01, "the share at the upper level");
		close_to(t->share_predicted, (targets[i] - lower) / s, 1e-9, "the predicted share");
		close_to(t->period, s / fmin(targets[i] - lower, lower + s - targets[i]), 0.05, "the period");
		assert_true(t->changes > 100);
		qb_toy_destroy(&t);
	}
}

/* The first steps by hand: w falls by rate (upper - w*) until it is below the threshold. */
static void straight_through__first_steps__are_gradient_descent(void **state)
{
	struct qb_toy *t = run("[\"lsq\"]", 60, 0.7105);
	double w = 0.737;

	(void)state;
	assert_int_equal(t->points, 61);
	for (int i = 0; i < t->points; i++) {
		close_to(t->point[i].latent, w, 1e-6, "w");
		close_to(t->point[i].quantized, nearbyint(t->point[i].latent * 15) / 15, 1e-6, "q(w)");
		close_to(t->point[i].loss, (t->point[i].quantized - 0.7105) * (t->point[i].quantized - 0.7105) / 2, 1e-9, "the loss");
		w = t->point[i].latent - 0.1 * (t->point[i].quantized - 0.7105);
	}
	close_to(t->share, 0.66, 0.08, "the share in 60 steps");
	qb_toy_destroy(&t);
}

static void estimators__ewgs_and_dsq__still_oscillate(void **state)
{
	const char *const methods[] = {"[\"ewgs\"]", "[\"dsq\"]"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct qb_toy *t = run(methods[i], 1000, 0.7105);

		assert_true(t->changes > 10);
		assert_true(t->share > 0.3 && t->share < 0.9);
		qb_toy_destroy(&t);
	}
}

static void remedies__dampening_and_freezing__end_at_one_level(void **state)
{
	const char *const methods[] = {"[{\"name\": \"dampen\", \"lambda\": 1}]", "[\"freeze\"]",
		"[{\"name\": \"br\", \"lambda\": 1}]", "[\"ewgs\", {\"name\": \"dampen\", \"lambda\": 1}]", "[\"dsq\", \"freeze\"]"};

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		struct qb_toy *t = run(methods[i], 200, 0.7105);
		const struct qb_toy_point *end = &t->point[t->points - 1];

		assert_int_equal(t->changes, 0);
		/* Bin regularization sets in at once and holds the weight where it is, dsq's gradients make it leap; the others settle on
		 * the nearest level. */
		if (!strstr(methods[i], "br") && !strstr(methods[i], "dsq")) {
			close_to(end->quantized, t->upper, 1e-6, methods[i]);
		}
		assert_int_equal(end->frozen, strstr(methods[i], "freeze") != NULL);
		qb_toy_destroy(&t);
	}
}

/* In the figure's own 60 steps. */
static void remedies__sixty_steps__end_at_one_level(void **state)
{
	struct qb_toy *dampened = run("[{\"name\": \"dampen\", \"lambda\": 1}]", 60, 0.7105), *frozen = run("[\"freeze\"]", 60, 0.7105);

	(void)state;
	assert_int_equal(dampened->changes, 0);
	assert_int_equal(frozen->changes, 0);
	assert_true(frozen->point[60].frozen);
	qb_toy_destroy(&dampened);
	qb_toy_destroy(&frozen);
}

static void run__what_makes_no_sense__is_refused(void **state)
{
	struct qb_train_method_list use;
	struct qb_toy_config c;
	struct qb_toy *t = NULL;
	struct qb_errbuf eb;

	(void)state;
	assert_int_equal(qb_train_method_list_parse(&use, NULL, "methods", NULL), QB_OK);
	qb_toy_config_init(&c);
	c.methods = &use;
	c.target = 2;
	assert_int_equal(qb_toy_run(&t, &c, &eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "outside the range"));
	qb_toy_config_init(&c);
	c.methods = &use;
	c.scale = 0;
	assert_int_equal(qb_toy_run(&t, &c, &eb), QB_EINVAL);
	qb_train_method_list_fini(&use);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(straight_through__figure__oscillates_as_predicted),
		cmocka_unit_test(straight_through__first_steps__are_gradient_descent),
		cmocka_unit_test(estimators__ewgs_and_dsq__still_oscillate),
		cmocka_unit_test(remedies__dampening_and_freezing__end_at_one_level),
		cmocka_unit_test(remedies__sixty_steps__end_at_one_level),
		cmocka_unit_test(run__what_makes_no_sense__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
