/* SPDX-License-Identifier: Apache-2.0
 *
 * What ONNX files hold beside one flat graph, inlined: functions of the model's own, and the branch of an If whose condition
 * is known. Values that a body gives are those of the node in whose place it stands; all others get names of their own.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/import.h"
#include "core/graph/infer.h"
#include "core/graph/onnx_wire.h"
#include "core/graph/op.h"

enum { DEPTH_MAX = 32 };
/* Nodes that are looked at for the conditions of all Ifs of a file. */
#define TRIED_MAX ((int64_t)20 << 20)

/* ---- the model's functions ---- */

struct qb__function {
	const Onnx__FunctionProto *proto;
	size_t defaults;
	Onnx__AttributeProto **value; /* [defaults], of attributes that a call may leave out */
};

/* Fields that are newer than the .proto this is compiled with. */
enum { FUNCTION_ATTRIBUTE_PROTO = 11, FUNCTION_OVERLOAD = 13, NODE_OVERLOAD = 8 };

/* The i-th unknown field of this number, of bytes behind their length; false after the last. */
static bool unknown_bytes(const ProtobufCMessage *m, uint32_t tag, size_t i, const uint8_t **bytes, size_t *size)
{
	for (unsigned k = 0; k < m->n_unknown_fields; k++) {
		const ProtobufCMessageUnknownField *f = &m->unknown_fields[k];
		size_t at = 0;

		if (f->tag != tag || f->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED || i-- > 0) {
			continue;
		}
		while (at < f->len && f->data[at] & 0x80) {
			at++;
		}
		*bytes = f->data + at + 1;
		*size = f->len - QB_MIN(at + 1, f->len);
		return true;
	}
	return false;
}

static const char *function_key(struct qb__importer *im, const char *domain, const char *name, const ProtobufCMessage *m,
	uint32_t overload)
{
	const uint8_t *bytes = NULL;
	size_t size = 0;

	unknown_bytes(m, overload, 0, &bytes, &size);
	return qb_arena_printf(im->g->arena, "%s\n%s\n%.*s", qb__import_domain(domain), qb__import_string(name),
		(int)QB_MIN(size, (size_t)QB_NAME_BYTES_MAX), size ? (const char *)bytes : "");
}

static enum qb_err read_defaults(struct qb__importer *im, struct qb__function *f)
{
	const uint8_t *bytes;
	size_t size, count = 0;

	while (unknown_bytes(&f->proto->base, FUNCTION_ATTRIBUTE_PROTO, count, &bytes, &size)) {
		count++;
	}
	f->value = qb_arena_alloc(im->g->arena, count + 1, sizeof(*f->value));
	for (size_t i = 0; f->value && i < count; i++) {
		unknown_bytes(&f->proto->base, FUNCTION_ATTRIBUTE_PROTO, i, &bytes, &size);
		f->value[i] = (Onnx__AttributeProto *)qb__wire_unpack(&onnx__attribute_proto__descriptor, bytes, size,
			im->eb);
		if (!f->value[i]) {
			return QB_EFORMAT;
		}
		f->defaults++;
	}
	return f->value ? QB_OK : qb__import_no_memory(im);
}

enum qb_err qb__import_functions(struct qb__importer *im)
{
	im->function = qb_arena_alloc(im->g->arena, im->model->n_functions + 1, sizeof(*im->function));
	if (!im->function) {
		return qb__import_no_memory(im);
	}
	for (size_t i = 0; i < im->model->n_functions; i++) {
		struct qb__function *f = &im->function[i];
		const char *key;

		f->proto = im->model->functions[i];
		key = function_key(im, f->proto->domain, f->proto->name, &f->proto->base, FUNCTION_OVERLOAD);
		if (!key) {
			return qb__import_no_memory(im);
		}
		if (qb_names_get(&im->functions, key)) {
			return qb_fail(im->eb, QB_EONNX, "the model defines the function %.100s.%.100s twice",
				qb__import_string(f->proto->domain), qb__import_string(f->proto->name));
		}
		if (!qb_names_set(&im->functions, key, f)) {
			return qb__import_no_memory(im);
		}
		QB_TRY(read_defaults(im, f));
	}
	return QB_OK;
}

void qb__import_functions_fini(struct qb__importer *im)
{
	for (size_t i = 0; im->function && i < im->model->n_functions; i++) {
		for (size_t k = 0; k < im->function[i].defaults; k++) {
			qb__wire_free(&im->function[i].value[k]->base);
		}
	}
	qb_names_fini(&im->functions);
}

const struct qb__function *qb__import_called(struct qb__importer *im, const Onnx__NodeProto *proto)
{
	const char *key;

	if (!im->model->n_functions) {
		return NULL;
	}
	key = function_key(im, proto->domain, proto->op_type, &proto->base, NODE_OVERLOAD);
	return key ? qb_names_get(&im->functions, key) : NULL;
}

static const Onnx__AttributeProto *attribute_of(const struct qb__call *call, const char *name)
{
	for (size_t i = 0; i < call->node->n_attribute; i++) {
		if (strcmp(qb__import_string(call->node->attribute[i]->name), name) == 0) {
			return call->node->attribute[i];
		}
	}
	for (size_t i = 0; i < call->function->defaults; i++) {
		if (strcmp(qb__import_string(call->function->value[i]->name), name) == 0) {
			return call->function->value[i];
		}
	}
	return NULL;
}

const Onnx__AttributeProto *qb__import_referred(const struct qb__scope *s, const Onnx__AttributeProto *a)
{
	const struct qb__call *call = s->call;

	while (a && *qb__import_string(a->ref_attr_name)) {
		a = call ? attribute_of(call, a->ref_attr_name) : NULL;
		call = call ? call->outer : NULL;
	}
	return a;
}

/* ---- what a body gives ---- */

/* Outputs of a body, under the names that they have in it. */
struct outputs {
	size_t count;
	char **name;
	struct qb_value **value; /* [count]: of the node in whose place the body stands; NULL where it has none */
};

static enum qb_err note_produced(struct qb__importer *im, struct qb_names *produced, Onnx__NodeProto *const *node,
	size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < node[i]->n_output; k++) {
			if (!qb_names_set(produced, node[i]->output[k], im)) {
				return qb__import_no_memory(im);
			}
		}
	}
	return QB_OK;
}

/* The body's nodes produce the values themselves. */
static enum qb_err bind_outputs(struct qb__importer *im, struct qb__scope *s, const struct outputs *o,
	Onnx__NodeProto *const *node, size_t count)
{
	struct qb_names produced = {0};
	enum qb_err err = note_produced(im, &produced, node, count);

	for (size_t i = 0; err == QB_OK && i < o->count; i++) {
		if (o->value[i] && qb_names_get(&produced, o->name[i]) && !qb_names_get(&s->values, o->name[i]) &&
			!qb_names_set(&s->values, o->name[i], o->value[i])) {
			err = qb__import_no_memory(im);
		}
	}
	qb_names_fini(&produced);
	return err;
}

/* What the body only passes on, or gives twice, is copied. */
static enum qb_err copy_outputs(struct qb__importer *im, struct qb__scope *s, const struct qb_node *n,
	const struct outputs *o)
{
	for (size_t i = 0; i < o->count; i++) {
		struct qb_value *v;
		struct qb_node *copy;

		if (!o->value[i] || o->value[i]->producer || im->unknown) {
			continue;
		}
		QB_TRY(qb__import_value(im, s, o->name[i], &v));
		if (v == &qb__absent || v == o->value[i]) {
			return qb_node_fail(im->eb, QB_EONNX, n, "no node inside gives its output %.200s", o->name[i]);
		}
		copy = qb_node_create(im->g, QB_OP_Identity, qb_arena_printf(im->g->arena, "%s:%s", n->name, o->name[i]),
			QB_MAX((int)im->g->opset, 13), 1, &v, 1, &o->value[i]);
		if (!copy) {
			return qb__import_no_memory(im);
		}
		QB_TRY(qb__import_add_node(im, copy));
	}
	return QB_OK;
}

static enum qb_err import_body(struct qb__importer *im, struct qb__scope *s, const struct qb_node *n,
	const struct outputs *o, Onnx__NodeProto *const *node, size_t count)
{
	if (s->depth > DEPTH_MAX) {
		return qb_node_fail(im->eb, QB_EUNSUPPORTED, n, "functions and branches are nested more than %d deep, or call "
			"themselves", DEPTH_MAX);
	}
	QB_TRY(bind_outputs(im, s, o, node, count));
	QB_TRY(qb__import_nodes(im, s, node, count));
	return copy_outputs(im, s, n, o);
}

/* The values of the node that goes: its outputs, of which the body may have more or fewer. */
static enum qb_err own_outputs(struct qb__importer *im, struct qb__scope *s, struct qb_node *n,
	const Onnx__NodeProto *proto, struct outputs *o)
{
	struct qb_value **given;

	QB_TRY(qb__import_edges(im, s, n, proto->output, proto->n_output, true, &given));
	if (proto->n_output > o->count) {
		return qb_node_fail(im->eb, QB_EONNX, n, "it has %zu outputs, what it stands for gives %zu", proto->n_output,
			o->count);
	}
	o->value = qb_arena_alloc(im->g->arena, o->count + 1, sizeof(*o->value));
	if (!o->value) {
		return qb__import_no_memory(im);
	}
	memcpy(o->value, given, proto->n_output * sizeof(*given));
	return QB_OK;
}

/* ---- calls ---- */

static enum qb_err bind_inputs(struct qb__importer *im, struct qb__scope *body, const struct qb_node *n,
	struct qb_value *const *given, size_t count, const Onnx__FunctionProto *f)
{
	if (count > f->n_input) {
		return qb_node_fail(im->eb, QB_EONNX, n, "it has %zu inputs, the function takes %zu", count, f->n_input);
	}
	for (size_t i = 0; i < f->n_input; i++) {
		if (!qb_names_set(&body->values, f->input[i], i < count && given[i] ? given[i] : &qb__absent)) {
			return qb__import_no_memory(im);
		}
	}
	return QB_OK;
}

enum qb_err qb__inline_call(struct qb__importer *im, struct qb__scope *s, struct qb_node *n, const Onnx__NodeProto *proto,
	const struct qb__function *function)
{
	const Onnx__FunctionProto *f = function->proto;
	struct qb__call call = {proto, function, s->call};
	struct qb__scope body = {.opsets = f->n_opset_import, .opset = f->opset_import, .call = &call, .prefix = qb__import_prefix(n),
		.depth = s->depth + 1};
	struct outputs o = {.count = f->n_output, .name = f->output};
	struct qb_value **given;
	enum qb_err err;

	QB_TRY_OUT(qb__import_edges(im, s, n, proto->input, proto->n_input, false, &given));
	QB_TRY_OUT(bind_inputs(im, &body, n, given, proto->n_input, f));
	QB_TRY_OUT(own_outputs(im, s, n, proto, &o));
	err = import_body(im, &body, n, &o, f->node, f->n_node);
out:
	qb_names_fini(&body.values);
	return err;
}

/* ---- If ---- */

static enum qb_err truth_of(struct qb__importer *im, const struct qb_node *n, const struct qb_tensor *t, bool *out)
{
	if (t->dtype != QB_BOOL || qb_tensor_size(t) != 1) {
		return qb_node_fail(im->eb, QB_EONNX, n, "its condition is %zu elements of %s, not one bool", qb_tensor_size(t),
			qb_dtype_name(t->dtype));
	}
	*out = *(const uint8_t *)t->data != 0;
	return QB_OK;
}

/* The nodes so far, of which those are kept that give the condition. */
static enum qb_err graph_of(struct qb__importer *im, const struct qb_value *condition, struct qb_graph **out)
{
	struct qb_graph *g;
	enum qb_err err;

	QB_TRY(qb_graph_clone(&g, im->g, NULL));
	g->output = &g->value[condition->index];
	g->outputs = 1;
	err = qb_pass_remove_dead(g, NULL);
	if (err != QB_OK) {
		qb_graph_destroy(&g);
		return err;
	}
	*out = g;
	return QB_OK;
}

/* A condition by arithmetic on shapes is known where it is the same at every batch. */
static bool try_batches(const struct qb_graph *g, struct qb_tensor *out)
{
	static const int64_t batch[] = {1, 2, 3, 7};
	static uint8_t truth[2] = {0, 1};
	bool known = true;
	int first = -1;

	for (size_t i = 0; known && i < QB_COUNT(batch); i++) {
		struct qb_graph *tried = NULL;
		const struct qb_tensor *t = NULL;

		if (qb__graph_try_batch(&tried, g, batch[i]) == QB_OK) {
			t = tried->output[0]->constant;
		}
		known = t && t->dtype == QB_BOOL && qb_tensor_size(t) == 1;
		if (known) {
			int value = *(const uint8_t *)t->data != 0;

			known = first < 0 || value == first;
			first = value;
		}
		qb_graph_destroy(&tried);
	}
	*out = (struct qb_tensor){.dtype = QB_BOOL, .data = &truth[first == 1]};
	return known;
}

static enum qb_err condition_of(struct qb__importer *im, const struct qb_node *n, const struct qb_value *v, bool *out)
{
	struct qb_graph *g = NULL;
	struct qb_tensor t;
	bool known;

	if (v->constant) {
		return truth_of(im, n, v->constant, out);
	}
	im->tried += im->g->values + im->g->nodes;
	if (im->tried > TRIED_MAX) {
		return qb_node_fail(im->eb, QB_EUNSUPPORTED, n, "the network has too many nodes of this kind; fold its constants "
			"before the export");
	}
	known = graph_of(im, v, &g) == QB_OK && try_batches(g, &t);
	qb_graph_destroy(&g);
	return known ? truth_of(im, n, &t, out)
		     : qb_node_fail(im->eb, QB_EUNSUPPORTED, n, "its condition %.200s is not known before the network runs; of "
			"control flow only an If whose condition is a constant, or follows from shapes at any batch, is supported",
			v->name);
}

static const Onnx__GraphProto *branch_of(const struct qb__scope *s, const Onnx__NodeProto *proto, bool condition)
{
	for (size_t i = 0; i < proto->n_attribute; i++) {
		const Onnx__AttributeProto *a = qb__import_referred(s, proto->attribute[i]);

		if (a && a->g && strcmp(qb__import_string(proto->attribute[i]->name),
			condition ? "then_branch" : "else_branch") == 0) {
			return a->g;
		}
	}
	return NULL;
}

static enum qb_err name_outputs(struct qb__importer *im, const Onnx__GraphProto *g, struct outputs *o)
{
	o->count = g->n_output;
	o->name = qb_arena_alloc(im->g->arena, o->count + 1, sizeof(*o->name));
	for (size_t i = 0; o->name && i < o->count; i++) {
		o->name[i] = (char *)qb__import_string(g->output[i]->name);
	}
	return o->name ? QB_OK : qb__import_no_memory(im);
}

enum qb_err qb__inline_if(struct qb__importer *im, struct qb__scope *s, struct qb_node *n, const Onnx__NodeProto *proto)
{
	struct qb__scope body = {.outer = s, .opsets = s->opsets, .opset = s->opset, .call = s->call, .prefix = qb__import_prefix(n),
		.depth = s->depth + 1};
	const Onnx__GraphProto *branch;
	struct qb_value **in;
	struct outputs o;
	bool condition;
	enum qb_err err;

	QB_TRY_OUT(qb__import_edges(im, s, n, proto->input, proto->n_input, false, &in));
	if (proto->n_input != 1 || !in[0]) {
		err = qb_node_fail(im->eb, QB_EONNX, n, "it has no condition");
		goto out;
	}
	QB_TRY_OUT(condition_of(im, n, in[0], &condition));
	branch = branch_of(s, proto, condition);
	if (!branch || branch->n_input) {
		err = qb_node_fail(im->eb, QB_EONNX, n, "its %s %s", condition ? "then_branch" : "else_branch",
			branch ? "has inputs" : "is missing");
		goto out;
	}
	QB_TRY_OUT(name_outputs(im, branch, &o));
	QB_TRY_OUT(own_outputs(im, s, n, proto, &o));
	QB_TRY_OUT(qb__import_initializers(im, &body, branch));
	err = import_body(im, &body, n, &o, branch->node, branch->n_node);
out:
	qb_names_fini(&body.values);
	return err;
}
