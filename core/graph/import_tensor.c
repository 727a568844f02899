/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/import.h"
#include "core/graph/names.h"
#include "core/graph/shape.h"

static const char *entry(const Onnx__TensorProto *proto, const char *key)
{
	for (size_t i = 0; i < proto->n_external_data; i++) {
		const Onnx__StringStringEntryProto *e = proto->external_data[i];

		if (e && e->key && strcmp(e->key, key) == 0) {
			return e->value;
		}
	}
	return NULL;
}

static enum qb_err parse_u64(const char *s, const char *what, uint64_t *out, struct qb_errbuf *eb)
{
	char *end;

	if (*s < '0' || *s > '9' || strlen(s) > 18) {
		return qb_fail(eb, QB_EONNX, "external data's %s is \"%.40s\", not a number", what, s);
	}
	*out = strtoull(s, &end, 10);
	if (*end) {
		return qb_fail(eb, QB_EONNX, "external data's %s is \"%.40s\", not a number", what, s);
	}
	return QB_OK;
}

/* Finds out where the bytes are, and that there are as many as the shape needs, before any memory is taken. */
static enum qb_err external_range(struct qb_model_file *file, const Onnx__TensorProto *proto,
	size_t bytes, uint64_t *offset, struct qb_errbuf *eb)
{
	const char *location = entry(proto, "location"), *s;
	uint64_t length, have;

	if (!location) {
		return qb_fail(eb, QB_EONNX, "external data has no location");
	}
	if (!file) {
		return qb_fail(eb, QB_EUNSUPPORTED, "its data is outside the model");
	}
	QB_TRY(qb__model_data_size(file, location, &have, eb));
	*offset = 0;
	if ((s = entry(proto, "offset"))) {
		QB_TRY(parse_u64(s, "offset", offset, eb));
	}
	if (*offset > have) {
		return qb_fail(eb, QB_EONNX, "external data begins at byte %" PRIu64 " of %s, which has %" PRIu64,
			*offset, location, have);
	}
	length = have - *offset;
	if ((s = entry(proto, "length"))) {
		QB_TRY(parse_u64(s, "length", &length, eb));
		if (length != bytes) {
			return qb_fail(eb, QB_EONNX, "its shape needs %zu bytes, external data's length is %" PRIu64,
				bytes, length);
		}
	}
	if (bytes > have - *offset) {
		return qb_fail(eb, QB_EONNX, "its shape needs %zu bytes, %s has %" PRIu64 " from byte %" PRIu64 " on",
			bytes, location, have - *offset, *offset);
	}
	return QB_OK;
}

static enum qb_err fail_count(size_t have, size_t want, const char *field, struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_EONNX, "its shape needs %zu elements, %s holds %zu", want, field, have);
}

/* The narrow types sit in int32_data, one element each; float16 as its bits. */
static enum qb_err copy_int32(const Onnx__TensorProto *proto, struct qb_tensor *t, size_t n,
	struct qb_errbuf *eb)
{
	if (proto->n_int32_data != n) {
		return fail_count(proto->n_int32_data, n, "int32_data", eb);
	}
	for (size_t i = 0; i < n; i++) {
		int32_t v = proto->int32_data[i];

		switch (qb_dtype_bytes(t->dtype)) {
		case 1:
			((uint8_t *)t->data)[i] = (uint8_t)v;
			break;
		case 2:
			((uint16_t *)t->data)[i] = (uint16_t)v;
			break;
		default:
			((int32_t *)t->data)[i] = v;
			break;
		}
	}
	return QB_OK;
}

static bool is_packed(enum qb_dtype t)
{
	return t == QB_I4 || t == QB_U4;
}

/* Two codes a byte, the first in the low half. */
static void unpack_half_bytes(struct qb_tensor *t, size_t n, const uint8_t *bytes)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t v = i % 2 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;

		((uint8_t *)t->data)[i] = (uint8_t)(t->dtype == QB_I4 ? (v ^ 8) - 8 : v);
	}
}

/* The same in int32_data, two codes an element. */
static enum qb_err unpack_int32(const Onnx__TensorProto *proto, struct qb_tensor *t, size_t n,
	struct qb_errbuf *eb)
{
	if (proto->n_int32_data != (n + 1) / 2) {
		return fail_count(proto->n_int32_data, (n + 1) / 2, "int32_data", eb);
	}
	for (size_t i = 0; i < n; i += 2) {
		struct qb_tensor two = {.dtype = t->dtype, .data = (uint8_t *)t->data + i};
		uint8_t byte = (uint8_t)proto->int32_data[i / 2];

		unpack_half_bytes(&two, QB_MIN(n - i, 2), &byte);
	}
	return QB_OK;
}

static enum qb_err copy_typed(const Onnx__TensorProto *proto, struct qb_tensor *t, size_t n,
	struct qb_errbuf *eb)
{
	const void *src = NULL;
	size_t have = 0;
	const char *field = "";

	switch (t->dtype) {
	case QB_F32:
		src = proto->float_data, have = proto->n_float_data, field = "float_data";
		break;
	case QB_F64:
		src = proto->double_data, have = proto->n_double_data, field = "double_data";
		break;
	case QB_I64:
		src = proto->int64_data, have = proto->n_int64_data, field = "int64_data";
		break;
	case QB_U64:
		src = proto->uint64_data, have = proto->n_uint64_data, field = "uint64_data";
		break;
	case QB_U32:
		if (proto->n_uint64_data != n) {
			return fail_count(proto->n_uint64_data, n, "uint64_data", eb);
		}
		for (size_t i = 0; i < n; i++) {
			((uint32_t *)t->data)[i] = (uint32_t)proto->uint64_data[i];
		}
		return QB_OK;
	default:
		return is_packed(t->dtype) ? unpack_int32(proto, t, n, eb) : copy_int32(proto, t, n, eb);
	}
	if (have != n) {
		return fail_count(have, n, field, eb);
	}
	if (n) {
		memcpy(t->data, src, n * qb_dtype_bytes(t->dtype));
	}
	return QB_OK;
}

static enum qb_err check_tensor(const Onnx__TensorProto *proto, struct qb_tensor *t, size_t *n,
	struct qb_errbuf *eb)
{
	t->dtype = qb_dtype_from_onnx(proto->data_type);
	if (t->dtype == QB_DTYPE_NONE) {
		return qb_fail(eb, QB_EUNSUPPORTED, "element type %d is not supported (strings, complex numbers and "
			"packed formats are not)", proto->data_type);
	}
	if (proto->n_dims > QB_MAX_DIMS) {
		return qb_fail(eb, QB_EUNSUPPORTED, "it has %zu dimensions; at most %d are supported",
			proto->n_dims, QB_MAX_DIMS);
	}
	if (proto->segment) {
		return qb_fail(eb, QB_EUNSUPPORTED, "tensors in segments are not supported");
	}
	t->ndim = (int)proto->n_dims;
	for (int i = 0; i < t->ndim; i++) {
		t->dim[i] = proto->dims[i];
	}
	QB_TRY(qb_tensor_count(t, n, eb));
	if (*n > (size_t)QB_MAX_ELEMENTS) {
		return qb_fail(eb, QB_EONNX, "it has %zu elements, more than any file could hold", *n);
	}
	return QB_OK;
}

static enum qb_err read_external(struct qb_model_file *file, const Onnx__TensorProto *proto,
	uint64_t offset, size_t bytes, struct qb_tensor *t, struct qb_errbuf *eb)
{
	uint8_t *packed = is_packed(t->dtype) ? malloc(bytes + 1) : NULL;
	enum qb_err err;

	if (is_packed(t->dtype) && !packed) {
		return qb_fail(eb, QB_ENOMEM, "out of memory: it needs %zu bytes", bytes);
	}
	err = qb__model_data_read(file, entry(proto, "location"), offset, bytes,
		packed ? packed : t->data, eb);
	if (err == QB_OK && packed) {
		unpack_half_bytes(t, qb_tensor_size(t), packed);
	}
	free(packed);
	return err;
}

enum qb_err qb__import_tensor(struct qb_arena *arena, struct qb_model_file *file,
	const Onnx__TensorProto *proto, const struct qb_tensor **out, struct qb_errbuf *eb)
{
	struct qb_tensor t = { 0 }, *copy;
	bool external = proto->has_data_location &&
		proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
	bool raw = proto->has_raw_data;
	size_t n, bytes;
	uint64_t offset = 0;

	QB_TRY(check_tensor(proto, &t, &n, eb));
	bytes = is_packed(t.dtype) ? (n + 1) / 2 : n * qb_dtype_bytes(t.dtype);
	if (external) {
		QB_TRY(external_range(file, proto, bytes, &offset, eb));
	} else if (raw && proto->raw_data.len != bytes) {
		return qb_fail(eb, QB_EONNX, "its shape needs %zu bytes, raw_data holds %zu", bytes,
			proto->raw_data.len);
	} else if (!raw) {
		/* A bound on what a lie can make us allocate: no field holds more than this. */
		size_t most = proto->n_float_data + proto->n_int32_data + proto->n_int64_data +
			proto->n_double_data + proto->n_uint64_data;

		if (bytes > most * qb_dtype_bytes(t.dtype)) {
			return fail_count(most, n, "the file", eb);
		}
	}
	copy = qb_arena_alloc(arena, 1, sizeof(*copy));
	t.data = qb_arena_alloc(arena, n, qb_dtype_bytes(t.dtype));
	if (!copy || !t.data) {
		return qb_fail(eb, QB_ENOMEM, "out of memory: it needs %zu bytes", bytes);
	}
	if (external) {
		QB_TRY(read_external(file, proto, offset, bytes, &t, eb));
	} else if (raw && is_packed(t.dtype)) {
		unpack_half_bytes(&t, n, proto->raw_data.data);
	} else if (raw) {
		if (bytes) {
			memcpy(t.data, proto->raw_data.data, bytes);
		}
	} else {
		QB_TRY(copy_typed(proto, &t, n, eb));
	}
	if (t.dtype == QB_BOOL) { /* any other byte would be undefined behaviour to read as bool */
		for (size_t i = 0; i < n; i++) {
			((uint8_t *)t.data)[i] = ((uint8_t *)t.data)[i] != 0;
		}
	}
	*copy = t;
	*out = copy;
	return QB_OK;
}

/* ---- types ---- */

const char *qb__import_string(const char *s)
{
	return s ? s : "";
}

const char *qb__import_domain(const char *domain)
{
	return domain && strcmp(domain, "ai.onnx") != 0 ? domain : "";
}

static bool is_named(const Onnx__TensorShapeProto__Dimension *d)
{
	return d && d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
		d->dim_param && *d->dim_param;
}

static int64_t import_dim(const Onnx__TensorShapeProto *shape, size_t i, bool first_is_batch)
{
	const Onnx__TensorShapeProto__Dimension *d = shape->dim[i], *first = shape->dim[0];

	if (d && d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value > 0) {
		return d->dim_value;
	}
	if (first_is_batch &&
	    (i == 0 || (is_named(d) && is_named(first) && strcmp(d->dim_param, first->dim_param) == 0))) {
		return -1;
	}
	return QB_DIM_UNKNOWN;
}

const struct qb_declared *qb__import_declared(struct qb_arena *arena, const Onnx__ValueInfoProto *info)
{
	struct qb_declared *d = qb_arena_alloc(arena, 1, sizeof(*d));
	const Onnx__TensorShapeProto *shape = info->type && info->type->value_case ==
		ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ? info->type->tensor_type->shape : NULL;

	if (!d) {
		return NULL;
	}
	for (size_t i = 0; shape && i < shape->n_dim && i < QB_MAX_DIMS; i++) {
		if (is_named(shape->dim[i]) && qb_name_ok(shape->dim[i]->dim_param)) {
			d->name[i] = qb_arena_strdup(arena, shape->dim[i]->dim_param);
		}
	}
	return d;
}

enum qb_err qb__import_type(const Onnx__ValueInfoProto *info, bool first_is_batch,
	enum qb_dtype *dtype, struct qb_shape *shape, struct qb_errbuf *eb)
{
	const Onnx__TypeProto__Tensor *t;

	*dtype = QB_DTYPE_NONE;
	*shape = qb_shape_unknown();
	if (!info->type || info->type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET) {
		return QB_OK;
	}
	if (info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s is not a tensor; sequences, maps, optionals and sparse "
			"tensors are not supported", qb__import_string(info->name));
	}
	t = info->type->tensor_type;
	if (t->elem_type != 0) {
		*dtype = qb_dtype_from_onnx(t->elem_type);
		if (*dtype == QB_DTYPE_NONE) {
			return qb_fail(eb, QB_EUNSUPPORTED, "%s has element type %d, which is not supported",
				qb__import_string(info->name), t->elem_type);
		}
	}
	if (!t->shape) {
		return QB_OK;
	}
	if (t->shape->n_dim > QB_MAX_DIMS) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s has %zu dimensions; at most %d are supported",
			qb__import_string(info->name), t->shape->n_dim, QB_MAX_DIMS);
	}
	*shape = qb_shape_ranked((int)t->shape->n_dim);
	for (size_t i = 0; i < t->shape->n_dim; i++) {
		shape->dim[i] = import_dim(t->shape, i, first_is_batch);
		if (shape->dim[i] > QB_MAX_ELEMENTS) {
			return qb_fail(eb, QB_ESHAPE, "%s: dimension %zu is %" PRId64 ", larger than any memory",
				qb__import_string(info->name), i, shape->dim[i]);
		}
	}
	return QB_OK;
}
