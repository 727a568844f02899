/* SPDX-License-Identifier: Apache-2.0
 *
 * The talk's fifteen cells, five formats on three distributions, each with its range optimised: 50 ms are allowed.
 */
#include <stdio.h>
#include <time.h>

#include "core/analysis/sqnr.h"
#include "core/base/size.h"

enum { ROUNDS = 20 };
static const double LIMIT_MS = 50;

static double milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

int main(void)
{
	static const struct qb_distribution slide[] = {
		{.kind = QB_DIST_UNIFORM, .low = -1, .high = 1},
		{.kind = QB_DIST_GAUSSIAN, .scale = 1, .clip = 10},
		{.kind = QB_DIST_STUDENT_T, .scale = 1, .nu = 8, .clip = 100},
	};
	static const char *const names[] = {"uniform on [-1, 1]", "Gaussian, clip 10", "Student-t 8, clip 100"};
	static const char *const formats[] = {"E5", "E4", "E3", "E2", "int8"};
	double best = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		double start = milliseconds(), took;

		for (size_t i = 0; i < QB_COUNT(slide); i++) {
			printf("%s%s", round ? "" : names[i], round ? "" : ":");
			for (size_t k = 0; k < QB_COUNT(formats); k++) {
				struct qb_format f;
				struct qb_sqnr r;

				if (qb_format_parse(&f, formats[k], NULL) != QB_OK ||
					qb_sqnr_optimal(&f, &slide[i], &r, NULL) != QB_OK) {
					return 1;
				}
				if (!round) {
					printf("  %s %.3f dB", formats[k], r.mse_db);
				}
			}
			printf("%s", round ? "" : "\n");
		}
		took = milliseconds() - start;
		best = took < best ? took : best;
	}
	printf("fifteen cells in %.1f ms, %.0f %% of the %.0f allowed\n", best, 100 * best / LIMIT_MS, LIMIT_MS);
	return 0;
}
