/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads of a job. Steps and oneDNN's primitives divide their work by OpenMP among as many as the caller allows; samples are
 * spread over a team, each member of which runs its steps alone. Nothing else sets or asks for numbers of threads.
 */
#ifndef QB_EXEC_THREADS_H
#define QB_EXEC_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

/* How many threads parallel loops of the calling thread use from here on; returns how many they used. */
int qb_threads_use(int threads);
/* How many they use. */
int qb_threads(void);
/* Which of them this is, in a parallel loop: 0 to threads - 1. */
int qb_thread_index(void);

/* A loop of a step: fn(context, at, i) for i from 0 to n - 1, in equal parts for `threads` threads. One thread calls it without the
 * cost of a parallel region, which is a quarter of a microsecond even then. */
struct qb_operands;
typedef void qb_loop_fn(const void *context, const struct qb_operands *at, int64_t i);
void qb_threads_loop(int threads, int64_t n, qb_loop_fn *fn, const void *context, const struct qb_operands *at);
/* The same where parts take unequal times: who is done takes the next i. */
void qb_threads_loop_unequal(int threads, int64_t n, qb_loop_fn *fn, const void *context, const struct qb_operands *at);
/* The same for as many threads as the calling thread may use, but for one where that is not worth it. */
void qb_threads_loop_worth(bool worth, int64_t n, qb_loop_fn *fn, const void *context, const struct qb_operands *at);

/* Spreads work items over a team of threads, each with its own index; returns the first error. */
typedef enum qb_err qb_team_fn(void *arg, int thread, int64_t item, struct qb_errbuf *eb);
enum qb_err qb_team_run(int threads, int64_t items, qb_team_fn *fn, void *arg, struct qb_errbuf *eb);

/* The same in stages, each of items[stage] items, 1 at least: none begins before all items of the one before it are done, and
 * `between` (or NULL) has run once, on one thread, after it. */
typedef enum qb_err qb_stage_fn(void *arg, int thread, int stage, int64_t item, struct qb_errbuf *eb);
typedef void qb_between_fn(void *arg, int stage);
enum qb_err qb_team_run_stages(int threads, int stages, const int64_t *items, qb_stage_fn *fn, qb_between_fn *between, void *arg,
	struct qb_errbuf *eb);

#endif
