/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes through the readers of .npy, .npz and .safetensors: what they hold is listed, read forwards, backwards and by
 * elements, bound to inputs and read as samples; and as tokens, of which windows are made.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/size.h"
#include "core/tensor/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A header may claim more than is worth reading. */
enum { MAX_BYTES = 1 << 20, MAX_ARRAYS = 16 };

static _Alignas(16) char read_bytes[MAX_BYTES];

static void read_array(const struct qb_archive *a, int i)
{
	const struct qb_archive_entry *e = qb_archive_entry(a, i);
	int64_t rows = e->ndim ? e->dim[0] : 1, n = 1;
	size_t width = qb_dtype_bytes(e->dtype);
	struct qb_errbuf eb;
	struct qb_array *r;

	for (int d = 0; d < e->ndim; d++) {
		n *= e->dim[d];
		if (n > MAX_BYTES) {
			return;
		}
	}
	if ((size_t)n * width > MAX_BYTES || qb_array_open(&r, a, i, &eb) != QB_OK) {
		return;
	}
	qb_array_read(r, 0, rows, read_bytes, &eb);
	if (rows > 0) {
		qb_array_read(r, rows - 1, 1, read_bytes, &eb);
		qb_array_read(r, 0, 1, read_bytes, &eb);
	}
	qb_array_read(r, rows, 1, read_bytes, &eb);
	qb_array_read_elements(r, n / 2, n - n / 2, read_bytes, &eb);
	qb_array_close(&r);
}

/* As a network with one input of that type would read it. */
static void read_samples(const char *path, enum qb_dtype dtype)
{
	struct qb_input_spec spec = {.name = "x", .dtype = dtype, .ndim = QB_ANY_SHAPE};
	struct qb_dataset_reader *r = NULL;
	struct qb_dataset *d = NULL;
	struct qb_errbuf eb;
	size_t row = 1, labels;
	double label[256];
	void *input = read_bytes;

	if (qb_dataset_open(&d, path, &spec, 1, NULL, &eb) != QB_OK) {
		return;
	}
	for (int i = 1; i < qb_dataset_input(d, 0)->ndim && row < MAX_BYTES; i++) {
		row *= (size_t)qb_dataset_input(d, 0)->dim[i];
	}
	labels = qb_dataset_label_size(d);
	if (row < MAX_BYTES / 8 && labels <= QB_COUNT(label) && qb_dataset_rows(d) == 1 && qb_dataset_count(d) > 0 &&
		qb_dataset_reader_create(&r, d, &eb) == QB_OK) {
		qb_dataset_read(r, qb_dataset_count(d) - 1, 1, &input, labels ? label : NULL, &eb);
		qb_dataset_read(r, 0, 1, &input, labels ? label : NULL, &eb);
		qb_dataset_read(r, qb_dataset_count(d), 1, &input, NULL, &eb);
	}
	qb_dataset_reader_destroy(&r);
	qb_dataset_close(&d);
}

/* As a text of bytes, or its array of tokens, under every task. */
static void read_windows(const char *path, bool plain, int task, bool training)
{
	const struct qb_input_spec spec = {.name = "x", .dtype = QB_I64, .ndim = QB_ANY_SHAPE};
	struct qb_text_config c;
	struct qb_text_source source;
	struct qb_dataset *d = NULL;
	struct qb_errbuf eb;
	int64_t count, length;

	qb_text_config_init(&c);
	c.task = task;
	c.length = plain ? 7 : 0;
	c.windows = training ? QB_TEXT_STRIDED : QB_TEXT_RANDOM;
	source = (struct qb_text_source){.path = path, .plain = plain, .config = &c, .training = training, .to = training ? 0.5 : 1};
	if (qb_dataset_open_text(&d, &source, &spec, 1, &eb) != QB_OK) {
		return;
	}
	count = qb_dataset_count(d);
	length = qb_text_windows_plan(qb_dataset_windows(d))->length;
	for (int64_t i = 0; i < count && length < MAX_BYTES / 16; i += QB_MAX(count - 1, 1)) {
		const struct qb_window_draw at = {1, 2, i};

		qb_text_window(qb_dataset_windows(d), &at, (void *[]){read_bytes}, (double *)(void *)(read_bytes + MAX_BYTES / 2));
	}
	qb_dataset_close(&d);
}

static void read_text(const char *path)
{
	for (int task = QB_TEXT_MASKED; task <= QB_TEXT_BIGRAM_BACKCOPY; task++) {
		for (int how = 0; how < 4; how++) {
			read_windows(path, how & 1, task, how & 2);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("arrays", MFD_CLOEXEC);
	struct qb_archive *a = NULL;
	struct qb_errbuf eb;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
		abort();
	}
	if (qb_archive_open(&a, path, &eb) == QB_OK) {
		for (int i = 0; i < qb_archive_count(a) && i < MAX_ARRAYS; i++) {
			if (!qb_archive_entry(a, i)->unreadable) {
				read_array(a, i);
			}
		}
		qb_archive_close(&a);
		read_samples(path, QB_F32);
		read_samples(path, QB_I64);
	}
	read_text(path);
	close(fd);
	return 0;
}
