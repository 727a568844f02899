/* SPDX-License-Identifier: Apache-2.0
 *
 * What is this machine's own: 127.0.0.0/8, ::1, both written as an IPv6 address of the other kind (::ffff:127.0.0.1), and unix
 * sockets. Nobody else comes from there.
 */
#ifndef QB_DAEMON_LOOPBACK_H
#define QB_DAEMON_LOOPBACK_H

#include <stdbool.h>
#include <sys/socket.h>

/* NULL is not. */
bool qb_loopback_address(const struct sockaddr *a);
/* Of figures, without brackets, or localhost. */
bool qb_loopback_name(const char *text);

#endif
