/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers in fewer bytes for who takes them. Any HTTP thread.
 */
#ifndef QB_DAEMON_HTTP_GZIP_H
#define QB_DAEMON_HTTP_GZIP_H

#include <stdbool.h>
#include <stddef.h>

enum { QB_GZIP_FROM_BYTES = 4096 }; /* less fits into a few packets as it is */

/* Whether a header Accept-Encoding (NULL: none) names the coding, and not with a weight of nothing (RFC 9110, 12.5.3). */
bool qb_accepts_coding(const char *header, const char *coding);
/* text [n] as gzip (RFC 1952), of *size bytes, to be freed; NULL where it becomes no smaller or memory ends. */
char *qb_gzip(const char *text, size_t n, size_t *size);

#endif
