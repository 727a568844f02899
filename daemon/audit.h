/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit log: who asked for what that changes something, and who was refused. An entry goes to the log at once and into
 * the database within a second, the latest QB_AUDIT_ROWS of them.
 */
#ifndef QB_DAEMON_AUDIT_H
#define QB_DAEMON_AUDIT_H

#include <stdbool.h>

#include "daemon/who.h"

struct qb_audit;
struct qb_store;

enum { QB_AUDIT_ROWS = 200000 };

struct qb_audit_entry {
	const struct qb_who *who; /* NULL: nobody that is known */
	const char *address, *method, *path;
	const char *object; /* what was made; may be NULL */
	unsigned status;
};

struct qb_audit *qb_audit_create(void);
void qb_audit_destroy(struct qb_audit **audit);
/* Any thread. */
void qb_audit_add(struct qb_audit *a, const struct qb_audit_entry *entry);
/* Loop thread: stores what has come. What cannot be stored waits, up to some thousands. */
void qb_audit_store(struct qb_audit *a, struct qb_store *s);

#endif
