/* SPDX-License-Identifier: Apache-2.0
 *
 * What architectures are written in: one call a layer. Each takes the value before it and gives its own, with its shape;
 * NULL in gives NULL out, so that a failure, which stays in l, is looked at once. A layer NAME has the node NAME, the
 * output NAME.out and the parameters NAME.weight and so on. Weights are zeros until qb_graph_initialize.
 */
#ifndef QB_TRAIN_NETWORKS_LAYERS_H
#define QB_TRAIN_NETWORKS_LAYERS_H

#include "core/graph/graph.h"

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
};

struct qb_value *qb__layer_input(struct qb__layers *l, const char *name, int ndim, const int64_t *dim);
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

#endif
