/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the files that a job or an inspection reads still hold the bytes that were uploaded. A file is hashed once, and
 * again when its size or time changes. Loop thread only.
 */
#ifndef QB_DAEMON_INPUTS_H
#define QB_DAEMON_INPUTS_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/daemon.h"

enum qb_inputs {
	QB_INPUTS_SOUND,
	QB_INPUTS_DAMAGED, /* gone, or not what was uploaded */
	QB_INPUTS_UNREAD,  /* the host could not look: no descriptors, no memory */
};

/* inputs: array of {field, upload, name, sha256}, borrowed. done is called later, with a sentence that says what is wrong
 * (empty where all are sound). Large files take a thread of the pool, not the loop. */
void qb_inputs_check(struct qb_daemon *d, const json_t *inputs,
	void (*done)(void *arg, enum qb_inputs found, const char *why), void *arg);
/* The file was written just now by who hashed it. */
void qb_inputs_note(struct qb_daemon *d, const char *sha256);

#endif
