/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: one file with all that a run needs to go on and end with the same bytes. It is written under another name, brought to the
 * disk and renamed, so that there is always a whole one. What is read is checked as hostile: every size follows from the
 * trainer, not from the file.
 *
 *	header       struct header
 *	description  of the training, as text, which has to be the trainer's
 *	progress     seven numbers of 8 bytes
 *	history      four numbers of 8 bytes an epoch
 *	parameters   each its value, optimizer's state, moving average; where an epoch was evaluated the best value, and statistics as they
 *	             ran then
 *	hooks        their state; that of the best epoch
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/size.h"
#include "core/train/trainer_state.h"

struct header {
	char magic[8];
	uint64_t order;       /* of bytes: BYTE_ORDER_MARK */
	uint64_t bytes;       /* of the file */
	uint64_t checksum;    /* of all else */
	uint64_t description; /* bytes */
	uint64_t history;     /* epochs */
	uint64_t best;        /* whether there are best values */
	uint64_t zero;
};

static const char MAGIC[8] = {'Q', 'B', 'T', 'R', 'A', 'I', 'N', '2'};
static const uint64_t BYTE_ORDER_MARK = 0x0102030405060708;
enum { PROGRESS = 7, EPOCH = 4 };

static uint64_t add_bytes(uint64_t sum, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum = (sum ^ p[i]) * 0x100000001b3u;
	}
	return sum;
}

/* FNV-1a of a file of n bytes whose header is h: against damage, not against forgery. */
static uint64_t checksum(const struct header *h, const unsigned char *file, size_t n)
{
	struct header plain = *h;

	plain.checksum = 0;
	return add_bytes(add_bytes(0xcbf29ce484222325u, (const unsigned char *)&plain, sizeof(plain)), file + sizeof(plain),
		n - sizeof(plain));
}

/* ---- description ---- */

static void describe_optimizers(FILE *f, const struct qb_train_config *c)
{
	for (int g = 0; g < QB_PARAMETER_GROUPS; g++) {
		const struct qb_optimizer_config *o = &c->optimizer[g];

		fprintf(f, "optimizer %d = %d rate %.17g decay %.17g momentum %.17g nesterov %d betas %.17g %.17g epsilon %.17g\n", g,
			(int)o->kind, o->rate, o->decay, o->momentum, o->nesterov, o->beta1, o->beta2, o->epsilon);
	}
}

static void describe_config(FILE *f, const struct qb_train_config *c)
{
	fprintf(f, "epochs = %d\nbatch = %" PRId64 "\naccumulation = %" PRId64 "\nseed = %" PRIu64 "\n", c->epochs, c->batch,
		c->accumulation, c->seed);
	describe_optimizers(f, c);
	fprintf(f, "schedule = %d warm-up %" PRId64 " final %.17g factor %.17g every %d by_epoch %d\n", (int)c->schedule.kind,
		c->schedule.warm_up, c->schedule.final, c->schedule.factor, c->schedule.every, c->schedule.by_epoch);
	fprintf(f, "loss = %d output %d axis %d next_token %d ignore %" PRId64 " smoothing %.17g distillation %.17g "
		"temperature %.17g\n", (int)c->loss.kind, c->loss.output, c->loss.axis, c->loss.next_token, c->loss.ignore,
		c->loss.smoothing, c->loss.distillation, c->loss.temperature);
	fprintf(f, "augment = flip %d crop %" PRId64 " shift %" PRId64 " rotate %.17g shear %.17g scale %.17g brightness %.17g "
		"noise %.17g\n", c->augment.flip, c->augment.crop, c->augment.shift, c->augment.rotate, c->augment.shear,
		c->augment.scale, c->augment.brightness, c->augment.noise);
	fprintf(f, "batch norm = %d momentum %.17g\nclip_norm = %.17g\nema = %.17g\n", (int)c->batch_norm,
		c->batch_norm_momentum, c->clip_norm, c->ema);
	fprintf(f, "evaluate_every = %d\npatience = %d\n", c->evaluate_every, c->patience);
}

/* A line is a line, whatever is in it. */
static void describe_text(FILE *f, const char *name, const char *text)
{
	fprintf(f, "%s = ", name);
	for (; text && *text; text++) {
		fputc(*text == '\n' ? ' ' : *text, f);
	}
	fputc('\n', f);
}

static void describe(FILE *f, const struct qb_trainer *t)
{
	describe_text(f, "identity", t->config.identity);
	describe_config(f, &t->config);
	fprintf(f, "shards = %" PRId64 "\nsamples = %" PRId64 "\nhooks = %zu\nparameters = %d\n", t->shard_count,
		qb_samples_count(t->samples), t->hooks_bytes, t->graph->training.parameters);
	for (int i = 0; i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];
		char shape[256];

		qb_shape_print(p->dim, p->ndim, shape, sizeof(shape));
		fprintf(f, "parameter %d: group %d %s ", i, (int)p->group, shape);
		describe_text(f, "name", p->name);
	}
}

enum qb_err qb__checkpoint_describe(struct qb_trainer *t, struct qb_errbuf *eb)
{
	size_t size;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (f) {
		describe(f, t);
		t->description = fclose(f) == 0 ? qb_arena_strdup(t->arena, text) : NULL;
	}
	free(text);
	return t->description ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to describe the training");
}

/* The first line in which the file's description, [n] and not to be trusted, differs from ours. */
static enum qb_err fail_other(const struct qb_trainer *t, const char *theirs, size_t n, struct qb_errbuf *eb)
{
	const char *ours = t->description, *line = ours;
	size_t begin = 0, at = 0, length;
	char text[100];

	while (at < n && ours[at] && ours[at] == theirs[at]) {
		if (ours[at++] == '\n') {
			begin = at;
			line = ours + at;
		}
	}
	for (length = 0; begin + length < n && theirs[begin + length] != '\n' && length + 1 < sizeof(text); length++) {
		char c = theirs[begin + length];

		text[length] = c >= 32 && c < 127 ? c : '?';
	}
	text[length] = '\0';
	return qb_fail(eb, QB_EJOB, "checkpoint %.200s is of another training: it says \"%s\", this one is \"%.*s\". Go on with what it "
		"was made with, or remove it to begin anew", t->config.checkpoint, text, (int)QB_MIN(strcspn(line, "\n"), 99), line);
}

/* ---- what is in it ---- */

/* Writes, reads, or where buffer is NULL only counts, in one order. */
struct cursor {
	unsigned char *buffer;
	size_t at;
	bool reads;
};

static void pass(struct cursor *c, void *data, size_t bytes)
{
	if (c->buffer && bytes) {
		memcpy(c->reads ? data : c->buffer + c->at, c->reads ? c->buffer + c->at : data, bytes);
	}
	c->at += bytes;
}

static void pass_progress(struct cursor *c, struct qb_train_progress *p)
{
	pass(c, &p->step, 8);
	pass(c, &p->epochs, 8);
	pass(c, &p->best_epoch, 8);
	pass(c, &p->stale, 8);
	pass(c, &p->ended, 8);
	pass(c, &p->best_metric, 8);
	pass(c, &p->epoch_loss, 8);
}

static void pass_history(struct cursor *c, struct qb_train_epoch *e, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t epoch = c->buffer && !c->reads ? e[i].epoch : 0;
		struct qb_train_epoch none, *to = c->buffer ? &e[i] : &none;

		pass(c, &epoch, 8);
		pass(c, &to->loss, 8);
		pass(c, &to->rate, 8);
		pass(c, &to->metric, 8);
		to->epoch = c->reads ? (int)i : to->epoch;
	}
}

static void pass_parameters(struct cursor *c, const struct qb_trainer *t, bool best)
{
	for (int i = 0; i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];
		const struct qb_parameter_state *s = &t->state[i];
		float *parts[] = {p->value, s->slot[0], s->slot[1], s->average, best ? s->best : NULL,
			best ? s->ran : NULL};

		for (size_t k = 0; k < QB_COUNT(parts); k++) {
			pass(c, parts[k], parts[k] ? p->size * sizeof(float) : 0);
		}
	}
}

static void pass_body(struct cursor *c, const struct qb_trainer *t, struct qb_train_progress *at, size_t history, bool best)
{
	pass_progress(c, at);
	pass_history(c, t->history, history);
	pass_parameters(c, t, best);
	pass(c, t->hooks_state, t->hooks_bytes);
	pass(c, t->hooks_best, best ? t->hooks_bytes : 0);
}

/* Bytes of a checkpoint of this trainer. */
static size_t checkpoint_bytes(const struct qb_trainer *t, size_t history, bool best)
{
	struct cursor c = {.at = sizeof(struct header) + strlen(t->description)};
	struct qb_train_progress none = {0};

	pass_body(&c, t, &none, history, best);
	return c.at;
}

/* ---- writing ---- */

static enum qb_err fail_io(const char *what, const char *path, struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_EIO, "checkpoint %.200s could not be %s: %s", path, what, strerror(errno));
}

static bool write_all(int fd, const unsigned char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno != EINTR) {
			return false;
		}
		p += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
	return true;
}

/* The folder's entry reaches the disk, too; not every file system can, and then nothing is lost but the newest checkpoint. */
static void sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(folder);
}

static enum qb_err write_file(const char *path, const char *temporary, const unsigned char *data, size_t n,
	struct qb_errbuf *eb)
{
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	bool good;

	if (fd < 0) {
		return fail_io("written", temporary, eb);
	}
	good = write_all(fd, data, n) && fsync(fd) == 0;
	if (close(fd) != 0 || !good || rename(temporary, path) != 0) {
		enum qb_err err = fail_io("written", path, eb);

		unlink(temporary);
		return err;
	}
	sync_folder(path);
	return QB_OK;
}

enum qb_err qb__checkpoint_save(const struct qb_trainer *t, struct qb_errbuf *eb)
{
	bool best = t->at.best_epoch >= 0;
	size_t length = strlen(t->description), bytes = checkpoint_bytes(t, (size_t)t->at.epochs, best);
	struct header h = {.order = BYTE_ORDER_MARK, .bytes = bytes, .description = length, .history = (uint64_t)t->at.epochs,
		.best = best};
	struct qb_train_progress at = t->at;
	char *temporary = malloc(strlen(t->config.checkpoint) + 5);
	unsigned char *file = malloc(bytes);
	struct cursor c = {.buffer = file, .at = sizeof(h) + length};
	enum qb_err err = QB_ENOMEM;

	if (!temporary || !file) {
		qb_fail(eb, QB_ENOMEM, "no memory for a checkpoint of %zu bytes", bytes);
		goto out;
	}
	if (t->hooks.save) {
		t->hooks.save(t->hooks.arg, t->hooks_state);
	}
	memcpy(file + sizeof(h), t->description, length);
	pass_body(&c, t, &at, (size_t)t->at.epochs, best);
	memcpy(h.magic, MAGIC, sizeof(MAGIC));
	h.checksum = checksum(&h, file, bytes);
	memcpy(file, &h, sizeof(h));
	sprintf(temporary, "%s.new", t->config.checkpoint);
	err = write_file(t->config.checkpoint, temporary, file, bytes, eb);
out:
	free(temporary);
	free(file);
	return err;
}

/* ---- reading ---- */

static enum qb_err fail_damaged(const struct qb_trainer *t, const char *why, struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_EFORMAT, "checkpoint %.200s is damaged: %s. Remove it to begin anew", t->config.checkpoint, why);
}

/* At most `most` bytes of the file; *data is the caller's to free. */
static enum qb_err read_file(const struct qb_trainer *t, size_t most, unsigned char **data, size_t *size, bool *found,
	struct qb_errbuf *eb)
{
	FILE *f = fopen(t->config.checkpoint, "rbe");
	struct stat st;
	enum qb_err err = QB_OK;

	*found = f || errno != ENOENT;
	if (!f) {
		return *found ? fail_io("opened", t->config.checkpoint, eb) : QB_OK;
	}
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
		err = fail_damaged(t, "it is no regular file", eb);
	} else if ((uint64_t)st.st_size < sizeof(struct header) || (uint64_t)st.st_size > most) {
		err = fail_damaged(t, "its size is none that a checkpoint of this network has (is it of another one?)", eb);
	} else {
		*size = (size_t)st.st_size;
		*data = malloc(*size);
		err = !*data ? qb_fail(eb, QB_ENOMEM, "no memory for a checkpoint of %zu bytes", *size)
			: fread(*data, 1, *size, f) != *size ? fail_io("read", t->config.checkpoint, eb)
							      : QB_OK;
	}
	fclose(f);
	return err;
}

/* Most that the description of another training may have, so that a file may differ in it and be told so. */
enum { DESCRIPTION_MAX = 1 << 24 };

static enum qb_err check_file(const struct qb_trainer *t, const unsigned char *file, size_t size, struct header *h,
	struct qb_errbuf *eb)
{
	size_t ours = strlen(t->description);

	memcpy(h, file, sizeof(*h));
	if (memcmp(h->magic, MAGIC, sizeof(MAGIC)) || h->order != BYTE_ORDER_MARK) {
		return fail_damaged(t, "it does not begin as one written on this kind of machine", eb);
	}
	if (h->bytes != size || h->description > size - sizeof(*h)) {
		return fail_damaged(t, "it is cut off", eb);
	}
	if (h->checksum != checksum(h, file, size)) {
		return fail_damaged(t, "its checksum does not agree", eb);
	}
	if (h->description != ours || memcmp(file + sizeof(*h), t->description, ours)) {
		return fail_other(t, (const char *)file + sizeof(*h), (size_t)h->description, eb);
	}
	if (h->history > (uint64_t)t->config.epochs || h->best > 1 ||
		size != checkpoint_bytes(t, (size_t)h->history, h->best == 1)) {
		return fail_damaged(t, "its parts do not have the sizes of this training", eb);
	}
	return QB_OK;
}

static bool plausible(const struct qb_trainer *t, const struct qb_train_progress *p, const struct header *h)
{
	return p->step >= 0 && p->step <= t->steps && p->epochs == (int64_t)h->history && p->epochs == p->step / t->an_epoch &&
		p->best_epoch >= -1 && p->best_epoch < p->epochs && (p->best_epoch >= 0) == (h->best == 1) && p->stale >= 0 &&
		p->stale <= p->epochs && p->ended >= -1 && p->ended <= QB_TRAIN_STOPPED;
}

static enum qb_err take(struct qb_trainer *t, unsigned char *file, const struct header *h, struct qb_errbuf *eb)
{
	struct cursor c = {.buffer = file, .at = sizeof(*h) + (size_t)h->description, .reads = true};
	struct qb_train_progress at;

	pass_progress(&c, &at);
	if (!plausible(t, &at, h)) {
		return fail_damaged(t, "it stands where no such training can", eb);
	}
	c.at = sizeof(*h) + (size_t)h->description;
	pass_body(&c, t, &at, (size_t)h->history, h->best == 1);
	if (t->hooks.load && t->hooks_bytes) {
		QB_TRY(t->hooks.load(t->hooks.arg, t->hooks_state, t->hooks_bytes, eb));
	}
	t->at = at;
	return QB_OK;
}

enum qb_err qb__checkpoint_load(struct qb_trainer *t, bool *found, struct qb_errbuf *eb)
{
	size_t size = 0, most = checkpoint_bytes(t, (size_t)t->config.epochs, true) + DESCRIPTION_MAX;
	unsigned char *file = NULL;
	struct header h;
	enum qb_err err = read_file(t, most, &file, &size, found, eb);

	if (err == QB_OK && *found) {
		err = check_file(t, file, size, &h, eb);
	}
	if (err == QB_OK && *found) {
		err = take(t, file, &h, eb);
	}
	free(file);
	return err;
}
