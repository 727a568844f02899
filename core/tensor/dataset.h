/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples for a network: the arrays of an archive bound to its inputs, and labels beside them; or windows of a text. Rows stream, so
 * memory does not grow with the data; of a text it is that of its tokens.
 */
#ifndef QB_TENSOR_DATASET_H
#define QB_TENSOR_DATASET_H

#include "core/tensor/binding.h"
#include "core/tensor/text_windows.h"

struct qb_dataset;
struct qb_dataset_reader; /* one thread's; reading forwards is cheap */

/* Binds the file's arrays (binding.h). preprocess (or NULL) applies to float inputs; integer arrays feed float inputs
 * as they are. */
enum qb_err qb_dataset_open(struct qb_dataset **out, const char *path,
	const struct qb_input_spec *inputs, int input_count, const struct qb_preprocess *preprocess,
	struct qb_errbuf *eb);
struct qb_text_source {
	const char *path;
	bool plain;                       /* core/tensor/text.h */
	const struct qb_text_config *config;
	bool training;                    /* windows to train on; read in order they have the draw of evaluations */
	double from, to;                  /* the part of the text, as shares of it; to 0: its end */
};
/* Windows of a text. */
enum qb_err qb_dataset_open_text(struct qb_dataset **out, const struct qb_text_source *source, const struct qb_input_spec *inputs,
	int input_count, struct qb_errbuf *eb);
void qb_dataset_close(struct qb_dataset **dataset);
/* From now on the data set, of arrays, has these of its samples alone, rising. Before it is read. */
enum qb_err qb_dataset_choose(struct qb_dataset *dataset, const int64_t *sample, int64_t count, struct qb_errbuf *eb);
int64_t qb_dataset_count(const struct qb_dataset *dataset);
/* Rows that make a sample; 1 unless the arrays have a dimension more than the inputs. */
int64_t qb_dataset_rows(const struct qb_dataset *dataset);
/* The input as asked for, with every dimension after the first as the data has it. */
const struct qb_input_spec *qb_dataset_input(const struct qb_dataset *dataset, int input);

/* The labels' array, or NULL. */
const struct qb_archive_entry *qb_dataset_labels(const struct qb_dataset *dataset);
/* Elements of one sample's labels; 0 without labels. */
size_t qb_dataset_label_size(const struct qb_dataset *dataset);

enum qb_err qb_dataset_reader_create(struct qb_dataset_reader **out,
	const struct qb_dataset *dataset, struct qb_errbuf *eb);
void qb_dataset_reader_destroy(struct qb_dataset_reader **reader);
/* Samples [first, first + count), each of qb_dataset_rows rows, into input[i], in the inputs' own types, and labels as
 * double (either NULL: not wanted). */
enum qb_err qb_dataset_read(struct qb_dataset_reader *reader, int64_t first, int64_t count,
	void *const *input, double *labels, struct qb_errbuf *eb);

/* The windows of a text, from which qb_text_window makes any sample; NULL: the data is arrays. */
const struct qb_text_windows *qb_dataset_windows(const struct qb_dataset *dataset);

/* For who keeps samples in memory as they are stored (not of texts): the type of an input's array and the elements of one of its rows;
 * samples of that type into input[i]; and `rows` of them in the input's own type, preprocessed as qb_dataset_read does it.
 * Converting is safe in several threads. */
enum qb_dtype qb_dataset_stored(const struct qb_dataset *dataset, int input);
size_t qb_dataset_row_size(const struct qb_dataset *dataset, int input);
enum qb_err qb_dataset_read_stored(struct qb_dataset_reader *reader, int64_t first, int64_t count, void *const *input,
	double *labels, struct qb_errbuf *eb);
enum qb_err qb_dataset_convert(const struct qb_dataset *dataset, int input, const void *stored, int64_t rows, void *out,
	struct qb_errbuf *eb);

#endif
