/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/worker_command.h"

#include <stdio.h>

#include "daemon/worker.h"

enum { WORDS_MAX = 8, NUMBER_LEN = 24 };

char **qb_worker_command(const struct qb_options *o, const char *launcher, int64_t cpu_seconds,
	const char *mode)
{
	/* Elapsed time is the daemon's to measure: it stands still while a worker does. */
	const struct {
		const char *option;
		int64_t value;
	} limits[] = {{"--threads", o->worker_threads}, {"--memory-bytes", o->worker_memory},
		{"--cpu-seconds", cpu_seconds}};
	char number[3][NUMBER_LEN];
	const char *word[WORDS_MAX] = {NULL};
	int n = 0;

	for (int i = 0; i < 3; i++) {
		if (limits[i].value) {
			snprintf(number[i], NUMBER_LEN, "%lld", (long long)limits[i].value);
			word[n++] = limits[i].option;
			word[n++] = number[i];
		}
	}
	word[n] = mode;
	return qb_worker_argv(launcher, o->worker, word[0], word[1], word[2], word[3], word[4], word[5], word[6], NULL);
}
