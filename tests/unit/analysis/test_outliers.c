/* SPDX-License-Identifier: Apache-2.0
 *
 * Outliers and attention heads against plain loops in long double.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/analysis/attention_heads.h"
#include "core/analysis/outliers.h"
#include "core/base/random.h"
#include "core/base/size.h"
#include "tests/unit/levels.h"

enum { T = 37, C = 53, SEQUENCES = 5, SEED = 7 };

static float data[SEQUENCES][T][C];
static bool kept[SEQUENCES][T];

/* Heavy tails, a large channel and a large first token; a third of the tokens is padding. */
static void fill(void)
{
	for (int s = 0; s < SEQUENCES; s++) {
		for (int t = 0; t < T; t++) {
			kept[s][t] = qb_random_uniform(SEED, 1, (uint64_t)(s * T + t)) > 0.33;
			for (int c = 0; c < C; c++) {
				double z = qb_random_normal(SEED, 0, (uint64_t)((s * T + t) * C + c));

				data[s][t][c] = (float)(0.3 + z * fabs(z) * (c == 11 ? 9 : 1) * (t == 0 ? 4 : 1));
			}
		}
	}
}

struct expected {
	long double inf, kurtosis;
	int64_t beyond, by_channel[C], by_token[T];
};

static void plain(struct expected *e, const float x[T][C], const bool *keep)
{
	long double sum = 0, m2 = 0, m4 = 0, mean, sd, n = 0;

	memset(e, 0, sizeof(*e));
	for (int t = 0; t < T; t++) {
		for (int c = 0; c < C && (!keep || keep[t]); c++) {
			sum += (long double)x[t][c];
			n++;
			e->inf = fmaxl(e->inf, fabsl((long double)x[t][c]));
		}
	}
	mean = sum / n;
	for (int t = 0; t < T; t++) {
		for (int c = 0; c < C && (!keep || keep[t]); c++) {
			long double d = (long double)x[t][c] - mean;

			m2 += d * d;
			m4 += d * d * d * d;
		}
	}
	sd = sqrtl(m2 / (n - 1));
	e->kurtosis = m4 / n / (sd * sd * sd * sd + 1e-6L);
	for (int t = 0; t < T; t++) {
		for (int c = 0; c < C && (!keep || keep[t]); c++) {
			bool far = fabsl((long double)x[t][c] - mean) > 6 * sd;

			e->beyond += far;
			e->by_channel[c] += far;
			e->by_token[t] += far;
		}
	}
}

static void close_to(double got, long double want)
{
	if (!(fabsl((long double)got - want) <= 1e-11L * fmaxl(1, fabsl(want)))) {
		fail_msg("%.17g is not %.17Lg", got, want);
	}
}

static void outliers__of_sequences__equal_plain_loops(void **state)
{
	(void)state;
	fill();
	for (int padded = 0; padded < 2; padded++) {
		struct qb_outliers o;
		long double inf = 0, kurtosis = 0;
		int64_t beyond = 0, by_channel[C] = {0}, by_token[T] = {0};

		assert_int_equal(qb_outliers_init(&o, T, C, NULL), QB_OK);
		for (int s = 0; s < SEQUENCES; s++) {
			struct expected e;

			plain(&e, data[s], padded ? kept[s] : NULL);
			qb_outliers_add(&o, &data[s][0][0], padded ? kept[s] : NULL);
			inf += e.inf / SEQUENCES;
			kurtosis += e.kurtosis / SEQUENCES;
			beyond += e.beyond;
			for (int c = 0; c < C; c++) {
				by_channel[c] += e.by_channel[c];
			}
			for (int t = 0; t < T; t++) {
				by_token[t] += e.by_token[t];
			}
		}
		assert_true(beyond > 10);
		close_to(qb_outliers_inf_norm(&o), inf);
		close_to(qb_outliers_kurtosis(&o), kurtosis);
		assert_int_equal(o.beyond, beyond);
		assert_memory_equal(o.channel_beyond, by_channel, sizeof(by_channel));
		assert_memory_equal(o.token_beyond, by_token, sizeof(by_token));
		qb_outliers_fini(&o);
	}
}

static void outliers__norms__are_of_tokens_by_position(void **state)
{
	struct qb_outliers o;
	long double sum[T] = {0}, all = 0, first = 0, peak = 0;
	int64_t seen[T] = {0}, tokens = 0, position = -1, at;

	(void)state;
	fill();
	assert_int_equal(qb_outliers_init(&o, T, C, NULL), QB_OK);
	for (int s = 0; s < SEQUENCES; s++) {
		bool begun = false;

		qb_outliers_add(&o, &data[s][0][0], kept[s]);
		for (int t = 0; t < T; t++) {
			long double squares = 0;

			for (int c = 0; c < C; c++) {
				squares += (long double)data[s][t][c] * (long double)data[s][t][c];
			}
			if (kept[s][t]) {
				sum[t] += sqrtl(squares);
				seen[t]++;
				first += begun ? 0 : sqrtl(squares) / SEQUENCES;
				begun = true;
			}
		}
	}
	for (int t = 0; t < T; t++) {
		all += sum[t];
		tokens += seen[t];
		if (seen[t] && sum[t] / (long double)seen[t] > peak) {
			peak = sum[t] / (long double)seen[t];
			position = t;
		}
	}
	close_to(qb_outliers_norm(&o), all / (long double)tokens);
	close_to(qb_outliers_first_norm(&o), first);
	close_to(qb_outliers_peak_norm(&o, &at), peak);
	assert_int_equal(at, position);
	qb_outliers_fini(&o);
}

/* As a pass over batches adds them, whatever was in the parts before. */
static void outliers__merged_and_cleared_parts__equal_the_whole(void **state)
{
	struct qb_outliers whole, parts, part;

	(void)state;
	fill();
	assert_int_equal(qb_outliers_init(&whole, T, C, NULL), QB_OK);
	assert_int_equal(qb_outliers_init(&parts, T, C, NULL), QB_OK);
	assert_int_equal(qb_outliers_init(&part, T, C, NULL), QB_OK);
	for (int s = 0; s < SEQUENCES; s++) {
		qb_outliers_add(&whole, &data[s][0][0], kept[s]);
		qb_outliers_add(&part, &data[s][0][0], kept[s]);
		qb_outliers_merge(&parts, &part);
		qb_outliers_clear(&part);
	}
	assert_true(parts.inf_norm_sum == whole.inf_norm_sum && parts.kurtosis_sum == whole.kurtosis_sum);
	assert_true(parts.max_abs == whole.max_abs && parts.beyond == whole.beyond && parts.elements == whole.elements);
	assert_memory_equal(parts.channel_max, whole.channel_max, C * sizeof(float));
	assert_memory_equal(parts.token_norm, whole.token_norm, T * sizeof(double));
	assert_memory_equal(parts.token_beyond, whole.token_beyond, T * sizeof(int64_t));
	qb_outliers_fini(&whole);
	qb_outliers_fini(&parts);
	qb_outliers_fini(&part);
}

static void outliers__nothing_constant_or_not_finite__say_so(void **state)
{
	const bool none[T] = {false};
	static float x[T][C];
	struct qb_outliers o;
	int64_t at;

	(void)state;
	assert_int_equal(qb_outliers_init(&o, T, C, NULL), QB_OK);
	assert_true(isnan(qb_outliers_inf_norm(&o)) && isnan(qb_outliers_norm(&o)) && isnan(qb_outliers_peak_norm(&o, &at)) && at == -1);
	qb_outliers_add(&o, &data[0][0][0], none);
	assert_true(o.sequences == 0 && o.elements == 0 && isnan(qb_outliers_kurtosis(&o)));
	for (int t = 0; t < T; t++) {
		for (int c = 0; c < C; c++) {
			x[t][c] = 2;
		}
	}
	qb_outliers_add(&o, &x[0][0], NULL);
	assert_true(qb_outliers_inf_norm(&o) == 2 && qb_outliers_kurtosis(&o) == 0 && o.beyond == 0);
	x[3][5] = NAN;
	qb_outliers_add(&o, &x[0][0], NULL);
	assert_true(isnan(qb_outliers_inf_norm(&o)) && isnan(qb_outliers_kurtosis(&o)) && isinf(o.max_abs) && isinf(o.channel_max[5]));
	qb_outliers_fini(&o);
}

static float probabilities[T][T], values[T][C];

/* Rows of a softmax with some exact zeros, of a causal head; most attention goes to token `sink`. */
static void fill_attention(bool causal, int sink)
{
	for (int q = 0; q < T; q++) {
		double sum = 0;

		for (int k = 0; k < T; k++) {
			double u = qb_random_uniform(SEED, 2, (uint64_t)(q * T + k));
			double p = (causal && k > q) || u < 0.2 ? 0 : k == sink ? 9 : u;

			probabilities[q][k] = (float)p;
			sum += p;
		}
		for (int k = 0; k < T; k++) {
			probabilities[q][k] = (float)((double)probabilities[q][k] / fmax(sum, 1e-30));
		}
	}
}

static void attention_head__of_a_matrix__equals_plain_loops(void **state)
{
	(void)state;
	fill();
	for (int i = 0; i < 8; i++) {
		bool causal = i & 1;
		const bool *keep = i & 2 ? kept[1] : NULL;
		struct qb_attention_matrix m = {&probabilities[0][0], T, T, 1, causal, keep};
		struct qb_attention_head h = {0};
		long double sum[T] = {0}, most = 0, queries = 0, first = -1;
		int64_t seen = 0, zeros = 0;
		double scratch[T];

		fill_attention(causal, i & 4 ? 3 : 0);
		qb_attention_head_add(&h, &m, scratch);
		for (int q = 0; q < T; q++) {
			for (int k = 0; k < T && (!keep || keep[q]); k++) {
				if ((!causal || k <= q) && (!keep || keep[k])) {
					sum[k] += (long double)probabilities[q][k];
					seen++;
					zeros += probabilities[q][k] == 0;
				}
			}
			queries += !keep || keep[q];
		}
		for (int k = 0; k < T; k++) {
			most = fmaxl(most, sum[k] / queries);
			first = first < 0 && (!keep || keep[k]) ? sum[k] / queries : first;
		}
		assert_true(zeros > 0);
		close_to(qb_attention_head_first(&h), first);
		close_to(qb_attention_head_most(&h), most);
		close_to(qb_attention_head_zeros(&h), (long double)zeros / (long double)seen);
		assert_true(qb_attention_head_is_sink(&h) == (most > 0.3L));
	}
}

static void attention_head__values_and_strides__are_read_as_they_lie(void **state)
{
	static float across[C][T];
	struct qb_attention_head h = {0}, turned = {0}, sum = {0};
	long double first = 0, others = 0, n = 0;
	bool begun = false;

	(void)state;
	fill();
	for (int t = 0; t < T; t++) {
		long double squares = 0;

		for (int c = 0; c < C; c++) {
			values[t][c] = across[c][t] = data[0][t][c];
			squares += (long double)values[t][c] * (long double)values[t][c];
		}
		if (kept[0][t]) {
			*(begun ? &others : &first) += sqrtl(squares);
			n += begun;
			begun = true;
		}
	}
	qb_attention_head_add_values(&h, &values[0][0], T, C, C, 1, kept[0]);
	qb_attention_head_add_values(&turned, &across[0][0], T, C, 1, T, kept[0]);
	close_to(qb_attention_head_first_norm(&h), first);
	close_to(qb_attention_head_other_norm(&h), others / n);
	assert_memory_equal(&h, &turned, sizeof(h));
	qb_attention_head_merge(&sum, &h);
	assert_memory_equal(&h, &sum, sizeof(h));
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outliers__of_sequences__equal_plain_loops),
		cmocka_unit_test(outliers__norms__are_of_tokens_by_position),
		cmocka_unit_test(outliers__merged_and_cleared_parts__equal_the_whole),
		cmocka_unit_test(outliers__nothing_constant_or_not_finite__say_so),
		cmocka_unit_test(attention_head__of_a_matrix__equals_plain_loops),
		cmocka_unit_test(attention_head__values_and_strides__are_read_as_they_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
