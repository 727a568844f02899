/* SPDX-License-Identifier: Apache-2.0
 *
 * A test that cannot run on this machine says what is lacking, by a word of tests/expected-skips. Include after cmocka.h.
 */
#ifndef QB_TESTS_LACKS_H
#define QB_TESTS_LACKS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define lacks(word, detail) \
	do { \
		print_message("SKIP: lacks " word ": %s\n", detail); \
		skip(); \
	} while (0)

/* The path of a real network or of its data; false, and said, where the machine has none. */
static inline bool shared_file(const char *name, char *path, size_t size)
{
	const char *shared = getenv("QB_SHARED");

	snprintf(path, size, "%s/data/%s", shared ? shared : "../shared", name);
	if (access(path, R_OK) == 0) {
		return true;
	}
	print_message("SKIP: lacks shared: %s\n", name);
	return false;
}

#endif
