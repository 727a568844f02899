/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct qb_names_slot {
	const char *name;
	void *item;
	uint64_t hash;
};

/* FNV-1a with a final mix. A file made to collide costs time inside its own job's limit, nothing else. */
static uint64_t hash_name(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++) {
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	}
	return h ^ (h >> 29);
}

static struct qb_names_slot *find(const struct qb_names *t, const char *name, uint64_t hash)
{
	size_t i = (size_t)hash & (t->size - 1);

	while (t->slot[i].name && (t->slot[i].hash != hash || strcmp(t->slot[i].name, name) != 0)) {
		i = (i + 1) & (t->size - 1);
	}
	return &t->slot[i];
}

void qb_names_fini(struct qb_names *t)
{
	free(t->slot);
	*t = (struct qb_names){ 0 };
}

void *qb_names_get(const struct qb_names *t, const char *name)
{
	return t->size ? find(t, name, hash_name(name))->item : NULL;
}

static bool enlarge(struct qb_names *t)
{
	struct qb_names bigger = { .size = t->size ? 2 * t->size : 256, .used = t->used };

	bigger.slot = calloc(bigger.size, sizeof(*bigger.slot));
	if (!bigger.slot) {
		return false;
	}
	for (size_t i = 0; i < t->size; i++) {
		if (t->slot[i].name) {
			*find(&bigger, t->slot[i].name, t->slot[i].hash) = t->slot[i];
		}
	}
	free(t->slot);
	*t = bigger;
	return true;
}

bool qb_names_set(struct qb_names *t, const char *name, void *item)
{
	uint64_t hash = hash_name(name);
	struct qb_names_slot *s;

	if (2 * (t->used + 1) > t->size && !enlarge(t)) {
		return false;
	}
	s = find(t, name, hash);
	if (!s->name) {
		t->used++;
	}
	*s = (struct qb_names_slot){ name, item, hash };
	return true;
}

bool qb_name_ok(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		int more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
		uint32_t c = more == 0 ? *p : *p & (0x3fu >> more);

		if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4 || *p < 0x20 || *p == 0x7f) {
			return false;
		}
		p++;
		for (int i = 0; i < more; i++, p++) {
			if ((*p & 0xc0) != 0x80) {
				return false;
			}
			c = c << 6 | (*p & 0x3fu);
		}
		if ((more == 2 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
		    (more == 3 && (c < 0x10000 || c > 0x10ffff))) {
			return false;
		}
	}
	return p - (const unsigned char *)s <= QB_NAME_BYTES_MAX;
}
