/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/graph/model_builder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/random.h"

static void *get(struct model_builder *b, size_t count, size_t size)
{
	void *p = qb_arena_alloc(b->arena, count, size);

	if (!p) {
		abort();
	}
	return p;
}

/* Appends to a repeated field of messages. */
static void push(struct model_builder *b, void ***list, size_t *count, void *item)
{
	void **bigger = get(b, *count + 1, sizeof(*bigger));

	if (*count) {
		memcpy(bigger, *list, *count * sizeof(*bigger));
	}
	bigger[(*count)++] = item;
	*list = bigger;
}
#define PUSH(b, message, field, item) \
	push(b, (void ***)(void *)&(message)->field, &(message)->n_##field, item)

#define NEW(b, var, type, init) \
	type *var = get(b, 1, sizeof(type)); \
	init(var)

void mb_init(struct model_builder *b, int64_t opset)
{
	memset(b, 0, sizeof(*b));
	b->arena = qb_arena_create();
	snprintf(b->folder, sizeof(b->folder), "/tmp/quantbench-model-XXXXXX");
	if (!b->arena || !mkdtemp(b->folder)) {
		abort();
	}
	snprintf(b->path, sizeof(b->path), "%s/model.onnx", b->folder);
	b->model = get(b, 1, sizeof(*b->model));
	onnx__model_proto__init(b->model);
	b->graph = get(b, 1, sizeof(*b->graph));
	onnx__graph_proto__init(b->graph);
	NEW(b, set, Onnx__OperatorSetIdProto, onnx__operator_set_id_proto__init);
	set->domain = qb_arena_strdup(b->arena, "");
	set->has_version = 1;
	set->version = opset;
	PUSH(b, b->model, opset_import, set);
	b->model->has_ir_version = 1;
	b->model->ir_version = 8;
	b->model->graph = b->graph;
	b->graph->name = qb_arena_strdup(b->arena, "test");
}

void mb_fini(struct model_builder *b)
{
	DIR *d = opendir(b->folder);
	struct dirent *e;
	char path[512];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", b->folder, e->d_name);
		unlink(path);
	}
	if (d) {
		closedir(d);
	}
	rmdir(b->folder);
	qb_arena_destroy(&b->arena);
}

static Onnx__ValueInfoProto *value_info(struct model_builder *b, const char *name, int type, int ndim,
	const int64_t *dim)
{
	NEW(b, info, Onnx__ValueInfoProto, onnx__value_info_proto__init);
	NEW(b, t, Onnx__TypeProto, onnx__type_proto__init);
	NEW(b, tensor, Onnx__TypeProto__Tensor, onnx__type_proto__tensor__init);

	info->name = qb_arena_strdup(b->arena, name);
	info->type = t;
	t->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	t->tensor_type = tensor;
	tensor->has_elem_type = 1;
	tensor->elem_type = type;
	if (ndim >= 0) {
		NEW(b, shape, Onnx__TensorShapeProto, onnx__tensor_shape_proto__init);
		tensor->shape = shape;
		for (int i = 0; i < ndim; i++) {
			NEW(b, d, Onnx__TensorShapeProto__Dimension, onnx__tensor_shape_proto__dimension__init);
			if (dim[i] < 0) {
				d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
				d->dim_param = qb_arena_strdup(b->arena, dim[i] == MB_BATCH ? "N" : "seq");
			} else {
				d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
				d->dim_value = dim[i];
			}
			PUSH(b, shape, dim, d);
		}
	}
	return info;
}

Onnx__ValueInfoProto *mb_input(struct model_builder *b, const char *name, int type, int ndim,
	const int64_t *dim)
{
	Onnx__ValueInfoProto *v = value_info(b, name, type, ndim, dim);

	PUSH(b, b->graph, input, v);
	return v;
}

Onnx__ValueInfoProto *mb_output(struct model_builder *b, const char *name, int type, int ndim,
	const int64_t *dim)
{
	Onnx__ValueInfoProto *v = value_info(b, name, type, ndim, dim);

	PUSH(b, b->graph, output, v);
	return v;
}

Onnx__TensorProto *mb_initializer(struct model_builder *b, const char *name, int type, int ndim,
	const int64_t *dim, const void *raw, size_t bytes)
{
	NEW(b, t, Onnx__TensorProto, onnx__tensor_proto__init);

	t->name = qb_arena_strdup(b->arena, name);
	t->has_data_type = 1;
	t->data_type = type;
	t->n_dims = (size_t)ndim;
	t->dims = get(b, (size_t)ndim + 1, sizeof(*t->dims));
	if (ndim) {
		memcpy(t->dims, dim, (size_t)ndim * sizeof(*dim));
	}
	if (raw) {
		t->has_raw_data = 1;
		t->raw_data.len = bytes;
		t->raw_data.data = get(b, bytes + 1, 1);
		memcpy(t->raw_data.data, raw, bytes);
	}
	PUSH(b, b->graph, initializer, t);
	return t;
}

static void push_names(struct model_builder *b, char ***list, size_t *count, const char *names)
{
	const char *s = names;

	while (names && *names) {
		size_t n = strcspn(s, ",");

		push(b, (void ***)(void *)list, count, qb_arena_strndup(b->arena, s, n));
		if (!s[n]) {
			break;
		}
		s += n + 1;
	}
}

Onnx__NodeProto *mb_node(struct model_builder *b, const char *type, const char *name, const char *inputs,
	const char *outputs)
{
	NEW(b, n, Onnx__NodeProto, onnx__node_proto__init);

	n->op_type = qb_arena_strdup(b->arena, type);
	n->name = qb_arena_strdup(b->arena, name);
	push_names(b, &n->input, &n->n_input, inputs);
	push_names(b, &n->output, &n->n_output, outputs);
	PUSH(b, b->graph, node, n);
	return n;
}

Onnx__AttributeProto *mb_attr(struct model_builder *b, Onnx__NodeProto *n, const char *name)
{
	NEW(b, a, Onnx__AttributeProto, onnx__attribute_proto__init);

	a->name = qb_arena_strdup(b->arena, name);
	a->has_type = 1;
	PUSH(b, n, attribute, a);
	return a;
}

void mb_attr_int(struct model_builder *b, Onnx__NodeProto *n, const char *name, int64_t v)
{
	Onnx__AttributeProto *a = mb_attr(b, n, name);

	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
	a->has_i = 1;
	a->i = v;
}

void mb_attr_float(struct model_builder *b, Onnx__NodeProto *n, const char *name, float v)
{
	Onnx__AttributeProto *a = mb_attr(b, n, name);

	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
	a->has_f = 1;
	a->f = v;
}

void mb_attr_ints(struct model_builder *b, Onnx__NodeProto *n, const char *name, int count, const int64_t *v)
{
	Onnx__AttributeProto *a = mb_attr(b, n, name);

	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
	a->n_ints = (size_t)count;
	a->ints = get(b, (size_t)count + 1, sizeof(*v));
	memcpy(a->ints, v, (size_t)count * sizeof(*v));
}

void mb_attr_string(struct model_builder *b, Onnx__NodeProto *n, const char *name, const char *v)
{
	Onnx__AttributeProto *a = mb_attr(b, n, name);

	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
	a->has_s = 1;
	a->s.len = strlen(v);
	a->s.data = (uint8_t *)qb_arena_strdup(b->arena, v);
}

static void push_entry(struct model_builder *b, Onnx__TensorProto *t, const char *key, const char *value)
{
	NEW(b, e, Onnx__StringStringEntryProto, onnx__string_string_entry_proto__init);

	if (value) {
		e->key = qb_arena_strdup(b->arena, key);
		e->value = qb_arena_strdup(b->arena, value);
		PUSH(b, t, external_data, e);
	}
}

void mb_external(struct model_builder *b, Onnx__TensorProto *t, const char *location, const char *offset,
	const char *length)
{
	t->has_data_location = 1;
	t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
	push_entry(b, t, "location", location);
	push_entry(b, t, "offset", offset);
	push_entry(b, t, "length", length);
}

void mb_write_file(struct model_builder *b, const char *name, const void *data, size_t size)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", b->folder, name);
	f = fopen(path, "wb");
	if (!f || (size && fwrite(data, size, 1, f) != 1) || fclose(f) != 0) {
		abort();
	}
}

void mb_write(struct model_builder *b)
{
	size_t size = onnx__model_proto__get_packed_size(b->model);
	uint8_t *bytes = get(b, size + 1, 1);

	onnx__model_proto__pack(b->model, bytes);
	mb_write_file(b, "model.onnx", bytes, size);
}

enum qb_err mb_import(struct model_builder *b, struct qb_graph **g, struct qb_errbuf *eb)
{
	mb_write(b);
	return qb_graph_import(g, b->path, eb);
}

const float *mb_random(struct model_builder *b, uint64_t stream, size_t n)
{
	float *x = get(b, n, sizeof(*x));

	for (size_t i = 0; i < n; i++) {
		x[i] = (float)(2 * qb_random_uniform(1, stream, i) - 1);
	}
	return x;
}
