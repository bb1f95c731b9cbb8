/*
 * certificate.h - OpenSSH certificates as text, "TYPE BASE64 comment".
 */
#ifndef LIB_SSH_CERTIFICATE_H
#define LIB_SSH_CERTIFICATE_H

#include <libssh/libssh.h>

/*
 * The certificate, where it is one and of this private key; else NULL. Owned by the caller. (libssh
 * compares no key with a certificate.)
 */
ssh_key certificate_parse(const char *text, ssh_key private);

#endif
