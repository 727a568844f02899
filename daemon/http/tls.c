/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/tls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHAIN_MAX = 16 };

struct identity {
	struct identity *before; /* what handshakes that have begun may still use */
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned length;
	gnutls_privkey_t key;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct identity *latest;

static void destroy(struct identity *i)
{
	if (i) {
		for (unsigned k = 0; k < i->length; k++) {
			gnutls_pcert_deinit(&i->chain[k]);
		}
		gnutls_privkey_deinit(i->key);
		free(i);
	}
}

static bool wrong(char *why, size_t why_len, const char *file, const char *what)
{
	snprintf(why, why_len, "%s: %s", file, what);
	return false;
}

/* Whether the first certificate is of this time. */
static bool of_now(const gnutls_datum_t *pem, const char *file, char *why, size_t why_len)
{
	gnutls_x509_crt_t crt;
	time_t now = time(NULL);
	bool ok;

	gnutls_x509_crt_init(&crt);
	ok = gnutls_x509_crt_import(crt, pem, GNUTLS_X509_FMT_PEM) == 0;
	if (!ok) {
		wrong(why, why_len, file, "holds no certificate in PEM");
	} else if (gnutls_x509_crt_get_expiration_time(crt) < now) {
		ok = wrong(why, why_len, file, "the certificate has expired; put a new one there");
	} else if (gnutls_x509_crt_get_activation_time(crt) > now) {
		ok = wrong(why, why_len, file, "the certificate is not valid yet; look at its dates and at this machine's clock");
	}
	gnutls_x509_crt_deinit(crt);
	return ok;
}

static bool read_chain(struct identity *i, const char *file, char *why, size_t why_len)
{
	gnutls_datum_t pem;
	unsigned n = CHAIN_MAX;
	int e = gnutls_load_file(file, &pem);
	bool ok;

	if (e) {
		return wrong(why, why_len, file, gnutls_strerror(e));
	}
	ok = of_now(&pem, file, why, why_len);
	e = ok ? gnutls_pcert_list_import_x509_raw(i->chain, &n, &pem, GNUTLS_X509_FMT_PEM, 0) : 0;
	if (ok && e < 0) {
		ok = wrong(why, why_len, file, gnutls_strerror(e));
	}
	i->length = ok ? n : 0;
	gnutls_free(pem.data);
	return ok;
}

static bool read_key(struct identity *i, const char *file, char *why, size_t why_len)
{
	gnutls_datum_t pem;
	int e = gnutls_load_file(file, &pem);

	if (!e) {
		e = gnutls_privkey_import_x509_raw(i->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
		gnutls_memset(pem.data, 0, pem.size);
		gnutls_free(pem.data);
	}
	return !e || wrong(why, why_len, file, gnutls_strerror(e));
}

static bool belong_together(const struct identity *i)
{
	gnutls_pubkey_t mine;
	unsigned char a[64], b[64];
	size_t na = sizeof(a), nb = sizeof(b);
	bool same;

	gnutls_pubkey_init(&mine);
	same = gnutls_pubkey_import_privkey(mine, i->key, 0, 0) == 0 &&
		gnutls_pubkey_get_key_id(mine, GNUTLS_KEYID_USE_SHA256, a, &na) == 0 &&
		gnutls_pubkey_get_key_id(i->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, b, &nb) == 0 && na == nb &&
		gnutls_memcmp(a, b, na) == 0;
	gnutls_pubkey_deinit(mine);
	return same;
}

static struct identity *read_identity(const char *cert_file, const char *key_file, char *why, size_t why_len)
{
	struct identity *i = calloc(1, sizeof(*i));
	bool ok = i && gnutls_privkey_init(&i->key) == 0;

	if (!ok) {
		free(i);
		snprintf(why, why_len, "no memory for the certificate");
		return NULL;
	}
	ok = read_chain(i, cert_file, why, why_len) && read_key(i, key_file, why, why_len) &&
		(belong_together(i) || wrong(why, why_len, key_file, "is not the key of the certificate"));
	if (!ok) {
		destroy(i);
		i = NULL;
	}
	return i;
}

bool qb_tls_check(const char *cert_file, const char *key_file, char *why, size_t why_len)
{
	struct identity *i = read_identity(cert_file, key_file, why, why_len);
	bool ok = i != NULL;

	destroy(i);
	return ok;
}

bool qb_tls_load(const char *cert_file, const char *key_file, char *why, size_t why_len)
{
	struct identity *i = read_identity(cert_file, key_file, why, why_len);

	if (i) {
		pthread_mutex_lock(&lock);
		i->before = latest;
		latest = i;
		pthread_mutex_unlock(&lock);
	}
	return i != NULL;
}

void qb_tls_unload(void)
{
	while (latest) {
		struct identity *before = latest->before;

		destroy(latest);
		latest = before;
	}
}

int qb_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca, int cas, const gnutls_pk_algorithm_t *algorithms,
	int n_algorithms, gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key)
{
	(void)session;
	(void)ca;
	(void)cas;
	(void)algorithms;
	(void)n_algorithms;
	pthread_mutex_lock(&lock);
	*chain = latest->chain;
	*length = latest->length;
	*key = latest->key;
	pthread_mutex_unlock(&lock);
	return 0;
}
