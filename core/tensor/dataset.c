/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/size.h"

struct qb_dataset {
	struct qb_archive *archive;
	struct qb_arena *arena;
	struct qb_preprocess preprocess;
	int inputs;
	struct qb_bound_input *input;
	struct qb_binding bound;
	struct qb_text *text;   /* and its windows, in place of the archive; or NULL */
	struct qb_text_windows *windows;
	int64_t *chosen; /* [bound.count] samples of the file; NULL: all of them */
};

struct qb_dataset_reader {
	const struct qb_dataset *dataset;
	struct qb_array **array; /* [inputs], then the labels' or NULL */
	void *raw;               /* samples as stored */
	size_t raw_bytes;
};

static const float *copy_floats(struct qb_arena *arena, const float *v, int n)
{
	float *p = qb_arena_alloc(arena, (size_t)n + 1, sizeof(*p));

	if (p && n) {
		memcpy(p, v, (size_t)n * sizeof(*p));
	}
	return p;
}

static enum qb_err take_preprocess(struct qb_dataset *d, const struct qb_preprocess *p,
	struct qb_errbuf *eb)
{
	if (!p) {
		return QB_OK;
	}
	d->preprocess = *p;
	d->preprocess.scale = copy_floats(d->arena, p->scale, p->scales);
	d->preprocess.mean = copy_floats(d->arena, p->mean, p->means);
	d->preprocess.std = copy_floats(d->arena, p->std, p->stds);
	if (!d->preprocess.scale || !d->preprocess.mean || !d->preprocess.std) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the preprocessing");
	}
	return QB_OK;
}

static enum qb_err make_inputs(struct qb_dataset *d, int input_count, struct qb_errbuf *eb)
{
	d->arena = qb_arena_create();
	d->input = d->arena ? qb_arena_alloc(d->arena, (size_t)input_count + 1, sizeof(*d->input)) : NULL;
	if (!d->input) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a dataset");
	}
	d->inputs = input_count;
	return QB_OK;
}

/* Of the specs, which are those of whoever opens the data. */
static enum qb_err take_names(struct qb_dataset *d, const struct qb_input_spec *inputs, struct qb_errbuf *eb)
{
	for (int i = 0; i < d->inputs; i++) {
		d->input[i].spec.name = qb_arena_strdup(d->arena, inputs[i].name);
		if (!d->input[i].spec.name) {
			return qb_fail(eb, QB_ENOMEM, "no memory for a dataset");
		}
	}
	return QB_OK;
}

static enum qb_err open_dataset(struct qb_dataset *d, const char *path,
	const struct qb_input_spec *inputs, int input_count, const struct qb_preprocess *p,
	struct qb_errbuf *eb)
{
	QB_TRY(make_inputs(d, input_count, eb));
	QB_TRY(qb_archive_open(&d->archive, path, eb));
	QB_TRY(take_preprocess(d, p, eb));
	QB_TRY(qb_bind_arrays(&d->bound, d->input, qb_archive_entry(d->archive, 0),
		qb_archive_count(d->archive), inputs, input_count, p, eb));
	return take_names(d, inputs, eb);
}

/* Every input has a window's length. */
static enum qb_err bind_windows(struct qb_dataset *d, const struct qb_input_spec *inputs, struct qb_errbuf *eb)
{
	const struct qb_text_plan *plan = qb_text_windows_plan(d->windows);

	d->bound = (struct qb_binding){.count = plan->count, .rows = 1, .labels = -1};
	for (int i = 0; i < d->inputs; i++) {
		struct qb_bound_input *b = &d->input[i];

		*b = (struct qb_bound_input){.spec = inputs[i], .entry = -1, .size = (size_t)plan->length, .channels = 1,
			.inner = plan->length};
		b->spec.dim[0] = inputs[i].ndim == QB_ANY_SHAPE ? plan->count : inputs[i].dim[0];
		b->spec.dim[1] = plan->length;
		b->spec.ndim = 2;
	}
	return take_names(d, inputs, eb);
}

enum qb_err qb_dataset_open(struct qb_dataset **out, const char *path,
	const struct qb_input_spec *inputs, int input_count, const struct qb_preprocess *preprocess,
	struct qb_errbuf *eb)
{
	struct qb_dataset *d = calloc(1, sizeof(*d));
	enum qb_err err;

	if (!d) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a dataset");
	}
	err = open_dataset(d, path, inputs, input_count, preprocess, eb);
	if (err != QB_OK) {
		qb_dataset_close(&d);
		return err;
	}
	*out = d;
	return QB_OK;
}

enum qb_err qb_dataset_open_text(struct qb_dataset **out, const struct qb_text_source *source, const struct qb_input_spec *inputs,
	int input_count, struct qb_errbuf *eb)
{
	struct qb_dataset *d = calloc(1, sizeof(*d));
	enum qb_err err;

	if (!d) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a dataset");
	}
	QB_TRY_OUT(make_inputs(d, input_count, eb));
	QB_TRY_OUT(qb_text_open(&d->text, source->path, source->plain, eb));
	qb_text_keep(d->text, source->from, source->to > 0 ? source->to : 1);
	QB_TRY_OUT(qb_text_windows_create(&d->windows, d->text, source->config, source->training, inputs, input_count, eb));
	QB_TRY_OUT(bind_windows(d, inputs, eb));
	*out = d;
	d = NULL;
out:
	qb_dataset_close(&d);
	return err;
}

void qb_dataset_close(struct qb_dataset **dataset)
{
	if (*dataset) {
		qb_text_windows_destroy(&(*dataset)->windows);
		qb_text_close(&(*dataset)->text);
		qb_archive_close(&(*dataset)->archive);
		qb_arena_destroy(&(*dataset)->arena);
		free(*dataset);
		*dataset = NULL;
	}
}

enum qb_err qb_dataset_choose(struct qb_dataset *d, const int64_t *sample, int64_t count, struct qb_errbuf *eb)
{
	int64_t *chosen = qb_arena_alloc(d->arena, (size_t)count + 1, sizeof(*chosen));

	if (!chosen) {
		return qb_fail(eb, QB_ENOMEM, "no memory to choose %lld samples", (long long)count);
	}
	for (int64_t i = 0; i < count; i++) {
		chosen[i] = d->chosen ? d->chosen[sample[i]] : sample[i];
	}
	d->chosen = chosen;
	d->bound.count = count;
	return QB_OK;
}

int64_t qb_dataset_count(const struct qb_dataset *dataset)
{
	return dataset->bound.count;
}

int64_t qb_dataset_rows(const struct qb_dataset *dataset)
{
	return dataset->bound.rows;
}

const struct qb_input_spec *qb_dataset_input(const struct qb_dataset *dataset, int input)
{
	return &dataset->input[input].spec;
}

const struct qb_archive_entry *qb_dataset_labels(const struct qb_dataset *dataset)
{
	return dataset->bound.labels < 0 ? NULL : qb_archive_entry(dataset->archive, dataset->bound.labels);
}

const struct qb_text_windows *qb_dataset_windows(const struct qb_dataset *dataset)
{
	return dataset->windows;
}

size_t qb_dataset_label_size(const struct qb_dataset *dataset)
{
	if (dataset->windows) {
		return (size_t)qb_text_windows_plan(dataset->windows)->length;
	}
	return dataset->bound.labels < 0 ? 0 : qb_sample_size(qb_dataset_labels(dataset));
}

enum qb_err qb_dataset_reader_create(struct qb_dataset_reader **out,
	const struct qb_dataset *dataset, struct qb_errbuf *eb)
{
	struct qb_dataset_reader *r = calloc(1, sizeof(*r));
	enum qb_err err = QB_OK;

	if (!r || !(r->array = calloc((size_t)dataset->inputs + 1, sizeof(*r->array)))) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to read the data");
		goto out;
	}
	r->dataset = dataset;
	for (int i = 0; !dataset->windows && i < dataset->inputs; i++) {
		QB_TRY_OUT(qb_array_open(&r->array[i], dataset->archive, dataset->input[i].entry, eb));
	}
	if (dataset->bound.labels >= 0) {
		QB_TRY_OUT(qb_array_open(&r->array[dataset->inputs], dataset->archive,
			dataset->bound.labels, eb));
	}
	*out = r;
	r = NULL;
out:
	qb_dataset_reader_destroy(&r);
	return err;
}

void qb_dataset_reader_destroy(struct qb_dataset_reader **reader)
{
	struct qb_dataset_reader *r = *reader;

	if (!r) {
		return;
	}
	for (int i = 0; r->array && r->dataset && i <= r->dataset->inputs; i++) {
		qb_array_close(&r->array[i]);
	}
	free(r->array);
	free(r->raw);
	free(r);
	*reader = NULL;
}

static enum qb_err need_raw(struct qb_dataset_reader *r, size_t bytes, struct qb_errbuf *eb)
{
	if (bytes > r->raw_bytes) {
		free(r->raw);
		r->raw_bytes = 0;
		r->raw = qb_aligned_alloc(bytes, 1);
		if (!r->raw) {
			return qb_fail(eb, QB_ENOMEM, "no memory for %zu bytes of samples", bytes);
		}
		r->raw_bytes = bytes;
	}
	return QB_OK;
}

static float pick(const float *v, int n, int64_t c)
{
	return v[n > 1 ? c : 0];
}

static void preprocess(const struct qb_preprocess *p, const struct qb_bound_input *b, float *x,
	int64_t count)
{
	if (!p->scales) {
		return;
	}
	for (int64_t s = 0; s < count; s++) {
		for (int64_t c = 0; c < b->channels; c++, x += b->inner) {
			float scale = pick(p->scale, p->scales, c), mean = pick(p->mean, p->means, c);
			float std = pick(p->std, p->stds, c);

			for (int64_t i = 0; i < b->inner; i++) {
				x[i] = (x[i] * scale - mean) / std;
			}
		}
	}
}

/* False where v is none of the type's values. */
static bool put_integer(enum qb_dtype type, void *p, size_t i, int64_t v)
{
	switch (type) {
	case QB_BOOL:
		((uint8_t *)p)[i] = v != 0;
		return true;
	case QB_U8:
	case QB_I8:
		((uint8_t *)p)[i] = (uint8_t)v;
		break;
	case QB_U16:
	case QB_I16:
		((uint16_t *)p)[i] = (uint16_t)v;
		break;
	case QB_U32:
	case QB_I32:
		((uint32_t *)p)[i] = (uint32_t)v;
		break;
	default:
		((int64_t *)p)[i] = v;
		break;
	}
	return qb_integer_at(type, p, i) == v;
}

/* Integers from an array of other integers. */
static enum qb_err convert_integers(const struct qb_archive_entry *e, const void *src, enum qb_dtype to,
	void *dst, size_t n, struct qb_errbuf *eb)
{
	for (size_t i = 0; i < n; i++) {
		int64_t v = qb_integer_at(e->dtype, src, i);

		if (!put_integer(to, dst, i, v)) {
			return qb_fail_field(eb, QB_EJOB, "", "data", "array \"%.60s\" holds %lld, which is no %s, as the model's "
				"input wants it", e->name, (long long)v, qb_dtype_name(to));
		}
	}
	return QB_OK;
}

enum qb_dtype qb_dataset_stored(const struct qb_dataset *dataset, int input)
{
	return qb_archive_entry(dataset->archive, dataset->input[input].entry)->dtype;
}

size_t qb_dataset_row_size(const struct qb_dataset *dataset, int input)
{
	return dataset->input[input].size;
}

enum qb_err qb_dataset_convert(const struct qb_dataset *d, int input, const void *stored, int64_t rows, void *out,
	struct qb_errbuf *eb)
{
	const struct qb_bound_input *b = &d->input[input];
	const struct qb_archive_entry *e = qb_archive_entry(d->archive, b->entry);
	size_t n = b->size * (size_t)rows;

	if (e->dtype == b->spec.dtype) {
		if (stored != out) {
			memcpy(out, stored, n * qb_dtype_bytes(e->dtype));
		}
	} else if (b->spec.dtype == QB_F32) {
		qb_convert_to_f32(e->dtype, stored, out, n);
	} else {
		QB_TRY(convert_integers(e, stored, b->spec.dtype, out, n, eb));
	}
	if (b->spec.dtype == QB_F32) {
		preprocess(&d->preprocess, b, out, rows);
	}
	return QB_OK;
}

static enum qb_err read_input(struct qb_dataset_reader *r, int i, int64_t first, int64_t count,
	void *dst, struct qb_errbuf *eb)
{
	const struct qb_dataset *d = r->dataset;
	const struct qb_bound_input *b = &d->input[i];
	enum qb_dtype have = qb_dataset_stored(d, i);
	size_t n = b->size * (size_t)(count * d->bound.rows);
	void *stored = dst;

	if (have != b->spec.dtype) {
		QB_TRY(need_raw(r, n * qb_dtype_bytes(have), eb));
		stored = r->raw;
	}
	QB_TRY(qb_array_read(r->array[i], first, count, stored, eb));
	return qb_dataset_convert(d, i, stored, count * d->bound.rows, dst, eb);
}

static enum qb_err read_labels(struct qb_dataset_reader *r, int64_t first, int64_t count,
	double *labels, struct qb_errbuf *eb)
{
	const struct qb_archive_entry *e = qb_dataset_labels(r->dataset);
	size_t n = qb_dataset_label_size(r->dataset) * (size_t)count;

	QB_TRY(need_raw(r, n * qb_dtype_bytes(e->dtype), eb));
	QB_TRY(qb_array_read(r->array[r->dataset->inputs], first, count, r->raw, eb));
	for (size_t i = 0; i < n; i++) {
		const char *p = (const char *)r->raw + i * qb_dtype_bytes(e->dtype);
		float f;

		if (e->dtype == QB_F64) {
			memcpy(&labels[i], p, 8);
		} else if (qb_dtype_is_integer(e->dtype)) {
			labels[i] = (double)qb_integer_at(e->dtype, p, 0);
		} else {
			qb_convert_to_f32(e->dtype, p, &f, 1);
			labels[i] = f;
		}
	}
	return QB_OK;
}

static void read_windows(const struct qb_dataset *d, int64_t first, int64_t count, void *const *input, double *labels)
{
	size_t length = qb_dataset_label_size(d);
	void *row[QB_TEXT_INPUTS];

	for (int64_t i = 0; i < count; i++) {
		const struct qb_window_draw at = qb_window_of_evaluation(first + i);

		for (int k = 0; input && k < d->inputs; k++) {
			row[k] = (char *)input[k] + (size_t)i * length * qb_dtype_bytes(d->input[k].spec.dtype);
		}
		qb_text_window(d->windows, &at, input ? row : NULL, labels ? labels + (size_t)i * length : NULL);
	}
}

/* Of the samples [first, first + count) those that lie one behind another in the file, from *at on: how many. */
static int64_t run_of(const struct qb_dataset *d, int64_t first, int64_t count, int64_t *at)
{
	int64_t n = 1;

	*at = d->chosen ? d->chosen[first] : first;
	if (!d->chosen) {
		return count;
	}
	while (n < count && d->chosen[first + n] == *at + n) {
		n++;
	}
	return n;
}

/* One run, into the places from sample `done` on; stored: as the arrays have it, else in the inputs' own types. */
static enum qb_err read_run(struct qb_dataset_reader *r, bool stored, int64_t at, int64_t n, int64_t done, void *const *input,
	double *labels, struct qb_errbuf *eb)
{
	const struct qb_dataset *d = r->dataset;

	for (int i = 0; input && i < d->inputs; i++) {
		enum qb_dtype type = stored ? qb_dataset_stored(d, i) : d->input[i].spec.dtype;
		size_t bytes = d->input[i].size * (size_t)d->bound.rows * qb_dtype_bytes(type);
		char *to = (char *)input[i] + (size_t)done * bytes;

		QB_TRY(stored ? qb_array_read(r->array[i], at, n, to, eb) : read_input(r, i, at, n, to, eb));
	}
	if (labels && d->bound.labels >= 0) {
		QB_TRY(read_labels(r, at, n, labels + (size_t)done * qb_dataset_label_size(d), eb));
	}
	return QB_OK;
}

static enum qb_err read_samples(struct qb_dataset_reader *r, bool stored, int64_t first, int64_t count, void *const *input,
	double *labels, struct qb_errbuf *eb)
{
	const struct qb_dataset *d = r->dataset;
	int64_t done = 0;

	if (d->chosen && first + count > d->bound.count) {
		return qb_fail(eb, QB_EINVAL, "there are %lld samples, and %lld are read from %lld on", (long long)d->bound.count,
			(long long)count, (long long)first);
	}
	while (done < count) {
		int64_t at, n = run_of(d, first + done, count - done, &at);

		QB_TRY(read_run(r, stored, at, n, done, input, labels, eb));
		done += n;
	}
	return QB_OK;
}

enum qb_err qb_dataset_read(struct qb_dataset_reader *reader, int64_t first, int64_t count,
	void *const *input, double *labels, struct qb_errbuf *eb)
{
	if (reader->dataset->windows) {
		read_windows(reader->dataset, first, count, input, labels);
		return QB_OK;
	}
	return read_samples(reader, false, first, count, input, labels, eb);
}

enum qb_err qb_dataset_read_stored(struct qb_dataset_reader *reader, int64_t first, int64_t count, void *const *input,
	double *labels, struct qb_errbuf *eb)
{
	return read_samples(reader, true, first, count, input, labels, eb);
}
