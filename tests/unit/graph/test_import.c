/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zip.h>

#include "core/graph/op.h"
#include "tests/unit/graph/model_builder.h"

enum { F32 = 1, I64 = 7, STRING = 8 };

/* Imports what was built, expects `err` and every one of the words in the sentence. */
static void expect_error(struct model_builder *b, enum qb_err err, const char *first, const char *second)
{
	struct qb_graph *g = NULL;
	struct qb_errbuf eb = { 0 };
	enum qb_err got = mb_import(b, &g, &eb);

	if (got != err || !strstr(eb.text, first) || (second && !strstr(eb.text, second))) {
		print_error("got %s: \"%s\"; wanted %s with \"%s\" and \"%s\"\n", qb_err_name(got), eb.text,
			qb_err_name(err), first, second ? second : "");
	}
	assert_null(g);
	assert_int_equal(got, err);
	assert_non_null(strstr(eb.text, first));
	assert_true(!second || strstr(eb.text, second));
	mb_fini(b);
}

static struct qb_graph *expect_graph(struct model_builder *b)
{
	struct qb_graph *g = NULL;
	struct qb_errbuf eb = { 0 };
	enum qb_err err = mb_import(b, &g, &eb);

	if (err != QB_OK) {
		print_error("%s\n", eb.text);
	}
	assert_int_equal(err, QB_OK);
	return g;
}

/* x [N,4] -> Relu "one" -> y */
static void build_relu(struct model_builder *b)
{
	mb_init(b, 13);
	mb_input(b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	mb_node(b, "Relu", "one", "x", "y");
	mb_output(b, "y", F32, -1, NULL);
}

static void onnx_import__smallest_network__has_symbolic_batch(void **state)
{
	struct model_builder b;
	struct qb_graph *g, *bound = NULL;

	(void)state;
	build_relu(&b);
	g = expect_graph(&b);
	assert_int_equal(g->nodes, 1);
	assert_int_equal(g->inputs, 1);
	assert_int_equal(g->output[0]->shape.dim[0], -1);
	assert_int_equal(g->output[0]->shape.dim[1], 4);
	assert_int_equal(qb_graph_bind(&bound, g, 5, NULL), QB_OK);
	assert_int_equal(bound->output[0]->shape.dim[0], 5);
	qb_graph_destroy(&bound);
	qb_graph_destroy(&g);
	mb_fini(&b);
}

static void onnx_import__unsorted_nodes__are_sorted(void **state)
{
	struct model_builder b;
	struct qb_graph *g;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	mb_node(&b, "Tanh", "third", "b", "y");
	mb_node(&b, "Relu", "second", "a", "b");
	mb_node(&b, "Abs", "", "x", "a");
	mb_output(&b, "y", F32, -1, NULL);
	g = expect_graph(&b);
	assert_string_equal(g->node[0]->name, "Abs:a");
	assert_string_equal(g->node[1]->name, "second");
	assert_string_equal(g->node[2]->name, "third");
	qb_graph_destroy(&g);
	mb_fini(&b);
}

static void onnx_import__unknown_operator__names_node_and_operator(void **state)
{
	struct model_builder b;
	Onnx__NodeProto *n;

	(void)state;
	build_relu(&b);
	n = mb_node(&b, "Frobnicate", "odd", "y", "z");
	n->domain = qb_arena_strdup(b.arena, "com.example");
	expect_error(&b, QB_EUNSUPPORTED, "odd", "com.example.Frobnicate");
}

static void onnx_import__operator_of_training_graphs__is_refused(void **state)
{
	struct model_builder b;
	Onnx__NodeProto *n;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", 1, 1, (int64_t[]){4});
	n = mb_node(&b, "ShardSum", "sum", "x", "y");
	n->domain = qb_arena_strdup(b.arena, QB_OP_DOMAIN);
	mb_output(&b, "y", 1, 1, (int64_t[]){4});
	expect_error(&b, QB_EUNSUPPORTED, "sum", "quantbench.ShardSum");
}

static void onnx_import__cycle__names_a_node_on_it(void **state)
{
	struct model_builder b;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	mb_node(&b, "Add", "loop", "x,c", "a");
	mb_node(&b, "Relu", "loop2", "a", "c");
	mb_node(&b, "Relu", "after", "c", "y");
	mb_output(&b, "y", F32, -1, NULL);
	expect_error(&b, QB_EONNX, "cycle", "loop");
}

static void onnx_import__node_that_feeds_itself__names_it(void **state)
{
	struct model_builder b;

	(void)state;
	mb_init(&b, 13);
	mb_node(&b, "Relu", "self", "y", "y");
	mb_output(&b, "y", F32, -1, NULL);
	expect_error(&b, QB_EONNX, "cycle", "self");
}

static void onnx_import__dangling_input__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_node(&b, "Add", "lost", "y,nowhere", "z");
	expect_error(&b, QB_EONNX, "lost", "nowhere");
}

static void onnx_import__dangling_output__names_it(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_output(&b, "ghost", F32, -1, NULL);
	expect_error(&b, QB_EONNX, "ghost", NULL);
}

static void onnx_import__value_produced_twice__names_both_nodes(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_node(&b, "Abs", "two", "x", "y");
	expect_error(&b, QB_EONNX, "two", "one");
}

static void onnx_import__output_over_an_input__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_node(&b, "Abs", "two", "y", "x");
	expect_error(&b, QB_EONNX, "two", "input of the network");
}

static void onnx_import__output_over_an_initializer__names_the_node(void **state)
{
	struct model_builder b;
	float v = 1;

	(void)state;
	build_relu(&b);
	mb_initializer(&b, "w", F32, 0, NULL, &v, sizeof(v));
	mb_node(&b, "Abs", "two", "y", "w");
	expect_error(&b, QB_EONNX, "two", "initializer");
}

/* ---- shapes ---- */

static void build_conv(struct model_builder *b, int64_t channels, int64_t kernel, int64_t group)
{
	int64_t dim[4] = { 4, channels, kernel, kernel };
	size_t n = (size_t)(4 * channels * kernel * kernel);
	Onnx__NodeProto *conv;

	mb_init(b, 13);
	mb_input(b, "x", F32, 4, (int64_t[]){ MB_BATCH, 4, 8, 8 });
	mb_initializer(b, "w", F32, 4, dim, mb_random(b, 1, n), 4 * n);
	conv = mb_node(b, "Conv", "the conv", "x,w", "y");
	mb_attr_int(b, conv, "group", group);
	mb_output(b, "y", F32, -1, NULL);
}

static void onnx_import__wrong_channels__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 3, 3, 1);
	expect_error(&b, QB_ESHAPE, "the conv", "4 channels");
}

static void onnx_import__groups_that_do_not_divide__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 4, 3, 3);
	expect_error(&b, QB_ESHAPE, "the conv", "groups");
}

static void onnx_import__kernel_larger_than_image__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 4, 9, 1);
	expect_error(&b, QB_ESHAPE, "the conv", "larger");
}

static void onnx_import__stride_zero__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 4, 3, 1);
	mb_attr_ints(&b, b.graph->node[0], "strides", 2, (int64_t[]){ 1, 0 });
	expect_error(&b, QB_EONNX, "the conv", "strides");
}

static void onnx_import__huge_pad__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	build_conv(&b, 4, 3, 1);
	mb_attr_ints(&b, b.graph->node[0], "pads", 4, (int64_t[]){ 0, INT64_MAX, 0, 0 });
	expect_error(&b, QB_EONNX, "the conv", "pads");
}

static void onnx_import__declared_shape_is_wrong__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	mb_node(&b, "Relu", "one", "x", "y");
	mb_output(&b, "y", F32, 2, (int64_t[]){ MB_BATCH, 5 });
	expect_error(&b, QB_ESHAPE, "one", "declared");
}

static void onnx_import__too_few_inputs__names_the_node(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_node(&b, "Add", "lonely", "y", "z");
	expect_error(&b, QB_EONNX, "lonely", "1 inputs");
}

static void onnx_import__reshape_to_terabytes__names_the_node(void **state)
{
	struct model_builder b;
	int64_t dim[2] = { (int64_t)1 << 30, (int64_t)1 << 30 };

	(void)state;
	mb_init(&b, 13);
	mb_initializer(&b, "s", I64, 1, (int64_t[]){ 2 }, dim, sizeof(dim));
	mb_node(&b, "ConstantOfShape", "bomb", "s", "y");
	mb_output(&b, "y", F32, -1, NULL);
	expect_error(&b, QB_ESHAPE, "bomb", "larger");
}

/* ---- initializers ---- */

static void onnx_import__initializer_too_short__names_it(void **state)
{
	struct model_builder b;
	float v[3] = { 1, 2, 3 };

	(void)state;
	build_relu(&b);
	mb_initializer(&b, "weight7", F32, 1, (int64_t[]){ 1000000000 }, v, sizeof(v));
	expect_error(&b, QB_EONNX, "weight7", "raw_data holds 12");
}

static void onnx_import__initializer_with_overflowing_shape__names_it(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_initializer(&b, "weight7", F32, 3, (int64_t[]){ INT64_MAX, INT64_MAX, 4 }, "", 0);
	expect_error(&b, QB_ESHAPE, "weight7", NULL);
}

static void onnx_import__initializer_without_data__names_it(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_initializer(&b, "weight7", F32, 1, (int64_t[]){ 1 << 30 }, NULL, 0);
	expect_error(&b, QB_EONNX, "weight7", "holds 0");
}

static void onnx_import__string_initializer__is_unsupported(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_initializer(&b, "weight7", STRING, 1, (int64_t[]){ 1 }, NULL, 0);
	expect_error(&b, QB_EUNSUPPORTED, "weight7", "element type 8");
}

static void onnx_import__duplicate_initializer__names_it(void **state)
{
	struct model_builder b;
	float v = 1;

	(void)state;
	build_relu(&b);
	mb_initializer(&b, "w", F32, 0, NULL, &v, sizeof(v));
	mb_initializer(&b, "w", F32, 0, NULL, &v, sizeof(v));
	expect_error(&b, QB_EONNX, "w", "twice");
}

static void onnx_import__typed_fields__are_read(void **state)
{
	struct model_builder b;
	Onnx__TensorProto *t;
	float f[2] = { 1.5f, -2 };
	int32_t half[2] = { 0x3c00, 0xc000 };
	struct qb_graph *g;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 2, (int64_t[]){ MB_BATCH, 2 });
	t = mb_initializer(&b, "f", F32, 1, (int64_t[]){ 2 }, NULL, 0);
	t->n_float_data = 2;
	t->float_data = f;
	t = mb_initializer(&b, "h", 10, 1, (int64_t[]){ 2 }, NULL, 0);
	t->n_int32_data = 2;
	t->int32_data = half;
	mb_attr_int(&b, mb_node(&b, "Cast", "cast", "h", "hf"), "to", F32);
	mb_node(&b, "Add", "add", "x,f", "a");
	mb_node(&b, "Mul", "mul", "a,hf", "y");
	mb_output(&b, "y", F32, -1, NULL);
	g = expect_graph(&b);
	assert_int_equal(g->nodes, 2); /* the cast of a constant is gone */
	assert_float_equal(((const float *)g->node[0]->input[1]->constant->data)[0], 1.5, 0);
	assert_float_equal(((const float *)g->node[1]->input[1]->constant->data)[1], -2, 0);
	qb_graph_destroy(&g);
	mb_fini(&b);
}

/* ---- external data ---- */

static void build_external(struct model_builder *b, const char *location, const char *offset,
	const char *length)
{
	Onnx__TensorProto *t;

	mb_init(b, 13);
	mb_input(b, "x", F32, 2, (int64_t[]){ MB_BATCH, 4 });
	t = mb_initializer(b, "w", F32, 1, (int64_t[]){ 4 }, NULL, 0);
	mb_external(b, t, location, offset, length);
	mb_node(b, "Add", "add", "x,w", "y");
	mb_output(b, "y", F32, -1, NULL);
	mb_write_file(b, "data.bin", "\0\0\0\0\0\0\200?\0\0\0@\0\0@@\0\0\200@", 20);
}

static void onnx_import__external_data__is_read(void **state)
{
	struct model_builder b;
	struct qb_graph *g;

	(void)state;
	build_external(&b, "data.bin", "4", "16");
	g = expect_graph(&b);
	assert_float_equal(((const float *)g->node[0]->input[1]->constant->data)[3], 4, 0);
	qb_graph_destroy(&g);
	mb_fini(&b);
}

static void onnx_import__external_data_past_the_end__names_the_tensor(void **state)
{
	struct model_builder b;

	(void)state;
	build_external(&b, "data.bin", "8", "16");
	expect_error(&b, QB_EONNX, "initializer w", "data.bin");
	build_external(&b, "data.bin", "18446744073709551615", NULL);
	expect_error(&b, QB_EONNX, "initializer w", "offset");
	build_external(&b, "data.bin", "0", "12");
	expect_error(&b, QB_EONNX, "initializer w", "length");
}

static void onnx_import__external_data_outside__is_refused(void **state)
{
	static const char *const places[] = { "../secret", "/etc/passwd", "a/../../secret", "", "..",
		"a\\..\\..\\secret" };
	struct model_builder b;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		build_external(&b, places[i], NULL, NULL);
		expect_error(&b, QB_EONNX, "initializer w", "not a path inside");
	}
}

static void onnx_import__external_data_by_symlink__is_refused(void **state)
{
	struct model_builder b;
	char path[128];

	(void)state;
	build_external(&b, "link", NULL, NULL);
	snprintf(path, sizeof(path), "%s/link", b.folder);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	expect_error(&b, QB_EONNX, "initializer w", "out of the model's folder");
}

static void onnx_import__zip_with_data__is_read(void **state)
{
	struct model_builder b;
	struct qb_graph *g = NULL;
	struct qb_errbuf eb = { 0 };
	char zip_path[128], data_path[128];
	zip_t *z;

	(void)state;
	build_external(&b, "data.bin", "4", "16");
	mb_write(&b);
	snprintf(zip_path, sizeof(zip_path), "%s/model.zip", b.folder);
	snprintf(data_path, sizeof(data_path), "%s/data.bin", b.folder);
	z = zip_open(zip_path, ZIP_CREATE, NULL);
	assert_non_null(z);
	zip_file_add(z, "net/model.onnx", zip_source_file(z, b.path, 0, -1), 0);
	zip_file_add(z, "net/data.bin", zip_source_file(z, data_path, 0, -1), 0);
	assert_int_equal(zip_close(z), 0);
	if (qb_graph_import(&g, zip_path, &eb) != QB_OK) {
		print_error("%s\n", eb.text);
	}
	assert_non_null(g);
	assert_float_equal(((const float *)g->node[0]->input[1]->constant->data)[3], 4, 0);
	qb_graph_destroy(&g);
	mb_fini(&b);
}

/* ---- the file itself ---- */

static void expect_file_error(const void *data, size_t size, enum qb_err err, const char *word)
{
	struct model_builder b;
	struct qb_graph *g = NULL;
	struct qb_errbuf eb = { 0 };

	mb_init(&b, 13);
	mb_write_file(&b, "model.onnx", data, size);
	assert_int_equal(qb_graph_import(&g, b.path, &eb), err);
	assert_non_null(strstr(eb.text, word));
	mb_fini(&b);
}

static void onnx_import__not_a_model__says_so(void **state)
{
	uint8_t deep[4000];
	size_t n = sizeof(deep);

	(void)state;
	expect_file_error("", 0, QB_EFORMAT, "empty");
	expect_file_error("hello, world", 12, QB_EFORMAT, "not an ONNX model");
	expect_file_error("GGUF\3\0\0\0\0", 9, QB_EFORMAT, "a GGUF file, not an ONNX model");
	expect_file_error("\x89HDF\r\n\x1a\n", 8, QB_EFORMAT, "a Keras (HDF5) file");
	expect_file_error("\2\0\0\0\0\0\0\0{\"a\"", 12, QB_EFORMAT, "weights but no network");
	expect_file_error("PK\3\4 no zip", 11, QB_EFORMAT, "zip");
	/* Graph in node in attribute in graph ..., lengths wrong at the end, but depth is seen first. */
	for (size_t i = 0; i + 3 <= n; i += 3) {
		size_t left = n - i - 3;
		uint8_t tag = i == 0 ? 0x3a : i / 3 % 3 == 1 ? 0x0a : i / 3 % 3 == 2 ? 0x2a : 0x32;

		deep[i] = tag;
		deep[i + 1] = (uint8_t)(0x80 | (left & 0x7f));
		deep[i + 2] = (uint8_t)(left >> 7);
	}
	expect_file_error(deep, n, QB_EFORMAT, "deeper");
}

/* 1 where it is refused, which has a sentence; 0 where it is a network. */
static size_t refused_or_imported(const char *path)
{
	struct qb_errbuf eb = {0};
	struct qb_graph *g = NULL;

	if (qb_graph_import(&g, path, &eb) == QB_OK) {
		assert_non_null(g);
		qb_graph_destroy(&g);
		return 0;
	}
	assert_null(g);
	assert_true(strlen(eb.text) > 10);
	return 1;
}

static void onnx_import__cut_anywhere__is_an_error_or_a_network(void **state)
{
	struct model_builder b;
	uint8_t bytes[4096];
	size_t size, refused = 0;
	FILE *f;

	(void)state;
	build_conv(&b, 4, 3, 1);
	mb_write(&b);
	f = fopen(b.path, "rb");
	size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	for (size_t cut = 0; cut < size; cut++) {
		mb_write_file(&b, "model.onnx", bytes, cut);
		refused += refused_or_imported(b.path);
	}
	for (size_t i = 0; i < size; i++) { /* and any one byte changed */
		uint8_t was = bytes[i];

		bytes[i] ^= (uint8_t)(1 + i % 255);
		mb_write_file(&b, "model.onnx", bytes, size);
		refused += refused_or_imported(b.path);
		bytes[i] = was;
	}
	assert_in_range(refused, size / 2, 2 * size - 1); /* most, and not all */
	mb_fini(&b);
}

static void onnx_import__versions__outside_are_refused(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	b.model->opset_import[0]->version = 6;
	expect_error(&b, QB_EUNSUPPORTED, "opset 6", "7 to 21");
	build_relu(&b);
	b.model->opset_import[0]->version = 22;
	expect_error(&b, QB_EUNSUPPORTED, "opset 22", NULL);
	build_relu(&b);
	b.model->ir_version = 99;
	expect_error(&b, QB_EUNSUPPORTED, "IR version 99", NULL);
}

static void onnx_import__subgraph__names_the_node(void **state)
{
	struct model_builder b;
	Onnx__GraphProto inner;
	Onnx__AttributeProto *a;

	(void)state;
	build_relu(&b);
	onnx__graph_proto__init(&inner);
	a = mb_attr(&b, mb_node(&b, "If", "branch", "y", "z"), "then_branch");
	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
	a->g = &inner;
	expect_error(&b, QB_EUNSUPPORTED, "branch", "control flow");
}

static void onnx_import__name_that_is_no_text__is_refused(void **state)
{
	struct model_builder b;

	(void)state;
	build_relu(&b);
	mb_node(&b, "Relu", "bad\xff\xfe", "y", "z");
	expect_error(&b, QB_EONNX, "UTF-8", NULL);
	build_relu(&b);
	mb_node(&b, "Relu", "esc\033[31m", "y", "z");
	expect_error(&b, QB_EONNX, "UTF-8", NULL);
}

/* ---- symbolic batch ---- */

static void onnx_import__reshape_by_shape_arithmetic__keeps_the_batch(void **state)
{
	struct model_builder b;
	int64_t zero = 0, minus = -1, axes = 0;
	struct qb_graph *g;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 4, (int64_t[]){ MB_BATCH, 3, 4, 5 });
	mb_initializer(&b, "zero", I64, 0, NULL, &zero, 8);
	mb_initializer(&b, "minus", I64, 1, (int64_t[]){ 1 }, &minus, 8);
	mb_initializer(&b, "axes", I64, 1, (int64_t[]){ 1 }, &axes, 8);
	mb_node(&b, "Shape", "shape", "x", "s");
	mb_node(&b, "Gather", "gather", "s,zero", "n");
	mb_node(&b, "Unsqueeze", "unsqueeze", "n,axes", "n1");
	mb_node(&b, "Concat", "concat", "n1,minus", "to");
	mb_attr_int(&b, b.graph->node[3], "axis", 0);
	mb_node(&b, "Reshape", "reshape", "x,to", "y");
	mb_output(&b, "y", F32, -1, NULL);
	g = expect_graph(&b);
	assert_true(g->output[0]->shape.known);
	assert_int_equal(g->output[0]->shape.dim[0], -1);
	assert_int_equal(g->output[0]->shape.dim[1], 60);
	qb_graph_destroy(&g);
	mb_fini(&b);
}

static void onnx_bind__sequence_left_open__asks_for_shapes(void **state)
{
	struct model_builder b;
	struct qb_graph *g, *bound = NULL;
	struct qb_errbuf eb = { 0 };
	struct qb_shape shape = { .known = true, .ndim = 2, .dim = { 2, 7 } };

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "tokens", F32, 2, (int64_t[]){ MB_BATCH, MB_NAMED });
	mb_node(&b, "Relu", "one", "tokens", "y");
	mb_output(&b, "y", F32, -1, NULL);
	g = expect_graph(&b);
	assert_int_equal(qb_graph_bind(&bound, g, 2, &eb), QB_EUNSUPPORTED);
	assert_non_null(strstr(eb.text, "tokens"));
	assert_int_equal(qb_graph_bind_shapes(&bound, g, &shape, &eb), QB_OK);
	assert_int_equal(bound->output[0]->shape.dim[1], 7);
	qb_graph_destroy(&bound);
	qb_graph_destroy(&g);
	mb_fini(&b);
}

static void onnx_import__network_of_one_batch__says_so(void **state)
{
	struct model_builder b;
	int64_t to[2] = { 1, 60 };
	struct qb_graph *g;

	(void)state;
	mb_init(&b, 13);
	mb_input(&b, "x", F32, 4, (int64_t[]){ MB_BATCH, 3, 4, 5 });
	mb_initializer(&b, "to", I64, 1, (int64_t[]){ 2 }, to, sizeof(to));
	mb_node(&b, "Reshape", "reshape", "x,to", "y");
	mb_output(&b, "y", F32, -1, NULL);
	g = expect_graph(&b);
	assert_int_equal(g->input[0]->shape.dim[0], 1);
	qb_graph_destroy(&g);
	mb_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(onnx_import__smallest_network__has_symbolic_batch),
		cmocka_unit_test(onnx_import__unsorted_nodes__are_sorted),
		cmocka_unit_test(onnx_import__unknown_operator__names_node_and_operator),
		cmocka_unit_test(onnx_import__operator_of_training_graphs__is_refused),
		cmocka_unit_test(onnx_import__cycle__names_a_node_on_it),
		cmocka_unit_test(onnx_import__node_that_feeds_itself__names_it),
		cmocka_unit_test(onnx_import__dangling_input__names_the_node),
		cmocka_unit_test(onnx_import__dangling_output__names_it),
		cmocka_unit_test(onnx_import__value_produced_twice__names_both_nodes),
		cmocka_unit_test(onnx_import__output_over_an_input__names_the_node),
		cmocka_unit_test(onnx_import__output_over_an_initializer__names_the_node),
		cmocka_unit_test(onnx_import__wrong_channels__names_the_node),
		cmocka_unit_test(onnx_import__groups_that_do_not_divide__names_the_node),
		cmocka_unit_test(onnx_import__kernel_larger_than_image__names_the_node),
		cmocka_unit_test(onnx_import__stride_zero__names_the_node),
		cmocka_unit_test(onnx_import__huge_pad__names_the_node),
		cmocka_unit_test(onnx_import__declared_shape_is_wrong__names_the_node),
		cmocka_unit_test(onnx_import__too_few_inputs__names_the_node),
		cmocka_unit_test(onnx_import__reshape_to_terabytes__names_the_node),
		cmocka_unit_test(onnx_import__initializer_too_short__names_it),
		cmocka_unit_test(onnx_import__initializer_with_overflowing_shape__names_it),
		cmocka_unit_test(onnx_import__initializer_without_data__names_it),
		cmocka_unit_test(onnx_import__string_initializer__is_unsupported),
		cmocka_unit_test(onnx_import__duplicate_initializer__names_it),
		cmocka_unit_test(onnx_import__typed_fields__are_read),
		cmocka_unit_test(onnx_import__external_data__is_read),
		cmocka_unit_test(onnx_import__external_data_past_the_end__names_the_tensor),
		cmocka_unit_test(onnx_import__external_data_outside__is_refused),
		cmocka_unit_test(onnx_import__external_data_by_symlink__is_refused),
		cmocka_unit_test(onnx_import__zip_with_data__is_read),
		cmocka_unit_test(onnx_import__not_a_model__says_so),
		cmocka_unit_test(onnx_import__cut_anywhere__is_an_error_or_a_network),
		cmocka_unit_test(onnx_import__versions__outside_are_refused),
		cmocka_unit_test(onnx_import__subgraph__names_the_node),
		cmocka_unit_test(onnx_import__name_that_is_no_text__is_refused),
		cmocka_unit_test(onnx_import__reshape_by_shape_arithmetic__keeps_the_batch),
		cmocka_unit_test(onnx_bind__sequence_left_open__asks_for_shapes),
		cmocka_unit_test(onnx_import__network_of_one_batch__says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
