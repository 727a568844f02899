/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/outliers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/mean.h"
#include "core/analysis/spread.h"
#include "core/base/size.h"

static const double KURTOSIS_EPSILON = 1e-6;

enum qb_err qb_outliers_init(struct qb_outliers *o, int64_t tokens, int64_t channels, struct qb_errbuf *eb)
{
	size_t t = (size_t)tokens, c = (size_t)channels;

	*o = (struct qb_outliers){.tokens = tokens, .channels = channels, .channel_beyond = calloc(c, sizeof(*o->channel_beyond)),
		.channel_max = calloc(c, sizeof(*o->channel_max)), .token_beyond = calloc(t, sizeof(*o->token_beyond)),
		.token_norm = calloc(t, sizeof(*o->token_norm)), .token_seen = calloc(t, sizeof(*o->token_seen))};
	if (!o->channel_beyond || !o->channel_max || !o->token_beyond || !o->token_norm || !o->token_seen) {
		qb_outliers_fini(o);
		return qb_fail(eb, QB_ENOMEM, "no memory for the outliers of %lld channels and %lld tokens", (long long)channels,
			(long long)tokens);
	}
	return QB_OK;
}

void qb_outliers_fini(struct qb_outliers *o)
{
	free(o->channel_beyond);
	free(o->channel_max);
	free(o->token_beyond);
	free(o->token_norm);
	free(o->token_seen);
	*o = (struct qb_outliers){0};
}

void qb_outliers_clear(struct qb_outliers *o)
{
	struct qb_outliers empty = {.tokens = o->tokens, .channels = o->channels, .channel_beyond = o->channel_beyond,
		.channel_max = o->channel_max, .token_beyond = o->token_beyond, .token_norm = o->token_norm,
		.token_seen = o->token_seen};
	size_t t = (size_t)o->tokens, c = (size_t)o->channels;

	memset(o->channel_beyond, 0, c * sizeof(*o->channel_beyond));
	memset(o->channel_max, 0, c * sizeof(*o->channel_max));
	memset(o->token_beyond, 0, t * sizeof(*o->token_beyond));
	memset(o->token_norm, 0, t * sizeof(*o->token_norm));
	memset(o->token_seen, 0, t * sizeof(*o->token_seen));
	*o = empty;
}

/* Returns the token's largest |x|, infinite where one is no number. */
static float look_at_token(struct qb_outliers *o, const float *x, int64_t token, bool first)
{
	double squares = 0;
	float most = 0;

	for (int64_t c = 0; c < o->channels; c++) {
		float a = isnan(x[c]) ? INFINITY : fabsf(x[c]);

		o->channel_max[c] = a > o->channel_max[c] ? a : o->channel_max[c];
		most = a > most ? a : most;
		squares += (double)x[c] * (double)x[c];
	}
	o->token_norm[token] += sqrt(squares);
	o->token_seen[token]++;
	if (first) {
		o->first_norm += sqrt(squares);
		o->firsts++;
	}
	return most;
}

static void count_beyond(struct qb_outliers *o, const float *x, int64_t token, double mean, double bound)
{
	for (int64_t c = 0; c < o->channels; c++) {
		if (fabs((double)x[c] - mean) > bound) {
			o->channel_beyond[c]++;
			o->token_beyond[token]++;
			o->beyond++;
		}
	}
}

/* Of a sequence whose elements are finite. */
static void add_moments(struct qb_outliers *o, const float *x, const bool *kept, float most)
{
	struct qb_spread s = {0};
	double variance;

	for (int64_t t = 0, run; t < o->tokens; t += run) {
		run = 1;
		if (kept && !kept[t]) {
			continue;
		}
		while (t + run < o->tokens && (!kept || kept[t + run])) {
			run++;
		}
		qb_spread_add(&s, x + t * o->channels, (size_t)(run * o->channels));
	}
	if (s.n < 2) {
		return;
	}
	variance = s.m2 / (s.n - 1);
	o->sequences++;
	o->inf_norm_sum += (double)most;
	o->kurtosis_sum += s.m4 / s.n / (variance * variance + KURTOSIS_EPSILON);
	for (int64_t t = 0; t < o->tokens; t++) {
		if (!kept || kept[t]) {
			count_beyond(o, x + t * o->channels, t, s.mean, QB_OUTLIER_DEVIATIONS * sqrt(variance));
		}
	}
}

void qb_outliers_add(struct qb_outliers *o, const float *x, const bool *kept)
{
	bool first = true;
	float most = 0;

	for (int64_t t = 0; t < o->tokens; t++) {
		if (!kept || kept[t]) {
			float a = look_at_token(o, x + t * o->channels, t, first);

			most = a > most ? a : most;
			o->elements += o->channels;
			first = false;
		}
	}
	o->max_abs = most > o->max_abs ? most : o->max_abs;
	if (isfinite(most)) {
		add_moments(o, x, kept, most);
		return;
	}
	o->sequences++;
	o->inf_norm_sum += NAN;
	o->kurtosis_sum += NAN;
}

void qb_outliers_merge(struct qb_outliers *o, const struct qb_outliers *from)
{
	o->sequences += from->sequences;
	o->inf_norm_sum += from->inf_norm_sum;
	o->kurtosis_sum += from->kurtosis_sum;
	o->elements += from->elements;
	o->beyond += from->beyond;
	o->max_abs = QB_MAX(o->max_abs, from->max_abs);
	o->firsts += from->firsts;
	o->first_norm += from->first_norm;
	for (int64_t c = 0; c < o->channels; c++) {
		o->channel_beyond[c] += from->channel_beyond[c];
		o->channel_max[c] = QB_MAX(o->channel_max[c], from->channel_max[c]);
	}
	for (int64_t t = 0; t < o->tokens; t++) {
		o->token_beyond[t] += from->token_beyond[t];
		o->token_norm[t] += from->token_norm[t];
		o->token_seen[t] += from->token_seen[t];
	}
}

double qb_outliers_inf_norm(const struct qb_outliers *o)
{
	return qb_mean_of(o->inf_norm_sum, o->sequences);
}

double qb_outliers_kurtosis(const struct qb_outliers *o)
{
	return qb_mean_of(o->kurtosis_sum, o->sequences);
}

double qb_outliers_norm(const struct qb_outliers *o)
{
	double sum = 0;
	int64_t count = 0;

	for (int64_t t = 0; t < o->tokens; t++) {
		sum += o->token_norm[t];
		count += o->token_seen[t];
	}
	return qb_mean_of(sum, count);
}

double qb_outliers_first_norm(const struct qb_outliers *o)
{
	return qb_mean_of(o->first_norm, o->firsts);
}

double qb_outliers_peak_norm(const struct qb_outliers *o, int64_t *position)
{
	double peak = NAN;

	*position = -1;
	for (int64_t t = 0; t < o->tokens; t++) {
		double norm = qb_mean_of(o->token_norm[t], o->token_seen[t]);

		if (o->token_seen[t] && !(norm <= peak)) {
			peak = norm;
			*position = t;
		}
	}
	return peak;
}
