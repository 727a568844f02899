/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/samples.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/size.h"
#include "core/exec/threads.h"
#include "core/train/augment.h"
#include "core/train/augment_warp.h"

struct column {
	char *stored;        /* [count] rows */
	enum qb_dtype type;  /* of stored */
	size_t size, stored_bytes, row_bytes; /* of a row: elements, bytes as stored, bytes in the input's type */
	struct qb_input_spec spec;
};

struct qb_samples {
	const struct qb_dataset *data;
	struct qb_augment_config augment;
	int64_t count;
	int inputs, threads;
	struct column *column; /* [inputs] */
	double *labels;        /* [count, label_size] */
	size_t label_size, bytes;
	char *augmented;       /* [threads][2] rows of the first input as stored; NULL: they stay as they are */
};

enum { READ_AT_ONCE = 256 };

static enum qb_err allocate_column(struct qb_samples *s, int i, struct qb_errbuf *eb)
{
	struct column *c = &s->column[i];
	size_t bytes;

	c->type = qb_dataset_stored(s->data, i);
	c->stored_bytes = c->size * qb_dtype_bytes(c->type);
	if (qb_mul_overflows(c->stored_bytes, (size_t)s->count, &bytes) || !(c->stored = qb_aligned_alloc(bytes + 1, 1))) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %" PRId64 " samples of %zu bytes of input %.100s", s->count,
			c->stored_bytes, c->spec.name);
	}
	s->bytes += bytes;
	return QB_OK;
}

/* Where the rows of the first input are augmented. */
static enum qb_err allocate_augmented(struct qb_samples *s, struct qb_errbuf *eb)
{
	const struct column *c = &s->column[0];
	size_t bytes = 2 * c->stored_bytes;
	bool images = qb_augment_resamples(&s->augment);

	if (images && c->type != QB_U8 && c->type != QB_F32) {
		return qb_fail(eb, QB_EINVAL, "augment: rotate, shear, scale and brightness are for images that are stored as uint8 or "
			"float32; those of %.100s are %s", c->spec.name, qb_dtype_name(c->type));
	}
	if (!qb_augment_moves(&s->augment) && !images) {
		return QB_OK;
	}
	s->augmented = qb_aligned_alloc((size_t)s->threads, bytes + 1);
	s->bytes += (size_t)s->threads * bytes;
	return s->augmented ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to augment samples of %zu bytes", bytes);
}

static enum qb_err read_all(struct qb_samples *s, struct qb_errbuf *eb)
{
	struct qb_dataset_reader *reader = NULL;
	void **at = calloc((size_t)s->inputs + 1, sizeof(*at));
	enum qb_err err = at ? qb_dataset_reader_create(&reader, s->data, eb) : qb_fail(eb, QB_ENOMEM, "no memory for samples");

	for (int64_t first = 0; first < s->count && err == QB_OK; first += READ_AT_ONCE) {
		int64_t count = QB_MIN(READ_AT_ONCE, s->count - first);

		for (int i = 0; i < s->inputs; i++) {
			at[i] = s->column[i].stored + (size_t)first * s->column[i].stored_bytes;
		}
		err = qb_dataset_read_stored(reader, first, count, at,
			s->labels ? s->labels + (size_t)first * s->label_size : NULL, eb);
	}
	qb_dataset_reader_destroy(&reader);
	free(at);
	return err;
}

static enum qb_err make_columns(struct qb_samples *s, struct qb_errbuf *eb)
{
	s->column = calloc((size_t)s->inputs + 1, sizeof(*s->column));
	if (!s->column) {
		return qb_fail(eb, QB_ENOMEM, "no memory for samples");
	}
	for (int i = 0; i < s->inputs; i++) {
		struct column *c = &s->column[i];

		c->spec = *qb_dataset_input(s->data, i);
		c->size = qb_dataset_row_size(s->data, i);
		c->row_bytes = c->size * qb_dtype_bytes(c->spec.dtype);
	}
	s->label_size = qb_dataset_label_size(s->data);
	return QB_OK;
}

/* Nothing is kept but what the data set holds. */
static enum qb_err check_text(const struct qb_samples *s, struct qb_errbuf *eb)
{
	const struct qb_augment_config *a = &s->augment;

	return qb_augment_moves(a) || qb_augment_resamples(a) || a->noise > 0 ? qb_fail_field(eb, QB_EJOB, "", "augment", "is for images and "
		"sounds; windows of a text are drawn anew each epoch as the job's text says") : QB_OK;
}

static enum qb_err fill(struct qb_samples *s, struct qb_errbuf *eb)
{
	const struct column *c;

	if (qb_dataset_rows(s->data) != 1) {
		return qb_fail(eb, QB_EUNSUPPORTED, "training takes one row a sample; the arrays here have %" PRId64
			" rows a sample: store them as samples of their own", qb_dataset_rows(s->data));
	}
	QB_TRY(make_columns(s, eb));
	if (qb_dataset_windows(s->data)) {
		return check_text(s, eb);
	}
	for (int i = 0; i < s->inputs; i++) {
		QB_TRY(allocate_column(s, i, eb));
	}
	c = &s->column[0];
	QB_TRY(qb_augment_check(&s->augment, c->spec.ndim - 1, c->spec.dim + 1, eb));
	if (s->augment.noise > 0 && c->spec.dtype != QB_F32) {
		return qb_fail(eb, QB_EINVAL, "augment.noise: the network's input %.100s is %s, noise is for float32", c->spec.name,
			qb_dtype_name(c->spec.dtype));
	}
	QB_TRY(allocate_augmented(s, eb));
	if (s->label_size) {
		s->labels = qb_aligned_alloc((size_t)s->count * s->label_size, sizeof(*s->labels));
		s->bytes += (size_t)s->count * s->label_size * sizeof(*s->labels);
		if (!s->labels) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the labels of %" PRId64 " samples", s->count);
		}
	}
	return read_all(s, eb);
}

enum qb_err qb_samples_create(struct qb_samples **out, const struct qb_dataset *data, int inputs,
	const struct qb_augment_config *augment, int threads, struct qb_errbuf *eb)
{
	struct qb_samples *s = calloc(1, sizeof(*s));
	enum qb_err err;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for samples");
	}
	*s = (struct qb_samples){.data = data, .augment = *augment, .count = qb_dataset_count(data), .inputs = inputs,
		.threads = threads};
	err = fill(s, eb);
	if (err != QB_OK) {
		qb_samples_destroy(&s);
		return err;
	}
	*out = s;
	return QB_OK;
}

void qb_samples_destroy(struct qb_samples **samples)
{
	struct qb_samples *s = *samples;

	if (!s) {
		return;
	}
	for (int i = 0; s->column && i < s->inputs; i++) {
		free(s->column[i].stored);
	}
	free(s->column);
	free(s->labels);
	free(s->augmented);
	free(s);
	*samples = NULL;
}

int64_t qb_samples_count(const struct qb_samples *s)
{
	return s->count;
}

size_t qb_samples_bytes(const struct qb_samples *s)
{
	return s->bytes;
}

size_t qb_samples_label_size(const struct qb_samples *s)
{
	return s->label_size;
}

size_t qb_samples_row_bytes(const struct qb_samples *s, int input)
{
	return s->column[input].row_bytes;
}

/* ---- reading ---- */

struct reading {
	const struct qb_samples *s;
	const struct qb_samples_pick *pick;
	void *const *input;
	double *labels;
};

/* The row as it is augmented, in the thread's memory or where it was. */
static const void *augment_row(const struct qb_samples *s, const struct qb_augment_sample *at, int thread, const void *stored)
{
	const struct column *c = &s->column[0];
	char *moved = s->augmented + 2 * (size_t)thread * c->stored_bytes, *warped = moved + c->stored_bytes;
	struct qb_augment_image image = {c->type, 1, 1, 1};
	double map[4];

	if (at->ndim == 3) {
		image = (struct qb_augment_image){c->type, at->dim[0], at->dim[1], at->dim[2]};
	}
	if (qb_augment_moves(&s->augment)) {
		qb_augment_move(&s->augment, at, stored, moved);
		stored = moved;
	}
	if (qb_augment_warps(&s->augment)) {
		qb_augment_map(&s->augment, at, map);
		qb_augment_warp(&image, map, stored, warped);
		stored = warped;
	}
	if (s->augment.brightness > 0) {
		if (stored != warped) {
			memcpy(warped, stored, c->stored_bytes);
		}
		qb_augment_brighten(&s->augment, at, &image, warped);
		stored = warped;
	}
	return stored;
}

static enum qb_err read_row(struct reading *r, int thread, int64_t i, int input, struct qb_errbuf *eb)
{
	const struct column *c = &r->s->column[input];
	const struct qb_augment_sample at = {.seed = r->pick->seed, .epoch = r->pick->epoch, .sample = r->pick->sample[i],
		.ndim = c->spec.ndim - 1, .dim = c->spec.dim + 1, .element_bytes = qb_dtype_bytes(c->type)};
	const void *stored = c->stored + (size_t)at.sample * c->stored_bytes;
	void *out = (char *)r->input[input] + (size_t)i * c->row_bytes;

	if (input == 0 && r->s->augmented) {
		stored = augment_row(r->s, &at, thread, stored);
	}
	QB_TRY(qb_dataset_convert(r->s->data, input, stored, 1, out, eb));
	if (input == 0) {
		qb_augment_noise(&r->s->augment, &at, out, c->size);
	}
	return QB_OK;
}

static enum qb_err read_window(void *arg, int thread, int64_t i, struct qb_errbuf *eb)
{
	const struct reading *r = arg;
	const struct qb_window_draw at = {r->pick->seed, r->pick->epoch, r->pick->sample[i]};
	void *row[QB_TEXT_INPUTS];

	(void)thread;
	(void)eb;
	for (int k = 0; k < r->s->inputs; k++) {
		row[k] = (char *)r->input[k] + (size_t)i * r->s->column[k].row_bytes;
	}
	qb_text_window(qb_dataset_windows(r->s->data), &at, row, r->labels ? r->labels + (size_t)i * r->s->label_size : NULL);
	return QB_OK;
}

static enum qb_err read_sample(void *arg, int thread, int64_t i, struct qb_errbuf *eb)
{
	struct reading *r = arg;
	size_t n = r->s->label_size;

	for (int k = 0; k < r->s->inputs; k++) {
		QB_TRY(read_row(r, thread, i, k, eb));
	}
	if (r->labels && n) {
		memcpy(r->labels + (size_t)i * n, r->s->labels + (size_t)r->pick->sample[i] * n, n * sizeof(*r->labels));
	}
	return QB_OK;
}

enum qb_err qb_samples_read(const struct qb_samples *s, const struct qb_samples_pick *pick, void *const *input,
	double *labels, struct qb_errbuf *eb)
{
	struct reading r = {.s = s, .pick = pick, .input = input, .labels = labels};

	return qb_team_run((int)QB_MIN(s->threads, QB_MAX(pick->count, 1)), pick->count,
		qb_dataset_windows(s->data) ? read_window : read_sample, &r, eb);
}
