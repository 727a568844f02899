/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/parent.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ALIVE_MS = 5000, STACK_BYTES = 128 << 10 };

/* Nothing is read here: what the parent writes is the main thread's. A file or /dev/null never hangs up. */
static void *watch(void *arg)
{
	struct pollfd in = {.fd = STDIN_FILENO};

	for (;;) {
		int n = poll(&in, 1, ALIVE_MS);

		if (n > 0 && (in.revents & (POLLHUP | POLLERR | POLLNVAL))) {
			_exit(1);
		}
		if (n == 0) {
			puts("{\"event\":\"alive\"}");
			fflush(stdout);
		}
	}
	return arg;
}

/* Signals stay with the main thread, whose reads they interrupt. */
enum qb_err worker_watch_parent(struct qb_errbuf *eb)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;
	int e;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	e = pthread_create(&thread, &attr, watch, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e ? qb_fail(eb, QB_ENOMEM, "the thread that watches standard input cannot be started: %s", strerror(e)) : QB_OK;
}
