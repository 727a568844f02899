/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/tflite_file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

const int qb__tfl_image[4] = {0, 3, 1, 2};

enum qb_err qb__tfl_out_of_memory(const struct tfl *im)
{
	return qb_fail(im->eb, QB_ENOMEM, "out of memory while importing the network");
}

enum qb_err qb__tfl_damaged(const struct tfl *im)
{
	return qb_fail(im->eb, QB_EFORMAT, "the .tflite file is damaged or cut short: an offset in it leads out of it");
}

enum qb_err qb__tfl_fail(const struct tfl_op *op, enum qb_err code, const char *fmt, ...)
{
	const char *name = op->outputs > 0 && op->output[0] >= 0 ? op->im->tensor[op->output[0]].name : "";
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return qb_fail(op->im->eb, code, "operator %s of %.200s: %s", op->type, name, text);
}

enum qb_err qb__tfl_no_memory(const struct tfl_op *op)
{
	return qb__tfl_fail(op, QB_ENOMEM, "out of memory");
}

const struct tfl_tensor *qb__tfl_in(const struct tfl_op *op, int i)
{
	return i < op->inputs && op->input[i] >= 0 ? &op->im->tensor[op->input[i]] : NULL;
}

const struct tfl_tensor *qb__tfl_out(const struct tfl_op *op)
{
	return &op->im->tensor[op->output[0]];
}

bool qb__tfl_is_image(const struct tfl_tensor *t)
{
	return t && t->ndim == 4;
}

/* One pixel an image: channels first and last are the same elements in the same order. */
bool qb__tfl_is_pixel(const struct tfl_tensor *t)
{
	return qb__tfl_is_image(t) && t->dim[1] == 1 && t->dim[2] == 1;
}

/* An axis of TFLite's order as ours. */
int64_t qb__tfl_image_axis(int64_t axis)
{
	static const int to[4] = {0, 2, 3, 1};

	return to[axis];
}

/* ---- tensors ---- */

/* TensorType, in the order of the schema. */
static enum qb_dtype type_of(int type)
{
	static const enum qb_dtype types[] = {QB_F32, QB_F16, QB_I32, QB_U8, QB_I64, QB_DTYPE_NONE, QB_BOOL,
		QB_I16, QB_DTYPE_NONE, QB_I8, QB_F64, QB_DTYPE_NONE, QB_U64, QB_DTYPE_NONE, QB_DTYPE_NONE,
		QB_U32, QB_U16, QB_I4};

	return type >= 0 && type < (int)QB_COUNT(types) ? types[type] : QB_DTYPE_NONE;
}

static size_t stored_bytes(enum qb_dtype dtype, size_t n)
{
	return dtype == QB_I4 ? (n + 1) / 2 : n * qb_dtype_bytes(dtype);
}

static enum qb_err read_shape(struct tfl *im, struct tfl_tensor *t, const struct qb_fb_table *table,
	size_t *count)
{
	struct qb_fb_vector shape = qb_fb_list(table, 0, 4);
	struct qb_tensor dims = {0};

	if (shape.count > QB_MAX_DIMS) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "tensor %s has %zu dimensions; at most %d are supported",
			t->name, shape.count, QB_MAX_DIMS);
	}
	t->ndim = dims.ndim = (int)shape.count;
	for (int i = 0; i < t->ndim; i++) {
		t->dim[i] = dims.dim[i] = qb_fb_int_at(&shape, (size_t)i);
	}
	if (qb_tensor_count(&dims, count, im->eb) != QB_OK || *count > (size_t)QB_MAX_ELEMENTS) {
		return qb_fail(im->eb, QB_ESHAPE, "tensor %s: its shape is negative or larger than any memory",
			t->name);
	}
	return QB_OK;
}

static enum qb_err read_quantization(struct tfl *im, struct tfl_tensor *t,
	const struct qb_fb_table *table)
{
	struct qb_fb_table q = qb_fb_sub(table, 4);
	struct qb_fb_vector scale = qb_fb_list(&q, 2, 4), zero = qb_fb_list(&q, 3, 8);
	bool integer = t->dtype == QB_U8 || t->dtype == QB_I8 || t->dtype == QB_I16 || t->dtype == QB_I4 ||
		t->dtype == QB_I32;

	if (!scale.count || !integer) {
		return QB_OK;
	}
	t->axis = qb_fb_int(&q, 6, 0);
	if (zero.count != scale.count && zero.count != 0) {
		return qb_fail(im->eb, QB_EFORMAT, "tensor %s has %zu scales and %zu zero points", t->name,
			scale.count, zero.count);
	}
	if (scale.count > 1 && (t->axis < 0 || t->axis >= t->ndim ||
		t->dim[t->axis] != (int64_t)scale.count)) {
		return qb_fail(im->eb, QB_EFORMAT, "tensor %s: its %zu scales fit none of its dimensions", t->name,
			scale.count);
	}
	t->scale = qb_arena_alloc(im->g->arena, scale.count, sizeof(*t->scale));
	t->zero = qb_arena_alloc(im->g->arena, scale.count, sizeof(*t->zero));
	if (!t->scale || !t->zero) {
		return qb__tfl_out_of_memory(im);
	}
	for (size_t i = 0; i < scale.count; i++) {
		int64_t z = zero.count ? qb_fb_long_at(&zero, i) : 0;

		t->scale[i] = qb_fb_float_at(&scale, i);
		if (!(t->scale[i] > 0 && t->scale[i] <= 0x1p100f) || z < INT16_MIN || z > UINT16_MAX) {
			return qb_fail(im->eb, QB_EFORMAT, "tensor %s has the scale %g and the zero point %" PRId64,
				t->name, (double)t->scale[i], z);
		}
		t->zero[i] = (int32_t)z;
	}
	t->scales = (int)scale.count;
	return QB_OK;
}

static enum qb_err read_data(struct tfl *im, struct tfl_tensor *t, const struct qb_fb_table *table,
	const struct qb_fb_table *model, size_t count)
{
	struct qb_fb_table buffer =
		qb_fb_table_at(model, TFL_MODEL_BUFFERS, qb_fb_uint(table, 2, 0));
	struct qb_fb_vector data = qb_fb_list(&buffer, 0, 1);
	uint64_t offset = qb_fb_u64(&buffer, 1, 0), size = qb_fb_u64(&buffer, 2, 0);

	if (offset > 1 && size) { /* a large file keeps it behind the tables */
		if (offset > im->fb.size || size > im->fb.size - offset) {
			return qb__tfl_damaged(im);
		}
		data = (struct qb_fb_vector){im->fb.bytes + offset, (size_t)size};
	}
	if (!data.count) {
		return QB_OK;
	}
	if (data.count != stored_bytes(t->dtype, count)) {
		return qb_fail(im->eb, QB_EFORMAT, "tensor %s needs %zu bytes for its shape and has %zu", t->name,
			stored_bytes(t->dtype, count), data.count);
	}
	t->data = data.data;
	t->bytes = data.count;
	return QB_OK;
}

static enum qb_err read_tensor(struct tfl *im, const struct qb_fb_table *model, int i)
{
	struct qb_fb_table table = qb_fb_table_at(&im->graph, TFL_GRAPH_TENSORS, (size_t)i);
	struct qb_fb_vector name = qb_fb_list(&table, 3, 1);
	struct tfl_tensor *t = &im->tensor[i];
	char *copy = qb_arena_strndup(im->g->arena, name.count ? (const char *)name.data : "", name.count);
	size_t count;

	if (!copy) {
		return qb__tfl_out_of_memory(im);
	}
	if (!qb_name_ok(copy)) {
		return qb_fail(im->eb, QB_EFORMAT, "the name of tensor %d is not printable UTF-8", i);
	}
	/* A fused operator's output has the names of all that went in, the last of them first. */
	copy[strcspn(copy, ";")] = '\0';
	t->name = copy;
	for (int k = i; t->name && (!*t->name || qb_names_get(&im->known, t->name)); k++) {
		t->name = qb_arena_printf(im->g->arena, "%s.%d", *copy ? copy : "tensor", k);
	}
	if (!t->name || !qb_names_set(&im->known, t->name, t)) {
		return qb__tfl_out_of_memory(im);
	}
	t->dtype = type_of(qb_fb_byte(&table, 1, 0));
	if (t->dtype == QB_DTYPE_NONE) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "tensor %s is of a type that is not supported (%d)",
			t->name, qb_fb_byte(&table, 1, 0));
	}
	if (qb_fb_sub(&table, 6).at) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "tensor %s is sparse, which is not supported", t->name);
	}
	QB_TRY(read_shape(im, t, &table, &count));
	QB_TRY(read_quantization(im, t, &table));
	return read_data(im, t, &table, model, count);
}

enum qb_err qb__tfl_read_tensors(struct tfl *im)
{
	size_t count = qb_fb_tables(&im->graph, TFL_GRAPH_TENSORS);

	im->tensor = qb_arena_alloc(im->g->arena, count + 1, sizeof(*im->tensor));
	if (!im->tensor || count > INT32_MAX) {
		return qb__tfl_out_of_memory(im);
	}
	im->tensors = (int)count;
	for (int i = 0; i < im->tensors; i++) {
		QB_TRY(read_tensor(im, &im->model, i));
		if (im->fb.damaged) {
			return qb__tfl_damaged(im);
		}
	}
	return QB_OK;
}

/* ---- operators ---- */

static enum qb_err read_edges(struct tfl_op *op, size_t i, const struct qb_fb_table *table, int field,
	int *count, int32_t *out, size_t max)
{
	struct qb_fb_vector list = qb_fb_list(table, field, 4);

	if (list.count > max) {
		return qb_fail(op->im->eb, QB_EUNSUPPORTED, "operator %zu has %zu inputs or outputs; at most %zu are "
			"supported", i, list.count, max);
	}
	for (size_t k = 0; k < list.count; k++) {
		out[k] = qb_fb_int_at(&list, k);
		if (out[k] < -1 || out[k] >= op->im->tensors) {
			return qb_fail(op->im->eb, QB_EFORMAT, "operator %zu names tensor %d, and there are %d", i,
				out[k], op->im->tensors);
		}
	}
	*count = (int)list.count;
	return QB_OK;
}

enum qb_err qb__tfl_read_operator(struct tfl *im, size_t i, struct tfl_op *op)
{
	struct qb_fb_table table = qb_fb_table_at(&im->graph, TFL_GRAPH_OPERATORS, i);
	struct qb_fb_table code =
		qb_fb_table_at(&im->model, TFL_MODEL_CODES, qb_fb_uint(&table, TFL_OP_CODE, 0));

	*op = (struct tfl_op){.im = im, .type = "?", .options = qb_fb_sub(&table, TFL_OP_OPTIONS)};
	/* Codes up to 127 are in a byte of their own in files from before 2020. */
	op->code = QB_MAX(qb_fb_byte(&code, 0, 0), qb_fb_int(&code, 3, 0));
	QB_TRY(read_edges(op, i, &table, TFL_OP_INPUTS, &op->inputs, op->input, QB_COUNT(op->input)));
	QB_TRY(read_edges(op, i, &table, TFL_OP_OUTPUTS, &op->outputs, op->output, QB_COUNT(op->output)));
	return code.at && !im->fb.damaged ? QB_OK : qb__tfl_damaged(im);
}

/* ---- values ---- */

struct qb_value *qb__tfl_temporary(struct tfl *im, const char *of, enum qb_dtype dtype)
{
	const char *name = qb_arena_printf(im->g->arena, "%s:%d", of, im->names++);

	return name ? qb_graph_add_value(im->g, name, dtype) : NULL;
}

static struct qb_value *vector(struct tfl *im, const char *of, enum qb_dtype dtype, int count,
	const void *x)
{
	struct qb_tensor *t = qb_arena_alloc(im->g->arena, 1, sizeof(*t));
	const char *name = qb_arena_printf(im->g->arena, "%s:%d", of, im->names++);

	if (!t || !name) {
		return NULL;
	}
	*t = (struct qb_tensor){.dtype = dtype, .ndim = count >= 0, .dim = {count}};
	t->data = qb_arena_alloc(im->g->arena, qb_tensor_size(t) + 1, qb_dtype_bytes(dtype));
	if (!t->data) {
		return NULL;
	}
	memcpy(t->data, x, qb_tensor_size(t) * qb_dtype_bytes(dtype));
	return qb_graph_add_constant(im->g, name, t);
}

struct qb_value *qb__tfl_floats(struct tfl *im, const char *of, int count, const float *x)
{
	return vector(im, of, QB_F32, count, x);
}

struct qb_value *qb__tfl_longs(struct tfl *im, const char *of, int count, const int64_t *x)
{
	return vector(im, of, QB_I64, count, x);
}

struct qb_node *qb__tfl_node(struct tfl *im, enum qb_op_id kind, int inputs,
	struct qb_value *const *in, struct qb_value *out)
{
	const char *name = qb_arena_printf(im->g->arena, "%s:%s", out->name, qb_op_of(kind)->type);
	struct qb_node *n;

	n = name ? qb_node_create(im->g, kind, name, TFL_OPSET, inputs, in, 1, &out) : NULL;
	return qb_graph_append(im->g, n) ? n : NULL;
}

static const struct qb_imported *imported(struct tfl *im, const struct tfl_tensor *t, int axis)
{
	struct qb_imported *c = qb_arena_alloc(im->g->arena, 1, sizeof(*c));
	struct qb_tensor *s = qb_arena_alloc(im->g->arena, 2, sizeof(*s)), *z = s + 1;

	if (!c || !s) {
		return NULL;
	}
	s->dtype = QB_F32;
	s->ndim = z->ndim = t->scales > 1;
	s->dim[0] = z->dim[0] = t->scales;
	s->data = t->scale;
	z->dtype = t->dtype;
	z->data = qb_arena_alloc(im->g->arena, (size_t)t->scales, qb_dtype_bytes(t->dtype));
	if (!z->data) {
		return NULL;
	}
	for (int i = 0; i < t->scales; i++) {
		if (t->dtype == QB_I16) {
			((int16_t *)z->data)[i] = (int16_t)t->zero[i];
		} else {
			((uint8_t *)z->data)[i] = (uint8_t)t->zero[i];
		}
	}
	*c = (struct qb_imported){.scale = s, .zero = z, .code = t->dtype, .axis = t->scales > 1 ? axis : -1};
	return c;
}

/* Numbers of at most 16 bits are what a quantizer holds; int32 is a bias's. */
static bool is_code(const struct tfl_tensor *t)
{
	return t->scales && t->dtype != QB_I32;
}

/* int4's halves become bytes. */
static void load_codes(const struct tfl_tensor *t, size_t n, float *out)
{
	if (t->dtype != QB_I4) {
		qb_convert_to_f32(t->dtype, t->data, out, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int v = i % 2 ? t->data[i / 2] >> 4 : t->data[i / 2] & 15;

		out[i] = (float)((v ^ 8) - 8);
	}
}

static void dequantize(const struct tfl_tensor *t, size_t n, float *x)
{
	int64_t inner = 1;

	for (int i = t->axis + 1; t->scales > 1 && i < t->ndim; i++) {
		inner *= t->dim[i];
	}
	for (size_t i = 0; t->scales && i < n; i++) {
		int k = t->scales > 1 ? (int)((int64_t)i / inner % t->scales) : 0;

		x[i] = t->scale[k] * (x[i] - (float)t->zero[k]);
	}
}

/* y = x with its axes in the order perm. */
static void permute(const struct tfl_tensor *t, const int *perm, const float *x, float *y)
{
	int64_t stride[QB_MAX_DIMS], at[QB_MAX_DIMS] = {0}, n = 1, from = 0;

	for (int i = t->ndim - 1; i >= 0; i--) {
		stride[i] = n;
		n *= t->dim[i];
	}
	for (int64_t i = 0; i < n; i++) {
		y[i] = x[from];
		for (int k = t->ndim - 1; k >= 0; k--) {
			from += stride[perm[k]];
			if (++at[k] < t->dim[perm[k]]) {
				break;
			}
			from -= stride[perm[k]] * t->dim[perm[k]];
			at[k] = 0;
		}
	}
}

enum qb_err qb__tfl_constant(struct tfl *im, int tensor, const int *perm, int ndim, const int64_t *dim,
	struct qb_value **out)
{
	const struct tfl_tensor *t = &im->tensor[tensor];
	struct qb_tensor *y = qb_arena_alloc(im->g->arena, 1, sizeof(*y));
	size_t n = 1;
	float *stored;
	int axis = t->axis;

	for (int i = 0; i < t->ndim; i++) {
		n *= (size_t)t->dim[i];
	}
	/* Each use copies; a file whose operators share one constant may not ask for any amount of memory. */
	im->copied += n;
	if (im->copied > 64 * im->fb.size + (1 << 20)) {
		return qb_fail(im->eb, QB_EUNSUPPORTED, "the constant %s is used too often for a file of this size",
			t->name);
	}
	stored = y ? qb_arena_alloc(im->g->arena, n + 1, sizeof(*stored)) : NULL;
	if (!stored) {
		return qb__tfl_out_of_memory(im);
	}
	y->dtype = QB_F32;
	y->ndim = t->ndim;
	y->data = stored;
	load_codes(t, n, stored);
	dequantize(t, n, stored);
	for (int i = 0; i < t->ndim; i++) {
		y->dim[i] = t->dim[perm ? perm[i] : i];
		axis = perm && perm[i] == t->axis ? i : axis;
	}
	if (perm) {
		y->data = qb_arena_alloc(im->g->arena, n + 1, sizeof(float));
		if (!y->data) {
			return qb__tfl_out_of_memory(im);
		}
		permute(t, perm, stored, y->data);
	}
	if (ndim >= 0) {
		y->ndim = ndim;
		memcpy(y->dim, dim, (size_t)ndim * sizeof(*dim));
	}
	*out = qb_graph_add_constant(im->g, t->name, y);
	if (*out && is_code(t) && (t->scales == 1 || ndim < 0)) {
		(*out)->imported = imported(im, t, axis);
	}
	return *out && (!is_code(t) || (*out)->imported || ndim >= 0) ? QB_OK : qb__tfl_out_of_memory(im);
}

enum qb_err qb__tfl_ints(const struct tfl_op *op, int input, int64_t *out, int max, int *count)
{
	const struct tfl_tensor *t = input < op->inputs && op->input[input] >= 0
		? &op->im->tensor[op->input[input]] : NULL;
	size_t n;

	if (!t || !t->data || (t->dtype != QB_I32 && t->dtype != QB_I64)) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "input %d has to be integers that the file holds", input);
	}
	n = t->bytes / qb_dtype_bytes(t->dtype);
	if (n > (size_t)max) {
		return qb__tfl_fail(op, QB_EFORMAT, "input %d holds %zu elements, at most %d make sense", input, n,
			max);
	}
	for (size_t i = 0; i < n; i++) {
		struct qb_fb_vector v = {t->data, n};

		out[i] = t->dtype == QB_I32 ? qb_fb_int_at(&v, i) : qb_fb_long_at(&v, i);
	}
	*count = (int)n;
	return QB_OK;
}

enum qb_err qb__tfl_value(struct tfl *im, int tensor, struct qb_value **out)
{
	struct tfl_tensor *t = &im->tensor[tensor];
	bool real = t->dtype == QB_F32 || t->scales;

	if (t->data) {
		return qb__tfl_constant(im, tensor, t->ndim == 4 ? qb__tfl_image : NULL, -1, NULL, out);
	}
	if (!t->value) {
		t->value = qb_graph_add_value(im->g, t->name, real ? QB_F32 : t->dtype);
		if (t->value && is_code(t) && t->scales == 1) {
			t->value->imported = imported(im, t, -1);
		}
		if (!t->value || (is_code(t) && t->scales == 1 && !t->value->imported)) {
			return qb__tfl_out_of_memory(im);
		}
	}
	*out = t->value;
	return QB_OK;
}
