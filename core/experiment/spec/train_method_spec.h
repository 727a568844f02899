/* SPDX-License-Identifier: Apache-2.0
 *
 * Methods of quantization-aware training as jobs name them: "freeze", {"name": "freeze", "threshold": 0.01}, or a list of
 * such that work together.
 */
#ifndef QB_EXPERIMENT_SPEC_TRAIN_METHOD_SPEC_H
#define QB_EXPERIMENT_SPEC_TRAIN_METHOD_SPEC_H

#include "core/train/methods/method.h"

extern const struct qb_field qb_train_method_entries[];

/* v: NULL for the default, lsq. at: its path in the job. */
enum qb_err qb_train_method_read(struct qb_train_method_list *out, const json_t *v, const char *at, struct qb_errbuf *eb);
/* "lsq+freeze"; out holds size characters. */
char *qb_train_method_name(const struct qb_train_method_list *list, char *out, size_t size);

#endif
