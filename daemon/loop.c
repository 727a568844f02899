/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/loop.h"

#include <pthread.h>
#include <stdlib.h>

/* Lives on the caller's stack until it is done; a posted one has memory of its own. */
struct qb_call {
	void (*fn)(struct qb_call *call, void *arg);
	void (*posted)(void *arg); /* in place of fn */
	void *arg;
	struct qb_calls *calls;
	struct qb_call *next;
	bool done;
};

struct qb_calls {
	uv_async_t async;
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct qb_call *first, **last;
};

/* Sends coalesce: one wake-up may stand for many calls, so all are run that are there when it comes. Those that they post come
 * after whatever else the loop has to do. */
static void drain(uv_async_t *async)
{
	struct qb_calls *c = async->data;
	struct qb_call *call, *next;

	pthread_mutex_lock(&c->lock);
	call = c->first;
	c->first = NULL;
	c->last = &c->first;
	pthread_mutex_unlock(&c->lock);
	for (; call; call = next) {
		next = call->next; /* it may be gone when it has been run */
		if (call->posted) {
			call->posted(call->arg);
			free(call);
		} else {
			call->fn(call, call->arg);
		}
	}
}

struct qb_calls *qb_calls_create(uv_loop_t *loop)
{
	struct qb_calls *c = calloc(1, sizeof(*c));

	if (!c) {
		return NULL;
	}
	c->last = &c->first;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->done, NULL);
	uv_async_init(loop, &c->async, drain);
	c->async.data = c;
	return c;
}

static void closed(uv_handle_t *handle)
{
	struct qb_calls *c = handle->data;

	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->done);
	free(c);
}

void qb_calls_destroy(struct qb_calls **calls)
{
	if (*calls) {
		uv_close((uv_handle_t *)&(*calls)->async, closed);
		*calls = NULL;
	}
}

/* The lock is held. */
static void append(struct qb_calls *c, struct qb_call *call)
{
	*c->last = call;
	c->last = &call->next;
	uv_async_send(&c->async);
}

void qb_calls_run(struct qb_calls *c, void (*fn)(struct qb_call *call, void *arg), void *arg)
{
	struct qb_call call = {.fn = fn, .arg = arg, .calls = c};

	pthread_mutex_lock(&c->lock);
	append(c, &call);
	while (!call.done) {
		pthread_cond_wait(&c->done, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
}

bool qb_calls_post(struct qb_calls *c, void (*fn)(void *arg), void *arg)
{
	struct qb_call *call = calloc(1, sizeof(*call));

	if (!call) {
		return false;
	}
	call->posted = fn;
	call->arg = arg;
	pthread_mutex_lock(&c->lock);
	append(c, call);
	pthread_mutex_unlock(&c->lock);
	return true;
}

void qb_call_done(struct qb_call *call)
{
	struct qb_calls *c = call->calls;

	pthread_mutex_lock(&c->lock);
	call->done = true;
	pthread_cond_broadcast(&c->done);
	pthread_mutex_unlock(&c->lock);
}
