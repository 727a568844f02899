/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/rate.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { SETS = 512, WAYS = 8 };

struct bucket {
	uint64_t name; /* its hash */
	double left, seen;
	int64_t per_minute;
};

struct qb_rates {
	pthread_mutex_t lock;
	struct bucket buckets[SETS][WAYS];
};

struct qb_rates *qb_rates_create(void)
{
	struct qb_rates *r = calloc(1, sizeof(*r));

	if (r) {
		pthread_mutex_init(&r->lock, NULL);
	}
	return r;
}

void qb_rates_destroy(struct qb_rates **rates)
{
	if (*rates) {
		pthread_mutex_destroy(&(*rates)->lock);
		free(*rates);
		*rates = NULL;
	}
}

static uint64_t hash_of(const char *name)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (; *name; name++) {
		h = (h ^ (unsigned char)*name) * 1099511628211u;
	}
	return h ? h : 1;
}

static struct bucket *bucket_of(struct qb_rates *r, uint64_t name, int64_t per_minute, double now)
{
	struct bucket *set = r->buckets[(name >> 32) % SETS], *oldest = set;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].name == name && set[i].per_minute == per_minute) {
			return &set[i];
		}
		oldest = set[i].seen < oldest->seen ? &set[i] : oldest;
	}
	*oldest = (struct bucket){.name = name, .left = (double)per_minute, .seen = now, .per_minute = per_minute};
	return oldest;
}

bool qb_rate_take(struct qb_rates *r, const char *name, int64_t per_minute, double now, int *retry_after_s)
{
	const double per_second = (double)per_minute / 60;
	struct bucket *b;
	bool ok;

	pthread_mutex_lock(&r->lock);
	b = bucket_of(r, hash_of(name), per_minute, now);
	b->left = fmin((double)per_minute, b->left + (now - b->seen) * per_second);
	b->seen = now;
	ok = b->left >= 1;
	*retry_after_s = ok ? 0 : (int)ceil((1 - b->left) / per_second);
	b->left -= ok;
	pthread_mutex_unlock(&r->lock);
	return ok;
}
