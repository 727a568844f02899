/* SPDX-License-Identifier: Apache-2.0
 *
 * A data set in memory, as it is stored (a byte an element of images), and batches of it in any order: augmented, converted and
 * preprocessed as other jobs do it. Of a text the tokens are in memory, and windows are made as a batch takes them.
 */
#ifndef QB_TRAIN_SAMPLES_H
#define QB_TRAIN_SAMPLES_H

#include "core/tensor/dataset.h"
#include "core/train/config.h"

struct qb_samples;

/* Reads all of the data, which outlives it. `inputs` of the network; threads: that make a batch. Fails where a sample is several rows, or
 * augmentation asks for what the first input does not have. */
enum qb_err qb_samples_create(struct qb_samples **out, const struct qb_dataset *data, int inputs,
	const struct qb_augment_config *augment, int threads, struct qb_errbuf *eb);
void qb_samples_destroy(struct qb_samples **s);
int64_t qb_samples_count(const struct qb_samples *s);
size_t qb_samples_bytes(const struct qb_samples *s);
/* Elements of a sample's labels; 0: there are none. */
size_t qb_samples_label_size(const struct qb_samples *s);
/* Bytes of one row of an input, in the input's own type. */
size_t qb_samples_row_bytes(const struct qb_samples *s, int input);

struct qb_samples_pick {
	const int64_t *sample; /* [count] */
	int64_t count;
	uint64_t seed;
	int64_t epoch;
};
/* The picked samples into input[i] [count, ...], in the inputs' own types, and labels [count, label size] (NULL: not wanted).
 * Only the first input is augmented. One call at a time. */
enum qb_err qb_samples_read(const struct qb_samples *s, const struct qb_samples_pick *pick, void *const *input,
	double *labels, struct qb_errbuf *eb);

#endif
