/*
 * tls.h - the server's certificate and key, by GnuTLS, and their replacement while the server runs.
 *
 * The files are looked at when somebody connects, at most once a second, and read again when one has changed. A pair
 * that cannot be read, or does not belong together, changes nothing and is logged, once.
 */
#ifndef TLS_H
#define TLS_H

#include <netinet/in.h>
#include <stdbool.h>

#include <gnutls/abstract.h>

#include <drover/error.h>
#include <drover/option.h>

/* TLS 1.2 and later. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

struct tls;

/* Whether the option `tls` has what it needs, and nothing else. No side effects. */
int tls_check(const struct drover_map *option, struct drover_error *err);
/* Reads both files; `listener` is what is listened on. DROVER_EINVALID: also where others may read the key. */
int tls_open(struct tls **tls, const struct drover_map *option, int listener, struct drover_error *err);
void tls_close(struct tls *tls);

/* What GnuTLS calls for each connection. Any thread. */
gnutls_certificate_retrieve_function2 tls_retrieve;

#endif
