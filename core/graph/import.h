/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the ONNX importer.
 */
#ifndef QB_GRAPH_IMPORT_H
#define QB_GRAPH_IMPORT_H

#include <string.h>

#include "core/graph/graph.h"
#include "core/graph/model_file.h"
#include "core/graph/names.h"
#include "core/graph/onnx.pb-c.h"

struct qb__function; /* of the model's own */

struct qb__importer {
	struct qb_graph *g;
	struct qb_model_file *file;
	const Onnx__ModelProto *model;
	const Onnx__GraphProto *graph;
	struct qb_names taken;     /* names of values, over all scopes */
	int renamed;               /* values that got a number for that */
	struct qb_names functions; /* of the model's own, by domain, name and overload */
	struct qb__function *function;
	int64_t tried;             /* nodes that were looked at for the conditions of Ifs */
	const struct qb_node *unknown; /* the first of an operator that we do not have; NULL */
	const char *unknown_domain;
	struct qb_names unknown_types;
	char also[512];            /* more such operators */
	struct qb_errbuf *eb;
};

/* The node that calls a function of the model's own: what ref_attr_name in the function's body refers to. */
struct qb__call {
	const Onnx__NodeProto *node;
	const struct qb__function *function;
	const struct qb__call *outer; /* of the body in which the node stands; NULL: the network */
};

/* Names within one graph of the file: the network, a branch of an If, the body of a function. */
struct qb__scope {
	struct qb__scope *outer; /* what a branch reads too; NULL */
	struct qb_names values;  /* name -> struct qb_value, or qb__absent */
	size_t opsets;
	Onnx__OperatorSetIdProto **opset;
	const struct qb__call *call; /* NULL outside of functions */
	const char *prefix;          /* before the names of nodes and of values whose names are taken; NULL: the network */
	int depth;
};

/* Stands for an input of a function that the call leaves out. */
extern struct qb_value qb__absent;

enum qb_err qb__import_no_memory(struct qb__importer *im);
/* `what` is what has the name, for the error. */
enum qb_err qb__import_check_name(struct qb__importer *im, const char *name, const char *what);
enum qb_err qb__import_initializers(struct qb__importer *im, struct qb__scope *s, const Onnx__GraphProto *graph);

/* Of a name in a scope; a new one where there is none. */
enum qb_err qb__import_value(struct qb__importer *im, struct qb__scope *s, const char *name, struct qb_value **out);
/* As a new value of this scope is named in the graph. */
const char *qb__import_unique(struct qb__importer *im, const struct qb__scope *s, const char *name);

/* Appends it to the graph. */
enum qb_err qb__import_add_node(struct qb__importer *im, struct qb_node *n);
enum qb_err qb__import_nodes(struct qb__importer *im, struct qb__scope *s, Onnx__NodeProto *const *proto, size_t count);
/* Without its attributes and edges, for errors and names. */
enum qb_err qb__import_bare_node(struct qb__importer *im, struct qb__scope *s, const Onnx__NodeProto *proto, size_t index,
	struct qb_node **out);
/* [count], NULL where a name is empty or absent. */
enum qb_err qb__import_edges(struct qb__importer *im, struct qb__scope *s, struct qb_node *n, char *const *names,
	size_t count, bool is_output, struct qb_value ***out);

/* The model's functions into im->functions. */
enum qb_err qb__import_functions(struct qb__importer *im);
void qb__import_functions_fini(struct qb__importer *im);
/* What names inside a node that is inlined begin with. */
static inline const char *qb__import_prefix(const struct qb_node *n)
{
	return strlen(n->name) <= 200 ? n->name : "inlined";
}

/* NULL: the node calls none. */
const struct qb__function *qb__import_called(struct qb__importer *im, const Onnx__NodeProto *proto);
/* The nodes of a function's body in place of the node that calls it. */
enum qb_err qb__inline_call(struct qb__importer *im, struct qb__scope *s, struct qb_node *n, const Onnx__NodeProto *proto,
	const struct qb__function *function);
/* The nodes of one branch in place of an If whose condition is known. */
enum qb_err qb__inline_if(struct qb__importer *im, struct qb__scope *s, struct qb_node *n, const Onnx__NodeProto *proto);
/* Follows ref_attr_name: the attribute that holds the value, or NULL where the call gives none. */
const Onnx__AttributeProto *qb__import_referred(const struct qb__scope *s, const Onnx__AttributeProto *a);

/* Copies a TensorProto into the arena: every field its data may be in, external data too (not where
 * file is NULL). Errors do not say
 * where it was; the caller puts the initializer or the node before them. */
enum qb_err qb__import_tensor(struct qb_arena *arena, struct qb_model_file *file,
	const Onnx__TensorProto *proto, const struct qb_tensor **out, struct qb_errbuf *eb);

/* dtype and shape of a ValueInfoProto. first_is_batch: a first dimension without a number is the batch, and so is
 * every other of the same name; otherwise such dimensions are unknown. */
enum qb_err qb__import_type(const Onnx__ValueInfoProto *info, bool first_is_batch,
	enum qb_dtype *dtype, struct qb_shape *shape, struct qb_errbuf *eb);

/* The names of its dimensions; NULL when memory ends. */
const struct qb_declared *qb__import_declared(struct qb_arena *arena, const Onnx__ValueInfoProto *info);

/* NULL becomes "". */
const char *qb__import_string(const char *s);
/* "" for ai.onnx */
const char *qb__import_domain(const char *domain);

#endif
