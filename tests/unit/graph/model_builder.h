/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes tiny ONNX files, right or wrong on purpose. Everything is freed by mb_fini.
 */
#ifndef QB_TEST_MODEL_BUILDER_H
#define QB_TEST_MODEL_BUILDER_H

#include "core/base/arena.h"
#include "core/graph/graph.h"
#include "core/graph/onnx.pb-c.h"

struct model_builder {
	struct qb_arena *arena;
	Onnx__ModelProto *model;
	Onnx__GraphProto *graph;
	char folder[64];
	char path[96];
};

void mb_init(struct model_builder *b, int64_t opset);
void mb_fini(struct model_builder *b);

/* dims of an input: a number, or MB_BATCH for the name "N", or MB_NAMED for "seq". */
enum { MB_BATCH = -1, MB_NAMED = -2 };
Onnx__ValueInfoProto *mb_input(struct model_builder *b, const char *name, int type, int ndim,
	const int64_t *dim);
/* ndim -1: no shape. */
Onnx__ValueInfoProto *mb_output(struct model_builder *b, const char *name, int type, int ndim,
	const int64_t *dim);
Onnx__TensorProto *mb_initializer(struct model_builder *b, const char *name, int type, int ndim,
	const int64_t *dim, const void *raw, size_t bytes);
/* inputs and outputs: names between commas; an empty name is an absent one. */
Onnx__NodeProto *mb_node(struct model_builder *b, const char *type, const char *name, const char *inputs,
	const char *outputs);
void mb_attr_int(struct model_builder *b, Onnx__NodeProto *n, const char *name, int64_t v);
void mb_attr_float(struct model_builder *b, Onnx__NodeProto *n, const char *name, float v);
void mb_attr_ints(struct model_builder *b, Onnx__NodeProto *n, const char *name, int count, const int64_t *v);
void mb_attr_string(struct model_builder *b, Onnx__NodeProto *n, const char *name, const char *v);
Onnx__AttributeProto *mb_attr(struct model_builder *b, Onnx__NodeProto *n, const char *name);
/* key and value of external data. */
void mb_external(struct model_builder *b, Onnx__TensorProto *t, const char *location, const char *offset,
	const char *length);

/* Writes the file b->path and imports it. */
void mb_write(struct model_builder *b);
void mb_write_file(struct model_builder *b, const char *name, const void *data, size_t size);
enum qb_err mb_import(struct model_builder *b, struct qb_graph **g, struct qb_errbuf *eb);

/* n floats that differ, between -1 and 1, the same on every machine. */
const float *mb_random(struct model_builder *b, uint64_t stream, size_t n);

#endif
