/* tls.c - see tls.h. */
#include "tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>

#include <drover/plugin.h>
#include <sodium.h>

#include "principals/file_look.h"
#include "workers.h"

#define CHAIN_MAX 16
#define LOOK_EVERY 1000 /* ms */
/* Seconds that a handshake could still be using what was replaced; connection_timeout is at most 1 h. */
#define RETIRED_FOR (2 * 3600)

/* A certificate with its chain and its key. */
struct pair {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned count;
	gnutls_privkey_t key;
	int64_t retired; /* workers_now(), 0: in use */
	TAILQ_ENTRY(pair) entry;
};

struct tls {
	const char *cert, *key; /* borrowed from the options */
	in_port_t port;         /* in network order: how a connection finds its server */
	struct file_look cert_look, key_look;
	int64_t next_look;
	TAILQ_HEAD(pair_list, pair) pairs; /* the newest first */
	LIST_ENTRY(tls) entry;
};

/* GnuTLS gives its callback nothing but the session: the servers of this process, found by their ports. */
static struct {
	pthread_mutex_t lock;
	LIST_HEAD(tls_list, tls) all;
} servers = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *member(const struct drover_map *option, const char *key)
{
	for (size_t i = 0; i < option->count; i++)
		if (!strcmp(option->pairs[i].key, key))
			return option->pairs[i].value;
	return NULL;
}

int tls_check(const struct drover_map *option, struct drover_error *err)
{
	for (size_t i = 0; i < option->count; i++) {
		const struct drover_pair *pair = &option->pairs[i];

		if (strcmp(pair->key, "cert") && strcmp(pair->key, "key"))
			return drover_error_set(err, DROVER_EINVALID, "tls.%.40s: there are only cert and key",
						pair->key);
		if (*pair->value != '/')
			return drover_error_set(err, DROVER_EINVALID,
						"tls.%s: write the whole path of a PEM file, beginning with /",
						pair->key);
	}
	if (option->count && (!member(option, "cert") || !member(option, "key")))
		return drover_error_set(err, DROVER_EINVALID, "tls: both are needed: {cert: FILE, key: FILE}");
	return 0;
}

/* --------------------------------------------------------------------------------- reading a pair */

static void pair_free(struct pair *pair)
{
	for (unsigned i = 0; i < pair->count; i++)
		gnutls_pcert_deinit(&pair->chain[i]);
	if (pair->key)
		gnutls_privkey_deinit(pair->key);
	free(pair);
}

/* The group may read it, since that is how Debian's ssl-cert gives keys to services; nobody else may. */
static int check_key_file(const char *path, struct drover_error *err)
{
	struct stat st;

	if (stat(path, &st))
		return drover_error_set(err, DROVER_EINVALID, "cannot read the TLS key %s: %s", path, strerror(errno));
	if (st.st_mode & 037)
		return drover_error_set(err, DROVER_EINVALID,
					"the TLS key %s has mode %04o, others can get at it: chmod 600", path,
					(unsigned)(st.st_mode & 07777));
	return 0;
}

static int load_chain(struct pair *pair, const char *path)
{
	gnutls_datum_t data = { NULL, 0 };
	unsigned count = CHAIN_MAX;
	int rc = gnutls_load_file(path, &data);

	if (!rc)
		rc = gnutls_pcert_list_import_x509_raw(pair->chain, &count, &data, GNUTLS_X509_FMT_PEM,
						       GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
	if (!rc)
		pair->count = count;
	gnutls_free(data.data);
	return rc;
}

static int load_key(struct pair *pair, const char *path)
{
	gnutls_datum_t data = { NULL, 0 };
	int rc = gnutls_load_file(path, &data);

	if (!rc)
		rc = gnutls_privkey_init(&pair->key);
	if (!rc)
		rc = gnutls_privkey_import_x509_raw(pair->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (data.data)
		sodium_memzero(data.data, data.size);
	gnutls_free(data.data);
	return rc;
}

static bool belong_together(const struct pair *pair)
{
	unsigned char of_cert[64], of_key[64];
	size_t cert_size = sizeof(of_cert), key_size = sizeof(of_key);
	gnutls_pubkey_t public;
	bool same;

	if (gnutls_pubkey_init(&public))
		return false;
	same = !gnutls_pubkey_import_privkey(public, pair->key, 0, 0) &&
	       !gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, of_key, &key_size) &&
	       !gnutls_pubkey_get_key_id(pair->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_cert, &cert_size) &&
	       cert_size == key_size && !memcmp(of_cert, of_key, key_size);
	gnutls_pubkey_deinit(public);
	return same;
}

static int pair_read(const struct tls *tls, struct pair **out, struct drover_error *err)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int rc, code = check_key_file(tls->key, err);

	if (!pair)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	if (!code && (rc = load_chain(pair, tls->cert)))
		code = drover_error_set(err, DROVER_EINVALID, "cannot read the TLS certificate %s: %s", tls->cert,
					gnutls_strerror(rc));
	if (!code && (rc = load_key(pair, tls->key)))
		code = drover_error_set(err, DROVER_EINVALID, "cannot read the TLS key %s: %s", tls->key,
					gnutls_strerror(rc));
	if (!code && !belong_together(pair))
		code = drover_error_set(err, DROVER_EINVALID, "the TLS key %s is not that of the certificate %s",
					tls->key, tls->cert);
	if (code)
		pair_free(pair);
	else
		*out = pair;
	return code;
}

/* ------------------------------------------------------------------------------------ replacement */

static void drop_retired(struct tls *tls, int64_t now)
{
	struct pair *pair = TAILQ_FIRST(&tls->pairs), *next;

	while ((next = TAILQ_NEXT(pair, entry))) {
		if (now - next->retired < RETIRED_FOR * INT64_C(1000)) {
			pair = next;
			continue;
		}
		TAILQ_REMOVE(&tls->pairs, next, entry);
		pair_free(next);
	}
}

/* Under the lock. */
static void read_again(struct tls *tls)
{
	struct drover_error err = { 0 };
	struct file_look cert, key;
	int64_t now = workers_now();
	struct pair *pair;

	if (now < tls->next_look)
		return;
	tls->next_look = now + LOOK_EVERY;
	cert = file_look_at(tls->cert);
	key = file_look_at(tls->key);
	if (file_look_equal(&cert, &tls->cert_look) && file_look_equal(&key, &tls->key_look))
		return;
	tls->cert_look = cert;
	tls->key_look = key;
	if (pair_read(tls, &pair, &err)) {
		drover_log(DROVER_LOG_ERROR, "the certificate that was read before stays in use: %s", err.message);
		return;
	}
	TAILQ_FIRST(&tls->pairs)->retired = now;
	TAILQ_INSERT_HEAD(&tls->pairs, pair, entry);
	drop_retired(tls, now);
	drover_log(DROVER_LOG_INFO, "the certificate %s was read again", tls->cert);
}

static in_port_t local_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size))
		return 0;
	if (address.ss_family == AF_INET6)
		return ((struct sockaddr_in6 *)&address)->sin6_port;
	return address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port : 0;
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *requested, int requested_count,
		 const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
		 unsigned int *count, gnutls_privkey_t *key)
{
	in_port_t port = local_port(gnutls_transport_get_int(session));
	struct tls *tls;
	int rc = -1;

	(void)requested;
	(void)requested_count;
	(void)algorithms;
	(void)algorithm_count;
	pthread_mutex_lock(&servers.lock);
	LIST_FOREACH(tls, &servers.all, entry)
	{
		struct pair *pair;

		if (tls->port != port)
			continue;
		read_again(tls);
		pair = TAILQ_FIRST(&tls->pairs);
		*chain = pair->chain;
		*count = pair->count;
		*key = pair->key;
		rc = 0;
		break;
	}
	pthread_mutex_unlock(&servers.lock);
	return rc;
}

int tls_open(struct tls **out, const struct drover_map *option, int listener, struct drover_error *err)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	struct pair *pair;
	int code;

	if (!tls)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	*tls = (struct tls){ .cert = member(option, "cert"),
			     .key = member(option, "key"),
			     .port = local_port(listener) };
	TAILQ_INIT(&tls->pairs);
	tls->cert_look = file_look_at(tls->cert);
	tls->key_look = file_look_at(tls->key);
	code = pair_read(tls, &pair, err);
	if (code) {
		free(tls);
		return code;
	}
	TAILQ_INSERT_HEAD(&tls->pairs, pair, entry);
	pthread_mutex_lock(&servers.lock);
	LIST_INSERT_HEAD(&servers.all, tls, entry);
	pthread_mutex_unlock(&servers.lock);
	*out = tls;
	return 0;
}

void tls_close(struct tls *tls)
{
	struct pair *pair;

	if (!tls)
		return;
	pthread_mutex_lock(&servers.lock);
	LIST_REMOVE(tls, entry);
	pthread_mutex_unlock(&servers.lock);
	while ((pair = TAILQ_FIRST(&tls->pairs))) {
		TAILQ_REMOVE(&tls->pairs, pair, entry);
		pair_free(pair);
	}
	free(tls);
}
