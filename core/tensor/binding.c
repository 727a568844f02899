/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/binding.h"

#include <stdio.h>
#include <string.h>

size_t qb_sample_size(const struct qb_archive_entry *e)
{
	size_t n = 1;

	for (int i = 1; i < e->ndim; i++) {
		n *= (size_t)e->dim[i];
	}
	return n;
}

struct binder {
	struct qb_binding *out;
	const struct qb_archive_entry *entry;
	int entries, inputs;
	const struct qb_preprocess *preprocess;
};

static int find(const struct binder *d, const char *name)
{
	for (int i = 0; i < d->entries; i++) {
		if (!strcmp(d->entry[i].name, name)) {
			return i;
		}
	}
	return -1;
}

static int find_array(const struct binder *d, const struct qb_input_spec *s)
{
	int i = find(d, s->name);

	return i < 0 && d->inputs == 1 ? find(d, "x") : i;
}

static void list_arrays(const struct binder *d, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < d->entries && n < size; i++) {
		const struct qb_archive_entry *e = &d->entry[i];
		char shape[128];

		qb_shape_print(e->dim, e->ndim, shape, sizeof(shape));
		n += (size_t)snprintf(out + n, size - n, "%s%.40s (%s %s)", i ? ", " : "", e->name,
			e->unreadable ? e->unreadable : qb_dtype_name(e->dtype), shape);
	}
}

/* skip: dimensions of the array between the batch and those of the input: 0, or 1 for several rows a sample. */
static bool fits(const struct qb_input_spec *s, const struct qb_archive_entry *e, int skip)
{
	if (s->ndim == QB_ANY_SHAPE) {
		return !skip && e->ndim > 0;
	}
	if (s->ndim + skip != e->ndim || s->ndim < 1) {
		return false;
	}
	for (int i = 1; i < s->ndim; i++) {
		if (s->dim[i] >= 0 && s->dim[i] != e->dim[i + skip]) {
			return false;
		}
	}
	return true;
}

/* True when the data would fit with its channels moved from the last dimension to the second. */
static bool is_channels_last(const struct qb_input_spec *s, const struct qb_archive_entry *e)
{
	return s->ndim == 4 && e->ndim == 4 && s->dim[1] == e->dim[3] && s->dim[2] == e->dim[1] &&
		s->dim[3] == e->dim[2];
}

/* The shape an input wants: the batch is free, whatever stands there. */
static void wanted_shape(const struct qb_input_spec *s, char *out, size_t size)
{
	size_t n;

	if (s->ndim == QB_ANY_SHAPE) {
		snprintf(out, size, "samples along the first dimension");
		return;
	}
	n = (size_t)snprintf(out, size, "[N");
	for (int i = 1; i < s->ndim && n < size; i++) {
		n += (size_t)(s->dim[i] < 0 ? snprintf(out + n, size - n, ",?")
					    : snprintf(out + n, size - n, ",%lld", (long long)s->dim[i]));
	}
	if (n < size) {
		snprintf(out + n, size - n, "]");
	}
}

static enum qb_err wrong_shape(const struct qb_input_spec *s, const struct qb_archive_entry *e,
	struct qb_errbuf *eb)
{
	char have[128], want[160];

	qb_shape_print(e->dim, e->ndim, have, sizeof(have));
	wanted_shape(s, want, sizeof(want));
	return qb_fail_field(eb, QB_EJOB, "", "data",
		"array \"%.60s\" has shape %s, and the model's input \"%.60s\" wants %s%s", e->name,
		have, s->name, want,
		is_channels_last(s, e) ? "; its channels come last: transpose it to (0, 3, 1, 2)" : "");
}

static enum qb_err check_dtype(const struct qb_input_spec *s, const struct qb_archive_entry *e,
	struct qb_errbuf *eb)
{
	if (s->dtype == QB_F32 || s->dtype == e->dtype ||
		(qb_dtype_is_integer(s->dtype) && qb_dtype_is_integer(e->dtype))) {
		return QB_OK;
	}
	return qb_fail_field(eb, QB_EJOB, "", "data",
		"array \"%.60s\" is %s, and the model's input \"%.60s\" wants %s", e->name,
		qb_dtype_name(e->dtype), s->name, qb_dtype_name(s->dtype));
}

static enum qb_err check_channels(const char *what, int count, const struct qb_bound_input *b,
	struct qb_errbuf *eb)
{
	if (count > 1 && count != b->channels) {
		return qb_fail_field(eb, QB_EJOB, "preprocess", what,
			"has %d values, and input \"%.60s\" has %lld channels", count,
			b->spec.name, (long long)b->channels);
	}
	return QB_OK;
}

static enum qb_err check_readable(const struct qb_archive_entry *e, struct qb_errbuf *eb)
{
	return !e->unreadable ? QB_OK : qb_fail_field(eb, QB_EJOB, "", "data", "array \"%.60s\" is of type %s, and the "
		"job reads it; give it as numbers, such as float32 or int64", e->name, e->unreadable);
}

/* first: what the first input is bound to; the others have as many samples and rows. */
static enum qb_err check_counts(const struct qb_binding *first, const struct qb_archive_entry *named,
	const struct qb_archive_entry *e, int64_t rows, struct qb_errbuf *eb)
{
	if (e->dim[0] != first->count) {
		return qb_fail_field(eb, QB_EJOB, "", "data", "array \"%.60s\" has %lld samples, \"%.60s\" has %lld",
			e->name, (long long)e->dim[0], named->name, (long long)first->count);
	}
	if (rows != first->rows) {
		return qb_fail_field(eb, QB_EJOB, "", "data", "array \"%.60s\" has %lld rows a sample, \"%.60s\" has "
			"%lld", e->name, (long long)rows, named->name, (long long)first->rows);
	}
	return QB_OK;
}

static enum qb_err bind_input(const struct binder *d, struct qb_bound_input *bound, int i,
	struct qb_errbuf *eb)
{
	struct qb_bound_input *b = &bound[i];
	const struct qb_archive_entry *e;
	char names[300], want[160];
	int64_t rows;
	int skip;

	b->entry = find_array(d, &b->spec);
	if (b->entry < 0) {
		list_arrays(d, names, sizeof(names));
		wanted_shape(&b->spec, want, sizeof(want));
		return qb_fail_field(eb, QB_EJOB, "", "data",
			"no array named \"%.60s\"%s for the model's input, which wants %s %s; the file holds %s", b->spec.name,
			d->inputs == 1 && strcmp(b->spec.name, "x") ? " or \"x\"" : "", qb_dtype_name(b->spec.dtype), want,
			names);
	}
	e = &d->entry[b->entry];
	QB_TRY(check_readable(e, eb));
	skip = fits(&b->spec, e, 1);
	rows = skip ? e->dim[1] : 1;
	if ((!skip && !fits(&b->spec, e, 0)) || rows < 1) {
		return wrong_shape(&b->spec, e, eb);
	}
	QB_TRY(check_dtype(&b->spec, e, eb));
	if (i == 0) {
		d->out->count = e->dim[0];
		d->out->rows = rows;
	}
	QB_TRY(check_counts(d->out, &d->entry[bound[0].entry], e, rows, eb));
	b->spec.ndim = b->spec.ndim == QB_ANY_SHAPE ? e->ndim : b->spec.ndim;
	for (int k = 1; k < b->spec.ndim; k++) {
		b->spec.dim[k] = e->dim[k + skip];
	}
	b->size = qb_sample_size(e) / (size_t)rows;
	b->channels = b->spec.ndim > 1 ? b->spec.dim[1] : 1;
	b->inner = b->channels ? (int64_t)b->size / b->channels : 0;
	if (b->spec.dtype == QB_F32 && d->preprocess) {
		QB_TRY(check_channels("scale", d->preprocess->scales, b, eb));
		QB_TRY(check_channels("mean", d->preprocess->means, b, eb));
		QB_TRY(check_channels("std", d->preprocess->stds, b, eb));
	}
	return QB_OK;
}

enum qb_err qb_bind_arrays(struct qb_binding *out, struct qb_bound_input *bound,
	const struct qb_archive_entry *entry, int entries, const struct qb_input_spec *input,
	int inputs, const struct qb_preprocess *preprocess, struct qb_errbuf *eb)
{
	struct qb_binding binding = {.labels = -1};
	const struct binder d = {&binding, entry, entries, inputs, preprocess};
	const struct qb_archive_entry *y;

	for (int i = 0; i < inputs; i++) {
		bound[i].spec = input[i];
		/* A network of other floats is converted to float32, and so is its data. */
		if (input[i].dtype == QB_F16 || input[i].dtype == QB_BF16 || input[i].dtype == QB_F64) {
			bound[i].spec.dtype = QB_F32;
		}
		QB_TRY(bind_input(&d, bound, i, eb));
	}
	if (binding.count == 0) {
		return qb_fail_field(eb, QB_EJOB, "", "data", "the file holds no samples");
	}
	binding.labels = find(&d, "y");
	if (binding.labels >= 0) {
		y = &entry[binding.labels];
		QB_TRY(check_readable(y, eb));
		if (y->ndim < 1 || y->dim[0] != binding.count) {
			return qb_fail_field(eb, QB_EJOB, "", "data", "array \"y\" has %lld labels for %lld samples",
				(long long)(y->ndim ? y->dim[0] : 1), (long long)binding.count);
		}
	}
	*out = binding;
	return QB_OK;
}
