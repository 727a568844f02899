/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch in fixed shards. One training plan, bound to the size of a shard, runs in as many sessions as there are shards, each
 * on a single thread; threads take shards as they are free. Where a step of the operator ShardSum stands, all shards wait
 * until their tensors are added up in the order of the shards, and all of them get the sum. So results do not
 * depend on the number of threads, and batch norms have the statistics of the whole batch.
 */
#ifndef QB_EXEC_SHARDS_H
#define QB_EXEC_SHARDS_H

#include "core/exec/exec.h"

struct qb_shards;

/* plan: QB_PLAN_TRAINING, of one thread; outlives the shards. */
enum qb_err qb_shards_create(struct qb_shards **out, const struct qb_plan *plan, int shards, struct qb_errbuf *eb);
void qb_shards_destroy(struct qb_shards **shards);
/* As qb_session_check_steps, in every shard. */
enum qb_err qb_shards_check_steps(struct qb_shards *shards, struct qb_errbuf *eb);

struct qb_shards_run {
	int threads;
	/* [shards][graph inputs]: dense row-major, of the input's type. Read where they are, so that a parameter of all shards is
	 * one pointer. */
	const void *const *const *input;
	/* [shards][graph outputs]: the same, written where they are; NULL: not wanted, and the memory it takes is
	 * found at the first run. */
	void *const *const *output;
	int64_t *step_ns; /* [steps]: time spent in each, of all shards together, is added; or NULL */
};
enum qb_err qb_shards_run(struct qb_shards *shards, const struct qb_shards_run *run, struct qb_errbuf *eb);

/* Memory of all shards and of the plan's prepared constants, known before the first run; without inputs and outputs. */
size_t qb_shards_bytes(const struct qb_shards *shards);
int qb_shards_count(const struct qb_shards *shards);

#endif
