/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/oscillation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"

enum qb_err qb_oscillation_init(struct qb_oscillation *o, size_t n, double momentum, struct qb_errbuf *eb)
{
	struct qb_oscillation r = {.n = n, .momentum = (float)momentum, .integer = calloc(n + 1, sizeof(*r.integer)),
		.direction = calloc(n + 1, sizeof(*r.direction)), .pinned = calloc(n + 1, sizeof(*r.pinned)),
		.frequency = calloc(n + 1, sizeof(*r.frequency)), .average = calloc(n + 1, sizeof(*r.average))};

	if (!r.integer || !r.direction || !r.pinned || !r.frequency || !r.average) {
		qb_oscillation_fini(&r);
		return qb_fail(eb, QB_ENOMEM, "no memory to follow %zu weights", n);
	}
	*o = r;
	return QB_OK;
}

void qb_oscillation_fini(struct qb_oscillation *o)
{
	free(o->integer);
	free(o->direction);
	free(o->pinned);
	free(o->frequency);
	free(o->average);
	*o = (struct qb_oscillation){0};
}

/* Frequencies and directions. */
static inline __attribute__((always_inline)) void follow_body(size_t n, float m, const int16_t *restrict now,
	const int16_t *restrict last, const uint8_t *restrict pinned, int8_t *restrict direction, float *restrict frequency)
{
	for (size_t i = 0; i < n; i++) {
		const int16_t d = (int16_t)((now[i] - last[i]) * (1 - pinned[i])), sign = (int16_t)((d > 0) - (d < 0));
		const int16_t back = (int16_t)(sign * direction[i] < 0);

		frequency[i] = m * (float)back + (1 - m) * frequency[i];
		direction[i] = (int8_t)(sign + (1 - sign * sign) * direction[i]);
	}
}

/* EMA. */
static inline __attribute__((always_inline)) void average_body(size_t n, float m, const int16_t *restrict integer,
	float *restrict average)
{
	for (size_t i = 0; i < n; i++) {
		average[i] = m * (float)integer[i] + (1 - m) * average[i];
	}
}

/* Where a frequency exceeds the threshold, as a count: mostly nowhere. */
static inline __attribute__((always_inline)) void exceeding_body(size_t n, float threshold, const float *restrict frequency,
	const uint8_t *restrict pinned, int32_t *restrict count)
{
	int32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += frequency[i] > threshold ? 1 - pinned[i] : 0;
	}
	*count = sum;
}

QB_FOR_EVERY_LEVEL(static, follow, (size_t n, float m, const int16_t *now, const int16_t *last, const uint8_t *pinned,
	int8_t *direction, float *frequency), (n, m, now, last, pinned, direction, frequency))

QB_FOR_EVERY_LEVEL(static, average, (size_t n, float m, const int16_t *integer, float *ema), (n, m, integer, ema))
QB_FOR_EVERY_LEVEL(static, exceeding, (size_t n, float threshold, const float *frequency, const uint8_t *pinned, int32_t *count),
	(n, threshold, frequency, pinned, count))

enum { BLOCK = 1024 };

static void freeze_block(struct qb_oscillation *o, float threshold, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (!o->pinned[i] && o->frequency[i] > threshold) {
			o->pinned[i] = 1;
			o->integer[i] = (int16_t)nearbyintf(o->average[i]);
			o->frozen++;
		}
	}
}

static void freeze(struct qb_oscillation *o, float threshold)
{
	for (size_t i = 0; i < o->n; i += BLOCK) {
		size_t n = QB_MIN(o->n - i, (size_t)BLOCK);
		int32_t count;

		exceeding(n, threshold, o->frequency + i, o->pinned + i, &count);
		if (count) {
			freeze_block(o, threshold, i, i + n);
		}
	}
}

void qb_oscillation_step(struct qb_oscillation *o, const int16_t *integer, double threshold)
{
	bool freezes = isfinite(threshold);

	if (!o->started) {
		memcpy(o->integer, integer, o->n * sizeof(*integer));
		o->started = true;
	}
	follow(o->n, o->momentum, integer, o->integer, o->pinned, o->direction, o->frequency);
	if (o->frozen) {
		for (size_t i = 0; i < o->n; i++) {
			o->integer[i] = o->pinned[i] ? o->integer[i] : integer[i];
		}
	} else {
		memcpy(o->integer, integer, o->n * sizeof(*integer));
	}
	if (freezes && !o->freezing) {
		for (size_t i = 0; i < o->n; i++) {
			o->average[i] = (float)o->integer[i];
		}
		o->freezing = true;
	}
	if (freezes) {
		freeze(o, (float)threshold);
	}
	if (o->freezing) {
		average(o->n, o->momentum, integer, o->average);
	}
}

struct qb_oscillation_summary qb_oscillation_summary(const struct qb_oscillation *o, double threshold)
{
	struct qb_oscillation_summary s = {.weights = (int64_t)o->n, .frozen = o->frozen};
	double sum = 0;

	for (size_t i = 0; i < o->n; i++) {
		s.oscillating += !o->pinned[i] && (double)o->frequency[i] > threshold;
		sum += (double)o->frequency[i];
	}
	s.mean_frequency = o->n ? sum / (double)o->n : 0;
	return s;
}

void qb_oscillation_add(struct qb_oscillation_summary *to, const struct qb_oscillation_summary *s)
{
	double sum = to->mean_frequency * (double)to->weights + s->mean_frequency * (double)s->weights;

	to->weights += s->weights;
	to->oscillating += s->oscillating;
	to->frozen += s->frozen;
	to->mean_frequency = to->weights ? sum / (double)to->weights : 0;
}

void qb_oscillation_frequencies(const struct qb_oscillation *o, double most, int bins, int64_t *count)
{
	for (size_t i = 0; i < o->n; i++) {
		double at = (double)o->frequency[i] / most * bins;

		count[at < bins ? (int)at : bins - 1]++;
	}
}

/* ---- state ---- */

struct header {
	uint64_t n;
	int64_t frozen;
	uint32_t started, freezing;
};

size_t qb_oscillation_bytes(const struct qb_oscillation *o)
{
	return sizeof(struct header) + o->n * (sizeof(*o->integer) + sizeof(*o->direction) + sizeof(*o->pinned) +
		sizeof(*o->frequency) + sizeof(*o->average));
}

/* The arrays in order. */
static size_t arrays(const struct qb_oscillation *o, void *of[5], size_t bytes[5])
{
	const size_t each[5] = {sizeof(*o->integer), sizeof(*o->direction), sizeof(*o->pinned), sizeof(*o->frequency),
		sizeof(*o->average)};
	void *const all[5] = {o->integer, o->direction, o->pinned, o->frequency, o->average};

	for (int i = 0; i < 5; i++) {
		of[i] = all[i];
		bytes[i] = each[i] * o->n;
	}
	return 5;
}

void qb_oscillation_save(const struct qb_oscillation *o, void *bytes)
{
	struct header h = {o->n, o->frozen, o->started, o->freezing};
	unsigned char *to = bytes;
	size_t size[5], count;
	void *of[5];

	memcpy(to, &h, sizeof(h));
	to += sizeof(h);
	count = arrays(o, of, size);
	for (size_t i = 0; i < count; i++) {
		memcpy(to, of[i], size[i]);
		to += size[i];
	}
}

enum qb_err qb_oscillation_load(struct qb_oscillation *o, const void *bytes, struct qb_errbuf *eb)
{
	const unsigned char *from = bytes;
	int64_t frozen = 0;
	struct header h;
	size_t size[5], count;
	void *of[5];

	memcpy(&h, from, sizeof(h));
	from += sizeof(h);
	if (h.n != o->n || h.started > 1 || h.freezing > 1) {
		return qb_fail(eb, QB_EFORMAT, "the state of oscillations is of %llu weights, not %zu", (unsigned long long)h.n, o->n);
	}
	count = arrays(o, of, size);
	for (size_t i = 0; i < count; i++) {
		memcpy(of[i], from, size[i]);
		from += size[i];
	}
	for (size_t i = 0; i < o->n; i++) {
		if (o->pinned[i] > 1 || o->direction[i] < -1 || o->direction[i] > 1 || !isfinite(o->frequency[i]) ||
			!isfinite(o->average[i])) {
			return qb_fail(eb, QB_EFORMAT, "the state of oscillations is damaged at weight %zu", i);
		}
		frozen += o->pinned[i];
	}
	if (frozen != h.frozen) {
		return qb_fail(eb, QB_EFORMAT, "the state of oscillations has %lld frozen weights where %lld are said",
			(long long)frozen, (long long)h.frozen);
	}
	o->frozen = frozen;
	o->started = h.started;
	o->freezing = h.freezing;
	return QB_OK;
}

/* ---- latent weights ---- */

void qb_latent_histogram(const struct qb_latent *l, int bins, int64_t *count)
{
	for (int64_t i = 0; i < l->outer * l->channels * l->inner; i++) {
		double v = (double)l->w[i] / (double)l->scale[i / l->inner % l->channels];

		if (v >= l->n && v <= l->p) {
			v += 0.5;
			count[QB_MIN((int)((v - floor(v)) * bins), bins - 1)]++;
		}
	}
}
