/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/lowerings.h"

enum qb_err qb__plan_shard_sum(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	return qb_builder_shard_sum(b, n, eb);
}
