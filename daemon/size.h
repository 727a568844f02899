/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as people write them in options.
 */
#ifndef QB_DAEMON_SIZE_H
#define QB_DAEMON_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* "12", "64G" (64 * 2^30) or "75%", that share of the machine's memory; false where it is none. */
bool qb_size_read(const char *text, int64_t *out);

#endif
