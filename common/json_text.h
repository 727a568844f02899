/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON as text, for all three programs: numbers in the fewest digits that read back as the same double, so that 0.3 is 0.3.
 */
#ifndef QB_COMMON_JSON_TEXT_H
#define QB_COMMON_JSON_TEXT_H

#include <jansson.h>

/* flags: jansson's, of json_dumps. A new string for free(); NULL where memory ends or the value cannot be dumped. */
char *qb_json_text(const json_t *v, size_t flags);

#endif
