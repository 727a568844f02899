/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/near.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { LENGTH = 255, NAMED = 3 };

/* Wagner and Fischer (1974), one row at a time. */
int qb_near_distance(const char *a, const char *b)
{
	int row[LENGTH + 1];
	int n = (int)strnlen(a, LENGTH), m = (int)strnlen(b, LENGTH);

	for (int j = 0; j <= m; j++) {
		row[j] = j;
	}
	for (int i = 1; i <= n; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= m; j++) {
			int same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
			int best = diagonal + !same;

			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[m];
}

const char *qb_near(const char *word, const char *const *names, int count, char *out, size_t size)
{
	struct {
		int distance;
		const char *name;
	} best[NAMED + 1];
	int kept = 0;
	size_t used = 0;

	for (int i = 0; i < count; i++) {
		int d = names[i] ? qb_near_distance(word, names[i]) : INT_MAX, at = kept;

		for (int k = 0; k < kept && d != INT_MAX; k++) {
			d = strcmp(best[k].name, names[i]) == 0 ? INT_MAX : d;
		}
		if (d == INT_MAX) {
			continue;
		}
		while (at > 0 && best[at - 1].distance > d) {
			best[at] = best[at - 1];
			at--;
		}
		best[at].distance = d;
		best[at].name = names[i];
		kept = kept < NAMED ? kept + 1 : NAMED;
	}
	out[0] = '\0';
	for (int k = 0; k < kept && used < size; k++) {
		used += (size_t)snprintf(out + used, size - used, "%s%.100s", k ? ", " : "", best[k].name);
	}
	return out;
}

void qb_near_note(struct qb_errbuf *eb, const char *word, const char *const *names, int count)
{
	if (eb && word) {
		qb_near(word, names, count, eb->near, sizeof(eb->near));
	}
}
