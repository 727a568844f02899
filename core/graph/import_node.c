/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes and attributes of an ONNX file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/import.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"

/* A file of a few functions that call each other can ask for any number. */
enum { NODES_MAX = 1 << 18 };

struct qb_value qb__absent;

static enum qb_err domain_opset(struct qb__importer *im, const struct qb__scope *s, const char *domain, int *out)
{
	for (size_t i = 0; i < s->opsets; i++) {
		if (strcmp(qb__import_domain(s->opset[i]->domain), domain) == 0) {
			*out = (int)QB_MIN(QB_MAX(s->opset[i]->version, 0), INT32_MAX);
			return QB_OK;
		}
	}
	*out = *domain ? 1 : (int)im->g->opset; /* exporters forget to import their own domains */
	return QB_OK;
}

/* ---- values ---- */

const char *qb__import_unique(struct qb__importer *im, const struct qb__scope *s, const char *name)
{
	const char *prefix = s->prefix ? s->prefix : "value", *tried = name;

	if (tried && qb_names_get(&im->taken, tried)) {
		tried = qb_arena_printf(im->g->arena, "%s/%s", prefix, name);
	}
	while (tried && qb_names_get(&im->taken, tried)) {
		tried = qb_arena_printf(im->g->arena, "%s/%s.%d", prefix, name, ++im->renamed);
	}
	return tried;
}

enum qb_err qb__import_value(struct qb__importer *im, struct qb__scope *s, const char *name, struct qb_value **out)
{
	struct qb_value *v = NULL;
	const char *unique;

	for (struct qb__scope *at = s; at && !v; at = at->outer) {
		v = qb_names_get(&at->values, name);
	}
	if (!v) {
		while (s->outer) {
			s = s->outer; /* a file that is not in order may still give it there */
		}
		QB_TRY(qb__import_check_name(im, name, "a value"));
		unique = s->prefix ? qb__import_unique(im, s, name) : name;
		v = unique ? qb_graph_add_value(im->g, unique, QB_DTYPE_NONE) : NULL;
		if (!v || !qb_names_set(&s->values, name, v) || !qb_names_set(&im->taken, v->name, v)) {
			return qb__import_no_memory(im);
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

static enum qb_err copy_numbers(struct qb__importer *im, const Onnx__AttributeProto *a, struct qb_attr *out)
{
	bool ints = out->kind == QB_ATTR_INTS;
	size_t count = ints ? a->n_ints : a->n_floats, bytes = count * (ints ? 8 : 4);
	void *copy = qb_arena_alloc(im->g->arena, bytes, 1);

	if (!copy || count > INT32_MAX) {
		return qb__import_no_memory(im);
	}
	if (count) {
		memcpy(copy, ints ? (const void *)a->ints : (const void *)a->floats, bytes);
	}
	out->count = (int)count;
	out->ints = ints ? copy : NULL;
	out->floats = ints ? NULL : copy;
	return QB_OK;
}

static const char *copy_string(struct qb__importer *im, const ProtobufCBinaryData *s)
{
	return qb_arena_strndup(im->g->arena, s->len ? (const char *)s->data : "", s->len);
}

static enum qb_err copy_strings(struct qb__importer *im, const Onnx__AttributeProto *a, struct qb_attr *out)
{
	const char **copy = qb_arena_alloc(im->g->arena, a->n_strings + 1, sizeof(*copy));

	if (!copy || a->n_strings > INT32_MAX) {
		return qb__import_no_memory(im);
	}
	for (size_t i = 0; i < a->n_strings; i++) {
		copy[i] = copy_string(im, &a->strings[i]);
		if (!copy[i]) {
			return qb__import_no_memory(im);
		}
	}
	out->count = (int)a->n_strings;
	out->strings = copy;
	return QB_OK;
}

static enum qb_err import_tensor(struct qb__importer *im, const struct qb_node *n, const char *name,
	const Onnx__AttributeProto *a, struct qb_attr *out)
{
	enum qb_err err;

	if (!a->t) {
		return qb_node_fail(im->eb, QB_EONNX, n, "attribute %.60s holds no tensor", name);
	}
	err = qb__import_tensor(im->g->arena, im->file, a->t, &out->tensor, im->eb);
	return err == QB_OK ? QB_OK : qb_fail_in(im->eb, err, "node %.200s (%.64s): attribute %.60s", n->name, n->type, name);
}

/* a, under the name of the attribute that refers to it */
static enum qb_err import_attr(struct qb__importer *im, struct qb_node *n, const char *name,
	const Onnx__AttributeProto *a, struct qb_attr *out)
{
	bool supported;

	if (a->g || a->n_graphs) {
		return qb_node_fail(im->eb, QB_EUNSUPPORTED, n, "attribute %.60s holds a subgraph; of control flow "
			"only an If whose condition is known before the network runs is supported", name);
	}
	if (qb_node_attr(n, name)) {
		return qb_node_fail(im->eb, QB_EONNX, n, "attribute %.60s appears twice", name);
	}
	out->name = qb_arena_strdup(im->g->arena, name);
	out->kind = kind_of(a, &supported);
	if (!supported) {
		return qb_node_fail(im->eb, QB_EUNSUPPORTED, n, "attribute %.60s is of kind %d, which is not supported",
			name, (int)a->type);
	}
	out->i = a->i;
	out->f = a->f;
	if (out->kind == QB_ATTR_INTS || out->kind == QB_ATTR_FLOATS) {
		QB_TRY(copy_numbers(im, a, out));
	} else if (out->kind == QB_ATTR_STRINGS) {
		QB_TRY(copy_strings(im, a, out));
	} else if (out->kind == QB_ATTR_TENSOR) {
		QB_TRY(import_tensor(im, n, name, a, out));
	} else if (out->kind == QB_ATTR_STRING) {
		out->s = copy_string(im, &a->s);
	}
	return out->name && (out->kind != QB_ATTR_STRING || out->s) ? QB_OK : qb__import_no_memory(im);
}

/* ---- nodes ---- */

static enum qb_err name_node(struct qb__importer *im, const struct qb__scope *s, struct qb_node *n, const Onnx__NodeProto *proto,
	size_t index)
{
	const char *name = qb__import_string(proto->name), *out = NULL;

	QB_TRY(qb__import_check_name(im, name, "a node"));
	QB_TRY(qb__import_check_name(im, n->type, "a node's operator"));
	for (size_t i = 0; i < proto->n_output && !out; i++) {
		out = *proto->output[i] ? proto->output[i] : NULL;
	}
	if (out) {
		QB_TRY(qb__import_check_name(im, out, "a node's output"));
	}
	n->name = *name ? qb_arena_strdup(im->g->arena, name) :
		out ? qb_arena_printf(im->g->arena, "%s:%s", n->type, out) :
		      qb_arena_printf(im->g->arena, "%s:%zu", n->type, index);
	if (n->name && s->prefix) {
		n->name = qb_arena_printf(im->g->arena, "%s/%s", s->prefix, n->name);
	}
	return n->name ? QB_OK : qb__import_no_memory(im);
}

/* A left-out output before others has a value that nobody reads: every output of a node is there. */
static enum qb_err unread_output(struct qb__importer *im, const struct qb__scope *s, const struct qb_node *n, size_t i,
	struct qb_value **out)
{
	const char *name = qb_arena_printf(im->g->arena, "%s:unread_output_%zu", n->name, i);

	name = name ? qb__import_unique(im, s, name) : NULL;
	*out = name ? qb_graph_add_value(im->g, name, QB_DTYPE_NONE) : NULL;
	return *out && qb_names_set(&im->taken, (*out)->name, *out) ? QB_OK : qb__import_no_memory(im);
}

static enum qb_err import_output(struct qb__importer *im, struct qb__scope *s, struct qb_node *n, const char *name,
	struct qb_value **out)
{
	/* A branch's output hides the value of this name outside. */
	struct qb_value *v = qb_names_get(&s->values, name);
	struct qb__scope inner = {.prefix = s->prefix};
	enum qb_err err = QB_OK;

	if (!v) {
		err = qb__import_value(im, &inner, name, &v);
		if (err == QB_OK && !qb_names_set(&s->values, name, v)) {
			err = qb__import_no_memory(im);
		}
		qb_names_fini(&inner.values);
	}
	if (err == QB_OK && v->producer) {
		return qb_node_fail(im->eb, QB_EONNX, n, "output %.200s is also produced by node %.200s", name,
			v->producer->name);
	}
	*out = v;
	return err;
}

enum qb_err qb__import_edges(struct qb__importer *im, struct qb__scope *s, struct qb_node *n, char *const *names,
	size_t count, bool is_output, struct qb_value ***out)
{
	struct qb_value **list = qb_arena_alloc(im->g->arena, count + 1, sizeof(*list));

	if (!list) {
		return qb__import_no_memory(im);
	}
	for (size_t i = 0; i < count; i++) {
		if (!*names[i]) {
			continue;
		}
		QB_TRY(is_output ? import_output(im, s, n, names[i], &list[i])
				 : qb__import_value(im, s, names[i], &list[i]));
		list[i] = list[i] == &qb__absent ? NULL : list[i];
	}
	*out = list;
	return QB_OK;
}

static enum qb_err check_arity(struct qb__importer *im, const struct qb_node *n)
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
	if (n->outputs < 1 || (op->max_outputs >= 0 && n->outputs > op->max_outputs)) {
		return qb_node_fail(im->eb, QB_EONNX, n, "it has %d outputs, the operator has 1 to %d", n->outputs,
			op->max_outputs);
	}
	return QB_OK;
}

enum qb_err qb__import_add_node(struct qb__importer *im, struct qb_node *n)
{
	if (im->g->nodes == NODES_MAX) {
		return qb_node_fail(im->eb, QB_EUNSUPPORTED, n, "the network has more than %d nodes", NODES_MAX);
	}
	for (int i = 0; i < n->outputs; i++) {
		n->output[i]->producer = n; /* relink checks the rest and sets it again */
	}
	return qb_graph_append(im->g, n) ? QB_OK : qb__import_no_memory(im);
}

/* Names the first node, and then at once which other operators are missing. */
static enum qb_err note_unknown(struct qb__importer *im, const struct qb_node *n, const char *domain)
{
	size_t used = strlen(im->also);

	if (qb_names_get(&im->unknown_types, n->type)) {
		return QB_OK;
	}
	if (!qb_names_set(&im->unknown_types, n->type, im)) {
		return qb__import_no_memory(im);
	}
	if (!im->unknown) {
		im->unknown = n;
		im->unknown_domain = domain;
	} else if (used < sizeof(im->also) - 80) {
		snprintf(im->also + used, sizeof(im->also) - used, "%s%.64s", used ? ", " : "", n->type);
	}
	return QB_OK;
}

/* An operator of the table, or one on codes that becomes several. */
static enum qb_err resolve(struct qb__importer *im, struct qb_node *n, const char *domain)
{
	int most = qb__expanded_most(n), count = 0;
	struct qb_node **list;

	n->op = strcmp(domain, QB_OP_DOMAIN) == 0 ? NULL : qb_op_find(domain, n->type);
	if (n->op) {
		QB_TRY(check_arity(im, n));
		return qb__import_add_node(im, n);
	}
	list = qb_arena_alloc(im->g->arena, (size_t)most, sizeof(*list));
	if (!list) {
		return qb__import_no_memory(im);
	}
	QB_TRY(qb__expand_quantized(im->g, n, domain, list, most, &count, im->eb));
	for (int i = 0; i < count; i++) {
		QB_TRY(qb__import_add_node(im, list[i]));
	}
	return count ? QB_OK : note_unknown(im, n, domain);
}

enum qb_err qb__import_bare_node(struct qb__importer *im, struct qb__scope *s, const Onnx__NodeProto *proto, size_t index,
	struct qb_node **out)
{
	struct qb_node *n = qb_arena_alloc(im->g->arena, 1, sizeof(*n));

	if (!n || !(n->type = qb_arena_strdup(im->g->arena, qb__import_string(proto->op_type)))) {
		return qb__import_no_memory(im);
	}
	QB_TRY(name_node(im, s, n, proto, index));
	if (proto->n_input > INT32_MAX || proto->n_output > INT32_MAX || proto->n_attribute > INT32_MAX) {
		return qb__import_no_memory(im);
	}
	*out = n;
	return domain_opset(im, s, qb__import_domain(proto->domain), &n->opset);
}

static enum qb_err import_attrs(struct qb__importer *im, struct qb__scope *s, struct qb_node *n,
	const Onnx__NodeProto *proto)
{
	n->attr = qb_arena_alloc(im->g->arena, proto->n_attribute + 1, sizeof(*n->attr));
	if (!n->attr) {
		return qb__import_no_memory(im);
	}
	for (size_t i = 0; i < proto->n_attribute; i++) {
		const Onnx__AttributeProto *a = qb__import_referred(s, proto->attribute[i]);

		if (a) {
			QB_TRY(import_attr(im, n, qb__import_string(proto->attribute[i]->name), a, &n->attr[n->attrs]));
			n->attrs++;
		}
	}
	return QB_OK;
}

static enum qb_err import_plain_node(struct qb__importer *im, struct qb__scope *s, struct qb_node *n,
	const Onnx__NodeProto *proto)
{
	size_t inputs = proto->n_input, outputs = proto->n_output;

	/* Left out behind the last is as good as not written; of a Split they count. */
	while (outputs && !*proto->output[outputs - 1] && strcmp(n->type, "Split") != 0) {
		outputs--;
	}
	n->inputs = (int)inputs;
	n->outputs = (int)outputs;
	QB_TRY(import_attrs(im, s, n, proto));
	QB_TRY(qb__import_edges(im, s, n, proto->input, inputs, false, &n->input));
	QB_TRY(qb__import_edges(im, s, n, proto->output, outputs, true, &n->output));
	while (n->inputs && !n->input[n->inputs - 1]) {
		n->inputs--;
	}
	for (int i = 0; i < n->outputs; i++) {
		if (!n->output[i]) {
			QB_TRY(unread_output(im, s, n, (size_t)i, &n->output[i]));
		}
	}
	return resolve(im, n, qb__import_domain(proto->domain));
}

enum qb_err qb__import_nodes(struct qb__importer *im, struct qb__scope *s, Onnx__NodeProto *const *proto, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct qb__function *function = qb__import_called(im, proto[i]);
		struct qb_node *n;

		QB_TRY(qb__import_bare_node(im, s, proto[i], i, &n));
		if (function) {
			QB_TRY(qb__inline_call(im, s, n, proto[i], function));
		} else if (strcmp(n->type, "If") == 0 && !*qb__import_domain(proto[i]->domain)) {
			QB_TRY(qb__inline_if(im, s, n, proto[i]));
		} else {
			QB_TRY(import_plain_node(im, s, n, proto[i]));
		}
	}
	return QB_OK;
}
