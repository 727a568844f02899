/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators by number: QB_OP_Conv, QB_OP_Gemm ... An operator of several domains is one.
 */
#ifndef QB_GRAPH_OP_ID_H
#define QB_GRAPH_OP_ID_H

#include "core/ops/ops.h"

enum qb_op_id {
#define X(domain, type, ...) QB_OP_##type,
#define ALIAS(...)
	QB_OPS(X, ALIAS)
#undef X
#undef ALIAS
	QB_OP_IDS
};

/* QB_TRAIT_MOVES ... : bits. */
enum {
#define T(name) QB_TRAIT_BIT_##name,
	QB_OP_TRAITS(T)
#undef T
	QB_TRAITS
};
enum qb_op_trait {
#define T(name) QB_TRAIT_##name = 1 << QB_TRAIT_BIT_##name,
	QB_OP_TRAITS(T)
#undef T
};

#endif
