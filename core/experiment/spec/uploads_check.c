/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/uploads_check.h"

#include <stdlib.h>
#include <string.h>

#include "core/analysis/metrics.h"
#include "core/base/near.h"
#include "core/graph/graph.h"
#include "core/tensor/binding.h"

enum { NAMES_MAX = 256 };

static const json_t *arrays_of(const struct qb_job *job)
{
	return json_object_get(json_object_get(job->uploads, "data"), "arrays");
}

enum qb_err qb_described_array(const struct qb_job *job, const char *name, struct qb_errbuf *eb)
{
	const json_t *arrays = arrays_of(job), *v;
	const char *names[NAMES_MAX];
	size_t i;
	int count = 0;

	if (!name) {
		return qb_fail(eb, QB_EJOB, "must be the name of an array");
	}
	json_array_foreach(arrays, i, v) {
		const char *one = json_string_value(json_object_get(v, "name"));

		if (one && !strcmp(one, name)) {
			return QB_OK;
		}
		if (one && count < NAMES_MAX) {
			names[count++] = one;
		}
	}
	if (!json_is_array(arrays)) {
		return QB_OK;
	}
	qb_fail(eb, QB_EJOB, "the data has no array \"%.200s\"", name);
	qb_near_note(eb, name, names, count);
	return QB_EJOB;
}

/* inspect_job.c: a number, "N", "2N", or null where it is not known. */
static int64_t read_dim(const json_t *v)
{
	const char *s = json_string_value(v);
	long long times;

	if (json_is_integer(v)) {
		return json_integer_value(v);
	}
	if (!s) {
		return QB_DIM_UNKNOWN;
	}
	times = strtoll(s, NULL, 10);
	return times > 0 ? -times : -1;
}

/* False where the number of dimensions is not known. */
static bool read_shape(const json_t *shape, int *ndim, int64_t *dim)
{
	const json_t *v;
	size_t i;

	if (!json_is_array(shape) || json_array_size(shape) > QB_MAX_DIMS) {
		return false;
	}
	json_array_foreach(shape, i, v) {
		dim[i] = read_dim(v);
	}
	*ndim = (int)i;
	return true;
}

static enum qb_dtype read_type(const json_t *value)
{
	const char *name = json_string_value(json_object_get(value, "type"));

	return name ? qb_dtype_from_name(name) : QB_DTYPE_NONE;
}

struct described {
	int inputs, entries;
	struct qb_input_spec *input;
	struct qb_archive_entry *entry;
	struct qb_bound_input *bound;
	struct qb_binding binding;
	const json_t *output; /* the first */
	size_t labels;        /* of a sample */
	int64_t batch;        /* that the model demands, or 0 */
};

/* False where the descriptions do not say enough. */
static bool read_model(struct described *d, const json_t *model)
{
	const json_t *inputs = json_object_get(model, "inputs"), *v;
	size_t i;

	d->inputs = (int)json_array_size(inputs);
	d->input = calloc((size_t)d->inputs + 1, sizeof(*d->input));
	d->bound = calloc((size_t)d->inputs + 1, sizeof(*d->bound));
	if (!d->inputs || !d->input || !d->bound) {
		return false;
	}
	json_array_foreach(inputs, i, v) {
		struct qb_input_spec *s = &d->input[i];

		s->name = json_string_value(json_object_get(v, "name"));
		s->dtype = read_type(v);
		if (!s->name || s->dtype == QB_DTYPE_NONE ||
			!read_shape(json_object_get(v, "shape"), &s->ndim, s->dim)) {
			return false;
		}
		d->batch = !d->batch && s->ndim && s->dim[0] > 0 ? s->dim[0] : d->batch;
	}
	d->output = json_array_get(json_object_get(model, "outputs"), 0);
	return true;
}

static bool read_arrays(struct described *d, const json_t *arrays)
{
	const json_t *v;
	size_t i;

	d->entries = (int)json_array_size(arrays);
	d->entry = calloc((size_t)d->entries + 1, sizeof(*d->entry));
	if (!json_is_array(arrays) || !d->entry) {
		return false;
	}
	json_array_foreach(arrays, i, v) {
		struct qb_archive_entry *e = &d->entry[i];

		e->name = json_string_value(json_object_get(v, "name"));
		e->dtype = read_type(v);
		e->unreadable = e->dtype == QB_DTYPE_NONE ? json_string_value(json_object_get(v, "type")) : NULL;
		if (!e->name || (e->dtype == QB_DTYPE_NONE && !e->unreadable)) {
			return false;
		}
		if (!read_shape(json_object_get(v, "shape"), &e->ndim, e->dim) && !e->unreadable) {
			return false;
		}
	}
	return true;
}

/* Where the first output is float32 with the batch in front and of a known size. */
static bool metric_shape(const struct described *d, struct qb_metric_shape *s)
{
	const struct qb_bound_input *x = &d->bound[0];
	int64_t dim[QB_MAX_DIMS];
	int ndim;

	if (read_type(d->output) != QB_F32 || !read_shape(json_object_get(d->output, "shape"), &ndim, dim) ||
		ndim < 1 || dim[0] != x->spec.dim[0]) {
		return false;
	}
	*s = (struct qb_metric_shape){.ndim = ndim - 1, .outputs = 1, .rows = d->binding.rows,
		.inputs = x->spec.dtype == QB_F32 ? x->size : 0};
	s->labels = d->labels;
	for (int i = 1; i < ndim; i++) {
		if (dim[i] < 0) {
			return false;
		}
		s->dim[i - 1] = dim[i];
		s->outputs *= (size_t)dim[i];
	}
	return true;
}

/* Does one of the uploads want "text"? */
static bool is_text(const struct qb_job *job, const char *upload)
{
	const char *kind = json_string_value(json_object_get(json_object_get(job->uploads, upload), "kind"));

	return kind && !strcmp(kind, "text");
}

/* Samples that the data makes for the inputs: windows of a text, or rows of its arrays. False in *known where the descriptions do not
 * say enough. */
static enum qb_err bind(struct described *d, const struct qb_job *job, const struct qb_ptq_spec *spec, bool *known,
	struct qb_errbuf *eb)
{
	struct qb_text_shape text;
	struct qb_text_plan plan;

	*known = spec->has_text ? qb_text_described(&text, json_object_get(job->uploads, "data")) : read_arrays(d, arrays_of(job));
	if (!*known) {
		return QB_OK;
	}
	if (spec->has_text) {
		QB_TRY(qb_text_plan(&plan, &text, &spec->text, false, d->input, d->inputs, eb));
		d->binding = (struct qb_binding){.count = plan.count, .rows = 1, .labels = -1};
		d->bound[0] = (struct qb_bound_input){.spec = d->input[0], .size = (size_t)plan.length};
		d->labels = (size_t)plan.length;
		return QB_OK;
	}
	QB_TRY(qb_bind_arrays(&d->binding, d->bound, d->entry, d->entries, d->input, d->inputs, &spec->preprocess, eb));
	d->labels = d->binding.labels < 0 ? 0 : qb_sample_size(&d->entry[d->binding.labels]);
	return QB_OK;
}

enum qb_err qb_described_network(const struct qb_job *job, const struct qb_ptq_spec *spec,
	struct qb_errbuf *eb)
{
	const struct qb_sweep_options opt = qb_ptq_sweep_options(spec);
	struct described d = {0};
	struct qb_metric_shape shape;
	struct qb_metric *metric = NULL;
	int64_t calibrated, evaluated;
	enum qb_err err = QB_OK;
	bool known;

	if (!spec->has_text && (is_text(job, "data") || is_text(job, "train"))) {
		return qb_text_spec_missing(eb);
	}
	if (!read_model(&d, json_object_get(job->uploads, "model"))) {
		goto out;
	}
	QB_TRY_OUT(bind(&d, job, spec, &known, eb));
	if (!known) {
		goto out;
	}
	QB_TRY_OUT(qb_sweep_count(&opt, d.binding.count, d.binding.rows, d.batch, &calibrated, &evaluated,
		eb));
	if (metric_shape(&d, &shape)) {
		QB_TRY_OUT(qb_metric_create(&metric, spec->metric, &shape, eb));
	}
out:
	qb_metric_destroy(&metric);
	free(d.input);
	free(d.bound);
	free(d.entry);
	return err;
}
