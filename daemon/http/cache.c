/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/cache.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* At most 32 MiB in all. */
enum { SLOTS = 128, KEY_MAX_LEN = 72, BODY_MAX = 256 << 10 };

struct slot {
	pthread_mutex_t lock;
	char key[KEY_MAX_LEN];
	int64_t version;
	struct MHD_Response *response; /* NULL: none */
};

struct qb_cache {
	struct slot slots[SLOTS];
};

struct qb_cache *qb_cache_create(void)
{
	struct qb_cache *c = calloc(1, sizeof(*c));

	for (int i = 0; c && i < SLOTS; i++) {
		pthread_mutex_init(&c->slots[i].lock, NULL);
	}
	return c;
}

void qb_cache_destroy(struct qb_cache **cache)
{
	struct qb_cache *c = *cache;

	for (int i = 0; c && i < SLOTS; i++) {
		if (c->slots[i].response) {
			MHD_destroy_response(c->slots[i].response);
		}
		pthread_mutex_destroy(&c->slots[i].lock);
	}
	free(c);
	*cache = NULL;
}

static struct slot *slot_of(struct qb_cache *c, const char *key)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *p = key; *p; p++) {
		h = (h ^ (unsigned char)*p) * 16777619u;
	}
	return &c->slots[h % SLOTS];
}

bool qb_cache_send(struct qb_cache *c, const char *key, int64_t version, struct MHD_Connection *connection, enum MHD_Result *sent)
{
	struct slot *s = slot_of(c, key);
	bool found;

	pthread_mutex_lock(&s->lock);
	found = s->response && s->version == version && !strcmp(s->key, key);
	if (found) {
		*sent = MHD_queue_response(connection, MHD_HTTP_OK, s->response);
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

void qb_cache_keep(struct qb_cache *c, const char *key, int64_t version, struct MHD_Response *take, size_t size)
{
	struct slot *s = slot_of(c, key);
	struct MHD_Response *gone = take;

	if (size <= BODY_MAX && strlen(key) < KEY_MAX_LEN) {
		pthread_mutex_lock(&s->lock);
		gone = s->response;
		s->response = take;
		s->version = version;
		strcpy(s->key, key);
		pthread_mutex_unlock(&s->lock);
	}
	if (gone) {
		MHD_destroy_response(gone);
	}
}
