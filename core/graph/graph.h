/* SPDX-License-Identifier: Apache-2.0
 *
 * The model: values joined by nodes, in topological order. Everything lives in the graph's arena.
 *
 * A graph is imported with symbolic dimensions (the batch) and bound to concrete ones before it runs;
 * passes edit it in between. Values and nodes are named as the file names them, for errors and results.
 */
#ifndef QB_GRAPH_GRAPH_H
#define QB_GRAPH_GRAPH_H

#include <stdio.h>

#include "core/base/arena.h"
#include "core/graph/op_id.h"
#include "core/kernels/epilogue.h"
#include "core/tensor/tensor.h"

struct qb_op;

/* A dimension: >= 0 is a number; QB_DIM_UNKNOWN; or -k for k times the symbolic batch N (1 <= k). */
#define QB_DIM_UNKNOWN INT64_MIN

struct qb_shape {
	bool known;     /* false: not even the rank */
	int ndim;
	int64_t dim[QB_MAX_DIMS];
};

/* A quantizer imported from the file: real = scale * (code - zero). */
struct qb_imported {
	const struct qb_tensor *scale; /* NULL: the network takes the range of each input (DynamicQuantizeLinear). One number; [channels] along axis; or blocks of `block` along axis */
	const struct qb_tensor *zero;  /* as many codes; NULL: all 0 */
	enum qb_dtype code;            /* the type whose range the codes have */
	int axis;                      /* -1: per tensor */
	int64_t block;                 /* 0: no blocks */
	bool overflows;                /* of 8-bit floats: what is beyond their range is NaN or infinite, not the largest code */
};

/* How the file declares an input or output of the network, beside what is inferred of it. */
struct qb_declared {
	bool differs;                  /* shape is not qb_value.shape */
	struct qb_shape shape;         /* without the dimensions of the data at hand */
	const char *name[QB_MAX_DIMS]; /* of its dimensions that are no numbers; NULL where one has none */
};

/* A node that reads a value, and as which of its inputs. */
struct qb_use {
	struct qb_node *node;
	int input;
};

struct qb_value {
	const char *name;
	enum qb_dtype dtype;
	struct qb_shape shape;
	const struct qb_tensor *constant; /* initializer or folded; NULL otherwise */
	struct qb_node *producer;         /* NULL: input or constant */
	const struct qb_imported *imported; /* the file quantizes this value; a constant is on that grid; or NULL */
	const struct qb_declared *declared; /* of inputs and outputs; or NULL */
	struct qb_use *user;              /* [users], in the order of nodes and their inputs, as of the last qb_graph_relink */
	int users, user_room;
	int outputs;                      /* how often it is an output of the graph */
	bool apart;                       /* it must be there: an activation behind it has a step of its own */
	bool common;                      /* an input that is the same in all shards of a batch: a parameter */
	int index;                        /* in graph->values; what per-value tables are indexed by */
};

enum qb_attr_kind { QB_ATTR_INT, QB_ATTR_FLOAT, QB_ATTR_STRING, QB_ATTR_INTS, QB_ATTR_FLOATS,
	QB_ATTR_TENSOR, QB_ATTR_STRINGS };

struct qb_attr {
	const char *name;
	enum qb_attr_kind kind;
	int64_t i;
	float f;
	const char *s;
	int count;
	const int64_t *ints;
	const float *floats;
	const char *const *strings;
	const struct qb_tensor *tensor;
};

/* What a folded batch norm says of a layer: its output channels before the activation are normal, with these means and
 * standard deviations [channels]. */
struct qb_normal {
	int64_t channels;
	double *mean, *deviation;
};

struct qb_node {
	const struct qb_op *op;
	const char *name;      /* never empty: invented from the op type and its output if the file has none */
	const char *type;      /* ONNX op_type */
	int opset;             /* of the domain it was imported under */
	int inputs, outputs, attrs;
	struct qb_value **input;  /* NULL where an optional input is absent */
	struct qb_value **output; /* never NULL: one that the file leaves out has a value without users */
	struct qb_attr *attr;
	const struct qb_normal *normal; /* NULL: nothing is known */
	struct qb_node *before, *after; /* in the graph's list, which edits change; NULL at its ends */
	int index;                      /* in graph->node */
};

struct qb_graph {
	struct qb_arena *arena;
	int values, nodes, inputs, outputs;
	struct qb_value **value;
	struct qb_node **node;    /* topological order; [nodes], with room for `room` */
	struct qb_value **input;  /* without initializers */
	struct qb_value **output;
	struct qb_node *first, *last; /* the list of nodes (node->after) that edits change */
	int room;
	const char *name, *producer;
	const char *format;       /* of the file that it was read from: onnx or tflite */
	struct qb_graph *open;    /* the same network without the dimensions of the data, where it computes with them; owned; or NULL */
	const char *converted;    /* the float types that became float32 (qb_pass_to_float32), or NULL */
	int64_t opset;
	int64_t fold_budget, folded; /* work that folding constants may do, and has done (core/graph/work.c) */
};

void qb_graph_destroy(struct qb_graph **graph);

/* Reads an ONNX file (opset 7 to 21), checks it as hostile input, resolves operators and infers shapes with
 * a symbolic batch. External data is looked for beside the file, never above it. A .zip that holds one .onnx
 * and its data files is read the same way. A .tflite file becomes the same graph, its images turned from [N,H,W,C] to
 * [N,C,H,W], its quantization kept with the values; an ArgMax over channels that ends it is left out, for metrics take
 * classes from scores. Errors name the node. */
enum qb_err qb_graph_import(struct qb_graph **out, const char *path, struct qb_errbuf *eb);

/* The same of an .onnx in memory, which may not have external data. */
enum qb_err qb_graph_import_bytes(struct qb_graph **out, const void *bytes, size_t size,
	struct qb_errbuf *eb);

/* Writes an ONNX file, in the graph's opset or the newest that one of its nodes needs. */
enum qb_err qb_graph_export(const struct qb_graph *graph, const char *path, struct qb_errbuf *eb);

/* A deep copy (constants are shared with the original's arena, which must outlive it). */
enum qb_err qb_graph_clone(struct qb_graph **out, const struct qb_graph *graph, struct qb_errbuf *eb);

/* A copy with the symbolic batch set to `batch` (and, where shapes are still free, `dims` by input name),
 * every shape concrete, constants folded, dead nodes gone. Fails, naming the node, if a shape stays unknown. */
enum qb_err qb_graph_bind(struct qb_graph **out, const struct qb_graph *graph, int64_t batch,
	struct qb_errbuf *eb);

/* The same for any inputs' shapes (one a graph input, concrete), where more than the batch is free. */
enum qb_err qb_graph_bind_shapes(struct qb_graph **out, const struct qb_graph *graph,
	const struct qb_shape *shapes, struct qb_errbuf *eb);

/* Sets dimensions of the inputs that are free besides the batch (the length of a text; all, where the file says none) and infers all shapes anew, the
 * batch staying symbolic; before passes run. shapes: one a graph input; only its dimensions after the first count. */
enum qb_err qb_graph_set_shapes(struct qb_graph *graph, const struct qb_shape *shapes,
	struct qb_errbuf *eb);

/* `free` is a copy of g that was made before qb_graph_set_shapes and prepared as g was. Where both are the same network but
 * for shapes, g fits other dimensions too: its inputs and outputs are declared so. Says whether they are. */
bool qb_graph_declare_free(struct qb_graph *g, const struct qb_graph *free);

/* Plain C, node by node, by the operators' eval: slow, and what everything faster is tested against. graph may be
 * bound or not: the inputs' own shapes count, and shapes may depend on their data. out[i].data is malloc'ed,
 * the caller frees it. */
enum qb_err qb_graph_eval(const struct qb_graph *graph, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb);
/* Called with every value that a node computes, in order; the tensor lives for the call. */
typedef enum qb_err qb_graph_visit_fn(void *arg, const struct qb_value *v, const struct qb_tensor *t,
	struct qb_errbuf *eb);
enum qb_err qb_graph_eval_visit(const struct qb_graph *graph, const struct qb_tensor *const in[],
	struct qb_tensor out[], qb_graph_visit_fn *visit, void *arg, struct qb_errbuf *eb);

/* One line a node, for people. */
void qb_graph_print(const struct qb_graph *g, FILE *f);
/* Multiply-accumulates of a node, symbolic like a dimension (of Conv, ConvTranspose, Gemm, MatMul; else 0). */
int64_t qb_node_macs(const struct qb_node *n);

/* Passes; each keeps the network's function. */
enum qb_err qb_pass_fold_constants(struct qb_graph *g, struct qb_errbuf *eb);
enum qb_err qb_pass_fold_batch_norm(struct qb_graph *g, struct qb_errbuf *eb);  /* into Conv, ConvTranspose, Gemm */
enum qb_err qb_pass_join_activations(struct qb_graph *g, struct qb_errbuf *eb); /* Relus and Clips behind Conv, Gemm, Add ... become one */
enum qb_err qb_pass_split_einsum(struct qb_graph *g, struct qb_errbuf *eb);     /* of two operands into MatMul and moves */
enum qb_err qb_pass_fuse_bias(struct qb_graph *g, struct qb_errbuf *eb);        /* Add of a constant into Conv, Gemm, MatMul */
enum qb_err qb_pass_fuse_pad(struct qb_graph *g, struct qb_errbuf *eb);         /* Pad into the Conv or MaxPool that could do it */
enum qb_err qb_pass_simplify(struct qb_graph *g, struct qb_errbuf *eb);         /* Identity, Dropout, Cast to itself ... */
enum qb_err qb_pass_add_biases(struct qb_graph *g, struct qb_errbuf *eb);       /* zeros where Conv, Gemm, MatMul have none; one each */
enum qb_err qb_pass_split_activations(struct qb_graph *g, struct qb_errbuf *eb); /* what goes into them is a value apart */
enum qb_err qb_pass_recognize_composites(struct qb_graph *g, struct qb_errbuf *eb); /* LayerNormalization, Gelu written out */
enum qb_err qb_pass_remove_dead(struct qb_graph *g, struct qb_errbuf *eb);
/* float16, bfloat16 and float64 become float32; g->converted says so. Before other passes. */
enum qb_err qb_pass_to_float32(struct qb_graph *g, struct qb_errbuf *eb);
/* A constant that is a weight here, a bias there and an operand elsewhere becomes a value for each; biases have one each. */
enum qb_err qb_pass_separate_constants(struct qb_graph *g, struct qb_errbuf *eb);
enum qb_err qb_pass_name_values(struct qb_graph *g, struct qb_errbuf *eb); /* no two values of one name */
/* Quantization out of the operators and into the values: operators on codes (QLinearConv ...) become the float operator
 * between DequantizeLinear and QuantizeLinear, pairs of these go, and the values they stood on keep the quantizer. What
 * is left without quantizers is the float network. Pairs per channel or block on activations, and scales that are
 * computed, stay as they are. */
enum qb_err qb_pass_lift_quantization(struct qb_graph *g, struct qb_errbuf *eb);
/* For float networks that nothing observes or quantizes, after qb_graph_prepare: x * Sigmoid(x) becomes Swish, x *
 * HardSigmoid(x) HardSwish, a shuffle of channels one Gather. */
enum qb_err qb_pass_join_frozen(struct qb_graph *g, struct qb_errbuf *eb);
/* All but the last, in the order that a sweep wants. */
enum qb_err qb_graph_prepare(struct qb_graph *g, struct qb_errbuf *eb);

/* Elements and bytes of a value whose shape is concrete. */
size_t qb_value_size(const struct qb_value *v);
size_t qb_value_bytes(const struct qb_value *v);
/* The node that alone reads v, once, where v is no output of the graph; else NULL. */
struct qb_node *qb_value_only_user(const struct qb_value *v);
/* Whether anything reads v: a node, or whoever asks for the graph's outputs. */
static inline bool qb_value_is_used(const struct qb_value *v)
{
	return v->users || v->outputs;
}
/* Index of the value with this name, or -1. guess: where it is likely to be, as in graphs that come from one model. */
int qb_graph_find(const struct qb_graph *g, const char *name, int guess);

/* Editing. A new node is made by qb_node_create and then takes its place. Nodes, edges (n->input[k]) and outputs of the
 * graph (qb_graph_move_outputs) may change in any order; what follows from them is derived anew by qb_graph_relink, which
 * ends every pass: until then v->user is as it was, and g->node is the array of nodes from before the edits, with those
 * appended. */
struct qb_value *qb_graph_add_value(struct qb_graph *g, const char *name, enum qb_dtype dtype);
struct qb_value *qb_graph_add_constant(struct qb_graph *g, const char *name, const struct qb_tensor *t);
struct qb_graph *qb_graph_create(void);
/* A node of the default domain, joined to its values but not yet in g->node; NULL when memory ends. input[i] may be
 * NULL. qb_node_add_* give it attributes; there is room for QB_NODE_ATTRS of them. */
enum { QB_NODE_ATTRS = 12 };
struct qb_node *qb_node_create(struct qb_graph *g, enum qb_op_id op, const char *name, int opset,
	int inputs, struct qb_value *const *input, int outputs, struct qb_value *const *output);
/* Where n, which is in no graph yet, stands: behind all nodes (and in g->node at once), before or after another. false
 * where n is NULL or memory ends. */
bool qb_graph_append(struct qb_graph *g, struct qb_node *n);
bool qb_graph_insert_before(struct qb_graph *g, struct qb_node *n, struct qb_node *at);
bool qb_graph_insert_after(struct qb_graph *g, struct qb_node *n, struct qb_node *at);
void qb_graph_remove(struct qb_graph *g, struct qb_node *n);
/* p computes what n did, output 0, and n is removed. */
void qb_graph_merge(struct qb_graph *g, struct qb_node *p, struct qb_node *n);
/* An output of the network that is `from` is `to`, and keeps its name. */
void qb_graph_move_outputs(struct qb_graph *g, struct qb_value *from, struct qb_value *to);
/* Makes every use of `from` a use of `to`, graph outputs included. */
void qb_graph_replace_value(struct qb_graph *g, struct qb_value *from, struct qb_value *to);
void qb_node_add_int(struct qb_node *n, const char *name, int64_t v);
void qb_node_add_float(struct qb_node *n, const char *name, float v);
void qb_node_add_string(struct qb_node *n, const char *name, const char *v);
/* ints [count] live as long as the graph. */
void qb_node_add_ints(struct qb_node *n, const char *name, int count, const int64_t *ints);
/* Same type, scales and zero points (both may be NULL). */
bool qb_imported_equal(const struct qb_imported *a, const struct qb_imported *b);
/* Infers every node in order; a node whose inputs are all constants and whose output is small is evaluated
 * and gone. */
enum qb_err qb_graph_infer(struct qb_graph *g, struct qb_errbuf *eb);
/* "node NAME (TYPE): ..." */
enum qb_err qb_node_fail(struct qb_errbuf *eb, enum qb_err code, const struct qb_node *n,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Re-derives order, producers, users and indices after edits; finds cycles and dangling edges. */
enum qb_err qb_graph_relink(struct qb_graph *g, struct qb_errbuf *eb);

/* Attributes with their defaults. */
const struct qb_attr *qb_node_attr(const struct qb_node *n, const char *name);
int64_t qb_node_int(const struct qb_node *n, const char *name, int64_t fallback);
float qb_node_float(const struct qb_node *n, const char *name, float fallback);
const char *qb_node_string(const struct qb_node *n, const char *name, const char *fallback);
/* Returns the count and sets *ints, or 0 when absent. */
int qb_node_ints(const struct qb_node *n, const char *name, const int64_t **ints);

#endif
