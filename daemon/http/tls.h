/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificate that TLS connections are shown, read from PEM files and read again while connections go on.
 */
#ifndef QB_DAEMON_HTTP_TLS_H
#define QB_DAEMON_HTTP_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

/* Reads a chain of certificates and its key, and takes them for all handshakes from now on. false, with why and nothing
 * changed, where they cannot be read, do not belong together, or have expired. One set for the process; any thread. */
bool qb_tls_load(const char *cert_file, const char *key_file, char *why, size_t why_len);
/* The same without taking them. */
bool qb_tls_check(const char *cert_file, const char *key_file, char *why, size_t why_len);
void qb_tls_unload(void); /* when no connection is left */

/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
int qb_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca, int cas, const gnutls_pk_algorithm_t *algorithms,
	int n_algorithms, gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key);

#endif
