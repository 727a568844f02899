/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/analysis/latency.h"

/* MLPerf's rules: 64 queries allow one above the 90th percentile, 662 one above the 99th. */
static void overlatency__mlperf_query_counts__allow_one(void **state)
{
	(void)state;
	assert_int_equal(qb_latency_overlatency(662, 0.99, 0.99), 1);
	assert_int_equal(qb_latency_overlatency(661, 0.99, 0.99), 0);
	assert_int_equal(qb_latency_overlatency(64, 0.90, 0.99), 1);
	assert_int_equal(qb_latency_overlatency(63, 0.90, 0.99), 0);
}

static void overlatency__too_few_queries__says_so(void **state)
{
	(void)state;
	/* 0.99^458 > 0.01 >= 0.99^459 */
	assert_int_equal(qb_latency_overlatency(458, 0.99, 0.99), -1);
	assert_int_equal(qb_latency_overlatency(459, 0.99, 0.99), 0);
}

/* The distribution summed term by term by another route: Pascal's triangle of probabilities. */
static double binomial_cdf(int n, double p, int64_t t)
{
	static double row[2001];
	double sum = 0;

	memset(row, 0, sizeof(row));
	row[0] = 1;
	for (int i = 0; i < n; i++) {
		for (int k = i + 1; k > 0; k--) {
			row[k] = row[k] * (1 - p) + row[k - 1] * p;
		}
		row[0] *= 1 - p;
	}
	for (int64_t k = 0; k <= t; k++) {
		sum += row[k];
	}
	return sum;
}

static void overlatency__any_count__is_the_largest_that_holds(void **state)
{
	static const double percentiles[] = {0.5, 0.9, 0.99};

	(void)state;
	for (int n = 1; n <= 2000; n += 37) {
		for (int i = 0; i < 3; i++) {
			int64_t t = qb_latency_overlatency(n, percentiles[i], 0.99);

			if (t >= 0) {
				assert_true(binomial_cdf(n, 1 - percentiles[i], t) <= 0.01 + 1e-12);
			}
			assert_true(binomial_cdf(n, 1 - percentiles[i], t + 1) > 0.01 - 1e-12);
		}
	}
}

/* 1 to 1,000 us in some order: ranks are the numbers themselves. */
static void summarise__known_latencies__nearest_ranks_and_moments(void **state)
{
	enum { N = 1000 };
	const struct qb_latency_options opt = {.warmup_seconds = 1};
	int64_t ns[N], allowed = qb_latency_overlatency(N, 0.9, 0.99);
	struct qb_latency l;

	(void)state;
	for (int64_t i = 0; i < N; i++) {
		ns[i] = 1000 * (1 + i * 617 % N);
	}
	qb_latency_summarise(ns, N, &opt, &l);
	assert_int_equal(l.count, N);
	assert_int_equal(l.p50_ns, 500000);
	assert_int_equal(l.p90_ns, 900000);
	assert_int_equal(l.p99_ns, 990000);
	assert_int_equal(l.es90_ns, 1000 * (N - allowed));
	assert_int_equal(l.min_ns, 1000);
	assert_int_equal(l.max_ns, 1000000);
	assert_true(fabs(l.mean_ns - 500500) < 1e-6);
	assert_true(fabs(l.stddev_ns / (1000 * sqrt((N * N - 1.0) / 12 * N / (N - 1.0))) - 1) < 1e-12);
	assert_true(fabs(l.seconds - 0.5005) < 1e-12);
	assert_true(l.short_run);
}

struct sleeper {
	long ns;
	int calls;
};

static enum qb_err nap(void *arg, struct qb_errbuf *eb)
{
	struct sleeper *s = arg;
	struct timespec t = {0, s->ns};

	(void)eb;
	s->calls++;
	nanosleep(&t, NULL);
	return QB_OK;
}

static void measure__two_subjects__orders_statistics_and_counts(void **state)
{
	struct sleeper a = {100000, 0}, b = {300000, 0};
	const struct qb_latency_subject subjects[] = {{nap, &a}, {nap, &b}};
	const struct qb_latency_options opt = {0.02, 50, 0.001};
	struct qb_latency out[2];
	struct qb_errbuf eb;

	(void)state;
	assert_int_equal(qb_latency_measure(subjects, 2, &opt, out, NULL, NULL, &eb), QB_OK);
	for (int i = 0; i < 2; i++) {
		long ns = i ? b.ns : a.ns;

		assert_true(out[i].count >= 50);
		assert_true(out[i].seconds >= 0.02);
		assert_true(out[i].short_run);
		assert_true(out[i].min_ns >= ns);
		assert_true(out[i].min_ns <= out[i].p50_ns && out[i].p50_ns <= out[i].p90_ns);
		assert_true(out[i].p90_ns <= out[i].p99_ns && out[i].p99_ns <= out[i].max_ns);
		assert_true(out[i].es50_ns >= out[i].p50_ns);
		assert_int_equal(out[i].es99_ns, -1);
	}
	assert_true(a.calls > out[0].count);
}

static enum qb_err broken(void *arg, struct qb_errbuf *eb)
{
	(void)arg;
	return qb_fail(eb, QB_EINTERNAL, "broken");
}

static void measure__failing_query__passes_the_error_on(void **state)
{
	const struct qb_latency_subject subject = {broken, NULL};
	const struct qb_latency_options opt = {0, 1, 0};
	struct qb_latency out;
	struct qb_errbuf eb;

	(void)state;
	assert_int_equal(qb_latency_measure(&subject, 1, &opt, &out, NULL, NULL, &eb),
		QB_EINTERNAL);
	assert_string_equal(eb.text, "broken");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlatency__mlperf_query_counts__allow_one),
		cmocka_unit_test(overlatency__too_few_queries__says_so),
		cmocka_unit_test(summarise__known_latencies__nearest_ranks_and_moments),
		cmocka_unit_test(overlatency__any_count__is_the_largest_that_holds),
		cmocka_unit_test(measure__two_subjects__orders_statistics_and_counts),
		cmocka_unit_test(measure__failing_query__passes_the_error_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
