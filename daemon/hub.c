/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/hub.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct qb_follower {
	struct MHD_Connection *connection;
	int64_t job;
	unsigned reasons;
	bool suspended;
	struct qb_follower *next, **link;
};

struct qb_hub {
	pthread_mutex_t lock;
	struct qb_follower *first;
	bool closing;
	int count;
	/* The last changes by number: those up to `told` are known to who follows all jobs. */
	int64_t changed[QB_HUB_CHANGES];
	uint64_t last, told, first_of_all;
};

struct qb_hub *qb_hub_create(void)
{
	struct qb_hub *h = calloc(1, sizeof(*h));

	if (h) {
		pthread_mutex_init(&h->lock, NULL);
		/* Above every number of an earlier daemon, which did not count a million changes a second. */
		h->last = h->told = h->first_of_all = (uint64_t)time(NULL) * 1000000;
	}
	return h;
}

void qb_hub_destroy(struct qb_hub **hub)
{
	if (*hub) {
		pthread_mutex_destroy(&(*hub)->lock);
		free(*hub);
		*hub = NULL;
	}
}

struct qb_follower *qb_hub_follow(struct qb_hub *h, struct MHD_Connection *connection, int64_t job)
{
	struct qb_follower *f = calloc(1, sizeof(*f));

	if (!f) {
		return NULL;
	}
	f->connection = connection;
	f->job = job;
	pthread_mutex_lock(&h->lock);
	f->next = h->first;
	f->link = &h->first;
	if (f->next) {
		f->next->link = &f->next;
	}
	h->first = f;
	h->count++;
	pthread_mutex_unlock(&h->lock);
	return f;
}

void qb_hub_leave(struct qb_hub *h, struct qb_follower **follower)
{
	struct qb_follower *f = *follower;

	pthread_mutex_lock(&h->lock);
	*f->link = f->next;
	if (f->next) {
		f->next->link = f->link;
	}
	h->count--;
	pthread_mutex_unlock(&h->lock);
	free(f);
	*follower = NULL;
}

unsigned qb_hub_sleep(struct qb_hub *h, struct qb_follower *f)
{
	unsigned reasons;

	pthread_mutex_lock(&h->lock);
	reasons = f->reasons | (h->closing ? QB_WAKE_CLOSING : 0);
	f->reasons = 0;
	if (!reasons) {
		f->suspended = true;
		MHD_suspend_connection(f->connection);
	}
	pthread_mutex_unlock(&h->lock);
	return reasons;
}

static void wake(struct qb_follower *f, unsigned reason)
{
	f->reasons |= reason;
	if (f->suspended) {
		f->suspended = false;
		MHD_resume_connection(f->connection);
	}
}

static void wake_those_of(struct qb_hub *h, int64_t job, unsigned reason)
{
	for (struct qb_follower *f = h->first; f; f = f->next) {
		if (f->job == job) {
			wake(f, reason);
		}
	}
}

static void wake_everybody(struct qb_hub *h, unsigned reason)
{
	pthread_mutex_lock(&h->lock);
	h->closing = h->closing || reason == QB_WAKE_CLOSING;
	for (struct qb_follower *f = h->first; f; f = f->next) {
		wake(f, reason);
	}
	pthread_mutex_unlock(&h->lock);
}

/* Whether the job is among the last changes behind number since. */
static bool is_among(const struct qb_hub *h, uint64_t since, uint64_t to, int64_t job)
{
	for (uint64_t n = since + 1; n <= to; n++) {
		if (h->changed[n % QB_HUB_CHANGES] == job) {
			return true;
		}
	}
	return false;
}

void qb_hub_publish(struct qb_hub *h, int64_t job)
{
	pthread_mutex_lock(&h->lock);
	/* One that changed already since all were told counts once. */
	if (h->last - h->told >= QB_HUB_CHANGES || !is_among(h, h->told, h->last, job)) {
		h->last++;
		h->changed[h->last % QB_HUB_CHANGES] = job;
	}
	wake_those_of(h, job, QB_WAKE_EVENTS);
	pthread_mutex_unlock(&h->lock);
}

void qb_hub_tell(struct qb_hub *h)
{
	pthread_mutex_lock(&h->lock);
	if (h->told != h->last) {
		h->told = h->last;
		wake_those_of(h, QB_HUB_ALL, QB_WAKE_EVENTS);
	}
	pthread_mutex_unlock(&h->lock);
}

int qb_hub_changes(struct qb_hub *h, uint64_t *since, int64_t jobs[QB_HUB_CHANGES])
{
	int n = -1;

	pthread_mutex_lock(&h->lock);
	/* What overtook the told ones in the ring overwrote its oldest. */
	if (*since >= h->first_of_all && *since <= h->told && (*since == h->told || h->last - *since <= QB_HUB_CHANGES)) {
		n = 0;
		for (uint64_t k = *since + 1; k <= h->told; k++) {
			if (!is_among(h, k, h->told, h->changed[k % QB_HUB_CHANGES])) {
				jobs[n++] = h->changed[k % QB_HUB_CHANGES];
			}
		}
	}
	*since = h->told;
	pthread_mutex_unlock(&h->lock);
	return n;
}

void qb_hub_heartbeat(struct qb_hub *h)
{
	wake_everybody(h, QB_WAKE_HEARTBEAT);
}

void qb_hub_close(struct qb_hub *h)
{
	wake_everybody(h, QB_WAKE_CLOSING);
}

int qb_hub_followers(struct qb_hub *h)
{
	int n;

	pthread_mutex_lock(&h->lock);
	n = h->count;
	pthread_mutex_unlock(&h->lock);
	return n;
}
