/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/lowerings.h"

enum qb_err qb__plan_shard_sum(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	return qb_builder_shard_sum(b, n, eb);
}
