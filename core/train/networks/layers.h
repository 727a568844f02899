/* SPDX-License-Identifier: Apache-2.0
 *
 * What architectures are written in: one call a layer. Each takes the value before it and gives its own, with its shape;
 * NULL in gives NULL out, so that a failure, which stays in l, is looked at once. A layer NAME has the node NAME, the
 * output NAME.out and the parameters NAME.weight and so on. Weights are zeros until qb_graph_initialize.
 */
#ifndef QB_TRAIN_NETWORKS_LAYERS_H
#define QB_TRAIN_NETWORKS_LAYERS_H

#include <stdarg.h>
#include <stdio.h>

#include "core/graph/graph.h"

enum { QB__LAYERS_OPSET = 17, QB__LAYER_NAME_BYTES = 128 };

struct qb__layers {
	struct qb_graph *g;
	enum qb_err err;
	struct qb_errbuf *eb;
};

struct qb__conv {
	int64_t outputs, kernel[2], stride;
	bool depthwise;  /* one group a channel; outputs counts for nothing */
	bool bias;
	bool same_upper; /* as TensorFlow pads: the odd row below and right; else kernel / 2 on each side */
	bool valid;      /* nothing is padded */
};

struct qb_value *qb__layer_input(struct qb__layers *l, const char *name, enum qb_dtype type, int ndim, const int64_t *dim);
struct qb_value *qb__layer_conv(struct qb__layers *l, struct qb_value *x, const struct qb__conv *c, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
struct qb_value *qb__layer_batch_norm(struct qb__layers *l, struct qb_value *x, float epsilon, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
struct qb_value *qb__layer_relu(struct qb__layers *l, struct qb_value *x, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
struct qb_value *qb__layer_relu6(struct qb__layers *l, struct qb_value *x, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
struct qb_value *qb__layer_add(struct qb__layers *l, struct qb_value *a, struct qb_value *b, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Every second row and column, and zeros for channels that x has too few of, as many before as behind them: the
 * shortcut "A" of He et al., 2016. */
struct qb_value *qb__layer_subsample(struct qb__layers *l, struct qb_value *x, int64_t stride, int64_t channels,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Means over all places: [N,C,H,W] to [N,C]. */
struct qb_value *qb__layer_global_mean(struct qb__layers *l, struct qb_value *x);
/* [N, ...] to [N, product]. */
struct qb_value *qb__layer_flatten(struct qb__layers *l, struct qb_value *x);
struct qb_value *qb__layer_linear(struct qb__layers *l, struct qb_value *x, int64_t outputs, const char *output,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* One dimension 0 keeps that of x, one of -1 is what is left. */
struct qb_value *qb__layer_reshape(struct qb__layers *l, struct qb_value *x, int ndim, const int64_t *dim, const char *name);
struct qb_value *qb__layer_transpose(struct qb__layers *l, struct qb_value *x, int ndim, const int64_t *perm, const char *name);

/* ---- what layers are made of ---- */

/* What a layer is called, from its arguments; the first statement of its function. */
#define QB__LAYER_NAME(fmt, name) \
	char name[QB__LAYER_NAME_BYTES]; \
	va_list ap; \
	va_start(ap, fmt); \
	vsnprintf(name, sizeof(name), fmt, ap); \
	va_end(ap)

/* Memory has ended: NULL. */
void *qb__layer_fail(struct qb__layers *l);
/* The constant LAYER.WHAT: zeros, of one dimension, or with these elements. */
struct qb_value *qb__layer_constant(struct qb__layers *l, enum qb_dtype type, int ndim, const int64_t *dim, const char *layer,
	const char *what);
struct qb_value *qb__layer_vector(struct qb__layers *l, int64_t size, const char *layer, const char *what);
struct qb_value *qb__layer_integers(struct qb__layers *l, int64_t size, const int64_t *from, const char *layer,
	const char *what);
struct qb_value *qb__layer_scalar(struct qb__layers *l, float x, const char *layer, const char *what);
struct qb_value *qb__layer_index(struct qb__layers *l, int64_t i, const char *layer, const char *what);
/* A node at the end of the network, whose attributes the caller sets; output NULL: NAME.out. An input that is NULL makes it NULL.
 * Then its output with its shape. */
struct qb_node *qb__layer_begin(struct qb__layers *l, enum qb_op_id op, const char *name, const char *output, int inputs,
	struct qb_value *const *input);
void qb__layer_set_ints(struct qb__layers *l, struct qb_node *n, const char *name, int count, const int64_t *from);
struct qb_value *qb__layer_end(struct qb__layers *l, struct qb_node *n);
/* Both of a node of one input, or two. */
struct qb_value *qb__layer_unary(struct qb__layers *l, enum qb_op_id op, const char *name, struct qb_value *x);
struct qb_value *qb__layer_pair(struct qb__layers *l, enum qb_op_id op, const char *name, struct qb_value *a,
	struct qb_value *b);

#endif
