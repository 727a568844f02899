/* SPDX-License-Identifier: Apache-2.0
 *
 * Who follows a job's events. A follower's HTTP connection sleeps (suspended) while there is nothing to send; the
 * loop thread wakes it. All calls are safe from any thread.
 */
#ifndef QB_DAEMON_HUB_H
#define QB_DAEMON_HUB_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct qb_hub;
struct qb_follower;

struct qb_hub *qb_hub_create(void);
void qb_hub_destroy(struct qb_hub **hub);

enum { QB_HUB_ALL = -1 }; /* in the place of a job: the follower is woken by qb_hub_tell */
struct qb_follower *qb_hub_follow(struct qb_hub *hub, struct MHD_Connection *connection, int64_t job);
void qb_hub_leave(struct qb_hub *hub, struct qb_follower **follower);

enum qb_wake { QB_WAKE_EVENTS = 1, QB_WAKE_HEARTBEAT = 2, QB_WAKE_CLOSING = 4 };
/* Called by the connection's own thread with nothing left to send: the reasons to look again, or, when there are none,
 * 0 after having suspended the connection. */
unsigned qb_hub_sleep(struct qb_hub *hub, struct qb_follower *follower);

void qb_hub_publish(struct qb_hub *hub, int64_t job);
/* Now and then: those who follow all jobs are told which have changed since the last time. */
void qb_hub_tell(struct qb_hub *hub);
enum { QB_HUB_CHANGES = 1024 };
/* Which jobs have changed behind change number *since (0: none has), each once, and the number of the last; -1 where it is too
 * long ago to know, or of another daemon. *since becomes the number of the last in any case. */
int qb_hub_changes(struct qb_hub *hub, uint64_t *since, int64_t jobs[QB_HUB_CHANGES]);
void qb_hub_heartbeat(struct qb_hub *hub);
void qb_hub_close(struct qb_hub *hub); /* every stream ends, also those that begin later */
int qb_hub_followers(struct qb_hub *hub);

#endif
