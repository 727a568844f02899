/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/hub.h"

#include <pthread.h>
#include <stdlib.h>

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
};

struct qb_hub *qb_hub_create(void)
{
	struct qb_hub *h = calloc(1, sizeof(*h));

	if (h) {
		pthread_mutex_init(&h->lock, NULL);
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

/* job < 0: all listeners. */
static void wake(struct qb_hub *h, int64_t job, unsigned reason)
{
	pthread_mutex_lock(&h->lock);
	h->closing = h->closing || reason == QB_WAKE_CLOSING;
	for (struct qb_follower *f = h->first; f; f = f->next) {
		if (job >= 0 && f->job != job) {
			continue;
		}
		f->reasons |= reason;
		if (f->suspended) {
			f->suspended = false;
			MHD_resume_connection(f->connection);
		}
	}
	pthread_mutex_unlock(&h->lock);
}

void qb_hub_publish(struct qb_hub *h, int64_t job)
{
	wake(h, job, QB_WAKE_EVENTS);
}

void qb_hub_heartbeat(struct qb_hub *h)
{
	wake(h, -1, QB_WAKE_HEARTBEAT);
}

void qb_hub_close(struct qb_hub *h)
{
	wake(h, -1, QB_WAKE_CLOSING);
}

int qb_hub_followers(struct qb_hub *h)
{
	int n;

	pthread_mutex_lock(&h->lock);
	n = h->count;
	pthread_mutex_unlock(&h->lock);
	return n;
}
