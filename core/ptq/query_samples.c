/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/query_samples.h"

#include <stdlib.h>
#include <string.h>

#include "core/ptq/network.h"

/* Free dimensions become those of the data. */
static enum qb_err fit_shapes(struct qb_graph *model, const struct qb_dataset *data, struct qb_errbuf *eb)
{
	struct qb_shape *shapes = calloc((size_t)model->inputs + 1, sizeof(*shapes));
	enum qb_err err;

	if (!shapes) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d inputs", model->inputs);
	}
	for (int i = 0; i < model->inputs; i++) {
		const struct qb_input_spec *s = qb_dataset_input(data, i);

		shapes[i].known = true;
		shapes[i].ndim = s->ndim;
		memcpy(shapes[i].dim, s->dim, sizeof(s->dim));
	}
	err = qb_graph_set_shapes(model, shapes, eb);
	if (err == QB_OK) {
		err = qb_pass_to_float32(model, eb);
	}
	free(shapes);
	return err;
}

static enum qb_err fit_model(struct qb_graph *model, const struct qb_dataset *data,
	struct qb_errbuf *eb)
{
	struct qb_graph *open = NULL;
	enum qb_err err;

	if (qb_model_is_free(model)) {
		QB_TRY(qb_graph_clone(&open, model, eb));
	}
	QB_TRY_OUT(fit_shapes(model, data, eb));
	QB_TRY_OUT(qb_graph_prepare(model, eb));
	/* An exported file keeps its free dimensions: the network is the same without those of the data, or is exported as it
	 * was before them. */
	if (open && qb_pass_to_float32(open, NULL) == QB_OK && qb_graph_prepare(open, NULL) == QB_OK) {
		if (!qb_graph_declare_free(model, open)) {
			model->open = open;
			open = NULL;
		}
	}
out:
	qb_graph_destroy(&open);
	return err;
}

/* Specs of the model's inputs; NULL without memory. */
static struct qb_input_spec *input_specs(const struct qb_graph *model)
{
	struct qb_input_spec *specs = calloc((size_t)model->inputs + 1, sizeof(*specs));

	for (int i = 0; specs && i < model->inputs; i++) {
		const struct qb_value *v = model->input[i];

		specs[i].name = v->name;
		specs[i].dtype = v->dtype;
		specs[i].ndim = v->shape.known ? v->shape.ndim : QB_ANY_SHAPE;
		memcpy(specs[i].dim, v->shape.dim, sizeof(specs[i].dim));
	}
	return specs;
}

static enum qb_err open_for(struct qb_dataset **out, const struct qb_data_source *source, bool training,
	const struct qb_graph *model, struct qb_errbuf *eb)
{
	const struct qb_text_source text = {.path = source->path, .plain = source->plain, .config = source->text, .training = training,
		.from = source->from, .to = source->to};
	struct qb_input_spec *specs = input_specs(model);
	enum qb_err err;

	if (!specs) {
		return qb_fail(eb, QB_ENOMEM, "no memory to open %s", source->path);
	}
	err = source->text ? qb_dataset_open_text(out, &text, specs, model->inputs, eb)
		: qb_dataset_open(out, source->path, specs, model->inputs, source->preprocess, eb);
	free(specs);
	return err;
}

enum qb_err qb_open_more_data(struct qb_dataset **out, const struct qb_data_source *source, const struct qb_graph *model,
	struct qb_errbuf *eb)
{
	return open_for(out, source, false, model, eb);
}

/* Of a network with logits [N, T, vocabulary]: are all tokens of the task in it? */
static enum qb_err check_vocabulary(const struct qb_graph *model, const struct qb_dataset *data, struct qb_errbuf *eb)
{
	const struct qb_shape *s = model->outputs ? &model->output[0]->shape : NULL;
	const struct qb_text_plan *plan;

	if (!qb_dataset_windows(data) || !s || !s->known || s->ndim != 3 || s->dim[2] < 0) {
		return QB_OK;
	}
	plan = qb_text_windows_plan(qb_dataset_windows(data));
	return plan->largest < s->dim[2] ? QB_OK : qb_fail_field(eb, QB_EJOB, "", "text", "has tokens up to %lld with those of its task "
		"(mask %lld, start %lld), and the network knows %lld", (long long)plan->largest, (long long)plan->mask,
		(long long)plan->start, (long long)s->dim[2]);
}

static enum qb_err open_and_fit(struct qb_dataset **out, const struct qb_data_source *source, bool training, struct qb_graph *model,
	struct qb_errbuf *eb)
{
	struct qb_dataset *data = NULL;
	enum qb_err err;

	QB_TRY(open_for(&data, source, training, model, eb));
	err = training ? fit_shapes(model, data, eb) : fit_model(model, data, eb);
	err = err == QB_OK ? check_vocabulary(model, data, eb) : err;
	if (err != QB_OK) {
		qb_dataset_close(&data);
		return err;
	}
	*out = data;
	return QB_OK;
}

enum qb_err qb_open_data(struct qb_dataset **out, const struct qb_data_source *source, struct qb_graph *model,
	struct qb_errbuf *eb)
{
	return open_and_fit(out, source, false, model, eb);
}

enum qb_err qb_open_samples(struct qb_dataset **out, const struct qb_data_source *source, struct qb_graph *model,
	struct qb_errbuf *eb)
{
	return open_and_fit(out, source, true, model, eb);
}

struct qb_query_samples {
	int inputs, outputs;
	void **input, **output;
};

/* Memory for `rows` rows where the values hold `batch`. */
static void **buffers(struct qb_value *const *value, int count, int64_t batch, int64_t rows)
{
	void **p = calloc((size_t)count + 1, sizeof(*p));

	for (int i = 0; p && i < count; i++) {
		p[i] = qb_aligned_alloc(qb_value_size(value[i]) / (size_t)batch * (size_t)rows,
			qb_dtype_bytes(value[i]->dtype));
		if (!p[i]) {
			while (i-- > 0) {
				free(p[i]);
			}
			free(p);
			return NULL;
		}
	}
	return p;
}

static void release(void **p, int count)
{
	for (int i = 0; p && i < count; i++) {
		free(p[i]);
	}
	free(p);
}

void qb_query_samples_destroy(struct qb_query_samples **sample)
{
	struct qb_query_samples *s = *sample;

	if (s) {
		release(s->input, s->inputs);
		release(s->output, s->outputs);
		free(s);
		*sample = NULL;
	}
}

enum qb_err qb_query_samples_create(struct qb_query_samples **out, const struct qb_graph *graph,
	const struct qb_dataset *data, struct qb_errbuf *eb)
{
	struct qb_query_samples *s = calloc(1, sizeof(*s));
	struct qb_dataset_reader *reader = NULL;
	int64_t batch = graph->input[0]->shape.dim[0], rows = qb_dataset_rows(data);
	int64_t samples = (batch + rows - 1) / rows;
	enum qb_err err = QB_OK;

	if (s) {
		s->inputs = graph->inputs;
		s->outputs = graph->outputs;
		s->input = buffers(graph->input, graph->inputs, batch, samples * rows);
		s->output = buffers(graph->output, graph->outputs, 1, 1);
	}
	if (!s || !s->input || !s->output) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a sample");
		goto out;
	}
	QB_TRY_OUT(qb_dataset_reader_create(&reader, data, eb));
	QB_TRY_OUT(qb_dataset_read(reader, 0, samples, s->input, NULL, eb));
	*out = s;
	s = NULL;
out:
	qb_dataset_reader_destroy(&reader);
	qb_query_samples_destroy(&s);
	return err;
}

const void *const *qb_query_samples_inputs(const struct qb_query_samples *sample)
{
	return (const void *const *)sample->input;
}

void *const *qb_query_samples_outputs(const struct qb_query_samples *sample)
{
	return sample->output;
}
