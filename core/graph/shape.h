/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic on dimensions that may be symbolic (k times the batch) or unknown.
 */
#ifndef QB_GRAPH_SHAPE_H
#define QB_GRAPH_SHAPE_H

#include "core/base/size.h"
#include "core/graph/graph.h"

/* A tensor may not have more elements than this; keeps every product of dimensions far from overflow. */
#define QB_MAX_ELEMENTS ((int64_t)1 << 40)

static inline bool qb_dim_number(int64_t d)
{
	return d >= 0;
}

/* Symbolic where the result is a number or a multiple of the batch, else unknown. Overflow is unknown too. */
int64_t qb_dim_mul(int64_t a, int64_t b);
/* Unknown where a is not a whole multiple of b. */
int64_t qb_dim_div(int64_t a, int64_t b);
int64_t qb_dim_add(int64_t a, int64_t b);

/* Can the two be the same number? */
bool qb_dim_compatible(int64_t a, int64_t b);
/* The one that says more. */
int64_t qb_dim_merge(int64_t a, int64_t b);

bool qb_shape_concrete(const struct qb_shape *s);
/* Product of dims [from, to); unknown if the shape is. */
int64_t qb_shape_product(const struct qb_shape *s, int from, int to);
bool qb_shape_equal(const struct qb_shape *a, const struct qb_shape *b);
struct qb_shape qb_shape_make(int ndim, const int64_t *dim);
struct qb_shape qb_shape_unknown(void);
/* Known rank, every dimension unknown. */
struct qb_shape qb_shape_ranked(int ndim);
struct qb_shape qb_shape_of(const struct qb_tensor *t);

/* NumPy's rule. False when the two do not broadcast. */
bool qb_shape_broadcast(const struct qb_shape *a, const struct qb_shape *b, struct qb_shape *out);

/* "[N,3,2N,?]" into out; returns out. */
char *qb_shape_text(const struct qb_shape *s, char *out, size_t size);

#endif
