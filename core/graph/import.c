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

struct importer {
	struct qb_graph *g;
	struct qb_model_file *file;
	const Onnx__ModelProto *model;
	const Onnx__GraphProto *graph;
	struct qb_names values;  /* name -> struct qb_value */
	struct qb_errbuf *eb;
};

static enum qb_err no_memory(struct importer *im)
{
	return qb_fail(im->eb, QB_ENOMEM, "out of memory while importing the network");
}

static enum qb_err check_name(struct importer *im, const char *name, const char *what)
{
	if (!qb_name_ok(name)) {
		return qb_fail(im->eb, QB_EONNX, "the name of %s is not printable UTF-8 of at most %d bytes", what,
			(int)QB_NAME_BYTES_MAX);
	}
	return QB_OK;
}

/* ---- the model's own fields ---- */

static enum qb_err check_model(struct importer *im)
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
	if (m->n_functions) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "the model defines %zu functions of its own, which is not "
			"supported; inline them before the export (onnx.inliner)", m->n_functions);
	}
	for (size_t i = 0; i < m->n_opset_import; i++) {
		const char *domain = qb__import_string(m->opset_import[i]->domain);

		if (!*domain || strcmp(domain, "ai.onnx") == 0) {
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

static enum qb_err domain_opset(struct importer *im, const char *domain, int *out)
{
	if (!*domain) {
		*out = (int)im->g->opset;
		return QB_OK;
	}
	for (size_t i = 0; i < im->model->n_opset_import; i++) {
		const Onnx__OperatorSetIdProto *o = im->model->opset_import[i];

		if (strcmp(qb__import_string(o->domain), domain) == 0) {
			*out = (int)QB_MIN(QB_MAX(o->version, 0), INT32_MAX);
			return QB_OK;
		}
	}
	*out = 1; /* exporters forget to import their own domains */
	return QB_OK;
}

/* ---- values ---- */

static enum qb_err import_initializers(struct importer *im)
{
	const Onnx__GraphProto *graph = im->graph;

	if (graph->n_sparse_initializer) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "sparse initializers are not supported");
	}
	for (size_t i = 0; i < graph->n_initializer; i++) {
		const Onnx__TensorProto *proto = graph->initializer[i];
		const char *name = qb__import_string(proto->name);
		const struct qb_tensor *t;
		struct qb_value *v;
		enum qb_err err;

		QB_TRY(check_name(im, name, "an initializer"));
		if (!*name) {
			return qb_fail(im->eb, QB_EONNX, "initializer %zu has no name", i);
		}
		if (qb_names_get(&im->values, name)) {
			return qb_fail(im->eb, QB_EONNX, "initializer %.200s appears twice", name);
		}
		err = qb__import_tensor(im->g->arena, im->file, proto, &t, im->eb);
		if (err != QB_OK) {
			return qb_fail_in(im->eb, err, "initializer %.200s", name);
		}
		v = qb_graph_add_constant(im->g, name, t);
		if (!v || !qb_names_set(&im->values, v->name, v)) {
			return no_memory(im);
		}
	}
	return QB_OK;
}

static enum qb_err import_inputs(struct importer *im)
{
	const Onnx__GraphProto *graph = im->graph;

	im->g->input = qb_arena_alloc(im->g->arena, graph->n_input + 1, sizeof(*im->g->input));
	if (!im->g->input) {
		return no_memory(im);
	}
	for (size_t i = 0; i < graph->n_input; i++) {
		const char *name = qb__import_string(graph->input[i]->name);
		struct qb_value *v = qb_names_get(&im->values, name);

		if (v && v->constant) {
			continue; /* an input with a default value: its default is what we run */
		}
		QB_TRY(check_name(im, name, "an input"));
		if (!*name || v) {
			return qb_fail(im->eb, QB_EONNX, "input %.200s of the network %s", name,
				v ? "appears twice" : "has no name");
		}
		v = qb_graph_add_value(im->g, name, QB_DTYPE_NONE);
		if (!v || !qb_names_set(&im->values, v->name, v)) {
			return no_memory(im);
		}
		QB_TRY(qb__import_type(graph->input[i], true, &v->dtype, &v->shape, im->eb));
		v->declared = qb__import_declared(im->g->arena, graph->input[i]);
		if (!v->declared) {
			return no_memory(im);
		}
		if (v->dtype == QB_DTYPE_NONE) {
			return qb_fail(im->eb, QB_EONNX, "input %.200s of the network has no element type", name);
		}
		im->g->input[im->g->inputs++] = v;
	}
	return QB_OK;
}

static enum qb_err value_named(struct importer *im, const char *name, struct qb_value **out)
{
	struct qb_value *v = qb_names_get(&im->values, name);

	if (!v) {
		QB_TRY(check_name(im, name, "a value"));
		v = qb_graph_add_value(im->g, name, QB_DTYPE_NONE);
		if (!v || !qb_names_set(&im->values, v->name, v)) {
			return no_memory(im);
		}
	}
	*out = v;
	return QB_OK;
}

/* ---- attributes ---- */

static enum qb_attr_kind kind_of(const Onnx__AttributeProto *a, bool *supported)
{
	*supported = true;
	if (a->has_type) {
		switch (a->type) {
		case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: return QB_ATTR_FLOAT;
		case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT: return QB_ATTR_INT;
		case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING: return QB_ATTR_STRING;
		case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR: return QB_ATTR_TENSOR;
		case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS: return QB_ATTR_FLOATS;
		case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS: return QB_ATTR_INTS;
		case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS: return QB_ATTR_STRINGS;
		default:
			*supported = false;
			return QB_ATTR_INT;
		}
	}
	/* Files older than the field `type` leave it to what is there. */
	return a->has_f ? QB_ATTR_FLOAT : a->has_i ? QB_ATTR_INT : a->has_s ? QB_ATTR_STRING :
		a->t ? QB_ATTR_TENSOR : a->n_floats ? QB_ATTR_FLOATS : a->n_strings ? QB_ATTR_STRINGS : QB_ATTR_INTS;
}

static enum qb_err import_attr(struct importer *im, struct qb_node *n, const Onnx__AttributeProto *a,
	struct qb_attr *out)
{
	struct qb_arena *arena = im->g->arena;
	const char *name = qb__import_string(a->name);
	bool supported;
	enum qb_err err;

	if (a->g || a->n_graphs) {
		return qb_node_fail(im->eb, QB_EUNSUPPORTED, n, "attribute %.60s holds a subgraph; control flow is "
			"not supported", name);
	}
	if (qb_node_attr(n, name)) {
		return qb_node_fail(im->eb, QB_EONNX, n, "attribute %.60s appears twice", name);
	}
	out->name = qb_arena_strdup(arena, name);
	out->kind = kind_of(a, &supported);
	if (!supported) {
		return qb_node_fail(im->eb, QB_EUNSUPPORTED, n, "attribute %.60s is of kind %d, which is not supported",
			name, (int)a->type);
	}
	out->i = a->i;
	out->f = a->f;
	if (out->kind == QB_ATTR_STRING) {
		out->s = qb_arena_strndup(arena, a->s.len ? (const char *)a->s.data : "", a->s.len);
	} else if (out->kind == QB_ATTR_INTS || out->kind == QB_ATTR_FLOATS) {
		bool ints = out->kind == QB_ATTR_INTS;
		size_t count = ints ? a->n_ints : a->n_floats, bytes = count * (ints ? 8 : 4);
		void *copy = qb_arena_alloc(arena, bytes, 1);

		if (!copy || count > INT32_MAX) {
			return no_memory(im);
		}
		if (count) {
			memcpy(copy, ints ? (const void *)a->ints : (const void *)a->floats, bytes);
		}
		out->count = (int)count;
		out->ints = ints ? copy : NULL;
		out->floats = ints ? NULL : copy;
	} else if (out->kind == QB_ATTR_STRINGS) {
		const char **copy = qb_arena_alloc(arena, a->n_strings + 1, sizeof(*copy));

		if (!copy || a->n_strings > INT32_MAX) {
			return no_memory(im);
		}
		for (size_t i = 0; i < a->n_strings; i++) {
			const ProtobufCBinaryData *s = &a->strings[i];

			copy[i] = qb_arena_strndup(arena, s->len ? (const char *)s->data : "", s->len);
			if (!copy[i]) {
				return no_memory(im);
			}
		}
		out->count = (int)a->n_strings;
		out->strings = copy;
	} else if (out->kind == QB_ATTR_TENSOR) {
		if (!a->t) {
			return qb_node_fail(im->eb, QB_EONNX, n, "attribute %.60s holds no tensor", name);
		}
		err = qb__import_tensor(arena, im->file, a->t, &out->tensor, im->eb);
		if (err != QB_OK) {
			return qb_fail_in(im->eb, err, "node %.200s (%.64s): attribute %.60s", n->name, n->type, name);
		}
	}
	if (!out->name || (out->kind == QB_ATTR_STRING && !out->s)) {
		return no_memory(im);
	}
	return QB_OK;
}

/* ---- nodes ---- */

static enum qb_err name_node(struct importer *im, struct qb_node *n, const Onnx__NodeProto *proto,
	size_t index)
{
	const char *name = qb__import_string(proto->name), *out = NULL;

	QB_TRY(check_name(im, name, "a node"));
	QB_TRY(check_name(im, n->type, "a node's operator"));
	for (size_t i = 0; i < proto->n_output && !out; i++) {
		out = *proto->output[i] ? proto->output[i] : NULL;
	}
	if (out) {
		QB_TRY(check_name(im, out, "a node's output"));
	}
	n->name = *name ? qb_arena_strdup(im->g->arena, name) :
		out ? qb_arena_printf(im->g->arena, "%s:%s", n->type, out) :
		      qb_arena_printf(im->g->arena, "%s:%zu", n->type, index);
	return n->name ? QB_OK : no_memory(im);
}

static enum qb_err import_edges(struct importer *im, struct qb_node *n, char *const *names, size_t count,
	bool is_output, struct qb_value ***out)
{
	struct qb_value **list = qb_arena_alloc(im->g->arena, count + 1, sizeof(*list));

	if (!list) {
		return no_memory(im);
	}
	for (size_t i = 0; i < count; i++) {
		if (!*names[i]) {
			continue;
		}
		QB_TRY(value_named(im, names[i], &list[i]));
		if (!is_output) {
			continue;
		}
		if (list[i]->producer) {
			return qb_node_fail(im->eb, QB_EONNX, n, "output %.200s is also produced by node %.200s",
				names[i], list[i]->producer->name);
		}
		list[i]->producer = n; /* relink checks the rest and sets it again */
	}
	*out = list;
	return QB_OK;
}

/* Of a recurrent layer the last state alone may be wanted; every other operator has its first output. */
static bool first_may_be_absent(const struct qb_node *n)
{
	bool any = false;

	for (int i = 0; i < n->outputs; i++) {
		any |= n->output[i] != NULL;
	}
	return any && (strcmp(n->type, "LSTM") == 0 || strcmp(n->type, "GRU") == 0 || strcmp(n->type, "RNN") == 0);
}

static enum qb_err check_arity(struct importer *im, const struct qb_node *n)
{
	const struct qb_op *op = n->op;

	if (n->inputs < op->min_inputs || (op->max_inputs >= 0 && n->inputs > op->max_inputs)) {
		return qb_node_fail(im->eb, QB_EONNX, n, "it has %d inputs, the operator takes %d to %d", n->inputs,
			op->min_inputs, op->max_inputs);
	}
	for (int i = 0; i < op->min_inputs; i++) {
		if (!n->input[i]) {
			return qb_node_fail(im->eb, QB_EONNX, n, "input %d is left out but required", i);
		}
	}
	if (n->outputs < 1 || (!n->output[0] && !first_may_be_absent(n)) || (op->max_outputs >= 0 && n->outputs > op->max_outputs)) {
		return qb_node_fail(im->eb, QB_EONNX, n, "it has %d outputs, the operator has 1 to %d, the first "
			"of them named", n->outputs, op->max_outputs);
	}
	return QB_OK;
}

static enum qb_err import_node(struct importer *im, const Onnx__NodeProto *proto, size_t index)
{
	const char *domain = qb__import_string(proto->domain);
	size_t inputs = proto->n_input, outputs = proto->n_output;
	struct qb_node *n = qb_arena_alloc(im->g->arena, 1, sizeof(*n));

	if (!n || !(n->type = qb_arena_strdup(im->g->arena, qb__import_string(proto->op_type)))) {
		return no_memory(im);
	}
	if (strcmp(domain, "ai.onnx") == 0) {
		domain = "";
	}
	QB_TRY(name_node(im, n, proto, index));
	QB_TRY(domain_opset(im, domain, &n->opset));
	while (inputs && !*proto->input[inputs - 1]) {
		inputs--;
	}
	while (outputs && !*proto->output[outputs - 1]) {
		outputs--;
	}
	if (inputs > INT32_MAX || outputs > INT32_MAX || proto->n_attribute > INT32_MAX) {
		return no_memory(im);
	}
	n->inputs = (int)inputs;
	n->outputs = (int)outputs;
	n->attr = qb_arena_alloc(im->g->arena, proto->n_attribute + 1, sizeof(*n->attr));
	if (!n->attr) {
		return no_memory(im);
	}
	for (size_t i = 0; i < proto->n_attribute; i++) {
		QB_TRY(import_attr(im, n, proto->attribute[i], &n->attr[i]));
		n->attrs++;
	}
	QB_TRY(import_edges(im, n, proto->input, inputs, false, &n->input));
	QB_TRY(import_edges(im, n, proto->output, outputs, true, &n->output));
	n->op = qb_op_find(domain, n->type);
	im->g->node[im->g->nodes++] = n;
	return n->op ? check_arity(im, n) : QB_OK;
}

/* Names the first node, and says at once which other operators are missing. */
static enum qb_err check_operators(struct importer *im)
{
	const struct qb_node *first = NULL;
	char also[512] = "";
	size_t n = 0;
	struct qb_names seen = { 0 };

	for (int i = 0; i < im->g->nodes; i++) {
		const struct qb_node *node = im->g->node[i];

		if (node->op || qb_names_get(&seen, node->type)) {
			continue;
		}
		if (!qb_names_set(&seen, node->type, &seen)) {
			break;
		}
		if (!first) {
			first = node;
		} else if (n < sizeof(also) - 80) {
			n += (size_t)snprintf(also + n, sizeof(also) - n, "%s%.64s", n ? ", " : "", node->type);
		}
	}
	qb_names_fini(&seen);
	if (first) {
		const char *domain = qb__import_string(im->graph->node[first->index]->domain);

		return qb_node_fail(im->eb, QB_EUNSUPPORTED, first, "operator %.64s%s%.64s is not supported%s%s",
			domain, *domain ? "." : "", first->type, n ? "; neither are " : "", also);
	}
	return QB_OK;
}

/* Operators on codes that are no operators of ours become those that are. */
static enum qb_err expand_nodes(struct importer *im)
{
	struct qb_graph *g = im->g;
	struct qb_node **list;
	size_t most = 1;
	int kept = 0;

	for (int i = 0; i < g->nodes; i++) {
		most += g->node[i]->op ? 1 : (size_t)qb__expanded_most(g->node[i]);
	}
	list = qb_arena_alloc(g->arena, most, sizeof(*list));
	if (!list) {
		return no_memory(im);
	}
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];
		int count = 0;

		if (!n->op) {
			QB_TRY(qb__expand_quantized(g, n, qb__import_string(im->graph->node[i]->domain),
				list + kept, qb__expanded_most(n), &count, im->eb));
		}
		if (count == 0) {
			list[kept + count++] = n;
		}
		for (int k = 0; k < count; k++) {
			list[kept++]->index = i;
		}
	}
	g->node = list;
	g->nodes = kept;
	return QB_OK;
}

static enum qb_err import_nodes(struct importer *im)
{
	const Onnx__GraphProto *graph = im->graph;

	if (graph->n_node > INT32_MAX / 2) {
		return no_memory(im);
	}
	im->g->node = qb_arena_alloc(im->g->arena, graph->n_node + 1, sizeof(*im->g->node));
	if (!im->g->node) {
		return no_memory(im);
	}
	for (size_t i = 0; i < graph->n_node; i++) {
		QB_TRY(import_node(im, graph->node[i], i));
		im->g->node[i]->index = (int)i;
	}
	QB_TRY(expand_nodes(im));
	return check_operators(im);
}

static enum qb_err import_outputs(struct importer *im)
{
	const Onnx__GraphProto *graph = im->graph;

	if (!graph->n_output) {
		return qb_fail(im->eb, QB_EONNX, "the network has no outputs");
	}
	im->g->output = qb_arena_alloc(im->g->arena, graph->n_output + 1, sizeof(*im->g->output));
	if (!im->g->output) {
		return no_memory(im);
	}
	for (size_t i = 0; i < graph->n_output; i++) {
		const char *name = qb__import_string(graph->output[i]->name);
		struct qb_value *v = qb_names_get(&im->values, name);

		if (!v) {
			return qb_fail(im->eb, QB_EONNX, "output %.200s of the network is produced by no node", name);
		}
		if (strcmp(v->name, name) != 0 && !(v->name = qb_arena_strdup(im->g->arena, name))) {
			return no_memory(im);
		}
		if (!v->declared && !(v->declared = qb__import_declared(im->g->arena, graph->output[i]))) {
			return no_memory(im);
		}
		im->g->output[im->g->outputs++] = v;
	}
	return QB_OK;
}

/* ---- what the file claims about shapes ---- */

static enum qb_err check_claim(struct importer *im, const Onnx__ValueInfoProto *info)
{
	struct qb_value *v = qb_names_get(&im->values, qb__import_string(info->name));
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

static enum qb_err check_claims(struct importer *im)
{
	for (size_t i = 0; i < im->graph->n_output; i++) {
		QB_TRY(check_claim(im, im->graph->output[i]));
	}
	for (size_t i = 0; i < im->graph->n_value_info; i++) {
		QB_TRY(check_claim(im, im->graph->value_info[i]));
	}
	return QB_OK;
}

static enum qb_err import_graph(struct importer *im)
{
	struct qb_graph *g = im->g;

	QB_TRY(check_model(im));
	im->graph = im->model->graph;
	g->format = "onnx";
	g->name = qb_arena_strdup(g->arena, qb_name_ok(qb__import_string(im->graph->name)) ?
		qb__import_string(im->graph->name) : "");
	g->producer = qb_arena_strdup(g->arena, qb_name_ok(qb__import_string(im->model->producer_name)) ?
		qb__import_string(im->model->producer_name) : "");
	if (!g->name || !g->producer) {
		return no_memory(im);
	}
	QB_TRY(import_initializers(im));
	QB_TRY(import_inputs(im));
	QB_TRY(import_nodes(im));
	QB_TRY(import_outputs(im));
	QB_TRY(qb_graph_relink(g, im->eb));
	QB_TRY(qb_graph_infer(g, im->eb));
	QB_TRY(check_claims(im));
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
	struct importer im = { .eb = eb, .file = file };
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
	err = im.g ? import_graph(&im) : no_memory(&im);
	if (err == QB_OK) {
		*out = im.g;
	} else {
		qb_graph_destroy(&im.g);
	}
	qb_names_fini(&im.values);
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
