/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests whose answer takes a while: the connection sleeps, and no HTTP thread waits with it.
 */
#ifndef QB_DAEMON_HTTP_LATER_H
#define QB_DAEMON_HTTP_LATER_H

#include <microhttpd.h>
#include <stdbool.h>

struct qb_later;

struct qb_later *qb_later_create(void);
/* No connection may sleep when libmicrohttpd stops: no more of them begin, and those that do are waited for. */
void qb_later_close(struct qb_later *l);
void qb_later_destroy(struct qb_later **l);

/* From a handler, which then returns MHD_YES and is called again after the end. False once closed. */
bool qb_later_begin(struct qb_later *l, struct MHD_Connection *connection);
/* Any thread, once for each begin. What the connection owns may be gone when this returns. */
void qb_later_end(struct qb_later *l, struct MHD_Connection *connection);

#endif
