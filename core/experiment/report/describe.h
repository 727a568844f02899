/* SPDX-License-Identifier: Apache-2.0
 *
 * What this engine can do, as JSON: the daemon asks once and offers exactly that.
 */
#ifndef QB_EXPERIMENT_REPORT_DESCRIBE_H
#define QB_EXPERIMENT_REPORT_DESCRIBE_H

#include <jansson.h>

#include "core/base/err.h"

/* {"engine", "isa", "types": [{"type", "summary", "inputs", "internal", "schema"}], "formats": [...], "metrics": [...]} */
json_t *qb_describe_engine(const char *version);

/* Everything about a number format: values, range, smallest step, encoding table. *out is a new reference. */
enum qb_err qb_describe_format(const char *name, json_t **out, struct qb_errbuf *eb);

/* {"cpu", "isa", "threads"}: what a measurement must name. */
json_t *qb_describe_machine(int threads);

#endif
