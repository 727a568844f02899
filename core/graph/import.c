/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX in. Everything the file says is checked here or in an operator's shape rule before anything runs.
 */
#include "core/graph/import.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/names.h"
#include "core/graph/onnx_wire.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"
#include "core/graph/tflite.h"

enum { OPSET_MIN = 7, OPSET_MAX = 21, IR_MIN = 3, IR_MAX = 13 };

enum qb_err qb__import_no_memory(struct qb__importer *im)
{
	return qb_fail(im->eb, QB_ENOMEM, "out of memory while importing the network");
}

enum qb_err qb__import_check_name(struct qb__importer *im, const char *name, const char *what)
{
	if (!qb_name_ok(name)) {
		return qb_fail(im->eb, QB_EONNX, "the name of %s is not printable UTF-8 of at most %d bytes", what,
			(int)QB_NAME_BYTES_MAX);
	}
	return QB_OK;
}

/* ---- the model's own fields ---- */

static enum qb_err check_model(struct qb__importer *im)
{
	const Onnx__ModelProto *m = im->model;
	bool found = false;

	if (!m->has_ir_version || m->ir_version < IR_MIN || m->ir_version > IR_MAX) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "ONNX IR version %" PRId64 " is not supported; %d to %d are",
			m->has_ir_version ? m->ir_version : 0, IR_MIN, IR_MAX);
	}
	if (!m->graph) {
		return qb_fail(im->eb, QB_EONNX, "the model holds no graph");
	}
	for (size_t i = 0; i < m->n_opset_import; i++) {
		if (!*qb__import_domain(m->opset_import[i]->domain)) {
			im->g->opset = m->opset_import[i]->version;
			found = true;
		}
	}
	if (!found) {
		return qb_fail(im->eb, QB_EONNX, "the model does not say which opset it uses");
	}
	if (im->g->opset < OPSET_MIN || im->g->opset > OPSET_MAX) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "opset %" PRId64 " is not supported; %d to %d are: convert it "
			"with onnx.version_converter", im->g->opset, OPSET_MIN, OPSET_MAX);
	}
	return QB_OK;
}

/* ---- values ---- */

enum qb_err qb__import_initializers(struct qb__importer *im, struct qb__scope *s, const Onnx__GraphProto *graph)
{
	if (graph->n_sparse_initializer) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "sparse initializers are not supported");
	}
	for (size_t i = 0; i < graph->n_initializer; i++) {
		const Onnx__TensorProto *proto = graph->initializer[i];
		const char *name = qb__import_string(proto->name), *unique;
		const struct qb_tensor *t;
		struct qb_value *v;
		enum qb_err err;

		QB_TRY(qb__import_check_name(im, name, "an initializer"));
		if (!*name) {
			return qb_fail(im->eb, QB_EONNX, "initializer %zu has no name", i);
		}
		if (qb_names_get(&s->values, name)) {
			return qb_fail(im->eb, QB_EONNX, "initializer %.200s appears twice", name);
		}
		err = qb__import_tensor(im->g->arena, im->file, proto, &t, im->eb);
		if (err != QB_OK) {
			return qb_fail_in(im->eb, err, "initializer %.200s", name);
		}
		unique = s->prefix ? qb__import_unique(im, s, name) : name;
		v = unique ? qb_graph_add_constant(im->g, unique, t) : NULL;
		if (!v || !qb_names_set(&s->values, name, v) || !qb_names_set(&im->taken, v->name, v)) {
			return qb__import_no_memory(im);
		}
	}
	return QB_OK;
}

static enum qb_err import_inputs(struct qb__importer *im, struct qb__scope *s)
{
	const Onnx__GraphProto *graph = im->graph;

	im->g->input = qb_arena_alloc(im->g->arena, graph->n_input + 1, sizeof(*im->g->input));
	if (!im->g->input) {
		return qb__import_no_memory(im);
	}
	for (size_t i = 0; i < graph->n_input; i++) {
		const char *name = qb__import_string(graph->input[i]->name);
		struct qb_value *v = qb_names_get(&s->values, name);

		if (v && v->constant) {
			continue; /* an input with a default value: its default is what we run */
		}
		QB_TRY(qb__import_check_name(im, name, "an input"));
		if (!*name || v) {
			return qb_fail(im->eb, QB_EONNX, "input %.200s of the network %s", name,
				v ? "appears twice" : "has no name");
		}
		v = qb_graph_add_value(im->g, name, QB_DTYPE_NONE);
		if (!v || !qb_names_set(&s->values, v->name, v) || !qb_names_set(&im->taken, v->name, v)) {
			return qb__import_no_memory(im);
		}
		QB_TRY(qb__import_type(graph->input[i], true, &v->dtype, &v->shape, im->eb));
		v->declared = qb__import_declared(im->g->arena, graph->input[i]);
		if (!v->declared) {
			return qb__import_no_memory(im);
		}
		if (v->dtype == QB_DTYPE_NONE) {
			return qb_fail(im->eb, QB_EONNX, "input %.200s of the network has no element type", name);
		}
		im->g->input[im->g->inputs++] = v;
	}
	return QB_OK;
}

/* A body that is inlined takes no name that the network uses. */
static enum qb_err note_names(struct qb__importer *im)
{
	for (size_t i = 0; i < im->graph->n_node; i++) {
		const Onnx__NodeProto *n = im->graph->node[i];

		for (size_t k = 0; k < n->n_output; k++) {
			if (!qb_names_set(&im->taken, n->output[k], im)) {
				return qb__import_no_memory(im);
			}
		}
	}
	return QB_OK;
}

static enum qb_err check_operators(struct qb__importer *im)
{
	if (im->unknown) {
		return qb_node_fail(im->eb, QB_EUNSUPPORTED, im->unknown, "operator %.64s%s%.64s is not supported%s%s",
			im->unknown_domain, *im->unknown_domain ? "." : "", im->unknown->type,
			*im->also ? "; neither are " : "", im->also);
	}
	return QB_OK;
}

static enum qb_err import_outputs(struct qb__importer *im, const struct qb__scope *s)
{
	const Onnx__GraphProto *graph = im->graph;

	if (!graph->n_output) {
		return qb_fail(im->eb, QB_EONNX, "the network has no outputs");
	}
	im->g->output = qb_arena_alloc(im->g->arena, graph->n_output + 1, sizeof(*im->g->output));
	if (!im->g->output) {
		return qb__import_no_memory(im);
	}
	for (size_t i = 0; i < graph->n_output; i++) {
		const char *name = qb__import_string(graph->output[i]->name);
		struct qb_value *v = qb_names_get(&s->values, name);

		if (!v) {
			return qb_fail(im->eb, QB_EONNX, "output %.200s of the network is produced by no node", name);
		}
		if (strcmp(v->name, name) != 0 && !(v->name = qb_arena_strdup(im->g->arena, name))) {
			return qb__import_no_memory(im);
		}
		if (!v->declared && !(v->declared = qb__import_declared(im->g->arena, graph->output[i]))) {
			return qb__import_no_memory(im);
		}
		im->g->output[im->g->outputs++] = v;
	}
	return QB_OK;
}

/* ---- what the file claims about shapes ---- */

static enum qb_err check_claim(struct qb__importer *im, const struct qb__scope *s, const Onnx__ValueInfoProto *info)
{
	struct qb_value *v = qb_names_get(&s->values, qb__import_string(info->name));
	enum qb_dtype dtype;
	struct qb_shape shape;
	char claimed[256], found[256];
	bool same = true;

	if (!v) {
		return QB_OK; /* about a value that no longer exists: exporters leave such behind */
	}
	QB_TRY(qb__import_type(info, false, &dtype, &shape, im->eb));
	if (dtype != QB_DTYPE_NONE && v->dtype != QB_DTYPE_NONE && dtype != v->dtype) {
		return qb_fail(im->eb, QB_EONNX, "node %.200s: its output %.200s is declared %s, but computes %s",
			v->producer ? v->producer->name : "?", v->name, qb_dtype_name(dtype),
			qb_dtype_name(v->dtype));
	}
	if (!shape.known || !v->shape.known) {
		return QB_OK;
	}
	same = shape.ndim == v->shape.ndim;
	for (int i = 0; same && i < shape.ndim; i++) {
		same = qb_dim_compatible(shape.dim[i], v->shape.dim[i]);
	}
	if (!same) {
		return qb_fail(im->eb, QB_ESHAPE, "node %.200s: its output %.200s is declared %s, but has shape %s",
			v->producer ? v->producer->name : "?", v->name,
			qb_shape_text(&shape, claimed, sizeof(claimed)),
			qb_shape_text(&v->shape, found, sizeof(found)));
	}
	return QB_OK;
}

static enum qb_err check_claims(struct qb__importer *im, const struct qb__scope *s)
{
	for (size_t i = 0; i < im->graph->n_output; i++) {
		QB_TRY(check_claim(im, s, im->graph->output[i]));
	}
	for (size_t i = 0; i < im->graph->n_value_info; i++) {
		QB_TRY(check_claim(im, s, im->graph->value_info[i]));
	}
	return QB_OK;
}

static enum qb_err import_values(struct qb__importer *im, struct qb__scope *s)
{
	QB_TRY(qb__import_functions(im));
	QB_TRY(note_names(im));
	QB_TRY(qb__import_initializers(im, s, im->graph));
	QB_TRY(import_inputs(im, s));
	QB_TRY(qb__import_nodes(im, s, im->graph->node, im->graph->n_node));
	QB_TRY(check_operators(im));
	QB_TRY(import_outputs(im, s));
	QB_TRY(qb_graph_relink(im->g, im->eb));
	QB_TRY(qb_graph_infer(im->g, im->eb));
	return check_claims(im, s);
}

static enum qb_err import_graph(struct qb__importer *im)
{
	struct qb_graph *g = im->g;
	struct qb__scope s = {.opsets = im->model->n_opset_import, .opset = im->model->opset_import};
	enum qb_err err;

	QB_TRY(check_model(im));
	im->graph = im->model->graph;
	g->format = "onnx";
	g->name = qb_arena_strdup(g->arena, qb_name_ok(qb__import_string(im->graph->name)) ?
		qb__import_string(im->graph->name) : "");
	g->producer = qb_arena_strdup(g->arena, qb_name_ok(qb__import_string(im->model->producer_name)) ?
		qb__import_string(im->model->producer_name) : "");
	if (!g->name || !g->producer) {
		return qb__import_no_memory(im);
	}
	err = import_values(im, &s);
	qb_names_fini(&s.values);
	QB_TRY(err);
	QB_TRY(qb__graph_fix_batch(g, im->eb));
	return qb__graph_infer_batch(g);
}

/* What the file is, where it is a kind that people try; NULL: nothing that is known. */
static const char *other_kind(const uint8_t *b, size_t size)
{
	static const struct {
		const char *start, *kind;
	} kinds[] = {
		{"\x89HDF", "a Keras (HDF5) file"}, {"GGUF", "a GGUF file"}, {"\x93NUMPY", "an array of numbers"},
		{"\x80\x02", "a Python pickle"}, {"\x80\x04", "a Python pickle"}, {"<?xml", "an XML file"},
	};

	for (size_t i = 0; i < QB_COUNT(kinds); i++) {
		size_t n = strlen(kinds[i].start);

		if (size >= n && !memcmp(b, kinds[i].start, n)) {
			return kinds[i].kind;
		}
	}
	return size > 9 && b[7] == 0 && b[8] == '{' && b[9] == '"' ? "a safetensors file, which has weights but no network" : NULL;
}

static enum qb_err import_bytes(struct qb_graph **out, struct qb_model_file *file, const void *bytes,
	size_t size, struct qb_errbuf *eb)
{
	struct qb__importer im = { .eb = eb, .file = file };
	ProtobufCMessage *message;
	enum qb_err err;

	if (qb__is_tflite(bytes, size)) {
		return qb__import_tflite(out, bytes, size, eb);
	}
	if (other_kind(bytes, size)) {
		return qb_fail(eb, QB_EFORMAT, "the file is %s, not an ONNX model or a TFLite one; export the network with "
			"torch.onnx.export, tf2onnx or the TFLite converter", other_kind(bytes, size));
	}
	message = qb__wire_unpack(&onnx__model_proto__descriptor, bytes, size, eb);
	if (!message) {
		return QB_EFORMAT;
	}
	im.model = (const Onnx__ModelProto *)message;
	im.g = qb_graph_create();
	err = im.g ? import_graph(&im) : qb__import_no_memory(&im);
	qb__import_functions_fini(&im); /* they lie in the graph's arena */
	if (err == QB_OK) {
		*out = im.g;
	} else {
		qb_graph_destroy(&im.g);
	}
	qb_names_fini(&im.taken);
	qb_names_fini(&im.unknown_types);
	qb__wire_free(message);
	return err;
}

enum qb_err qb_graph_import_bytes(struct qb_graph **out, const void *bytes, size_t size,
	struct qb_errbuf *eb)
{
	return import_bytes(out, NULL, bytes, size, eb);
}

enum qb_err qb_graph_import(struct qb_graph **out, const char *path, struct qb_errbuf *eb)
{
	struct qb_model_file *file = NULL;
	const uint8_t *bytes;
	size_t size;
	enum qb_err err;

	QB_TRY(qb__model_open(&file, path, eb));
	bytes = qb__model_bytes(file, &size);
	err = import_bytes(out, file, bytes, size, eb);
	qb__model_close(&file);
	return err;
}
