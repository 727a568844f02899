/* SPDX-License-Identifier: Apache-2.0
 *
 * The private folder of a run, state/work/NAME-...: in its scratch/ the worker runs and leaves artifacts, and in its inputs/ lies
 * what it reads, under the names that people gave, each in a folder of its own. Whatever a model names beside itself, it
 * finds no file of others.
 */
#ifndef QB_DAEMON_WORKSPACE_H
#define QB_DAEMON_WORKSPACE_H

#include <stdbool.h>
#include <stddef.h>

enum qb_placed {
	QB_PLACED,
	QB_INPUT_LOST, /* the blob is not there, or cannot be read: why says only that */
	QB_NO_PLACE,   /* the disk, or the machine, has no room for it */
};

/* Whatever an earlier daemon left in state/work is ended and removed. */
void qb_workspaces_clear(const char *state);

/* A new one, whose name begins with name: no two runs have one in common, not even two of one job. NULL with a sentence
 * in why; freed with free(). */
char *qb_workspace_create(const char *state, const char *name, char *why, size_t why_len);
/* Where its worker runs, new. */
char *qb_workspace_scratch(const char *folder, char *why, size_t why_len);
/* Puts the blob into the folder's inputs/field/name: as a link, or where that cannot be as a copy. */
enum qb_placed qb_workspace_place(const char *folder, const char *field, const char *name, const char *blob,
	char **path, char *why, size_t why_len);
void qb_workspace_remove(const char *folder);

#endif
