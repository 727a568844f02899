/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of the passes.
 */
#include "core/graph/graph.h"

enum qb_err qb_graph_prepare(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_pass_lift_quantization(g, eb));
	QB_TRY(qb_pass_split_einsum(g, eb));
	QB_TRY(qb_pass_simplify(g, eb));
	QB_TRY(qb_pass_recognize_composites(g, eb));
	QB_TRY(qb_pass_fuse_pad(g, eb));
	QB_TRY(qb_pass_fuse_bias(g, eb));
	QB_TRY(qb_pass_fold_batch_norm(g, eb));
	QB_TRY(qb_pass_fuse_bias(g, eb));
	QB_TRY(qb_pass_join_activations(g, eb));
	QB_TRY(qb_pass_remove_dead(g, eb));
	return qb_pass_separate_constants(g, eb);
}
