/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that tests read back. Include after cmocka.h.
 */
#ifndef QB_TESTS_FILES_H
#define QB_TESTS_FILES_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static inline void write_file(const char *path, const void *data, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* A .npy of such elements: descr "<f4", shape "(3, 2)". */
static inline void write_npy(const char *path, const char *descr, const char *shape, const void *data, size_t bytes)
{
	FILE *f = fopen(path, "wb");
	char header[118];
	int n = snprintf(header, sizeof(header), "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);

	assert_non_null(f);
	assert_in_range(n, 0, sizeof(header) - 1);
	memset(header + n, ' ', sizeof(header) - (size_t)n);
	header[sizeof(header) - 1] = '\n';
	assert_int_equal(fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, f), 10);
	assert_int_equal(fwrite(header, 1, sizeof(header), f), sizeof(header));
	assert_int_equal(fwrite(data, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

#endif
