/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/analysis/metric.h"
#include "core/base/size.h"
#include "tests/unit/levels.h"

/* The value after all samples; *nans too, if wanted. */
static double metric_of(const char *name, struct qb_metric_shape shape, const float *y,
	const float *x, const double *label, int64_t samples, int64_t *nans)
{
	struct qb_metric *m;
	size_t outputs, inputs;
	double v;

	shape.outputs = 1;
	for (int i = 0; i < shape.ndim; i++) {
		shape.outputs *= (size_t)shape.dim[i];
	}
	outputs = shape.outputs * (size_t)shape.rows;
	inputs = shape.inputs * (size_t)shape.rows;
	assert_int_equal(qb_metric_create(&m, name, &shape, NULL), QB_OK);
	/* in two parts, as batches come */
	assert_int_equal(qb_metric_update(m, y, x, label, 1, NULL), QB_OK);
	assert_int_equal(qb_metric_update(m, y + outputs, x ? x + inputs : NULL,
		label + shape.labels, samples - 1, NULL), QB_OK);
	v = qb_metric_value(m);
	if (nans) {
		*nans = qb_metric_nans(m);
	}
	qb_metric_destroy(&m);
	return v;
}

static double metric(const char *name, int ndim, const int64_t *dim, size_t labels, const float *y,
	const double *label, int64_t samples, int64_t *nans)
{
	struct qb_metric_shape shape = {.ndim = ndim, .labels = labels, .rows = 1};

	memcpy(shape.dim, dim, (size_t)ndim * sizeof(*dim));
	return metric_of(name, shape, y, NULL, label, samples, nans);
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-6 * fmax(1, fabs(b));
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

static void correlations__constant_side__are_undefined(void **state)
{
	static const char *const names[] = {"pearson", "spearman"};
	const int64_t dim[] = {1};
	/* The mean of these is not exactly 0.1f. */
	const float y[] = {0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f};
	const float varied[] = {1, 2, 3, 4, 5, 6, 8};
	const double label[] = {0, 1, 0, 1, 1, 0, 3}, same[] = {0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(names); i++) {
		assert_true(isnan(metric(names[i], 1, dim, 1, y, label, 7, NULL)));
		assert_true(isnan(metric(names[i], 1, dim, 1, varied, same, 7, NULL)));
		assert_true(isnan(metric(names[i], 1, dim, 1, varied, label, 1, NULL)));
		assert_false(isnan(metric(names[i], 1, dim, 1, varied, label, 7, NULL)));
	}
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
	struct qb_metric_shape shape = {.ndim = 1, .dim = {10}, .outputs = 10, .rows = 1};
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
	assert_int_equal(qb_metric_update(m, y, NULL, &outside, 1, &eb), QB_EJOB);
	qb_metric_destroy(&m);
	shape.rows = 2;
	assert_int_equal(qb_metric_create(&m, "top1", &shape, &eb), QB_EJOB);
	assert_int_equal(qb_metric_create(&m, "auc", &shape, &eb), QB_EJOB);
	assert_int_equal(qb_metric_create(&m, "perplexity", &shape, &eb), QB_EJOB);
	assert_int_equal(qb_metric_create(&m, "spearman", &shape, &eb), QB_OK);
	qb_metric_destroy(&m);
	assert_true(qb_metric_reads_input("auc") && !qb_metric_reads_input("top1"));
	assert_true(qb_metric_rises("f1") && !qb_metric_rises("perplexity_causal"));
}

/* Confusion of 7 samples, [label][prediction]: 2 1 0, 0 1 1, 1 0 1. */
static void confusion__three_classes__equals_sums_over_all_pairs(void **state)
{
	const int64_t dim[] = {3};
	const int label[] = {0, 0, 0, 1, 1, 2, 2}, guess[] = {0, 0, 1, 1, 2, 0, 2};
	float y[21] = {0};
	double labels[7], cov = 0, var_l = 0, var_g = 0;

	(void)state;
	for (int i = 0; i < 7; i++) {
		y[3 * i + guess[i]] = 1;
		labels[i] = label[i];
	}
	/* Gorodkin's definition: correlation of the indicator vectors, each class's own mean taken off. */
	for (int c = 0; c < 3; c++) {
		double ml = 0, mg = 0;

		for (int i = 0; i < 7; i++) {
			ml += (label[i] == c) / 7.0;
			mg += (guess[i] == c) / 7.0;
		}
		for (int i = 0; i < 7; i++) {
			cov += ((label[i] == c) - ml) * ((guess[i] == c) - mg);
			var_l += ((label[i] == c) - ml) * ((label[i] == c) - ml);
			var_g += ((guess[i] == c) - mg) * ((guess[i] == c) - mg);
		}
	}
	assert_true(near(metric("matthews", 1, dim, 1, y, labels, 7, NULL),
		100 * cov / sqrt(var_l * var_g)));
	assert_true(near(metric("accuracy", 1, dim, 1, y, labels, 7, NULL), 400.0 / 7));
	/* precision and recall: 2/3 2/3, 1/2 1/2, 1/2 1/2 */
	assert_true(near(metric("f1", 1, dim, 1, y, labels, 7, NULL), 100 * (2 / 3.0 + 0.5 + 0.5) / 3));
}

static void confusion__one_logit__its_sign_is_the_class(void **state)
{
	const int64_t dim[] = {1};
	const float y[] = {2, -1, 0.5f, -3, 1, NAN};
	const double label[] = {1, 1, 0, 0, 1, 1};
	int64_t nans;

	(void)state;
	/* tp 2, fp 1, fn 1 and the NaN */
	assert_true(near(metric("accuracy", 1, dim, 1, y, label, 6, &nans), 50));
	assert_int_equal(nans, 1);
	assert_true(near(metric("f1", 1, dim, 1, y, label, 6, NULL), 100 * 4 / 7.0));
	/* (tp tn - fp fn) / sqrt((tp+fp)(tp+fn)(tn+fp)(tn+fn)) of the first five */
	assert_true(near(metric("matthews", 1, dim, 1, y, label, 5, NULL), 100 / 6.0));
}

static void matthews__one_class_only__is_undefined(void **state)
{
	const int64_t dim[] = {2};
	const float y[] = {1, 0, 1, 0};
	const double label[] = {0, 1};

	(void)state;
	assert_true(isnan(metric("matthews", 1, dim, 1, y, label, 2, NULL)));
}

static void similarity__pairs__ranks_of_cosines(void **state)
{
	const struct qb_metric_shape shape = {.ndim = 1, .dim = {2}, .labels = 1, .rows = 2};
	/* cosines 1, 0, -1, 0.6 */
	const float y[] = {1, 0, 2, 0, 0, 1, 1, 0, 1, 1, -2, -2, 1, 0, 3, 4};
	const double agree[] = {4, 2, 1, 3}, differ[] = {4, 1, 2, 3};

	(void)state;
	assert_true(near(metric_of("spearman", shape, y, NULL, agree, 4, NULL), 100));
	assert_true(near(metric_of("spearman", shape, y, NULL, differ, 4, NULL), 80));
	assert_true(metric_of("pearson", shape, y, NULL, agree, 4, NULL) < 100);
}

static void auc__reconstruction__score_is_the_mean_over_rows(void **state)
{
	struct qb_metric_shape shape = {.ndim = 1, .dim = {2}, .inputs = 2, .labels = 1, .rows = 2};
	/* errors of the rows: 0 and 8; 1 and 1; 9 and 9: scores 4, 1, 9 */
	const float x[] = {1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0};
	const float y[] = {1, 1, 2, 2, 0, 1, 1, 0, 3, 0, 0, 3};
	const double label[] = {0, 1, 1};

	(void)state;
	assert_true(near(metric_of("auc", shape, y, x, label, 3, NULL), 50));
	shape.dim[0] = 1;
	shape.inputs = 5; /* one score: the input is not read */
	assert_true(near(metric_of("auc", shape, y, NULL, (const double[]){1, 1, 0}, 3, NULL), 100));
}

static void perplexity__ignored_and_shifted__equals_the_definition(void **state)
{
	const int64_t dim[] = {3, 4};
	float y[24];
	const double label[] = {1, -100, 3, 0, 2, 2};
	double plain = 0, causal = 0;

	(void)state;
	for (int i = 0; i < 24; i++) {
		y[i] = (float)((i * 7) % 11) - 5;
	}
	for (int i = 0; i < 6; i++) {
		double sum = 0, before = 0;

		for (int v = 0; v < 4; v++) {
			sum += exp(y[4 * i + v]);
			before += i % 3 ? exp(y[4 * (i - 1) + v]) : 0;
		}
		if (label[i] >= 0) {
			plain -= log(exp(y[4 * i + (int)label[i]]) / sum);
			causal -= i % 3 ? log(exp(y[4 * (i - 1) + (int)label[i]]) / before) : 0;
		}
	}
	assert_true(near(metric("perplexity", 2, dim, 3, y, label, 2, NULL), exp(plain / 5)));
	assert_true(near(metric("perplexity_causal", 2, dim, 3, y, label, 2, NULL), exp(causal / 3)));
}

enum { SAMPLES = 2000 };

/* A metric of two classes that has seen SAMPLES samples, all of class 0: right except for `wrong` of the samples
 * [0, 1000) and of those that a multiple of 7 leads to in [1000, 2000), `wrong_too` of them. */
static struct qb_metric *metric_with_errors(const char *name, int wrong, int wrong_too)
{
	const struct qb_metric_shape shape = {.ndim = 1, .dim = {2}, .outputs = 2, .labels = 1, .rows = 1};
	struct qb_metric *m;

	assert_int_equal(qb_metric_create(&m, name, &shape, NULL), QB_OK);
	assert_int_equal(qb_metric_keep_groups(m, SAMPLES, 3, NULL), QB_OK);
	for (int i = 0; i < SAMPLES; i++) {
		bool bad = i < 1000 ? i < wrong : i * 7 % 1000 < wrong_too;
		const float y[] = {bad ? 0 : 1, bad ? 1 : 0};

		assert_int_equal(qb_metric_update(m, y, NULL, (const double[]){0}, 1, NULL), QB_OK);
	}
	return m;
}

/* Samples that only one of two is wrong about: the variance of the difference is (b + c - (b - c)^2 / N) / N^2. */
static void compare__paired_errors__interval_is_the_closed_form(void **state)
{
	/* wrong about 200; the same 200 and 30 more, and 60 others; about 20 fewer and 15 others; about the same */
	struct qb_metric *m[] = {metric_with_errors("top1", 200, 0), metric_with_errors("top1", 170, 60),
		metric_with_errors("top1", 180, 15), metric_with_errors("top1", 200, 0)};
	const double lost[] = {0, 60, 15, 0}, won[] = {0, 30, 20, 0};
	const bool best[] = {false, false, true, true};
	struct qb_metric_change change[QB_COUNT(m)], again[QB_COUNT(m)];

	(void)state;
	assert_int_equal(qb_metric_compare((const struct qb_metric *const *)m, QB_COUNT(m), 9, change, NULL), QB_OK);
	assert_int_equal(qb_metric_compare((const struct qb_metric *const *)m, QB_COUNT(m), 9, again, NULL), QB_OK);
	for (size_t i = 0; i < QB_COUNT(m); i++) {
		double net = won[i] - lost[i], delta = 100 * net / SAMPLES;
		double sd = 100 * sqrt(won[i] + lost[i] - net * net / SAMPLES) / SAMPLES;

		if (i < 3) { /* the last is wrong about the same samples */
			assert_true(fabs(change[i].interval.low - (delta - 1.96 * sd)) <= 0.15 * 1.96 * sd);
			assert_true(fabs(change[i].interval.high - (delta + 1.96 * sd)) <= 0.15 * 1.96 * sd);
		}
		assert_int_equal(change[i].best, best[i]);
		assert_true(again[i].interval.low == change[i].interval.low && again[i].interval.high == change[i].interval.high);
		qb_metric_destroy(&m[i]);
	}
}

/* The probability of no success in n of probability p, summed: Clopper and Pearson's upper limit leaves a fortieth. */
static void compare__no_answer_changes__interval_is_the_exact_bound(void **state)
{
	const char *const names[] = {"top1", "accuracy"};
	const int counts[] = {1, 50, 256, 2000};

	(void)state;
	for (size_t k = 0; k < QB_COUNT(names) * QB_COUNT(counts); k++) {
		const struct qb_metric_shape shape = {.ndim = 1, .dim = {3}, .outputs = 3, .labels = 1, .rows = 1};
		int n = counts[k / 2];
		struct qb_metric *m[2];
		struct qb_metric_change change[2];
		double none = 1;

		for (int which = 0; which < 2; which++) {
			assert_int_equal(qb_metric_create(&m[which], names[k % 2], &shape, NULL), QB_OK);
			assert_int_equal(qb_metric_keep_groups(m[which], n, 3, NULL), QB_OK);
			for (int i = 0; i < n; i++) {
				/* other outputs, of some another wrong class: as right or wrong as before */
				const float y[] = {i % 5 ? 1 : 0, which ? 0.5F : 0.9F, which ? 0.9F : 0.5F};

				assert_int_equal(qb_metric_update(m[which], y, NULL, (const double[]){0}, 1, NULL), QB_OK);
			}
		}
		assert_int_equal(qb_metric_compare((const struct qb_metric *const *)m, 2, 1, change, NULL), QB_OK);
		assert_true(change[0].interval.low == 0 && change[0].interval.high == 0);
		assert_true(change[1].interval.low == -change[1].interval.high && change[1].best);
		for (int i = 0; i < n; i++) {
			none *= 1 - change[1].interval.high / 100;
		}
		assert_true(fabs(none - 0.025) < 1e-9);
		qb_metric_destroy(&m[0]);
		qb_metric_destroy(&m[1]);
	}
}

/* Of 3000 samples two answers change, to and fro, in the same of 256 groups: the groups' sums do not. */
static void compare__changes_cancel_within_a_group__are_no_certainty(void **state)
{
	enum { N = 3000 };
	const struct qb_metric_shape shape = {.ndim = 1, .dim = {2}, .outputs = 2, .labels = 1, .rows = 1};
	struct qb_metric *probe, *m[2];
	struct qb_metric_change change[2];
	int members[N], found = 0, of = -1;

	(void)state;
	assert_int_equal(qb_metric_create(&probe, "top1", &shape, NULL), QB_OK);
	assert_int_equal(qb_metric_keep_groups(probe, N, 3, NULL), QB_OK);
	for (int i = 0; i < N; i++) {
		int group = -1;

		for (int g = 0; g < QB_METRIC_GROUPS; g++) {
			group = qb__metric_group(probe) == probe->group[g] ? g : group;
		}
		of = of < 0 ? group : of;
		members[i] = group == of ? found++ : -1;
		assert_int_equal(qb_metric_update(probe, (const float[]){1, 0}, NULL, (const double[]){0}, 1, NULL), QB_OK);
	}
	qb_metric_destroy(&probe);
	assert_true(found >= 4);
	for (int which = 0; which < 2; which++) {
		assert_int_equal(qb_metric_create(&m[which], "top1", &shape, NULL), QB_OK);
		assert_int_equal(qb_metric_keep_groups(m[which], N, 3, NULL), QB_OK);
		for (int i = 0; i < N; i++) {
			bool right = members[i] >= 0 && members[i] < 4 ? members[i] % 2 == which : true;

			assert_int_equal(qb_metric_update(m[which], (const float[]){right, !right}, NULL, (const double[]){0}, 1, NULL), QB_OK);
		}
	}
	assert_int_equal(qb_metric_compare((const struct qb_metric *const *)m, 2, 1, change, NULL), QB_OK);
	assert_true(fabs(change[1].interval.high - 100 * 1.96 * sqrt(4) / N) < 1e-4);
	qb_metric_destroy(&m[0]);
	qb_metric_destroy(&m[1]);
}

/* Of several answers a sample one more changed sample moves the share by those of the largest: here 3 places, of which 255 leaves one
 * or two out. */
static void compare__no_place_changes__bound_is_that_of_samples(void **state)
{
	enum { N = 80, PLACES = 3 };
	const struct qb_metric_shape shape = {.ndim = 2, .dim = {2, PLACES}, .outputs = 2 * PLACES, .labels = PLACES, .rows = 1};
	struct qb_metric *m[2];
	struct qb_metric_change change[2];
	double places = 0;

	(void)state;
	for (int which = 0; which < 2; which++) {
		assert_int_equal(qb_metric_create(&m[which], "top1", &shape, NULL), QB_OK);
		assert_int_equal(qb_metric_keep_groups(m[which], N, 3, NULL), QB_OK);
		for (int i = 0; i < N; i++) {
			const float y[] = {1, which ? 1 : 2, 0, 0, 0, 1};
			const double label[] = {0, i % 2 ? 0 : 255, i % 4 ? 0 : 255};

			places += which ? 1 + (i % 2 != 0) + (i % 4 != 0) : 0;
			assert_int_equal(qb_metric_update(m[which], y, NULL, label, 1, NULL), QB_OK);
		}
	}
	assert_int_equal(qb_metric_compare((const struct qb_metric *const *)m, 2, 1, change, NULL), QB_OK);
	assert_true(fabs(change[1].interval.high - 100 * (1 - pow(0.025, 1.0 / N)) * N * PLACES / places) < 1e-9);
	assert_true(change[1].interval.low == -change[1].interval.high);
	qb_metric_destroy(&m[0]);
	qb_metric_destroy(&m[1]);
}

/* Areas and correlations have no right or wrong answer a sample: an interval of nothing would be false certainty. */
static void compare__no_area_changes__has_no_interval(void **state)
{
	const char *const names[] = {"miou", "f1", "spearman"};

	(void)state;
	for (size_t k = 0; k < QB_COUNT(names); k++) {
		bool pair = k == 2;
		const struct qb_metric_shape shape = {.ndim = 1, .dim = {pair ? 1 : 2}, .outputs = pair ? 1 : 2, .labels = 1, .rows = 1};
		struct qb_metric *m[2];
		struct qb_metric_change change[2];

		for (int which = 0; which < 2; which++) {
			assert_int_equal(qb_metric_create(&m[which], names[k], &shape, NULL), QB_OK);
			assert_int_equal(qb_metric_keep_groups(m[which], 40, 3, NULL), QB_OK);
			for (int i = 0; i < 40; i++) {
				const float y[] = {(float)(i * (which + 1)), 0.5F};

				assert_int_equal(qb_metric_update(m[which], y, NULL, (const double[]){pair ? i : i % 2}, 1, NULL), QB_OK);
			}
		}
		assert_int_equal(qb_metric_compare((const struct qb_metric *const *)m, 2, 1, change, NULL), QB_OK);
		assert_true(qb_metric_value(m[0]) == qb_metric_value(m[1]));
		assert_true(isnan(change[1].interval.low) && isnan(change[1].interval.high));
		assert_true(change[1].best && change[0].interval.high == 0);
		qb_metric_destroy(&m[0]);
		qb_metric_destroy(&m[1]);
	}
}

static void compare__pairs_and_classes__see_what_the_metric_sees(void **state)
{
	const char *const names[] = {"accuracy", "f1", "miou", "mse", "spearman", "perplexity"};

	(void)state;
	for (size_t k = 0; k < QB_COUNT(names); k++) {
		bool pair = !strcmp(names[k], "spearman"), tokens = !strcmp(names[k], "perplexity");
		const struct qb_metric_shape shape = {.ndim = tokens ? 2 : 1, .dim = {pair || tokens ? 1 : 2, 2},
			.outputs = pair ? 1 : 2, .labels = !strcmp(names[k], "mse") ? 2 : 1, .rows = 1};
		struct qb_metric *m[2];
		struct qb_metric_change change[2];
		double delta;

		for (int which = 0; which < 2; which++) {
			assert_int_equal(qb_metric_create(&m[which], names[k], &shape, NULL), QB_OK);
			assert_int_equal(qb_metric_keep_groups(m[which], 60, 3, NULL), QB_OK);
			for (int i = 0; i < 60; i++) {
				const float y[] = {(float)(i % 9) + (float)which * (float)(i * 5 % 7), (float)(i % 5)};
				const double label[] = {pair ? i % 9 : i % 2, i % 3};

				assert_int_equal(qb_metric_update(m[which], y, NULL, label, 1, NULL), QB_OK);
			}
		}
		delta = qb_metric_value(m[1]) - qb_metric_value(m[0]);
		assert_int_equal(qb_metric_compare((const struct qb_metric *const *)m, 2, 1, change, NULL), QB_OK);
		assert_true(change[1].interval.low < delta && delta < change[1].interval.high);
		assert_true(change[0].interval.low == 0 && change[0].interval.high == 0);
		qb_metric_destroy(&m[0]);
		qb_metric_destroy(&m[1]);
	}
}

static void compare__undefined_values__have_no_interval(void **state)
{
	const struct qb_metric_shape shape = {.ndim = 1, .dim = {1}, .outputs = 1, .labels = 1, .rows = 1};
	struct qb_metric *m[2];
	struct qb_metric_change change[2];

	(void)state;
	for (int which = 0; which < 2; which++) {
		assert_int_equal(qb_metric_create(&m[which], "pearson", &shape, NULL), QB_OK);
		assert_int_equal(qb_metric_keep_groups(m[which], 10, 3, NULL), QB_OK);
		for (int i = 0; i < 10; i++) {
			const float y[] = {which ? 1 : (float)i}; /* a constant correlates with nothing */

			assert_int_equal(qb_metric_update(m[which], y, NULL, (const double[]){i}, 1, NULL), QB_OK);
		}
	}
	assert_int_equal(qb_metric_compare((const struct qb_metric *const *)m, 2, 1, change, NULL), QB_OK);
	assert_true(isnan(change[1].interval.low) && isnan(change[1].interval.high));
	assert_false(change[1].best);
	qb_metric_destroy(&m[0]);
	qb_metric_destroy(&m[1]);
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compare__paired_errors__interval_is_the_closed_form),
		cmocka_unit_test(compare__no_answer_changes__interval_is_the_exact_bound),
		cmocka_unit_test(compare__changes_cancel_within_a_group__are_no_certainty),
		cmocka_unit_test(compare__no_place_changes__bound_is_that_of_samples),
		cmocka_unit_test(compare__no_area_changes__has_no_interval),
		cmocka_unit_test(compare__pairs_and_classes__see_what_the_metric_sees),
		cmocka_unit_test(compare__undefined_values__have_no_interval),
		cmocka_unit_test(top__ties_and_nan__first_wins_and_nan_is_wrong),
		cmocka_unit_test(miou__ignored_places__are_left_out),
		cmocka_unit_test(miou__nan_place__is_wrong),
		cmocka_unit_test(pairs__known_values__equal_scipy),
		cmocka_unit_test(correlations__constant_side__are_undefined),
		cmocka_unit_test(mse_and_cosine__small_vectors__by_hand),
		cmocka_unit_test(confusion__three_classes__equals_sums_over_all_pairs),
		cmocka_unit_test(confusion__one_logit__its_sign_is_the_class),
		cmocka_unit_test(matthews__one_class_only__is_undefined),
		cmocka_unit_test(similarity__pairs__ranks_of_cosines),
		cmocka_unit_test(auc__reconstruction__score_is_the_mean_over_rows),
		cmocka_unit_test(perplexity__ignored_and_shifted__equals_the_definition),
		cmocka_unit_test(metric__what_does_not_fit__clear_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
