/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/tensor_channels.h"

#include <math.h>

#include "core/base/size.h"
#include "core/quant/observer.h"

enum { GROUP = 64 };

static void widen(float *low, float *high, const float *x, int64_t n)
{
	float lo = *low, hi = *high;

	for (int64_t i = 0; i < n; i++) {
		lo = x[i] < lo ? x[i] : lo;
		hi = x[i] > hi ? x[i] : hi;
	}
	*low = lo;
	*high = hi;
}

void qb__channel_extents(const struct qb_chunks *g, float *low, float *high, int64_t first, int64_t n, const float *x)
{
	for (int64_t at = 0; at < n;) {
		struct qb_chunk_run r = qb__chunk_run_at(g, first, n, at);

		for (int64_t k = 0; r.width && k < r.channels; k++) {
			widen(low + r.channel + k, high + r.channel + k, x + at + k * r.width, r.width);
		}
		for (int64_t row = 0; !r.width && row < r.rows; row++) {
			const float *v = x + at + row * r.channels;

			for (int64_t k = 0; k < r.channels; k++) {
				low[r.channel + k] = fminf(low[r.channel + k], v[k]);
				high[r.channel + k] = fmaxf(high[r.channel + k], v[k]);
			}
		}
		at += qb__chunk_run_size(&r);
	}
}

/* The observers of some neighbouring channels, by one more pass over what holds them. */
static enum qb_err observe_group(const struct qb_channel_reader *r, int64_t from, int count, struct qb_observer **observer,
	struct qb_errbuf *eb)
{
	const struct qb_chunks *g = r->g;
	bool apart = g->outer == 1;
	int64_t begin = apart ? from * g->inner : 0;
	int64_t end = apart ? (from + count) * g->inner : g->elements;
	float *x = r->chunk, *column = r->column;

	for (int64_t first = begin; first < end; first += QB_CHUNK) {
		int64_t n = QB_MIN((int64_t)QB_CHUNK, end - first);

		QB_TRY(qb_tensor_source_read(r->reader, first, n, x, eb));
		for (int64_t at = 0; at < n;) {
			struct qb_chunk_run run = qb__chunk_run_at(g, first, n, at);

			for (int64_t k = QB_MAX(from - run.channel, 0); k < run.channels && run.channel + k < from + count;
				k++) {
				struct qb_observer *o = observer[run.channel + k - from];

				for (int64_t i = 0; !run.width && i < run.rows; i++) {
					column[i] = x[at + i * run.channels + k];
				}
				qb_observer_update(o, run.width ? x + at + k * run.width : column,
					(size_t)(run.width ? run.width : run.rows));
			}
			at += qb__chunk_run_size(&run);
		}
	}
	return QB_OK;
}

enum qb_err qb__channel_ranges(const struct qb_channel_reader *r, const struct qb_survey_options *opt, float *lo, float *hi,
	struct qb_errbuf *eb)
{
	struct qb_observer *observer[GROUP] = {NULL};
	int64_t channels = r->g->channels;
	enum qb_err err = QB_OK;

	for (int64_t from = 0; from < channels && err == QB_OK; from += GROUP) {
		int count = (int)QB_MIN((int64_t)GROUP, channels - from);

		for (int i = 0; i < count; i++) {
			observer[i] = qb_observer_create();
			err = observer[i] ? err : qb_fail(eb, QB_ENOMEM, "no memory for the channels' histograms");
		}
		err = err == QB_OK ? observe_group(r, from, count, observer, eb) : err;
		if (err == QB_OK) {
#pragma omp parallel for schedule(dynamic) num_threads(opt->threads)
			for (int i = 0; i < count * opt->formats; i++) {
				int f = i / count, c = i % count;
				size_t at = (size_t)f * (size_t)channels + (size_t)(from + c);

				qb_range_from_observer(observer[c], &opt->format[f], &opt->range, lo + at,
					hi + at);
			}
		}
		for (int i = 0; i < count; i++) {
			qb_observer_destroy(&observer[i]);
		}
	}
	return err;
}

void qb__channel_measure(const struct qb_chunks *g, const struct qb_quantizer *q, int64_t first, int64_t n, const float *x, float *y,
	struct qb_qdq_sums *sums)
{
	for (int64_t at = 0; at < n;) {
		struct qb_chunk_run r = qb__chunk_run_at(g, first, n, at);
		struct qb_quantizer part = *q;

		part.channels = r.channels;
		part.scale = q->scale + r.channel;
		part.zero = q->zero ? q->zero + r.channel : NULL;
		qb_qdq_measure(&part, x + at, NULL, y, r.rows, r.channels, r.width ? r.width : 1, sums);
		at += qb__chunk_run_size(&r);
	}
}
