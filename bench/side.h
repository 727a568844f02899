/* SPDX-License-Identifier: Apache-2.0
 *
 * Sides of a comparison, each in a process of its own that is paused (SIGSTOP) while the others have their turns: threads
 * that spin while they wait for work would take the others' cores. A side times itself; only its turns are given from outside.
 */
#ifndef QB_BENCH_SIDE_H
#define QB_BENCH_SIDE_H

#include <stddef.h>
#include <sys/types.h>

#include "core/analysis/latency.h"

struct side {
	const char *name;
	/* These run in the side's process. */
	enum qb_err (*prepare)(void *arg, struct qb_errbuf *eb);
	enum qb_err (*query)(void *arg, struct qb_errbuf *eb);
	const float *(*output)(void *arg, size_t *n); /* of the last query */
	enum qb_err (*finish)(void *arg, struct qb_errbuf *eb); /* after all turns; may print. Or NULL */
	void *arg;
	/* Filled in: */
	pid_t process;
	int line;       /* to it and from it */
	float *first;   /* [n], what its first query gave */
	size_t n;
	struct qb_latency latency;
	int64_t cpu_ns; /* the least processor time of a query, of all threads together */
};

/* Starts all processes and prepares in them, one after the other. */
enum qb_err sides_start(struct side *side, int count, struct qb_errbuf *eb);
/* In turns of a tenth of a second, as qb_latency_measure. */
enum qb_err sides_measure(struct side *side, int count, const struct qb_latency_options *opt, struct qb_errbuf *eb);
enum qb_err sides_finish(struct side *side, int count, struct qb_errbuf *eb);
/* Also of sides that were not started, or only in part. */
void sides_end(struct side *side, int count);

#endif
