/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/levels.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cpu.h"

enum { SKIPPED = 77 };

/* Compiled for libemulated.a? */
#ifdef QB_TESTS_EMULATED_AVX512_H
static const char how[] = "emulated";
enum { LOWEST = QB_CPU_AVX512 };

static bool can_run(void)
{
	return emulates_avx512();
}
#else
static const char how[] = "native";
enum { LOWEST = QB_CPU_PLAIN };

static bool can_run(void)
{
	return true;
}
#endif

static int run_at(enum qb_cpu_level level, int (*tests)(void))
{
	int status = 0;
	pid_t child;

	printf("CPU level %s: %s\n", qb_cpu_level_name(level), how);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		qb_cpu_mask(level);
		exit(tests());
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
		printf("the tests at level %s crashed\n", qb_cpu_level_name(level));
		return 1;
	}
	return WEXITSTATUS(status);
}

int run_at_every_level(int (*tests)(void))
{
	const char *only = getenv("QUANTBENCH_CPU");
	struct qb_errbuf eb;
	int run = 0, skipped = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0); /* what cmocka prints on the other stream stays in order */
	if (!can_run()) {
		puts("SKIP: lacks emulation: it takes GCC without sanitizers, libsimde-dev and a processor with AVX2");
		return SKIPPED;
	}
	if (qb_cpu_check(&eb) != QB_OK) {
		puts(eb.text);
		return 1;
	}
	for (int i = LOWEST; i < QB_CPU_LEVELS; i++) {
		enum qb_cpu_level level = (enum qb_cpu_level)i;

		if (qb_cpu_offers(level) && (!only || !*only || level == qb_cpu_level())) {
			int status = run_at(level, tests);

			run++;
			skipped += status == SKIPPED;
			failed += status != 0 && status != SKIPPED;
		}
	}
	if (!run) {
		printf("SKIP: lacks level: QUANTBENCH_CPU=%s is none that is emulated\n", only);
	}
	return failed ? 1 : skipped == run ? SKIPPED : 0;
}
