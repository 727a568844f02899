/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks for something, and what that one may.
 */
#ifndef QB_DAEMON_WHO_H
#define QB_DAEMON_WHO_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/util.h"

/* Each may what those before it may. */
#define QB_ROLES(X) \
	X(OPEN, "open") /* whoever reaches the server */ \
	X(READ, "read") \
	X(SUBMIT, "submit") /* uploads and submits; changes what is its own */ \
	X(ADMIN, "admin")
enum qb_role {
#define X(name, text) QB_ROLE_##name,
	QB_ROLES(X)
#undef X
};

enum { QB_WHO_NAME = 65 };

struct qb_who {
	int64_t token; /* 0: none */
	char name[QB_WHO_NAME];
	enum qb_role role;
	int64_t upload_bytes, queued_jobs, requests_per_minute; /* 0: no limit */
	bool by_cookie;
	char csrf[QB_HASH_LEN]; /* of a session: what its pages send along */
};

/* Whether it may change what belongs to the owner (a token, 0: nobody's). */
static inline bool qb_who_may_change(const struct qb_who *who, int64_t owner)
{
	return who->role == QB_ROLE_ADMIN || (who->token && who->token == owner);
}

#endif
