/* SPDX-License-Identifier: Apache-2.0
 *
 * The planned steps that the table of core/ops/ops.h names: float through oneDNN, in <family>_plan.c beside the family's
 * shape rule and plain evaluation. One that returns QB_EUNSUPPORTED leaves the node to plain C.
 */
#ifndef QB_EXEC_LOWER_LOWERINGS_H
#define QB_EXEC_LOWER_LOWERINGS_H

#include "core/exec/builder.h"
#include "core/ops/op.h"

#define QB_PLANS(X) \
	X(add) X(alias) X(batch_norm) X(binary) X(clip) X(concat) X(conv) X(conv_transpose) X(eltwise) X(gemm) X(global_pool) X(group_norm) \
	X(layer_norm) X(matmul) X(move) X(pool) X(reduce) X(resize) X(softmax) X(transpose) \
	X(int8_alias) X(int8_batch_norm) X(int8_binary) X(int8_conv) X(int8_conv_transpose) X(int8_gemm) X(int8_global_pool) X(int8_layer_norm) \
	X(int8_matmul) X(int8_join) X(int8_mean) X(int8_move) X(int8_pool) X(int8_product) X(int8_resize) X(int8_softmax) X(int8_table) X(int8_transpose)

#define X(name) \
	enum qb_err qb__plan_##name(struct qb_builder *b, const struct qb_node *n, \
		struct qb_errbuf *eb);
QB_PLANS(X)
#undef X

/* What qb_builder_attr leaves out, in place on the node's output: its addend, then an activation that is no post-op. */
enum qb_err qb__plan_finish(struct qb_builder *b, const struct qb_node *n,
	const struct qb_place *y, struct qb_errbuf *eb);

#endif
