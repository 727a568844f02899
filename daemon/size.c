/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool qb_size_read(const char *s, int64_t *out)
{
	char *end;
	long long v;
	int shift = 0;

	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || end == s || v < 0) {
		return false;
	}
	if (!strcmp(end, "%")) {
		*out = (int64_t)((double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 100 * (double)v);
		return v <= 100;
	}
	if (*end) {
		const char *units = "KMGT", *u = strchr(units, toupper((unsigned char)*end));

		if (!u || end[1]) {
			return false;
		}
		shift = 10 * (int)(u - units + 1);
	}
	if (v > (INT64_MAX >> shift)) {
		return false;
	}
	*out = (int64_t)v << shift;
	return true;
}
