/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "worker/limits.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int worker_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

bool worker_limits_set(struct worker_limits *l, int option, const char *text)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno || end == text || *end || v < 1) {
		return false;
	}
	switch (option) {
	case 't':
		l->threads = v < 1024 ? (int)v : 1024;
		return true;
	case 'm':
		l->memory_bytes = v;
		return true;
	case 'c':
		l->cpu_seconds = v;
		return true;
	case 'w':
		l->wall_seconds = v;
		return true;
	default:
		return false;
	}
}

static enum qb_err limit(int resource, int64_t value, int64_t grace, const char *what, struct qb_errbuf *eb)
{
	struct rlimit r = {(rlim_t)value, (rlim_t)(value + grace)};

	if (value && setrlimit(resource, &r)) {
		return qb_fail(eb, QB_EINVAL, "the limit of %s to %lld was refused: %s", what,
			(long long)value, strerror(errno));
	}
	return QB_OK;
}

void worker_limits_next_question(const struct worker_limits *l)
{
	struct rusage used;
	struct rlimit cpu = {0, RLIM_INFINITY};

	if (l->cpu_seconds && getrusage(RUSAGE_SELF, &used) == 0) {
		cpu.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 2 + l->cpu_seconds);
		setrlimit(RLIMIT_CPU, &cpu);
	}
}

enum qb_err worker_limits_apply(const struct worker_limits *l, struct qb_errbuf *eb)
{
	struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	QB_TRY(limit(RLIMIT_AS, l->memory_bytes, 0, "memory", eb));
	if (!l->serves) {
		/* The soft limit is SIGXCPU, by which the parent knows the reason; the hard one is SIGKILL. */
		QB_TRY(limit(RLIMIT_CPU, l->cpu_seconds, 2, "processor time", eb));
	}
	/* SIGALRM's default action ends the process; the parent knows the limit and says so. */
	alarm((unsigned)l->wall_seconds);
	return QB_OK;
}
