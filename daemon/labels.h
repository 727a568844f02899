/* SPDX-License-Identifier: Apache-2.0
 *
 * What people say of a job: a name, notes, tags.
 */
#ifndef QB_DAEMON_LABELS_H
#define QB_DAEMON_LABELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/util.h"

struct qb_daemon;
struct qb_who;

/* Whether the labels in an object are valid: "name", "notes" and "tags", and of a change also "add_tags" and
 * "remove_tags"; else false after having filled p. Other members are not looked at. */
bool qb_labels_check(const json_t *labels, bool change, struct qb_problem *p);
/* Takes those of a submission out of the job. */
void qb_labels_strip(json_t *job);

/* Loop thread, within the caller's transaction, and checked: writes what is there; what is absent stays. False where the job
 * would have too many tags, after having filled p: roll back. */
bool qb_labels_write(struct qb_daemon *d, int64_t job, const json_t *labels, struct qb_problem *p);
/* Loop thread. Of a submission that another job answers: its tags are added, name and notes fill what is empty. */
void qb_labels_add(struct qb_daemon *d, int64_t job, const json_t *labels);
/* Loop thread. Changes them, and returns the job's object; NULL after having filled p. */
json_t *qb_labels_change(struct qb_daemon *d, int64_t job, const json_t *labels, struct qb_problem *p);

#endif
