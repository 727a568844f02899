/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/beside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *qb_beside(const char *name, const char *installed)
{
	char self[4096], *path = NULL, *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash && asprintf(&path, "%.*s/%s", (int)(slash - self), self, name) >= 0) {
		if (access(path, R_OK) == 0) {
			return path;
		}
		free(path);
	}
	return strdup(installed);
}
