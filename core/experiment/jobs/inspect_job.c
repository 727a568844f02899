/* SPDX-License-Identifier: Apache-2.0
 *
 * The inspect job: what an upload holds. The daemon runs it on every upload, so that a broken file is named as
 * such before anybody waits for a job on it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/experiment/jobs/kinds.h"
#include "core/experiment/report/text_rows.h"
#include "core/ptq/network.h"
#include "core/graph/graph.h"
#include "core/ops/op.h"
#include "core/tensor/archive.h"

/* A dimension for people and programs: a number, "N", "2N" or null. */
static json_t *dim_json(int64_t d)
{
	if (d >= 0) {
		return json_integer(d);
	}
	if (d == QB_DIM_UNKNOWN) {
		return json_null();
	}
	return d == -1 ? json_string("N") : json_sprintf("%lldN", (long long)-d);
}

static json_t *shape_json(const struct qb_shape *s)
{
	json_t *a = json_array();

	if (!s->known) {
		json_decref(a);
		return json_null();
	}
	for (int i = 0; i < s->ndim; i++) {
		json_array_append_new(a, dim_json(s->dim[i]));
	}
	return a;
}

static json_t *values_json(struct qb_value *const *value, int count)
{
	json_t *a = json_array();

	for (int i = 0; i < count; i++) {
		json_array_append_new(a, json_pack("{s:s, s:s, s:o}", "name", value[i]->name, "type",
					 qb_dtype_name(value[i]->dtype), "shape",
					 shape_json(&value[i]->shape)));
	}
	return a;
}

static json_t *names_json(struct qb_value *const *value, int count)
{
	json_t *a = json_array();

	for (int i = 0; i < count; i++) {
		json_array_append_new(a, value[i] ? json_string(value[i]->name) : json_null());
	}
	return a;
}

/* Parameters and multiply-accumulates of one sample. */
static json_t *node_json(const struct qb_node *n)
{
	size_t parameters = 0;

	for (int i = 0; i < n->inputs; i++) {
		if (n->input[i] && n->input[i]->constant) {
			parameters += qb_tensor_size(n->input[i]->constant);
		}
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:o*}", "name", n->name, "type", n->type,
		"inputs", names_json(n->input, n->inputs), "outputs",
		names_json(n->output, n->outputs), "shape",
		n->outputs && n->output[0] ? shape_json(&n->output[0]->shape) : json_null(),
		"parameters", (json_int_t)parameters, "macs",
		qb_node_macs(n) >= 0 ? json_integer(qb_node_macs(n)) : NULL);
}

static json_t *count_types(const struct qb_graph *g)
{
	json_t *counts = json_object();

	for (int i = 0; i < g->nodes; i++) {
		json_int_t n = json_integer_value(json_object_get(counts, g->node[i]->type));

		json_object_set_new(counts, g->node[i]->type, json_integer(n + 1));
	}
	return counts;
}

static json_t *model_json(const struct qb_graph *g, const struct qb_graph *one)
{
	size_t parameters = 0;
	json_int_t macs = 0;
	bool known = true;
	json_t *nodes = json_array();

	for (int i = 0; i < g->values; i++) {
		if (g->value[i]->constant && qb_value_is_used(g->value[i]) && g->value[i]->dtype == QB_F32) {
			parameters += qb_tensor_size(g->value[i]->constant);
		}
	}
	for (int i = 0; i < one->nodes; i++) {
		known = known && qb_node_macs(one->node[i]) >= 0;
		macs += known ? qb_node_macs(one->node[i]) : 0;
	}
	for (int i = 0; i < one->nodes; i++) {
		json_array_append_new(nodes, node_json(one->node[i]));
	}
	return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:I, s:o*, s:o, s:{s:o}, s:o*}", "kind", "model",
		"format", g->format, "producer", g->producer ? g->producer : "", "opset",
		(json_int_t)g->opset, "inputs", values_json(g->input, g->inputs), "outputs",
		values_json(g->output, g->outputs), "parameters", (json_int_t)parameters, "macs", known ? json_integer(macs) : NULL,
		"operators", count_types(g), "graph", "nodes", nodes, "notes", qb_model_notes(one));
}

static enum qb_err inspect_model(const char *path, json_t **result, struct qb_errbuf *eb)
{
	struct qb_graph *g = NULL, *one = NULL;
	int64_t batch;
	enum qb_err err;

	QB_TRY_OUT(qb_graph_import(&g, path, eb));
	batch = qb_model_batch(g);
	/* Where more than the batch is free, the data that a job brings will tell; until then shapes have gaps. */
	if (qb_model_is_free(g)) {
		QB_TRY_OUT(qb_graph_clone(&one, g, eb));
	} else {
		QB_TRY_OUT(qb_graph_bind(&one, g, batch ? batch : 1, eb));
	}
	QB_TRY_OUT(qb_pass_to_float32(one, eb));
	*result = model_json(g, one);
	if (!*result) {
		err = qb_fail(eb, QB_EONNX, "a name in the model is not valid UTF-8");
	}
out:
	qb_graph_destroy(&one);
	qb_graph_destroy(&g);
	return err;
}

static enum qb_err inspect_text(const char *path, json_t **result, struct qb_errbuf *eb)
{
	struct qb_text *text = NULL;

	QB_TRY(qb_text_open(&text, path, true, eb));
	*result = qb_text_description(text);
	qb_text_close(&text);
	return *result ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to describe a text");
}

static enum qb_err inspect_data(const char *path, const char *name, json_t **result, struct qb_errbuf *eb)
{
	struct qb_archive *a = NULL;
	json_t *arrays;

	if (qb_text_is_plain(name)) {
		return inspect_text(path, result, eb);
	}
	QB_TRY(qb_archive_open(&a, path, eb));
	arrays = json_array();
	for (int i = 0; i < qb_archive_count(a); i++) {
		const struct qb_archive_entry *e = qb_archive_entry(a, i);
		struct qb_shape s = {.known = true, .ndim = e->ndim};

		memcpy(s.dim, e->dim, sizeof(s.dim));
		json_array_append_new(arrays, json_pack("{s:s, s:s, s:o}", "name", e->name, "type",
						      e->unreadable ? e->unreadable : qb_dtype_name(e->dtype), "shape", shape_json(&s)));
	}
	qb_archive_close(&a);
	*result = json_pack("{s:s, s:o}", "kind", "data", "arrays", arrays);
	return *result ? QB_OK : qb_fail(eb, QB_EFORMAT, "a name in the file is not valid UTF-8");
}

static const struct qb_field fields[] = {
	{"model", QB_FIELD_UPLOAD, .summary = "a model's id, or a path for `quantbench run`"},
	{"data", QB_FIELD_UPLOAD, .summary = "a dataset's id, or a path for `quantbench run`"},
	{0}};

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	(void)job;
	return qb_fail_field(eb, QB_EJOB, "", "type", "inspections are the server's own");
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	const char *path, *name;

	QB_TRY(qb_job_read(NULL, job, fields, eb));
	if (json_object_get(job->spec, "model")) {
		QB_TRY(qb_job_input(job, "model", &path, &name, eb));
		return inspect_model(path, result, eb);
	}
	QB_TRY(qb_job_input(job, "data", &path, &name, eb));
	return inspect_data(path, name, result, eb);
}

const struct qb_experiment qb_experiment_inspect = {
	.type = "inspect",
	.summary = "what an upload holds, or what is wrong with it",
	.internal = true,
	.job = {.summary = "What an upload holds, or what is wrong with it. The daemon runs it on every upload.", .fields = fields},
	.run = run,
	.check = check,
};
