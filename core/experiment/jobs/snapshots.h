/* SPDX-License-Identifier: Apache-2.0
 *
 * What a training tells of its quantizers at each evaluation: how many weights of each layer oscillate and are frozen, where they
 * lie around their integers, how far running statistics of batch norms were from re-estimated ones. Kept in the folder of
 * checkpoints as lines of JSON, so that a job that goes on has those of before.
 */
#ifndef QB_JOBS_SNAPSHOTS_H
#define QB_JOBS_SNAPSHOTS_H

#include <jansson.h>
#include <stdint.h>

#include "core/base/err.h"

struct qb_snapshots;

/* folder: or NULL, then nothing is kept. */
enum qb_err qb_snapshots_create(struct qb_snapshots **out, const char *folder, struct qb_errbuf *eb);
void qb_snapshots_destroy(struct qb_snapshots **snapshots);
/* Takes those of the first `step` steps from the folder, and forgets later ones. */
enum qb_err qb_snapshots_begin(struct qb_snapshots *s, int64_t step, struct qb_errbuf *eb);
/* snapshot: {"step", ...}, a new reference, which is taken; one of the same step as the last takes its place. */
enum qb_err qb_snapshots_add(struct qb_snapshots *s, json_t *snapshot, struct qb_errbuf *eb);
/* [snapshots] in the order of steps; new reference. */
json_t *qb_snapshots_json(const struct qb_snapshots *s);

#endif
