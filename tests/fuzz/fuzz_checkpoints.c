/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the checkpoint of a training: it is refused with a sentence, or training goes on from what it says and ends.
 *
 * The first byte says how the rest is meant: 0, as the file; else as changes of a checkpoint that a training of this program left, of
 * which 2 and 3 make it longer or shorter by the next byte, and 1 and 2 put its checksum right again, so that what lies behind the
 * checksum is reached. A change has 8 bytes: where (2 bits: from the header, the positions, the end), an offset, the new 4 bytes.
 */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/size.h"
#include "core/train/bn_reestimation.h"
#include "core/train/deploy.h"
#include "core/train/trainer.h"
#include "tests/unit/train/small_qat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 64, SIZE_AT = 16, CHECKSUM_AT = 24, DESCRIPTION_AT = 32, MOST_CHANGES = 64, LONG = 1 << 20 };
enum { AS_FILE, CHANGED, RESIZED, CHECKSUM_LEFT };

static struct {
	struct qat_start s;
	struct qb_train_method_list methods;
	struct qb_dataset *data;
	uint8_t *checkpoint;
	size_t size;
} base;

static void need(enum qb_err err, const struct qb_errbuf *eb)
{
	if (err != QB_OK) {
		fprintf(stderr, "%s\n", eb->text);
		abort();
	}
}

/* Deploys what there is, so that whatever was loaded is used. */
static enum qb_err evaluate(void *arg, struct qb_trainer *t, int epoch, double *metric, struct qb_errbuf *eb)
{
	const struct qb_deploy_options opt = {.scheme = &base.s.scheme, .batch = BATCH};
	struct qb_deployment d = {0};
	enum qb_err err = qb_qat_deploy(&d, arg, t, &opt, eb);

	*metric = epoch;
	qb_deployment_fini(&d);
	return err;
}

static enum qb_err train(const char *path, bool stop(void *), struct qb_errbuf *eb)
{
	struct qb_train_callbacks cb = {.evaluate = evaluate, .should_stop = stop};
	struct qb_train_config c;
	struct qb_train_result result;
	struct qb_qat_config q;
	struct qb_qat *qat = NULL;
	struct qb_trainer *t = NULL;
	enum qb_err err;

	qb_qat_config_init(&q);
	q.methods = &base.methods;
	qb_train_config_init(&c);
	c.batch = BATCH;
	c.epochs = 3;
	c.threads = 1;
	c.checkpoint = path;
	c.checkpoint_every = LONG;
	QB_TRY_OUT(qb_qat_create(&qat, base.s.quantization, base.s.bound, &q, eb));
	QB_TRY_OUT(qb_trainer_create(&t, base.s.network, base.data, &c, qb_qat_hooks(qat), eb));
	cb.arg = qat;
	QB_TRY_OUT(qb_trainer_run(t, &cb, &result, eb));
	QB_TRY_OUT(qb_trainer_use_best(t, eb));
	qb_trainer_use_running_statistics(t);
out:
	qb_trainer_destroy(&t);
	qb_qat_destroy(&qat);
	return err;
}

/* In the second epoch, so that there is a best one and more to do. */
static bool after_five(void *arg)
{
	static int steps;

	(void)arg;
	return ++steps == 5;
}

static void read_base(const char *path)
{
	FILE *f = fopen(path, "rb");

	base.checkpoint = malloc(LONG);
	base.size = f && base.checkpoint ? fread(base.checkpoint, 1, LONG, f) : 0;
	if (base.size < HEADER || base.size == LONG || fclose(f) != 0) {
		abort();
	}
}

/* A file in memory; the path is valid as long as *fd is open. */
static void in_memory(const uint8_t *data, size_t size, char path[64], int *fd)
{
	*fd = memfd_create("fuzz", MFD_CLOEXEC);
	snprintf(path, 64, "/proc/self/fd/%d", *fd);
	if (*fd < 0 || (size && write(*fd, data, size) != (ssize_t)size)) {
		abort();
	}
}

static enum qb_err go_on(const uint8_t *file, size_t size, struct qb_errbuf *eb)
{
	enum qb_err err;
	char path[64];
	int fd;

	in_memory(file, size, path, &fd);
	err = train(path, NULL, eb);
	close(fd);
	if (getenv("QB_FUZZ_SAY")) {
		fprintf(stderr, "%s\n", eb->text);
	}
	return err;
}

static void begin(void)
{
	const struct qb_input_spec input = {.name = "x", .dtype = QB_F32, .ndim = 4, .dim = {-1, 3, 8, 8}};
	char folder[] = "/tmp/fuzz-checkpoints-XXXXXX", data[64], checkpoint[64];
	json_t *list = json_pack("[s, s]", "lsq", "freeze");
	struct qb_errbuf eb = {0};
	int fd;

	in_memory(NULL, 0, data, &fd); /* open to the end */
	if (!mkdtemp(folder) || !list || !qat_write_data(data)) {
		abort();
	}
	snprintf(checkpoint, sizeof(checkpoint), "%s/checkpoint", folder);
	base.s = qat_start_mlp("w4a4");
	need(qb_train_method_list_parse(&base.methods, list, "methods", &eb), &eb);
	json_decref(list);
	need(qb_dataset_open(&base.data, data, &input, 1, NULL, &eb), &eb);
	need(train(checkpoint, after_five, &eb), &eb);
	read_base(checkpoint);
	unlink(checkpoint);
	rmdir(folder);
	/* What was left is gone on with; beside a file in memory none can be written, which is the error at the end. */
	if (go_on(base.checkpoint, base.size, &eb) != QB_EIO || !strstr(eb.text, "written")) {
		need(QB_EINTERNAL, &eb);
	}
}

/* ---- what is tried ---- */

static uint64_t number(const uint8_t *file, size_t at)
{
	uint64_t v;

	memcpy(&v, file + at, sizeof(v));
	return v;
}

static void put_checksum_right(uint8_t *file, size_t size)
{
	uint64_t sum = 0xcbf29ce484222325u, bytes = size;

	memcpy(file + SIZE_AT, &bytes, sizeof(bytes));
	memset(file + CHECKSUM_AT, 0, sizeof(sum));
	for (size_t i = 0; i < size; i++) {
		sum = (sum ^ file[i]) * 0x100000001b3u;
	}
	memcpy(file + CHECKSUM_AT, &sum, sizeof(sum));
}

static void change(uint8_t *file, size_t size, const uint8_t *how)
{
	size_t offset = how[1] | (size_t)how[2] << 8 | (size_t)how[3] << 16, places[4] = {offset, HEADER + number(base.checkpoint,
		DESCRIPTION_AT) + offset % 256, size - offset % size, offset % size}, at = places[how[0] % 4];

	for (size_t i = 0; i < 4 && at + i < size; i++) {
		file[at + i] = how[4 + i];
	}
}

static size_t build(uint8_t *file, const uint8_t *data, size_t size)
{
	int kind = data[0] % 4;
	size_t made = base.size;

	memcpy(file, base.checkpoint, base.size);
	data++;
	size--;
	if (kind >= RESIZED && size) {
		made = (size_t)((int64_t)made + (int8_t)data[0]);
	}
	for (size_t i = 0; i + 8 <= size && i < 8 * MOST_CHANGES; i += 8) {
		change(file, made, data + i);
	}
	if (kind != CHECKSUM_LEFT && made >= HEADER) {
		put_checksum_right(file, made);
	}
	return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t made[LONG + 256];
	const uint8_t *file = data;
	struct qb_errbuf eb = {0};

	if (!base.checkpoint) {
		begin();
	}
	if (size && data[0] % 4 == AS_FILE) {
		file = data + 1;
		size--;
	} else if (size) {
		size = build(made, data, size);
		file = made;
	}
	/* One that says that training is over has nothing to write. */
	if (go_on(file, size, &eb) != QB_OK && !eb.text[0]) {
		abort();
	}
	return 0;
}
