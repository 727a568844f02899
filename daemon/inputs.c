/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/blobs.h"

enum { BLOCK = 1 << 20, SIGNATURE_LEN = 96 };

struct check {
	uv_work_t work;
	struct qb_daemon *daemon;
	json_t *inputs; /* of our own: the loop does not touch it meanwhile */
	void (*done)(void *arg, enum qb_inputs found, const char *why);
	void *arg;
	enum qb_inputs found;
	char why[600];
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* What changes when a file does. Its links may change. */
static bool signature(const char *path, char out[SIGNATURE_LEN])
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode)) {
		return false;
	}
	snprintf(out, SIGNATURE_LEN, "%llu %lld %lld.%09ld", (unsigned long long)st.st_ino, (long long)st.st_size,
		(long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return true;
}

void qb_inputs_note(struct qb_daemon *d, const char *sha256)
{
	char *path = qb_blob_path(d->options.state, sha256), now[SIGNATURE_LEN];

	if (signature(path, now)) {
		json_object_set_new(d->sound_files, sha256, json_string(now));
	} else {
		json_object_del(d->sound_files, sha256);
	}
	free(path);
}

/* 0, or an errno. A server that stops does not wait for the end of it. */
static int hash_file(const char *path, const atomic_bool *stop, char out[QB_HASH_LEN])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), e = fd < 0 ? errno : 0;
	unsigned char *block = malloc(BLOCK);
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx hash;
	ssize_t n = 1;

	e = e || block ? e : ENOMEM;
	sha256_init(&hash);
	while (!e && n > 0 && !atomic_load(stop)) {
		n = read(fd, block, BLOCK);
		e = n < 0 && errno != EINTR ? errno : 0;
		sha256_update(&hash, n > 0 ? (size_t)n : 0, block);
		n = n < 0 ? 1 : n;
	}
	e = !e && atomic_load(stop) ? ECANCELED : e;
	sha256_digest(&hash, sizeof(digest), digest);
	qb_hex(digest, sizeof(digest), out);
	if (fd >= 0) {
		close(fd);
	}
	free(block);
	return e;
}

static bool host_error(int e)
{
	return e == EMFILE || e == ENFILE || e == ENOMEM || e == EAGAIN || e == ECANCELED;
}

/* A thread of the pool. */
static void look(uv_work_t *work)
{
	struct check *c = work->data;
	char hash[QB_HASH_LEN];
	const json_t *in;
	size_t i;

	json_array_foreach(c->inputs, i, in) {
		char *path = qb_blob_path(c->daemon->options.state, text_of(in, "sha256"));
		int e = hash_file(path, &c->daemon->stopping, hash);

		free(path);
		if (e && host_error(e)) {
			c->found = QB_INPUTS_UNREAD;
			snprintf(c->why, sizeof(c->why), "the file of %s cannot be read: %s", text_of(in, "upload"),
				strerror(e));
		} else if (e || strcmp(hash, text_of(in, "sha256")) != 0) {
			c->found = QB_INPUTS_DAMAGED;
			snprintf(c->why, sizeof(c->why), "%s: the file of %s (%.200s) %s%s on the server; upload the same "
				"file again, which puts it back, then retry", text_of(in, "field"), text_of(in, "upload"),
				text_of(in, "name"), e ? "cannot be read: " : "is not what was uploaded: it was changed",
				e ? strerror(e) : "");
		}
		if (c->found != QB_INPUTS_SOUND) {
			return;
		}
	}
}

static void looked(uv_work_t *work, int status)
{
	struct check *c = work->data;
	const json_t *in;
	size_t i;

	if (status) {
		c->found = QB_INPUTS_UNREAD;
		snprintf(c->why, sizeof(c->why), "the files could not be looked at: %s", uv_strerror(status));
	}
	json_array_foreach(c->inputs, i, in) {
		if (c->found == QB_INPUTS_SOUND) {
			qb_inputs_note(c->daemon, text_of(in, "sha256"));
		}
	}
	c->done(c->arg, c->found, c->why);
	json_decref(c->inputs);
	free(c);
}

static bool known_sound(struct qb_daemon *d, const char *sha256)
{
	const char *before = text_of(d->sound_files, sha256);
	char *path = qb_blob_path(d->options.state, sha256), now[SIGNATURE_LEN];
	bool same = before && signature(path, now) && !strcmp(before, now);

	free(path);
	return same;
}

void qb_inputs_check(struct qb_daemon *d, const json_t *inputs,
	void (*done)(void *arg, enum qb_inputs found, const char *why), void *arg)
{
	struct check *c = calloc(1, sizeof(*c));
	json_t *in;
	size_t i;

	if (!c || !(c->inputs = json_array())) {
		free(c);
		done(arg, QB_INPUTS_UNREAD, "no memory to look at the files");
		return;
	}
	json_array_foreach(inputs, i, in) {
		if (!known_sound(d, text_of(in, "sha256"))) {
			json_array_append_new(c->inputs, json_deep_copy(in));
		}
	}
	c->daemon = d;
	c->done = done;
	c->arg = arg;
	c->work.data = c;
	if (json_array_size(c->inputs) && uv_queue_work(d->loop, &c->work, look, looked) == 0) {
		return;
	}
	looked(&c->work, json_array_size(c->inputs) ? UV_ENOMEM : 0);
}
