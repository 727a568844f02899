/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/later.h"

#include <pthread.h>
#include <stdlib.h>

struct qb_later {
	pthread_mutex_t lock;
	pthread_cond_t none;
	int sleeping;
	bool closed;
};

struct qb_later *qb_later_create(void)
{
	struct qb_later *l = calloc(1, sizeof(*l));

	if (l) {
		pthread_mutex_init(&l->lock, NULL);
		pthread_cond_init(&l->none, NULL);
	}
	return l;
}

void qb_later_close(struct qb_later *l)
{
	pthread_mutex_lock(&l->lock);
	l->closed = true;
	while (l->sleeping) {
		pthread_cond_wait(&l->none, &l->lock);
	}
	pthread_mutex_unlock(&l->lock);
}

void qb_later_destroy(struct qb_later **later)
{
	struct qb_later *l = *later;

	if (l) {
		pthread_cond_destroy(&l->none);
		pthread_mutex_destroy(&l->lock);
		free(l);
		*later = NULL;
	}
}

bool qb_later_begin(struct qb_later *l, struct MHD_Connection *connection)
{
	bool open;

	pthread_mutex_lock(&l->lock);
	open = !l->closed;
	if (open) {
		l->sleeping++;
		MHD_suspend_connection(connection);
	}
	pthread_mutex_unlock(&l->lock);
	return open;
}

void qb_later_end(struct qb_later *l, struct MHD_Connection *connection)
{
	pthread_mutex_lock(&l->lock);
	MHD_resume_connection(connection);
	if (!--l->sleeping) {
		pthread_cond_broadcast(&l->none);
	}
	pthread_mutex_unlock(&l->lock);
}
