/* SPDX-License-Identifier: Apache-2.0
 *
 * What one worker may use; the kernel enforces it.
 */
#ifndef QB_WORKER_LIMITS_H
#define QB_WORKER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

struct worker_limits {
	int threads;
	int64_t memory_bytes, cpu_seconds, wall_seconds; /* 0: none */
	bool serves; /* processor time is that of a question, not of the process */
};

int worker_processors(void);
/* Takes the text of option t, m, c or w (see main); false when it is no positive number. */
bool worker_limits_set(struct worker_limits *l, int option, const char *text);
/* Before each question: its processor time is counted from here, in whole seconds rounded up. */
void worker_limits_next_question(const struct worker_limits *l);
enum qb_err worker_limits_apply(const struct worker_limits *l, struct qb_errbuf *eb);

#endif
