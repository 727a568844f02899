/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 of a file, so that one which the server has is not sent again.
 */
#ifndef QB_CLI_SHA256_H
#define QB_CLI_SHA256_H

#include <stdbool.h>
#include <stdio.h>

/* Reads the file to its end; hex gets 64 digits and a NUL. False on a read error. */
bool cli_sha256_file(FILE *file, char hex[65], long long *size_bytes);

#endif
