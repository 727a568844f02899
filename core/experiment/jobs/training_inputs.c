/* SPDX-License-Identifier: Apache-2.0
 *
 * The network and the data of a training.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/experiment/jobs/training_run.h"
#include "core/ptq/query_samples.h"
#include "core/tensor/backcopy.h"
#include "core/train/held_out.h"
#include "core/train/networks/initialize.h"

/* One more than the largest label. */
static enum qb_err count_classes(int64_t *classes, const struct qb_dataset *data, struct qb_errbuf *eb)
{
	size_t size = qb_dataset_label_size(data);
	int64_t count = qb_dataset_count(data);
	struct qb_dataset_reader *reader = NULL;
	double *label = NULL, most = 0;
	enum qb_err err;

	if (!size) {
		return qb_fail(eb, QB_EJOB, "the training data has no labels y; say how many classes there are by network.classes");
	}
	QB_TRY_OUT(qb_dataset_reader_create(&reader, data, eb));
	label = calloc(size, sizeof(*label));
	if (!label) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to read labels");
		goto out;
	}
	for (int64_t i = 0; i < count; i++) {
		QB_TRY_OUT(qb_dataset_read(reader, i, 1, NULL, label, eb));
		for (size_t k = 0; k < size; k++) {
			most = fmax(most, label[k]);
		}
	}
	*classes = (int64_t)most + 1;
out:
	free(label);
	qb_dataset_reader_destroy(&reader);
	return err;
}

/* One more than the largest token of the first input. */
static enum qb_err count_tokens(int64_t *classes, const struct qb_dataset *data, struct qb_errbuf *eb)
{
	const struct qb_input_spec *tokens = qb_dataset_input(data, 0);
	int64_t count = qb_dataset_count(data), size = qb_dataset_rows(data), most = 0;
	struct qb_dataset_reader *reader = NULL;
	int64_t *sample = NULL;
	enum qb_err err;

	for (int i = 1; i < tokens->ndim; i++) {
		size *= tokens->dim[i];
	}
	QB_TRY_OUT(qb_dataset_reader_create(&reader, data, eb));
	sample = calloc((size_t)size + 1, sizeof(*sample));
	if (!sample) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to read tokens");
		goto out;
	}
	for (int64_t i = 0; i < count; i++) {
		QB_TRY_OUT(qb_dataset_read(reader, i, 1, (void *[]){sample}, NULL, eb));
		for (int64_t k = 0; k < size; k++) {
			most = sample[k] > most ? sample[k] : most;
		}
	}
	*classes = most + 1;
out:
	free(sample);
	qb_dataset_reader_destroy(&reader);
	return err;
}

/* The training data, for a network that does not stand yet. */
static enum qb_err open_any(struct qb_dataset **out, const struct qb_data_source *source, bool tokens, struct qb_errbuf *eb)
{
	const struct qb_input_spec any = {.name = "input", .dtype = tokens ? QB_I64 : QB_F32, .ndim = QB_ANY_SHAPE};

	const struct qb_text_source text = {.path = source->path, .plain = source->plain, .config = source->text, .training = true};

	return source->text ? qb_dataset_open_text(out, &text, &any, 1, eb)
		: qb_dataset_open(out, source->path, &any, 1, source->preprocess, eb);
}

/* As many as there are labels or, of tokens, as there are of them. */
static enum qb_err find_classes(int64_t *classes, const struct qb_dataset *data, bool tokens, struct qb_errbuf *eb)
{
	if (qb_dataset_windows(data)) {
		*classes = qb_text_windows_plan(qb_dataset_windows(data))->vocabulary;
		return QB_OK;
	}
	return tokens ? count_tokens(classes, data, eb) : count_classes(classes, data, eb);
}

/* By name: of the shape that the training data has, and its classes. */
static enum qb_err build_network(struct qb_graph **out, const struct qb_train_spec *spec, const struct qb_data_source *source,
	struct qb_errbuf *eb)
{
	bool tokens = source->text || spec->network.architecture->tokens;
	struct qb_architecture_input in = {.classes = spec->network.input.classes};
	const struct qb_input_spec *found;
	struct qb_dataset *data = NULL;
	enum qb_err err;

	QB_TRY(qb_job_in_file(open_any(&data, source, tokens, eb), "train", spec->train_name, eb));
	found = qb_dataset_input(data, 0);
	in.ndim = found->ndim - 1;
	memcpy(in.dim, found->dim + 1, (size_t)in.ndim * sizeof(*in.dim));
	if (!in.classes) {
		QB_TRY_OUT(find_classes(&in.classes, data, tokens, eb));
	}
	err = qb_network_spec_build(out, &spec->network, &in, (uint64_t)spec->ptq.seed, eb);
	if (err == QB_EJOB) {
		err = qb_fail_in_field(eb, err, "", "network");
	}
out:
	qb_dataset_close(&data);
	return err;
}

/* ---- samples that choose the best network ---- */

static enum qb_err read_labels(double *label, const struct qb_dataset *data, struct qb_errbuf *eb)
{
	struct qb_dataset_reader *reader = NULL;
	enum qb_err err = qb_dataset_reader_create(&reader, data, eb);

	if (err == QB_OK) {
		err = qb_dataset_read(reader, 0, qb_dataset_count(data), NULL, label, eb);
	}
	qb_dataset_reader_destroy(&reader);
	return err;
}

/* The two parts of the training data. */
static enum qb_err divide(struct qb_training_inputs *in, const bool *held, int64_t *sample, struct qb_errbuf *eb)
{
	int64_t n = qb_dataset_count(in->train), some = 0, rest = 0;

	for (int64_t i = 0; i < n; i++) {
		if (held[i]) {
			sample[some++] = i;
		}
	}
	QB_TRY(qb_dataset_choose(in->validation, sample, some, eb));
	for (int64_t i = 0; i < n; i++) {
		if (!held[i]) {
			sample[rest++] = i;
		}
	}
	return qb_dataset_choose(in->train, sample, rest, eb);
}

/* Of a text its end. */
static enum qb_err hold_out_text(struct qb_training_inputs *in, const struct qb_train_spec *spec, const struct qb_data_source *train,
	struct qb_errbuf *eb)
{
	struct qb_data_source first = *train, rest = *train;

	if (spec->ptq.text.task == QB_TEXT_BIGRAM_BACKCOPY) {
		return qb_fail_field(eb, QB_EJOB, "", "validation", "holds the end of a text out, and sequences of bigram_backcopy are made from "
			"all of it; leave it out, no evaluation sees what was trained on");
	}
	first.to = rest.from = 1 - spec->validation;
	qb_dataset_close(&in->train);
	QB_TRY(qb_open_samples(&in->train, &first, in->network, eb));
	QB_TRY(qb_open_more_data(&in->validation, &rest, in->prepared, eb));
	return qb_dataset_count(in->train) > 0 && qb_dataset_count(in->validation) > 0 ? QB_OK : qb_fail_field(eb, QB_EJOB, "", "validation",
		"of %g leaves nothing of the rows of tokens to one of both; some must be held out and some remain", spec->validation);
}

static enum qb_err hold_out_samples(struct qb_training_inputs *in, const struct qb_train_spec *spec, const struct qb_data_source *train,
	struct qb_errbuf *eb)
{
	const int64_t n = qb_dataset_count(in->train), count = (int64_t)llround(spec->validation * (double)n);
	const bool classes = spec->loss == QB_LOSS_CROSS_ENTROPY && qb_dataset_label_size(in->train) == 1;
	int64_t *sample = calloc((size_t)n + 1, sizeof(*sample));
	double *label = calloc((size_t)n + 1, sizeof(*label));
	bool *held = calloc((size_t)n + 1, sizeof(*held));
	enum qb_err err;

	if (!sample || !label || !held) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to hold %lld samples out", (long long)count);
		goto out;
	}
	if (count < 1 || count >= n) {
		err = qb_fail_field(eb, QB_EJOB, "", "validation", "of %g of %lld training samples holds %lld out; some must be held out and "
			"some remain", spec->validation, (long long)n, (long long)count);
		goto out;
	}
	if (classes) {
		QB_TRY_OUT(read_labels(label, in->train, eb));
	}
	QB_TRY_OUT(qb_held_out((uint64_t)spec->ptq.seed, n, classes ? label : NULL, count, held, eb));
	QB_TRY_OUT(qb_open_more_data(&in->validation, train, in->prepared, eb));
	err = divide(in, held, sample, eb);
out:
	free(sample);
	free(label);
	free(held);
	return err;
}

/* ---- the whole ---- */

static enum qb_err read_network(struct qb_training_inputs *in, const struct qb_train_spec *spec, const struct qb_data_source *train,
	struct qb_errbuf *eb)
{
	if (spec->network.architecture) {
		return build_network(&in->network, spec, train, eb);
	}
	QB_TRY(qb_job_in_file(qb_graph_import(&in->network, spec->ptq.model_path, eb), "model", spec->ptq.model_name, eb));
	return spec->init == QB_TRAIN_FRESH ? qb_graph_initialize(in->network, (uint64_t)spec->ptq.seed, eb) : QB_OK;
}

/* Evaluated on another text, bigram_backcopy is the same task only where the same tokens are triggers. */
static enum qb_err check_triggers(const struct qb_training_inputs *in, struct qb_errbuf *eb)
{
	const struct qb_text_windows *train = qb_dataset_windows(in->train), *data = qb_dataset_windows(in->data);
	const struct qb_backcopy *a = train ? qb_text_windows_backcopy(train) : NULL;
	const struct qb_backcopy *b = data ? qb_text_windows_backcopy(data) : NULL;
	const int64_t *of_train, *of_data;
	int count;

	if (!a || !b) {
		return QB_OK;
	}
	count = qb_backcopy_triggers(a, &of_train);
	for (int i = 0; i < count; i++) {
		if (count != qb_backcopy_triggers(b, &of_data) || of_train[i] != of_data[i]) {
			return qb_fail_field(eb, QB_EJOB, "", "data", "has other most frequent tokens than the training data (%lld is a trigger in "
				"one of them), so that its bigram_backcopy is another task; give the same text as both, whose sequences are drawn "
				"apart", (long long)of_train[i]);
		}
	}
	return QB_OK;
}

enum qb_err qb_training_inputs_open(struct qb_training_inputs *in, const struct qb_train_spec *spec, struct qb_errbuf *eb)
{
	const struct qb_data_source train = qb_ptq_spec_source(&spec->ptq, spec->train_path, spec->train_name);
	const struct qb_data_source data = qb_ptq_spec_source(&spec->ptq, spec->ptq.data_path, spec->ptq.data_name);

	QB_TRY(read_network(in, spec, &train, eb));
	QB_TRY(qb_job_in_file(qb_open_samples(&in->train, &train, in->network, eb), "train", spec->train_name, eb));
	QB_TRY(qb_attention_spec_apply(&spec->attention, in->network, (uint64_t)spec->ptq.seed, "attention", eb));
	QB_TRY(qb_graph_clone(&in->prepared, in->network, eb));
	QB_TRY(qb_job_in_file(qb_open_data(&in->data, &data, in->prepared, eb), "data", spec->ptq.data_name, eb));
	QB_TRY(check_triggers(in, eb));
	if (spec->validation > 0) {
		QB_TRY(qb_job_in_file((spec->ptq.has_text ? hold_out_text : hold_out_samples)(in, spec, &train, eb), "train", spec->train_name, eb));
	}
	if (spec->teacher_path) {
		QB_TRY(qb_job_in_file(qb_graph_import(&in->teacher, spec->teacher_path, eb), "teacher", spec->teacher_name, eb));
	}
	return QB_OK;
}

void qb_training_inputs_close(struct qb_training_inputs *in)
{
	qb_dataset_close(&in->validation);
	qb_dataset_close(&in->data);
	qb_dataset_close(&in->train);
	qb_graph_destroy(&in->prepared); /* borrows constants of the network */
	qb_graph_destroy(&in->teacher);
	qb_graph_destroy(&in->network);
}
