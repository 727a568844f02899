/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX out, through protobuf-c. What only our passes know is written as ONNX has it: biases of matrix products as nodes of
 * their own, bounds as inputs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/activation.h"
#include "core/graph/names.h"
#include "core/graph/onnx.pb-c.h"
#include "core/graph/onnx_raise.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* ---- from our nodes to ONNX's ---- */

static enum qb_err no_memory(struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_ENOMEM, "out of memory while writing an ONNX file");
}

static enum qb_err split_bias(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_node *add;
	struct qb_value *y = n->output[0], *in[2];
	const char *name = qb_arena_printf(g->arena, "%s.product", y->name);

	in[0] = name ? qb_graph_add_value(g, name, y->dtype) : NULL;
	in[1] = n->input[2];
	if (!in[0]) {
		return no_memory(eb);
	}
	in[0]->shape = y->shape;
	add = qb_node_create(g, QB_OP_Add, qb_arena_printf(g->arena, "%s.bias", n->name), 13, 2, in, 1, &y);
	n->output[0] = in[0];
	n->inputs = 2;
	return qb_graph_insert_after(g, add, n) ? QB_OK : no_memory(eb);
}

static struct qb_value *bound(struct qb_graph *g, const struct qb_node *n, const char *name)
{
	struct qb_tensor *t = qb_arena_alloc(g->arena, 1, sizeof(*t));
	char *of = qb_arena_printf(g->arena, "%s.%s", n->output[0]->name, name);

	if (!t || !of || !(t->data = qb_arena_alloc(g->arena, 1, sizeof(float)))) {
		return NULL;
	}
	t->dtype = QB_F32;
	*(float *)t->data = qb_node_float(n, name, 0);
	return qb_graph_add_constant(g, of, t);
}

/* The bounds of a Clip behind a layer are attributes with us, inputs in the opset that it is written in. */
static enum qb_err write_bounds(struct qb_graph *g, struct qb_errbuf *eb)
{
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];
		struct qb_value **in;

		if (!qb_node_is(n, QB_OP_Clip) || n->opset > 6 || n->inputs > 1 || !qb_node_attr(n, "min") || !qb_node_attr(n, "max") ||
			qb_activation_of(n->input[0]) != n) {
			continue;
		}
		in = qb_arena_alloc(g->arena, 3, sizeof(*in));
		if (!in || !(in[1] = bound(g, n, "min")) || !(in[2] = bound(g, n, "max"))) {
			return no_memory(eb);
		}
		in[0] = n->input[0];
		n->input = in;
		n->inputs = 3;
		n->attrs = 0;
		n->opset = 13;
	}
	return qb_graph_relink(g, eb);
}

/* A MatMul of ours may have a bias. */
static enum qb_err split_biases(struct qb_graph *g, struct qb_errbuf *eb)
{
	for (int i = 0; i < g->nodes; i++) {
		if (qb_node_is(g->node[i], QB_OP_MatMul) && g->node[i]->inputs > 2) {
			QB_TRY(split_bias(g, g->node[i], eb));
		}
	}
	return qb_graph_relink(g, eb);
}

/* The opset that all nodes agree on: the file's own, or the newest that one of them was made for. */
static int opset_of(const struct qb_graph *g)
{
	int64_t opset = g->opset;

	for (int i = 0; i < g->nodes; i++) {
		if (!*g->node[i]->op->domain) {
			opset = QB_MAX(opset, g->node[i]->opset);
		}
	}
	return (int)opset;
}

/* ---- messages ---- */

struct writer {
	struct qb_arena *arena;
	const struct qb_graph *g;
	const char **name; /* [values]: unique */
	struct qb_errbuf *eb;
};

static void *room(struct writer *w, size_t count, size_t size)
{
	return qb_arena_alloc(w->arena, count + 1, size);
}

/* Names of values are unique in a file; passes may have left two alike. */
static enum qb_err name_values(struct writer *w)
{
	struct qb_names seen = {0};
	enum qb_err err = QB_OK;

	w->name = room(w, (size_t)w->g->values, sizeof(*w->name));
	for (int pass = 0; w->name && pass < 2 && err == QB_OK; pass++) {
		for (int i = 0; i < w->g->values && err == QB_OK; i++) {
			struct qb_value *v = w->g->value[i];
			bool edge = v->outputs > 0;
			const char *name = *v->name ? v->name : "value";

			for (int k = 0; k < w->g->inputs; k++) {
				edge |= w->g->input[k] == v;
			}
			if (edge != (pass == 0)) {
				continue; /* the network's own inputs and outputs keep theirs */
			}
			for (int k = 2; name && qb_names_get(&seen, name); k++) {
				name = qb_arena_printf(w->arena, "%s.%d", v->name, k);
			}
			w->name[i] = name;
			err = name && qb_names_set(&seen, name, v) ? QB_OK : QB_ENOMEM;
		}
	}
	qb_names_fini(&seen);
	return w->name && err == QB_OK ? QB_OK : no_memory(w->eb);
}

static Onnx__TensorProto *write_tensor(struct writer *w, const char *name, const struct qb_tensor *t)
{
	Onnx__TensorProto *p = room(w, 1, sizeof(*p));
	size_t n = qb_tensor_size(t);

	if (!p) {
		return NULL;
	}
	onnx__tensor_proto__init(p);
	p->name = (char *)name;
	p->has_data_type = true;
	p->data_type = qb_dtype_to_onnx(t->dtype);
	p->n_dims = (size_t)t->ndim;
	p->dims = (int64_t *)t->dim;
	p->has_raw_data = true;
	p->raw_data.len = n * qb_dtype_bytes(t->dtype);
	p->raw_data.data = t->data;
	if (t->dtype == QB_I4 || t->dtype == QB_U4) {
		uint8_t *packed = room(w, n / 2 + 1, 1);

		for (size_t i = 0; packed && i < n; i++) {
			packed[i / 2] |= (uint8_t)((((const uint8_t *)t->data)[i] & 15) << (i % 2 ? 4 : 0));
		}
		p->raw_data.len = (n + 1) / 2;
		p->raw_data.data = packed;
	}
	return p->raw_data.data || !n ? p : NULL;
}

static Onnx__AttributeProto *write_attr(struct writer *w, const struct qb_attr *a)
{
	Onnx__AttributeProto *p = room(w, 1, sizeof(*p));

	if (!p) {
		return NULL;
	}
	onnx__attribute_proto__init(p);
	p->name = (char *)a->name;
	p->has_type = true;
	switch (a->kind) {
	case QB_ATTR_INT:
		p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
		p->has_i = true;
		p->i = a->i;
		break;
	case QB_ATTR_FLOAT:
		p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
		p->has_f = true;
		p->f = a->f;
		break;
	case QB_ATTR_STRING:
		p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
		p->has_s = true;
		p->s = (ProtobufCBinaryData){strlen(a->s), (uint8_t *)a->s};
		break;
	case QB_ATTR_INTS:
		p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
		p->n_ints = (size_t)a->count;
		p->ints = (int64_t *)a->ints;
		break;
	case QB_ATTR_FLOATS:
		p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
		p->n_floats = (size_t)a->count;
		p->floats = (float *)a->floats;
		break;
	case QB_ATTR_TENSOR:
		p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
		p->t = write_tensor(w, "", a->tensor);
		return p->t ? p : NULL;
	case QB_ATTR_STRINGS:
		p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
		p->n_strings = (size_t)a->count;
		p->strings = room(w, (size_t)a->count, sizeof(*p->strings));
		for (int i = 0; p->strings && i < a->count; i++) {
			p->strings[i] =
				(ProtobufCBinaryData){strlen(a->strings[i]), (uint8_t *)a->strings[i]};
		}
		return p->strings ? p : NULL;
	}
	return p;
}

static char **write_edges(struct writer *w, struct qb_value *const *v, int count)
{
	char **names = room(w, (size_t)count, sizeof(*names));

	for (int i = 0; names && i < count; i++) {
		names[i] = (char *)(v[i] ? w->name[v[i]->index] : "");
	}
	return names;
}

static Onnx__NodeProto *write_node(struct writer *w, const struct qb_node *n)
{
	Onnx__NodeProto *p = room(w, 1, sizeof(*p));

	if (!p) {
		return NULL;
	}
	onnx__node_proto__init(p);
	p->name = (char *)n->name;
	p->op_type = (char *)n->type;
	p->domain = (char *)n->op->domain;
	p->n_input = (size_t)n->inputs;
	p->input = write_edges(w, n->input, n->inputs);
	p->n_output = (size_t)n->outputs;
	p->output = write_edges(w, n->output, n->outputs);
	p->attribute = room(w, (size_t)n->attrs, sizeof(*p->attribute));
	for (int i = 0; p->attribute && i < n->attrs; i++) {
		p->attribute[p->n_attribute] = write_attr(w, &n->attr[i]);
		if (!p->attribute[p->n_attribute++]) {
			return NULL;
		}
	}
	return p->input && p->output && p->attribute ? p : NULL;
}

/* name: of a dimension that is no number, or NULL */
static Onnx__TensorShapeProto__Dimension *write_dim(struct writer *w, int64_t dim, const char *name)
{
	Onnx__TensorShapeProto__Dimension *d = room(w, 1, sizeof(*d));

	if (!d) {
		return NULL;
	}
	onnx__tensor_shape_proto__dimension__init(d);
	if (dim >= 0) {
		d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
		d->dim_value = dim;
	} else if (name || dim == -1) {
		d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
		d->dim_param = (char *)(name ? name : "N");
	}
	return d;
}

static Onnx__ValueInfoProto *write_info(struct writer *w, const struct qb_value *v)
{
	const struct qb_shape *s = v->declared && v->declared->differs ? &v->declared->shape : &v->shape;
	Onnx__ValueInfoProto *p = room(w, 1, sizeof(*p));
	Onnx__TypeProto *type = room(w, 1, sizeof(*type));
	Onnx__TypeProto__Tensor *t = room(w, 1, sizeof(*t));
	Onnx__TensorShapeProto *shape = room(w, 1, sizeof(*shape));

	if (!p || !type || !t || !shape) {
		return NULL;
	}
	onnx__value_info_proto__init(p);
	onnx__type_proto__init(type);
	onnx__type_proto__tensor__init(t);
	onnx__tensor_shape_proto__init(shape);
	p->name = (char *)w->name[v->index];
	p->type = type;
	type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	type->tensor_type = t;
	t->has_elem_type = true;
	t->elem_type = qb_dtype_to_onnx(v->dtype);
	if (!s->known) {
		return p;
	}
	t->shape = shape;
	shape->n_dim = (size_t)s->ndim;
	shape->dim = room(w, shape->n_dim, sizeof(*shape->dim));
	for (int i = 0; shape->dim && i < s->ndim; i++) {
		shape->dim[i] = write_dim(w, s->dim[i], v->declared ? v->declared->name[i] : NULL);
		if (!shape->dim[i]) {
			return NULL;
		}
	}
	return shape->dim ? p : NULL;
}

static Onnx__ValueInfoProto **write_infos(struct writer *w, struct qb_value *const *v, int count)
{
	Onnx__ValueInfoProto **list = room(w, (size_t)count, sizeof(*list));

	for (int i = 0; list && i < count; i++) {
		list[i] = write_info(w, v[i]);
		list = list[i] ? list : NULL;
	}
	return list;
}

static Onnx__GraphProto *write_graph(struct writer *w)
{
	const struct qb_graph *g = w->g;
	Onnx__GraphProto *p = room(w, 1, sizeof(*p));

	if (!p) {
		return NULL;
	}
	onnx__graph_proto__init(p);
	p->name = (char *)(g->name && *g->name ? g->name : "network");
	p->n_input = (size_t)g->inputs;
	p->input = write_infos(w, g->input, g->inputs);
	p->n_output = (size_t)g->outputs;
	p->output = write_infos(w, g->output, g->outputs);
	p->node = room(w, (size_t)g->nodes, sizeof(*p->node));
	p->initializer = room(w, (size_t)g->values, sizeof(*p->initializer));
	if (!p->input || !p->output || !p->node || !p->initializer) {
		return NULL;
	}
	for (int i = 0; i < g->nodes; i++) {
		p->node[p->n_node] = write_node(w, g->node[i]);
		if (!p->node[p->n_node++]) {
			return NULL;
		}
	}
	for (int i = 0; i < g->values; i++) {
		if (g->value[i]->constant) {
			p->initializer[p->n_initializer] = write_tensor(w, w->name[i], g->value[i]->constant);
			if (!p->initializer[p->n_initializer++]) {
				return NULL;
			}
		}
	}
	return p;
}

static enum qb_err write_opsets(struct writer *w, Onnx__ModelProto *m, int opset)
{
	const char *domain[8] = {""};
	size_t count = 1;

	for (int i = 0; i < w->g->nodes; i++) {
		const char *d = w->g->node[i]->op->domain;
		bool known = false;

		for (size_t k = 0; k < count; k++) {
			known |= !strcmp(domain[k], d);
		}
		if (!known && count < QB_COUNT(domain)) {
			domain[count++] = d;
		}
	}
	m->n_opset_import = count;
	m->opset_import = room(w, count, sizeof(*m->opset_import));
	for (size_t i = 0; m->opset_import && i < count; i++) {
		Onnx__OperatorSetIdProto *o = room(w, 1, sizeof(*o));

		if (!o) {
			return no_memory(w->eb);
		}
		onnx__operator_set_id_proto__init(o);
		o->domain = (char *)domain[i];
		o->has_version = true;
		o->version = i ? 1 : opset;
		m->opset_import[i] = o;
	}
	return m->opset_import ? QB_OK : no_memory(w->eb);
}

static enum qb_err write_file(const Onnx__ModelProto *m, const char *path, struct qb_errbuf *eb)
{
	size_t size = onnx__model_proto__get_packed_size(m);
	uint8_t *bytes = size <= INT32_MAX ? malloc(size) : NULL;
	FILE *f;
	enum qb_err err = QB_OK;

	if (!bytes) {
		return size > INT32_MAX
			? qb_fail(eb, QB_EUNSUPPORTED, "the network has more than the 2 GiB that an ONNX file holds")
			: no_memory(eb);
	}
	onnx__model_proto__pack(m, bytes);
	f = fopen(path, "wb");
	if (!f || fwrite(bytes, 1, size, f) != size) {
		err = qb_fail(eb, QB_EIO, "%s: %s", path, strerror(errno));
	}
	if (f && fclose(f) != 0 && err == QB_OK) {
		err = qb_fail(eb, QB_EIO, "%s: %s", path, strerror(errno));
	}
	free(bytes);
	return err;
}

static enum qb_err write_model(const struct qb_graph *g, const char *path, int opset,
	struct qb_errbuf *eb)
{
	struct writer w = {.arena = qb_arena_create(), .g = g, .eb = eb};
	Onnx__ModelProto m;
	enum qb_err err;

	if (!w.arena) {
		return no_memory(eb);
	}
	onnx__model_proto__init(&m);
	m.has_ir_version = true;
	m.ir_version = opset >= 21 ? 10 : opset >= 19 ? 9 : 8;
	m.producer_name = (char *)"quantbench";
	QB_TRY_OUT(name_values(&w));
	QB_TRY_OUT(write_opsets(&w, &m, opset));
	m.graph = write_graph(&w);
	err = m.graph ? write_file(&m, path, eb) : no_memory(eb);
out:
	qb_arena_destroy(&w.arena);
	return err;
}

enum qb_err qb_graph_export(const struct qb_graph *graph, const char *path, struct qb_errbuf *eb)
{
	struct qb_graph *g = NULL;
	int opset;
	enum qb_err err;

	QB_TRY(qb_graph_clone(&g, graph, eb));
	QB_TRY_OUT(write_bounds(g, eb));
	QB_TRY_OUT(split_biases(g, eb));
	opset = opset_of(g);
	QB_TRY_OUT(qb__raise_nodes(g, opset, eb));
	err = write_model(g, path, opset, eb);
out:
	qb_graph_destroy(&g);
	return err;
}
