/* SPDX-License-Identifier: Apache-2.0
 *
 * Who makes a request, and whether that one may: by a token (Authorization: Bearer), by the session of a browser (a cookie),
 * or as somebody on this machine, who needs neither.
 */
#ifndef QB_DAEMON_HTTP_ACCESS_H
#define QB_DAEMON_HTTP_ACCESS_H

#include "daemon/http/http.h"

#define QB_COOKIE_SESSION "quantbench_session"
#define QB_COOKIE_CSRF "quantbench_csrf" /* for scripts of our pages, which send it back as X-CSRF-Token */

/* Fills in who asks; false with a problem where that one may not. The route is known. */
bool qb_access_check(struct qb_request *rq, const char *method, struct qb_problem *p);
/* Who asks, by what the request carries, if anybody known (rq->known); false with a problem where that is not valid. */
bool qb_access_identify(struct qb_request *rq, struct qb_problem *p);
/* The answer is known: for the audit log. */
void qb_access_note(struct qb_request *rq, unsigned status);
/* Whether another failed attempt of this client is answered; else a problem that says when. */
bool qb_access_failed(struct qb_request *rq, struct qb_problem *p);

#endif
