/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/loopback.h"
#include "daemon/options.h"
#include "daemon/util.h"

/* The socket address of the options' host and port; its length. */
static socklen_t address(const struct qb_options *o, struct sockaddr_storage *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, o->host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(o->port);
		return sizeof(*v4);
	}
	inet_pton(AF_INET6, o->host, &v6->sin6_addr);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(o->port);
	return sizeof(*v6);
}

static int listen_tcp(const struct qb_options *o)
{
	struct sockaddr_storage a;
	socklen_t size = address(o, &a);
	int on = 1, fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* Connections of a server that has just ended may linger at this port; one that still listens has it alone. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
		bind(fd, (struct sockaddr *)&a, size) || listen(fd, SOMAXCONN)) {
		qb_log(QB_LOG_ERROR, "cannot listen on %s: %m; is another server there? choose another "
			"address with --listen", o->listen);
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

/* A socket that nobody listens on any more is in the way of a new one. */
static bool is_left_over(const struct sockaddr_un *a)
{
	struct stat st;
	int fd;
	bool dead;

	if (lstat(a->sun_path, &st) || !S_ISSOCK(st.st_mode)) {
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	dead = fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) && errno == ECONNREFUSED;
	if (fd >= 0) {
		close(fd);
	}
	return dead;
}

static int listen_local(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	mode_t before;
	int fd, failed = 1;

	if (strlen(path) >= sizeof(a.sun_path)) {
		qb_log(QB_LOG_ERROR, "cannot listen on %s: a socket's path has %zu bytes at most; choose a shorter one with --socket",
			path, sizeof(a.sun_path) - 1);
		return -1;
	}
	memcpy(a.sun_path, path, strlen(path));
	if (is_left_over(&a)) {
		unlink(path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	before = umask(0117); /* for its owner and group */
	failed = fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, SOMAXCONN);
	umask(before);
	if (failed) {
		qb_log(QB_LOG_ERROR, "cannot listen on %s: %m; is another server there? choose another path with --socket", path);
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

static void look_at(struct qb_listeners *l)
{
	struct sockaddr_storage a = {0};
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
	socklen_t size = sizeof(a);

	l->on_loopback = true;
	l->has_local = l->local >= 0;
	if (l->tcp >= 0 && getsockname(l->tcp, (struct sockaddr *)&a, &size) == 0) {
		const bool is6 = a.ss_family == AF_INET6;

		l->port = ntohs(is6 ? v6->sin6_port : v4->sin_port);
		l->on_loopback = qb_loopback_address((const struct sockaddr *)&a);
	}
}

/* One of each kind, of those that systemd hands over (sd_listen_fds(3)). */
static bool take_given(struct qb_listeners *l, int n)
{
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
		int *place = sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0 ? &l->local
			: sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0 ? &l->tcp : NULL;

		if (!place || *place >= 0) {
			qb_log(QB_LOG_ERROR, "systemd hands over a socket that cannot be used; its unit may name one ListenStream= "
				"with an address and one with a path");
			return false;
		}
		*place = fd;
	}
	l->given = true;
	return true;
}

bool qb_listen(const struct qb_options *o, struct qb_listeners *l)
{
	const int given = sd_listen_fds(1);

	*l = (struct qb_listeners){.tcp = -1, .local = -1};
	if (given > 0) {
		if (!take_given(l, given)) {
			return false;
		}
	} else {
		l->tcp = o->host ? listen_tcp(o) : -1;
		l->local = *o->socket && (!o->host || l->tcp >= 0) ? listen_local(o->socket) : -1;
		l->made_local = l->local >= 0;
	}
	if (given <= 0 && ((o->host && l->tcp < 0) || (*o->socket && l->local < 0))) {
		qb_listen_end(o, l);
		return false;
	}
	look_at(l);
	return true;
}

void qb_listen_end(const struct qb_options *o, struct qb_listeners *l)
{
	if (l->made_local) {
		unlink(o->socket);
		l->made_local = false;
	}
	if (l->tcp >= 0) {
		close(l->tcp);
	}
	if (l->local >= 0) {
		close(l->local);
	}
	l->tcp = l->local = -1;
}
