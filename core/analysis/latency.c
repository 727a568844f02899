/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/latency.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/order.h"
#include "core/base/size.h"

static const double TURN_SECONDS = 0.1;
static const double CONFIDENCE = 0.99;

struct series {
	int64_t *ns;
	int64_t count, cap;
	int64_t total_ns;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t qb_latency_overlatency(int64_t n, double percentile, double confidence)
{
	double p = 1 - percentile, log_term = (double)n * log1p(-p), sum = 0;
	int64_t t;

	/* Terms of the binomial distribution one after the other, in logarithms against underflow. */
	for (t = 0; t < n; t++) {
		sum += exp(log_term);
		if (sum > 1 - confidence) {
			return t - 1;
		}
		log_term += log((double)(n - t) / (double)(t + 1)) + log(p) - log1p(-p);
	}
	return t - 1;
}

static enum qb_err series_add(struct series *s, int64_t ns, struct qb_errbuf *eb)
{
	if (s->count == s->cap) {
		int64_t cap = s->cap ? 2 * s->cap : 4096;
		int64_t *p = realloc(s->ns, (size_t)cap * sizeof(*p));

		if (!p) {
			return qb_fail(eb, QB_ENOMEM, "no memory for %lld latencies", (long long)cap);
		}
		s->ns = p;
		s->cap = cap;
	}
	s->ns[s->count++] = ns;
	s->total_ns += ns;
	return QB_OK;
}

static int64_t nearest_rank(const int64_t *ns, int64_t count, double p)
{
	int64_t rank = (int64_t)ceil(p * (double)count);

	return ns[QB_MAX(rank, 1) - 1];
}

static int64_t early_stopping(const int64_t *ns, int64_t count, double p)
{
	int64_t t = qb_latency_overlatency(count, p, CONFIDENCE);

	return t < 0 ? -1 : ns[count - 1 - t];
}

void qb_latency_summarise(int64_t *ns, int64_t count, const struct qb_latency_options *opt, struct qb_latency *out)
{
	double mean, var = 0, total = 0;

	qsort(ns, (size_t)count, sizeof(*ns), qb_int64_order);
	for (int64_t i = 0; i < count; i++) {
		total += (double)ns[i];
	}
	mean = total / (double)count;
	for (int64_t i = 0; i < count; i++) {
		var += ((double)ns[i] - mean) * ((double)ns[i] - mean);
	}
	*out = (struct qb_latency){
		.count = count,
		.seconds = total * 1e-9,
		.p50_ns = nearest_rank(ns, count, 0.5),
		.p90_ns = nearest_rank(ns, count, 0.9),
		.p99_ns = nearest_rank(ns, count, 0.99),
		.es50_ns = early_stopping(ns, count, 0.5),
		.es90_ns = early_stopping(ns, count, 0.9),
		.es99_ns = early_stopping(ns, count, 0.99),
		.mean_ns = mean,
		.stddev_ns = count > 1 ? sqrt(var / (double)(count - 1)) : 0,
		.min_ns = ns[0],
		.max_ns = ns[count - 1],
		.short_run = total * 1e-9 < 10 || count < 662 || opt->warmup_seconds < 0.5,
	};
}

static enum qb_err warm_up(const struct qb_latency_subject *s, double seconds,
	struct qb_errbuf *eb)
{
	int64_t end = now_ns() + (int64_t)(seconds * 1e9);

	do {
		QB_TRY(s->query(s->arg, eb));
	} while (now_ns() < end);
	return QB_OK;
}

static bool enough(const struct series *s, const struct qb_latency_options *opt)
{
	return s->count >= QB_MAX(opt->min_queries, 1) &&
		(double)s->total_ns * 1e-9 >= opt->min_seconds;
}

static enum qb_err take_turn(const struct qb_latency_subject *s,
	const struct qb_latency_options *opt, struct series *out, struct qb_errbuf *eb)
{
	int64_t turn_end, start, end;

	/* The other subjects have just used the caches. */
	QB_TRY(s->query(s->arg, eb));
	end = now_ns();
	turn_end = end + (int64_t)(TURN_SECONDS * 1e9);
	do {
		start = end;
		QB_TRY(s->query(s->arg, eb));
		end = now_ns();
		QB_TRY(series_add(out, end - start, eb));
	} while (end < turn_end && !enough(out, opt));
	return QB_OK;
}

static double fraction_done(const struct series *s, int count,
	const struct qb_latency_options *opt)
{
	double sum = 0;

	for (int i = 0; i < count; i++) {
		double by_time = opt->min_seconds > 0
			? (double)s[i].total_ns * 1e-9 / opt->min_seconds : 1;
		double by_count = opt->min_queries > 0
			? (double)s[i].count / (double)opt->min_queries : 1;

		sum += QB_MIN(1, QB_MIN(by_time, by_count));
	}
	return sum / count;
}

enum qb_err qb_latency_measure(const struct qb_latency_subject *subjects, int count,
	const struct qb_latency_options *opt, struct qb_latency *out,
	enum qb_err (*progress)(void *arg, double fraction, struct qb_errbuf *eb), void *arg,
	struct qb_errbuf *eb)
{
	struct series *s = calloc((size_t)count, sizeof(*s));
	enum qb_err err = QB_OK;
	bool going = true;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d latency series", count);
	}
	for (int i = 0; i < count; i++) {
		QB_TRY_OUT(warm_up(&subjects[i], opt->warmup_seconds, eb));
	}
	while (going) {
		going = false;
		for (int i = 0; i < count; i++) {
			if (!enough(&s[i], opt)) {
				QB_TRY_OUT(take_turn(&subjects[i], opt, &s[i], eb));
				going = true;
			}
		}
		if (progress && going) {
			QB_TRY_OUT(progress(arg, fraction_done(s, count, opt), eb));
		}
	}
	for (int i = 0; i < count; i++) {
		qb_latency_summarise(s[i].ns, s[i].count, opt, &out[i]);
	}
out:
	for (int i = 0; i < count; i++) {
		free(s[i].ns);
	}
	free(s);
	return err;
}
