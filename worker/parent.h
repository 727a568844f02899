/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker ends with the one who reads it. The kernel's signal of a parent's death does not reach past a launcher; a closed
 * standard input does.
 */
#ifndef QB_WORKER_PARENT_H
#define QB_WORKER_PARENT_H

#include "core/base/err.h"

/* From now on the process ends as soon as standard input is closed, whatever it computes, and prints
 * {"event": "alive"} every few seconds. */
enum qb_err worker_watch_parent(struct qb_errbuf *eb);

#endif
