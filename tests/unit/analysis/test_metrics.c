/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/analysis/metrics.h"
#include "core/base/size.h"

/* The value after all samples; *nans too, if wanted. */
static double metric(const char *name, int ndim, const int64_t *dim, size_t labels, const float *y,
	const double *label, int64_t samples, int64_t *nans)
{
	struct qb_metric_shape shape = {.ndim = ndim, .outputs = 1, .labels = labels};
	struct qb_metric *m;
	double v;

	for (int i = 0; i < ndim; i++) {
		shape.dim[i] = dim[i];
		shape.outputs *= (size_t)dim[i];
	}
	assert_int_equal(qb_metric_create(&m, name, &shape, NULL), QB_OK);
	/* in two parts, as batches come */
	assert_int_equal(qb_metric_update(m, y, label, 1, NULL), QB_OK);
	assert_int_equal(qb_metric_update(m, y + shape.outputs, label + labels, samples - 1, NULL),
		QB_OK);
	v = qb_metric_value(m);
	if (nans) {
		*nans = qb_metric_nans(m);
	}
	qb_metric_destroy(&m);
	return v;
}

static void top__ties_and_nan__first_wins_and_nan_is_wrong(void **state)
{
	const int64_t dim[] = {6};
	const float y[] = {1, 3, 3, 0, 0, 0, /* tie: class 1 */
		3, 1, 2, 3, 0, 0,            /* tie: class 0 */
		0, 0, 0, 0, 0, 0,            /* class 5 is the sixth */
		NAN, 0, 9, 0, 0, 0};
	const double label[] = {1, 3, 5, 2};
	int64_t nans;

	(void)state;
	assert_true(metric("top1", 1, dim, 1, y, label, 4, &nans) == 25);
	assert_int_equal(nans, 1);
	assert_true(metric("top5", 1, dim, 1, y, label, 3, &nans) == 200.0 / 3);
}

static void miou__ignored_places__are_left_out(void **state)
{
	const int64_t dim[] = {3, 1, 3};
	/* two samples of three places; predictions 0 1 1 and 1 1 0 */
	const float y[] = {5, 0, 0, 0, 5, 5, 0, 0, 0, 0, 0, 5, 5, 5, 0, 0, 0, 0};
	const double label[] = {0, 1, 255, 1, 0, 0};

	(void)state;
	/* class 0: both 2, either 3; class 1: both 2, either 3; class 2 occurs nowhere */
	assert_true(fabs(metric("miou", 3, dim, 3, y, label, 2, NULL) - 200.0 / 3) < 1e-12);
}

static void miou__nan_place__is_wrong(void **state)
{
	const int64_t dim[] = {2, 1, 2};
	const float y[] = {NAN, 0, 0, 5, 5, 5, 0, 0};
	const double label[] = {0, 1, 0, 0};
	int64_t nans;

	(void)state;
	/* class 0: 2 of 3 places; class 1: 1 of 1 */
	assert_true(fabs(metric("miou", 3, dim, 2, y, label, 2, &nans) - 250.0 / 3) < 1e-12);
	assert_int_equal(nans, 1);
}

static void pairs__known_values__equal_scipy(void **state)
{
	const int64_t dim[] = {1};
	const float y[] = {1, 2, 2, 4, 7, 3};
	const double label[] = {0, 1, 0, 1, 1, 0};

	(void)state;
	/* scipy.stats.spearmanr and pearsonr, sklearn.metrics.roc_auc_score */
	assert_true(fabs(metric("auc", 1, dim, 1, y, label, 6, NULL) - 100 * 7.5 / 9) < 1e-9);
	assert_true(fabs(metric("spearman", 1, dim, 1, y, label, 6, NULL) - 59.4088525786) < 1e-6);
	assert_true(fabs(metric("pearson", 1, dim, 1, y, label, 6, NULL) - 59.8050360402) < 1e-6);
}

static void mse_and_cosine__small_vectors__by_hand(void **state)
{
	const int64_t dim[] = {2};
	const float y[] = {1, 0, 3, 4};
	const double label[] = {1, 1, 3, 4};

	(void)state;
	assert_true(metric("mse", 1, dim, 2, y, label, 2, NULL) == 0.25);
	assert_true(fabs(metric("cosine", 1, dim, 2, y, label, 2, NULL) -
		(sqrt(0.5) + 1) / 2) < 1e-12);
}

static void metric__what_does_not_fit__clear_errors(void **state)
{
	struct qb_metric_shape shape = {.ndim = 1, .dim = {10}, .outputs = 10, .labels = 0};
	struct qb_metric *m = NULL;
	struct qb_errbuf eb;
	const float y[10] = {0};
	const double outside = 10;

	(void)state;
	assert_int_equal(qb_metric_create(&m, "top1", &shape, &eb), QB_EJOB);
	assert_int_equal(qb_metric_create(&m, "best", &shape, &eb), QB_EJOB);
	assert_non_null(strstr(eb.text, "spearman"));
	shape.labels = 1;
	assert_int_equal(qb_metric_create(&m, "mse", &shape, &eb), QB_EJOB);
	assert_int_equal(qb_metric_create(&m, "top1", &shape, &eb), QB_OK);
	assert_true(isnan(qb_metric_value(m)));
	assert_int_equal(qb_metric_update(m, y, &outside, 1, &eb), QB_EJOB);
	qb_metric_destroy(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top__ties_and_nan__first_wins_and_nan_is_wrong),
		cmocka_unit_test(miou__ignored_places__are_left_out),
		cmocka_unit_test(miou__nan_place__is_wrong),
		cmocka_unit_test(pairs__known_values__equal_scipy),
		cmocka_unit_test(mse_and_cosine__small_vectors__by_hand),
		cmocka_unit_test(metric__what_does_not_fit__clear_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
