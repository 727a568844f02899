/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/tensor_survey.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"
#include "core/exec/threads.h"
#include "core/experiment/jobs/tensor_channels.h"
#include "core/quant/observer.h"

enum { BATCH = 32, COMBOS_MAX = 3 * 64, CHANNELS_MAX = 1 << 20 };

struct combo {
	int format;
	enum qb_granularity granularity;
	struct qb_quantizer q;
	struct qb_qdq_sums sums;
};

struct survey {
	const struct qb_tensor_source *source;
	int tensor;
	const struct qb_tensor_source_tensor *t;
	const struct qb_survey_options *opt;
	struct qb_chunks g;
	bool channelled;
	int64_t done; /* of two passes */
	struct qb_tensor_source_reader **reader; /* [threads] */
	float *batch, *scratch;           /* [BATCH][QB_CHUNK], [threads][QB_CHUNK] */
	/* first pass */
	struct qb_observer **observer;  /* [threads] */
	struct qb_spread slot_spread[BATCH];
	float *low, *high; /* [threads][channels] */
	/* second pass */
	int combos;
	struct combo *combo;
	struct qb_qdq_sums *slot_sums; /* [BATCH][combos] */
	struct qb_survey *out;
};

/* A pass over the tensor: batches of chunks, each chunk by one thread, then what must be done in order. */

typedef void chunk_fn(struct survey *s, int thread, int slot, int64_t first, int64_t n, float *x);
typedef void batch_fn(struct survey *s, int slots);

static enum qb_err batch_run(struct survey *s, int64_t base, int slots, chunk_fn *each,
	struct qb_errbuf *eb)
{
	bool seekable = qb_tensor_source_seekable(s->source);
	enum qb_err failed = QB_OK;

#pragma omp parallel num_threads(s->opt->threads)
	{
#ifdef _OPENMP
		int thread = qb_thread_index();
#else
		int thread = 0;
#endif
		if (!seekable) {
#pragma omp single
			for (int i = 0; i < slots && failed == QB_OK; i++) {
				int64_t first, n;

				qb__chunk_at(&s->g, base + i, &first, &n);
				failed = qb_tensor_source_read(s->reader[0], first, n, s->batch + (size_t)i * QB_CHUNK, eb);
			}
		}
#pragma omp for schedule(dynamic)
		for (int i = 0; i < slots; i++) {
			float *x = s->batch + (size_t)i * QB_CHUNK;
			struct qb_errbuf own = {0};
			enum qb_err err = QB_OK;
			int64_t first, n;

			qb__chunk_at(&s->g, base + i, &first, &n);
			if (seekable) {
				err = qb_tensor_source_read(s->reader[thread], first, n, x, &own);
			}
			if (err != QB_OK) {
#pragma omp critical(qb_survey_error)
				failed = qb_fail(eb, err, "%s", own.text);
			} else {
				each(s, thread, i, first, n, x);
			}
		}
	}
	return failed;
}

static enum qb_err pass(struct survey *s, chunk_fn *each, batch_fn *after, struct qb_errbuf *eb)
{
	for (int64_t base = 0; base < s->g.chunks; base += BATCH) {
		int slots = (int)QB_MIN((int64_t)BATCH, s->g.chunks - base);
		int64_t first, n, from;

		QB_TRY(batch_run(s, base, slots, each, eb));
		after(s, slots);
		qb__chunk_at(&s->g, base, &from, &n);
		qb__chunk_at(&s->g, base + slots - 1, &first, &n);
		s->done += first + n - from;
		if (s->opt->progress) {
			QB_TRY(s->opt->progress(s->opt->arg, s->done, eb));
		}
	}
	return QB_OK;
}

/* First pass: what there is. */

static size_t keep_finite(const float *x, int64_t n, float *out)
{
	size_t k = 0;

	for (int64_t i = 0; i < n; i++) {
		if (isfinite(x[i])) {
			out[k++] = x[i];
		}
	}
	return k;
}

/* What is not finite counts as 0 from here on: it has no error and no signal. */
static void zero_nonfinite(float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		x[i] = isfinite(x[i]) ? x[i] : 0;
	}
}

static void look(struct survey *s, int thread, int slot, int64_t first, int64_t n, float *x)
{
	struct qb_observer *o = s->observer[thread];
	uint64_t before = qb_observer_nonfinite(o);
	float *finite = s->scratch + (size_t)thread * QB_CHUNK;

	qb_observer_update(o, x, (size_t)n);
	s->slot_spread[slot] = (struct qb_spread){0};
	if (qb_observer_nonfinite(o) != before) {
		qb_spread_add(&s->slot_spread[slot], finite, keep_finite(x, n, finite));
		zero_nonfinite(x, n);
	} else {
		qb_spread_add(&s->slot_spread[slot], x, (size_t)n);
	}
	if (s->channelled) {
		size_t at = (size_t)thread * (size_t)s->g.channels;

		qb__channel_extents(&s->g, s->low + at, s->high + at, first, n, x);
	}
}

static void looked(struct survey *s, int slots)
{
	for (int i = 0; i < slots; i++) {
		qb_spread_merge(&s->out->spread, &s->slot_spread[i]);
	}
}

static enum qb_err first_pass(struct survey *s, struct qb_errbuf *eb)
{
	size_t channels = s->channelled ? (size_t)s->g.channels : 0;
	size_t all = channels * (size_t)s->opt->threads;

	for (size_t i = 0; i < all; i++) {
		s->low[i] = INFINITY;
		s->high[i] = -INFINITY;
	}
	QB_TRY(pass(s, look, looked, eb));
	for (int i = 1; i < s->opt->threads; i++) {
		qb_observer_merge(s->observer[0], s->observer[i]);
		for (size_t c = 0; c < channels; c++) {
			s->low[c] = fminf(s->low[c], s->low[(size_t)i * channels + c]);
			s->high[c] = fmaxf(s->high[c], s->high[(size_t)i * channels + c]);
		}
	}
	s->out->observer = s->observer[0];
	s->observer[0] = NULL;
	s->out->zeros = s->out->observer->zeros;
	return QB_OK;
}

/* Outlier channels. */

static int descending(const void *a, const void *b)
{
	const struct qb_outlier *x = a, *y = b;

	return x->infinity_norm != y->infinity_norm ? (x->infinity_norm < y->infinity_norm ? 1 : -1)
		: x->channel < y->channel	    ? -1
						    : x->channel > y->channel;
}

static enum qb_err find_outliers(struct survey *s, struct qb_errbuf *eb)
{
	int64_t n = s->g.channels;
	struct qb_outlier *all = malloc((size_t)n * sizeof(*all));
	double median;

	if (!all) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %lld channels", (long long)n);
	}
	for (int64_t c = 0; c < n; c++) {
		all[c] = (struct qb_outlier){.channel = c,
			.infinity_norm = fmaxf(fabsf(s->low[c]), fabsf(s->high[c]))};
	}
	qsort(all, (size_t)n, sizeof(*all), descending);
	median = ((double)all[n / 2].infinity_norm + all[(n - 1) / 2].infinity_norm) / 2;
	for (int64_t i = 0; i < n; i++) {
		double norm = all[i].infinity_norm;

		if (!(norm > s->opt->outlier_ratio * median)) {
			break;
		}
		if (s->out->outliers < QB_OUTLIERS_KEPT) {
			s->out->outlier[s->out->outliers] = all[i];
			s->out->outlier[s->out->outliers].ratio = norm / median;
		}
		s->out->outliers++;
	}
	free(all);
	return QB_OK;
}

/* Ranges. */

static enum qb_err channel_quantizers(struct survey *s, struct qb_errbuf *eb)
{
	size_t channels = (size_t)s->g.channels, n = channels * (size_t)s->opt->formats;
	float *lo = malloc(2 * n * sizeof(*lo)), *hi = lo ? lo + n : NULL;
	enum qb_err err = QB_OK;

	if (!lo) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the ranges of %zu channels", channels);
	}
	if (s->opt->range.method == QB_RANGE_MSE) {
		err = qb__channel_ranges(&(struct qb_channel_reader){&s->g, s->reader[0], s->batch, s->scratch}, s->opt, lo, hi, eb);
	}
	for (int i = 0; i < s->combos && err == QB_OK; i++) {
		struct combo *k = &s->combo[i];
		size_t at = (size_t)k->format * channels;

		if (k->granularity != QB_PER_CHANNEL) {
			continue;
		}
		for (size_t c = 0; s->opt->range.method != QB_RANGE_MSE && c < channels; c++) {
			const float ends[2] = {s->low[c], s->high[c]};

			qb_range_from_data(ends, 2, &s->opt->format[k->format], &s->opt->range, lo + at + c,
				hi + at + c);
		}
		err = qb_quantizer_init(&k->q, &s->opt->format[k->format], 0, (int64_t)channels, lo + at,
			hi + at, eb);
	}
	free(lo);
	return err;
}

/* Formats without blocks get float32 scales for groups of opt->block, unless they are used without a scale. */
static struct qb_format blocked(const struct qb_format *f, int block)
{
	struct qb_format b = *f;

	if (!b.block && b.real_scale) {
		b.block = block;
		b.block_scale = QB_SCALE_F32;
	}
	return b;
}

static enum qb_err make_quantizers(struct survey *s, struct qb_errbuf *eb)
{
	for (int i = 0; i < s->combos; i++) {
		struct combo *k = &s->combo[i];
		struct qb_format f = s->opt->format[k->format];
		float lo, hi;

		if (k->granularity == QB_PER_CHANNEL) {
			continue;
		}
		if (k->granularity == QB_PER_BLOCK) {
			f = blocked(&f, s->opt->block);
		}
		qb_range_from_observer(s->out->observer, &f, &s->opt->range, &lo, &hi);
		QB_TRY(qb_quantizer_init(&k->q, &f, -1, 1, &lo, &hi, eb));
	}
	return s->channelled ? channel_quantizers(s, eb) : QB_OK;
}

/* Second pass: what formats make of it. */

static void quantize(struct survey *s, int thread, int slot, int64_t first, int64_t n, float *x)
{
	float *y = s->scratch + (size_t)thread * QB_CHUNK;
	struct qb_qdq_sums *sums = s->slot_sums + (size_t)slot * (size_t)s->combos;
	int64_t line = s->g.lines_a_chunk ? s->g.line : n;

	if (qb_observer_nonfinite(s->out->observer)) {
		zero_nonfinite(x, n);
	}
	memset(sums, 0, (size_t)s->combos * sizeof(*sums));
	for (int i = 0; i < s->combos; i++) {
		const struct combo *k = &s->combo[i];

		if (k->granularity == QB_PER_CHANNEL) {
			qb__channel_measure(&s->g, &k->q, first, n, x, y, &sums[i]);
		} else if (k->granularity == QB_PER_BLOCK) {
			qb_qdq_measure(&k->q, x, NULL, y, n / line, 1, line, &sums[i]);
		} else {
			qb_qdq_measure(&k->q, x, NULL, y, 1, 1, n, &sums[i]);
		}
	}
}

static void quantized(struct survey *s, int slots)
{
	for (int slot = 0; slot < slots; slot++) {
		for (int i = 0; i < s->combos; i++) {
			const struct qb_qdq_sums *part = &s->slot_sums[(size_t)slot * (size_t)s->combos + (size_t)i];

			s->combo[i].sums.signal += part->signal;
			s->combo[i].sums.noise += part->noise;
		}
	}
}

static void plan_combos(struct survey *s)
{
	for (int g = 0; g < QB_GRANULARITIES; g++) {
		for (int f = 0; s->opt->granularity[g] && f < s->opt->formats; f++) {
			bool own = s->opt->format[f].block > 0;

			if ((g != QB_PER_BLOCK && own) || (g == QB_PER_CHANNEL && !s->channelled)) {
				continue;
			}
			s->combo[s->combos++] = (struct combo){.format = f, .granularity = (enum qb_granularity)g};
		}
	}
}

/* With the scales that there are: the last block of a line may be short. */
static double bits_of(const struct survey *s, const struct combo *k)
{
	const struct qb_format *f = &k->q.format;
	double elements = (double)s->g.elements, scales = f->real_scale ? 32.0 * (double)k->q.channels : 0;

	if (f->block) {
		double one = (qb_format_bits_per_value(f) - f->bits) * f->block;

		scales = one * (elements / (double)s->g.line) * (double)((s->g.line + f->block - 1) / f->block);
	}
	return f->bits + scales / elements;
}

static enum qb_err write_rows(struct survey *s, struct qb_errbuf *eb)
{
	uint64_t finite = qb_observer_count(s->out->observer);

	s->out->row = calloc((size_t)s->combos + 1, sizeof(*s->out->row));
	if (!s->out->row) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d rows", s->combos);
	}
	for (int i = 0; i < s->combos; i++) {
		const struct combo *k = &s->combo[i];

		s->out->row[i] = (struct qb_survey_row){.format = k->format, .granularity = k->granularity,
			.bits = bits_of(s, k), .signal = k->sums.signal, .noise = k->sums.noise,
			.mse = k->sums.noise / (double)finite,
			.sqnr_db = qb_sqnr_db(k->sums.signal, k->sums.noise)};
	}
	s->out->rows = s->combos;
	return QB_OK;
}

static enum qb_err allocate(struct survey *s, struct qb_errbuf *eb)
{
	size_t threads = (size_t)s->opt->threads, channels = s->channelled ? (size_t)s->g.channels : 0;

	s->reader = calloc(threads, sizeof(*s->reader));
	s->observer = calloc(threads, sizeof(*s->observer));
	s->batch = malloc((size_t)BATCH * QB_CHUNK * sizeof(*s->batch));
	s->scratch = malloc(threads * QB_CHUNK * sizeof(*s->scratch));
	s->slot_sums = calloc((size_t)BATCH * COMBOS_MAX, sizeof(*s->slot_sums));
	s->low = malloc((2 * threads * channels + 1) * sizeof(*s->low));
	if (!s->reader || !s->observer || !s->batch || !s->scratch || !s->slot_sums || !s->low) {
		return qb_fail(eb, QB_ENOMEM, "no memory to survey %.100s", s->t->name);
	}
	s->high = s->low + threads * channels;
	for (size_t i = 0; i < threads; i++) {
		s->observer[i] = qb_observer_create();
		if (!s->observer[i]) {
			return qb_fail(eb, QB_ENOMEM, "no memory to survey %.100s", s->t->name);
		}
		if (i == 0 || qb_tensor_source_seekable(s->source)) {
			QB_TRY(qb_tensor_source_reader_open(&s->reader[i], s->source, s->tensor, eb));
		}
	}
	return QB_OK;
}

static void release(struct survey *s)
{
	for (int i = 0; i < s->opt->threads; i++) {
		if (s->reader) {
			qb_tensor_source_reader_close(&s->reader[i]);
		}
		if (s->observer) {
			qb_observer_destroy(&s->observer[i]);
		}
	}
	for (int i = 0; i < s->combos; i++) {
		qb_quantizer_fini(&s->combo[i].q);
	}
	free(s->reader);
	free(s->observer);
	free(s->batch);
	free(s->scratch);
	free(s->combo);
	free(s->slot_sums);
	free(s->low);
}

enum qb_err qb_survey_run(struct qb_survey *out, const struct qb_tensor_source *source, int tensor,
	int axis, const struct qb_survey_options *opt, struct qb_errbuf *eb)
{
	struct qb_survey result = {0};
	struct survey *s = calloc(1, sizeof(*s));
	enum qb_err err;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a survey");
	}
	s->source = source;
	s->tensor = tensor;
	s->t = qb_tensor_source_tensor(source, tensor);
	s->opt = opt;
	s->out = &result;
	s->g = qb__chunks_of(s->t, axis, opt);
	s->channelled = axis >= 0 && s->t->ndim > 1 && s->g.channels > 1 &&
		s->g.channels <= CHANNELS_MAX;
	if (!s->channelled) {
		s->g = qb__chunks_of(s->t, -1, opt);
	}
	if (!s->g.chunks) {
		err = qb_fail(eb, QB_EUNSUPPORTED, "%.100s: its lines of %lld elements hold no whole blocks of all formats at "
			"once; survey formats of different groups apart", s->t->name, (long long)s->g.line);
		goto out;
	}
	result.axis = s->channelled ? axis : -1;
	result.channels = s->g.channels;
	s->combo = calloc(COMBOS_MAX, sizeof(*s->combo));
	if (!s->combo) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a survey");
		goto out;
	}
	plan_combos(s);
	QB_TRY_OUT(allocate(s, eb));
	QB_TRY_OUT(first_pass(s, eb));
	if (qb_observer_count(result.observer)) {
		if (s->channelled) {
			QB_TRY_OUT(find_outliers(s, eb));
		}
		QB_TRY_OUT(make_quantizers(s, eb));
		QB_TRY_OUT(pass(s, quantize, quantized, eb));
		QB_TRY_OUT(write_rows(s, eb));
	}
	*out = result;
	result = (struct qb_survey){0};
out:
	release(s);
	qb_survey_fini(&result);
	free(s);
	return err;
}

void qb_survey_fini(struct qb_survey *survey)
{
	qb_observer_destroy(&survey->observer);
	free(survey->row);
	survey->row = NULL;
}
