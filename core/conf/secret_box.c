/* secret_box.c - see secret_box.h. */
#include "conf/secret_box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <drover/error.h>

#include "conf/secret.h"
#include "util/buf.h"

#define PREFIX "sealed1:"
#define PRIVATE "drover-private-key1:"
#define PUBLIC "drover-public-key1:"
#define BASE64 sodium_base64_VARIANT_ORIGINAL_NO_PADDING
#define BLANKS " \t\r\n"

struct box_keys {
	unsigned char public[crypto_box_PUBLICKEYBYTES];
	unsigned char private[crypto_box_SECRETKEYBYTES];
	bool has_private;
};

char *secret_box_file(const char *configured)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	struct buf path = BUF_INIT;

	if (configured)
		return xstrdup(configured);
	if (folder && *folder) {
		buf_printf(&path, "%s/" SECRET_BOX_CREDENTIAL, folder);
		if (!access(path.data, F_OK))
			return buf_take(&path);
		buf_dispose(&path);
	}
	return xstrdup(SECRET_BOX_DEFAULT);
}

/* -------------------------------------------------------------------------------------------- keys */

static bool decode(const char *text, unsigned char *to, size_t size)
{
	const char *end;
	size_t got;

	return !sodium_base642bin(to, size, text, strlen(text), BLANKS, &got, &end, BASE64) && got == size && !*end;
}

static int read_text(const char *file, bool private, char **text, struct drover_error *err)
{
	const char *fault;

	*text = secret_read(file, !private, &fault);
	return *text ? 0 : drover_error_set(err, DROVER_EINVALID, "the key's file %s: %s", file, fault);
}

/* For decrypting it must be a private key, in a file that is closed to others. */
static int read_keys(const char *file, bool private, struct box_keys *keys, struct drover_error *err)
{
	char *text;
	int code = sodium_init() < 0 ? drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium") : 0;

	*keys = (struct box_keys){ .has_private = false };
	if (!code)
		code = read_text(file, false, &text, err);
	if (code)
		return code;
	if (!strncmp(text, PRIVATE, strlen(PRIVATE)))
		keys->has_private = decode(text + strlen(PRIVATE), keys->private, sizeof(keys->private));
	if (keys->has_private)
		crypto_scalarmult_base(keys->public, keys->private);
	else if (strncmp(text, PUBLIC, strlen(PUBLIC)) ||
		 !decode(text + strlen(PUBLIC), keys->public, sizeof(keys->public)))
		code = drover_error_set(err, DROVER_EINVALID, "%s is no key: `drover secret keygen FILE' makes a pair",
					file);
	if (!code && private && !keys->has_private)
		code = drover_error_set(err, DROVER_EINVALID,
					"%s is the public key, which encrypts: the private one decrypts", file);
	secret_free(text);
	/* Only now is it known to be one that must be closed to others. */
	if (!code && private) {
		code = read_text(file, true, &text, err);
		secret_free(text);
	}
	return code;
}

static int write_key(const char *file, const char *label, const unsigned char *key, mode_t mode,
		     struct drover_error *err)
{
	char text[128], encoded[sodium_base64_ENCODED_LEN(crypto_box_SECRETKEYBYTES, BASE64)];
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode), code = 0;
	ssize_t size;

	if (fd < 0)
		return errno == EEXIST
			       ? drover_error_set(err, DROVER_ECONFLICT,
						  "%s is there already; what was encrypted for it would be lost", file)
			       : drover_error_set(err, DROVER_EFAULT, "cannot make %s: %s", file, strerror(errno));
	sodium_bin2base64(encoded, sizeof(encoded), key, crypto_box_SECRETKEYBYTES, BASE64);
	size = snprintf(text, sizeof(text), "%s%s\n", label, encoded);
	if (fchmod(fd, mode) || write(fd, text, (size_t)size) != size || fsync(fd))
		code = drover_error_set(err, DROVER_EFAULT, "cannot write %s: %s", file, strerror(errno));
	close(fd);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(encoded, sizeof(encoded));
	if (code)
		unlink(file);
	return code;
}

int secret_box_make(const char *file, struct drover_error *err)
{
	struct box_keys keys;
	struct buf name = BUF_INIT;
	int code;

	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	crypto_box_keypair(keys.public, keys.private);
	buf_printf(&name, "%s.pub", file);
	code = write_key(file, PRIVATE, keys.private, 0600, err);
	if (!code) {
		code = write_key(name.data, PUBLIC, keys.public, 0644, err);
		if (code)
			unlink(file);
	}
	sodium_memzero(&keys, sizeof(keys));
	buf_dispose(&name);
	return code;
}

/* ------------------------------------------------------------------------------------------- boxes */

int secret_box_seal(const char *file, const char *secret, size_t size, char **text, struct drover_error *err)
{
	size_t sealed = size + crypto_box_SEALBYTES, room = sodium_base64_encoded_len(sealed, BASE64);
	struct box_keys keys;
	unsigned char *box;
	int code = read_keys(file, false, &keys, err);

	if (code)
		return code;
	box = xcalloc(1, sealed);
	*text = xcalloc(1, strlen(PREFIX) + room);
	crypto_box_seal(box, (const unsigned char *)secret, size, keys.public);
	strcpy(*text, PREFIX);
	sodium_bin2base64(*text + strlen(PREFIX), room, box, sealed, BASE64);
	free(box);
	sodium_memzero(&keys, sizeof(keys));
	return 0;
}

static int open_box(const struct box_keys *keys, const char *file, const char *text, char **secret,
		    struct drover_error *err)
{
	size_t room = strlen(text), size = 0;
	unsigned char *box = xcalloc(1, room + 1);
	const char *end = text;
	int code = 0;

	if (strncmp(text, PREFIX, strlen(PREFIX)) ||
	    sodium_base642bin(box, room, text + strlen(PREFIX), room - strlen(PREFIX), BLANKS, &size, &end, BASE64) ||
	    *end || size <= crypto_box_SEALBYTES) {
		code = drover_error_set(err, DROVER_EINVALID, "is no text that `drover secret encrypt' has printed");
	} else {
		*secret = xcalloc(1, size - crypto_box_SEALBYTES + 1);
		if (crypto_box_seal_open((unsigned char *)*secret, box, size, keys->public, keys->private)) {
			secret_free(*secret);
			*secret = NULL;
			code = drover_error_set(
				err, DROVER_EINVALID,
				"cannot be decrypted with the key %s: it was encrypted for another key, "
				"or was changed",
				file);
		}
	}
	free(box);
	return code;
}

int secret_box_open(const char *file, const char *text, char **secret, struct drover_error *err)
{
	struct box_keys keys;
	int code = read_keys(file, true, &keys, err);

	*secret = NULL;
	if (!code)
		code = open_box(&keys, file, text, secret, err);
	sodium_memzero(&keys, sizeof(keys));
	return code;
}
