/* SPDX-License-Identifier: Apache-2.0
 *
 * Where jobs run: this machine, a cluster that Slurm rules, a board that ssh reaches. Each is a line of the option target:
 *
 *     NAME local [WORD]...                      words before the worker, such as: taskset -c 4-7
 *     NAME slurm [OPTION]...                    of srun; the state folder is on a disk that its nodes have as well
 *     NAME ssh:DESTINATION [OPTION]...          of ssh; the worker is installed there
 *
 * among whose words may stand jobs=N, threads=N, memory=SIZE and, with ssh, worker=PATH and folder=PATH. "local" without a line
 * is this machine as the options jobs, worker-threads, worker-memory and launcher say.
 */
#ifndef QB_DAEMON_TARGETS_H
#define QB_DAEMON_TARGETS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QB_TARGET_NAME = 33, QB_TARGETS_MAX = 32 };

#define QB_TARGET_KINDS(X) \
	X(LOCAL, "local") \
	X(SLURM, "slurm") \
	X(SSH, "ssh")
enum qb_target_kind {
#define X(name, text) QB_TARGET_##name,
	QB_TARGET_KINDS(X)
#undef X
};

struct qb_target {
	char name[QB_TARGET_NAME];
	enum qb_target_kind kind;
	int jobs;                /* at once */
	int64_t threads, memory; /* of a job; 0: the server's on this machine, elsewhere what the machine has */
	char *words;             /* before the worker: the launcher's own, or options of ssh */
	char *destination, *worker, *folder; /* with ssh, else empty */
};

struct qb_targets {
	struct qb_target target[QB_TARGETS_MAX]; /* the first one is "local" */
	int count;
	uint64_t generation; /* differs from that of all others in this process */
};

/* lines: as above, parted by newlines. NULL with a sentence in why. By one thread. */
struct qb_targets *qb_targets_parse(const char *lines, char *why, size_t why_len);
void qb_targets_free(struct qb_targets **targets);
/* NULL where there is none. */
const struct qb_target *qb_targets_find(const struct qb_targets *targets, const char *name);
/* "local, pi and cluster" */
void qb_targets_names(const struct qb_targets *targets, char *out, size_t size);
const char *qb_target_kind_name(enum qb_target_kind kind);
/* Its processes are on this machine, and compete with others for it. */
static inline bool qb_target_is_here(const struct qb_target *t)
{
	return t->kind == QB_TARGET_LOCAL;
}

#endif
