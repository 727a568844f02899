/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that are refused before any endpoint sees them.
 */
#ifndef QB_DAEMON_HTTP_GUARD_H
#define QB_DAEMON_HTTP_GUARD_H

#include "daemon/http/http.h"

/* false with a problem; one of status 400 is a request whose end is in doubt: the connection has to be closed. */
bool qb_guard_request(struct qb_request *rq, const char *method, struct qb_problem *p);

#endif
