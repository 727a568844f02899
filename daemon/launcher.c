/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util.h"

/* srun hands standard input, output and signals on and ends as the worker does. Slurm counts memory in MiB. */
static char *of_slurm(const struct qb_target *t, int64_t job, const struct qb_worker_limits *l)
{
	char threads[40] = "", memory[40] = "";

	if (l->threads) {
		snprintf(threads, sizeof(threads), " --cpus-per-task=%lld", (long long)l->threads);
	}
	if (l->memory_bytes) {
		snprintf(memory, sizeof(memory), " --mem=%lldM", (long long)((l->memory_bytes + (1 << 20) - 1) >> 20));
	}
	return qb_format("srun --ntasks=1 --quiet --unbuffered --kill-on-bad-exit=1 --job-name=quantbench-j%lld%s%s %s", (long long)job,
		threads, memory, t->words);
}

/* Two servers may use one board: what belongs to whom there is told by the name. */
static char *of_ssh(const struct qb_options *o, const struct qb_target *t, int64_t job)
{
	char host[256] = "", hash[QB_HASH_LEN], *whose;

	gethostname(host, sizeof(host) - 1);
	whose = qb_format("%s:%s", host, o->state);
	qb_hash_text(whose, strlen(whose), hash);
	free(whose);
	return qb_format("/proc/self/exe ssh-worker %s %s j%lld-%.8s %s --", t->destination, t->folder, (long long)job, hash, t->words);
}

char *qb_launcher(const struct qb_options *o, const struct qb_target *t, int64_t job, const struct qb_worker_limits *limits)
{
	switch (t->kind) {
	case QB_TARGET_SLURM:
		return of_slurm(t, job, limits);
	case QB_TARGET_SSH:
		return of_ssh(o, t, job);
	default:
		return qb_format("%s", strcmp(t->name, "local") != 0 ? t->words : o->launcher);
	}
}
