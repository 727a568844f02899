/* SPDX-License-Identifier: Apache-2.0
 *
 * Access tokens, and the sessions of browsers that logged in with one. Reading takes any store, changing the writer.
 */
#ifndef QB_DAEMON_TOKENS_H
#define QB_DAEMON_TOKENS_H

#include <jansson.h>

#include "daemon/who.h"

struct qb_options;
struct qb_store;

enum { QB_SECRET_LEN = 3 + 64 + 1 }; /* "qb_" and 256 random bits */

/* What a new token is to be. A limit below 0 is the server's. */
struct qb_token_wish {
	const char *name, *role;
	const char *lifetime; /* "90d", "12h", "never" or a date, "2031-12-31" */
	int64_t upload_bytes, queued_jobs, requests_per_minute;
};

const char *qb_role_name(enum qb_role role);

/* The new token's row; its secret is told here, once. NULL after having filled p. */
json_t *qb_token_create(struct qb_store *s, const struct qb_token_wish *wish, char secret[QB_SECRET_LEN], struct qb_problem *p);
bool qb_token_revoke(struct qb_store *s, int64_t id, struct qb_problem *p);
/* How many may be used; -1 where the store cannot tell. */
int64_t qb_tokens_valid(struct qb_store *s);

/* By a token's secret, or that of a session. false: there is none, it has expired or it was revoked; *unread: the
 * store cannot tell. */
bool qb_token_find(struct qb_store *s, const struct qb_options *o, const char *secret, struct qb_who *who, bool *unread);
bool qb_session_find(struct qb_store *s, const struct qb_options *o, const char *secret, struct qb_who *who, bool *unread);

/* Begins a session of the token, for so many seconds at most. */
bool qb_session_begin(struct qb_store *s, int64_t token, int64_t seconds, char secret[QB_SECRET_LEN]);
bool qb_session_end(struct qb_store *s, const char *secret);
/* What pages of a session prove themselves by. */
void qb_session_csrf(const char *secret, char out[QB_HASH_LEN]);

#endif
