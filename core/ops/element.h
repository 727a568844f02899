/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements of any type, one at a time, for the plain evaluation of operators.
 */
#ifndef QB_OPS_ELEMENT_H
#define QB_OPS_ELEMENT_H

#include "core/ops/op.h"

/* As double; bool is 0 or 1. */
double qb__op_load(enum qb_dtype dtype, const void *data, size_t i);
/* Rounds to the type (floats: to nearest even; integers: towards zero, saturating). */
void qb__op_store(enum qb_dtype dtype, void *data, size_t i, double v);
int64_t qb__op_load_int(enum qb_dtype dtype, const void *data, size_t i);
/* Wraps. */
void qb__op_store_int(enum qb_dtype dtype, void *data, size_t i, int64_t v);
/* Whole tensors. */
void qb__op_to_f32(const struct qb_tensor *t, float *out);
void qb__op_from_f32(const float *in, struct qb_tensor *t);
void qb__op_to_f64(const struct qb_tensor *t, double *out);
void qb__op_from_f64(const double *in, struct qb_tensor *t);

/* Runs a kernel that knows float32 only on tensors of any floating-point type: other inputs pass as they are. */
typedef enum qb_err qb__op_kernel(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb);
enum qb_err qb__op_as_f32(qb__op_kernel *kernel, const struct qb_node *n,
	const struct qb_tensor *const in[], struct qb_tensor out[], struct qb_errbuf *eb);
/* The same of one that knows float64 only: results are rounded once, when they are stored. */
enum qb_err qb__op_as_f64(qb__op_kernel *kernel, const struct qb_node *n,
	const struct qb_tensor *const in[], struct qb_tensor out[], struct qb_errbuf *eb);

#endif
