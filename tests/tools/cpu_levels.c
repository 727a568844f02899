/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU levels that tests are to run at, one a line: those of this processor, or the one that QUANTBENCH_CPU names.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/cpu.h"

int main(void)
{
	const char *only = getenv("QUANTBENCH_CPU");
	struct qb_errbuf eb;

	if (qb_cpu_check(&eb) != QB_OK) {
		fprintf(stderr, "%s\n", eb.text);
		return 1;
	}
	for (int i = 0; i < QB_CPU_LEVELS; i++) {
		enum qb_cpu_level level = (enum qb_cpu_level)i;

		if (qb_cpu_offers(level) && (!only || !*only || level == qb_cpu_level())) {
			puts(qb_cpu_level_name(level));
		}
	}
	return 0;
}
