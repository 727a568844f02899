/* SPDX-License-Identifier: Apache-2.0
 *
 * Which samples of the training data choose the best network instead of being learned.
 */
#ifndef QB_TRAIN_HELD_OUT_H
#define QB_TRAIN_HELD_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

/* held[n]: true of `count` of the n samples, drawn by the seed. label [n]: of each class as many, to a sample, as it has in all
 * (stratified); NULL: of all alike. */
enum qb_err qb_held_out(uint64_t seed, int64_t n, const double *label, int64_t count, bool *held, struct qb_errbuf *eb);

#endif
