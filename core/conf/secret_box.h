/*
 * secret_box.h - secrets that are written into a configuration as they are, encrypted: `{encrypted: TEXT}`.
 *
 * Sealed boxes of libsodium (X25519, XSalsa20-Poly1305): the public key encrypts, so whoever writes configurations
 * needs no more; the private key, which only droverd's machine has, decrypts. TEXT is `sealed1:` and base64.
 * A box says nothing of who made it, nor of where it stands in the configuration.
 */
#ifndef CONF_SECRET_BOX_H
#define CONF_SECRET_BOX_H

#include <stdbool.h>
#include <stddef.h>

struct drover_error;

/* Where the private key is if nobody says: below $CREDENTIALS_DIRECTORY (systemd's LoadCredential), else in /etc. */
#define SECRET_BOX_CREDENTIAL "drover-secret-key"
#define SECRET_BOX_DEFAULT "/etc/drover/secret.key"

/* The file to use: `configured` unless NULL, else one of those above. Owned by the caller. */
char *secret_box_file(const char *configured);

/* Makes a pair: FILE (private, mode 0600) and FILE.pub. DROVER_ECONFLICT: one is there already; nothing is replaced. */
int secret_box_make(const char *file, struct drover_error *err);
/* `file` has a public or a private key. `*text` is owned by the caller. DROVER_EINVALID, _EFAULT: the file. */
int secret_box_seal(const char *file, const char *secret, size_t size, char **text, struct drover_error *err);
/*
 * `*secret`, with a NUL, is owned by the caller, to be overwritten before it is freed (secret_free). `file` must have a
 * private key and be closed to others. DROVER_EINVALID: what is wrong with the text or the file.
 */
int secret_box_open(const char *file, const char *text, char **secret, struct drover_error *err);

#endif
