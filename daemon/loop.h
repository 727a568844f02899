/* SPDX-License-Identifier: Apache-2.0
 *
 * The way from an HTTP thread to the loop thread, which alone writes and alone knows the workers.
 */
#ifndef QB_DAEMON_LOOP_H
#define QB_DAEMON_LOOP_H

#include <stdbool.h>
#include <uv.h>

struct qb_calls;

/* Loop thread. */
struct qb_calls *qb_calls_create(uv_loop_t *loop);
/* Loop thread, when no other thread calls any more. */
void qb_calls_destroy(struct qb_calls **calls);

struct qb_call;
/* Runs fn(call, arg) on the loop thread and waits until qb_call_done(call), which fn or something it started
 * says. Any thread but the loop's. */
void qb_calls_run(struct qb_calls *calls, void (*fn)(struct qb_call *call, void *arg), void *arg);
/* Runs fn(arg) on the loop thread some time after this; false where memory ends. Any thread. */
bool qb_calls_post(struct qb_calls *calls, void (*fn)(void *arg), void *arg);
/* Loop thread. */
void qb_call_done(struct qb_call *call);

#endif
