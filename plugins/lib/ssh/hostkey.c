/* hostkey.c - see hostkey.h. */
#define _GNU_SOURCE

#include "ssh/hostkey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssh/knownhosts.h"

/* ------------------------------------------------------------------------------------ algorithms */

static const struct {
	enum ssh_keytypes_e type;
	const char *algorithms;
} known_types[] = {
	{ SSH_KEYTYPE_ED25519, "ssh-ed25519" },
	{ SSH_KEYTYPE_ECDSA_P521, "ecdsa-sha2-nistp521" },
	{ SSH_KEYTYPE_ECDSA_P384, "ecdsa-sha2-nistp384" },
	{ SSH_KEYTYPE_ECDSA_P256, "ecdsa-sha2-nistp256" },
	{ SSH_KEYTYPE_RSA, "rsa-sha2-512,rsa-sha2-256" },
};

#define TYPE_COUNT (sizeof(known_types) / sizeof(*known_types))

static void note_type(void *context, const struct knownhosts_line *line, ssh_key key)
{
	unsigned *types = context;

	for (size_t i = 0; i < TYPE_COUNT && !line->revoked && !line->authority; i++)
		if (known_types[i].type == ssh_key_type(key))
			*types |= 1U << i;
}

char *hostkeys_algorithms(const struct hostkeys *hk, const struct hostkey_host *host)
{
	unsigned types = 0;
	char text[256] = "";

	knownhosts_match(hk, host, note_type, &types);
	if (!types)
		return NULL;
	for (int known = 1; known >= 0; known--)
		for (size_t i = 0; i < TYPE_COUNT; i++)
			if ((int)(types >> i & 1) == known)
				snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? "," : "",
					 known_types[i].algorithms);
	return strdup(text);
}

/* --------------------------------------------------------------------------------------- the check */

struct comparison {
	ssh_key key;
	bool equal, revoked;
	const struct knownhosts_line *other;     /* a line with another key */
	const struct knownhosts_line *authority; /* whose certificates would do */
	int number;                              /* of `other`, in a file that was read again */
};

static void compare(void *context, const struct knownhosts_line *line, ssh_key key)
{
	struct comparison *c = context;
	bool equal = !ssh_key_cmp(c->key, key, SSH_KEY_CMP_PUBLIC);

	if (line->authority)
		c->authority = line;
	else if (line->revoked)
		c->revoked |= equal;
	else if (equal)
		c->equal = true;
	else
		c->other = line;
}

static void fingerprint(ssh_key key, char *text, size_t size)
{
	unsigned char *hash = NULL;
	size_t length = 0;
	char *print = NULL;

	if (!ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length))
		print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length);
	snprintf(text, size, "%s %s", ssh_key_type_to_char(ssh_key_type(key)), print ? print : "?");
	ssh_string_free_char(print);
	ssh_clean_pubkey_hash(&hash);
}

/* The first file, to be appended to, and locked: other units may be at it. -1 with errno. */
static int open_first(const struct hostkeys *hk)
{
	const char *slash = strrchr(hk->paths[0], '/');
	char *folder = slash && slash > hk->paths[0] ? strndup(hk->paths[0], (size_t)(slash - hk->paths[0])) : NULL;
	int fd;

	if (folder)
		(void)mkdir(folder, 0700);
	free(folder);
	fd = open(hk->paths[0], O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	return fd;
}

/* A last line without an end gets one. */
static bool ends_open(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char last;

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int append_line(struct hostkeys *hk, const struct hostkey_host *host, ssh_key key, int fd)
{
	char entry[KNOWNHOSTS_ENTRY], *base64 = NULL, *text = NULL;
	int size, code;

	if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
		return -EIO;
	size = asprintf(&text, "%s%s %s %s\n", ends_open(fd) ? "\n" : "",
			knownhosts_entry(host->name, host->port, host->alias, entry),
			ssh_key_type_to_char(ssh_key_type(key)), base64);
	ssh_string_free_char(base64);
	if (size < 0)
		return -ENOMEM;
	errno = EIO;
	code = write(fd, text, (size_t)size) == size ? knownhosts_add(hk, text + (*text == '\n'), hk->paths[0], 0)
						     : -errno;
	free(text);
	return code;
}

/*
 * Writes an unknown key down, unless another unit has done so meanwhile: with the file locked, it is
 * read again first. 1: the file has another key for the host now, in line `c->number`.
 */
static int write_down(struct hostkeys *hk, const struct hostkey_host *host, ssh_key key, struct comparison *c)
{
	struct hostkeys *now = NULL;
	int fd, code;

	if (!hk->path_count)
		return -ENOENT;
	fd = open_first(hk);
	if (fd < 0)
		return -errno;
	code = hostkeys_load(&now, (const char *const *)hk->paths, 1, NULL);
	if (!code)
		knownhosts_match(now, host, compare, c);
	if (!code && c->other)
		c->number = c->other->number;
	if (!code && (c->equal || c->other))
		code = c->equal ? 0 : 1;
	else if (!code)
		code = append_line(hk, host, key, fd);
	c->other = c->authority = NULL; /* they are of what is freed here */
	hostkeys_free(now);
	close(fd);
	return code;
}

static enum hostkey_verdict changed(const struct hostkey_host *host, const char *print, const char *path, int number,
				    char *message, size_t size)
{
	char entry[KNOWNHOSTS_ENTRY];

	snprintf(message, size,
		 "THE HOST KEY OF %s PORT %d HAS CHANGED: somebody may be listening in, or the host was set up anew. "
		 "It is now %s, and not the one of %s line %d; when that is right, forget the old one by "
		 "`ssh-keygen -f %s -R '%s'`",
		 host->name, host->port, print, path, number, path,
		 knownhosts_entry(host->name, host->port, host->alias, entry));
	return HOSTKEY_REFUSED;
}

static enum hostkey_verdict unknown(struct hostkeys *hk, const struct hostkey_host *host, ssh_key key,
				    struct comparison *c, const char *print, char *message, size_t size)
{
	const char *address = host->address ? host->address : host->name;
	char authority[400] = "";
	int code;

	if (!host->accept_new) {
		if (c->authority)
			snprintf(authority, sizeof(authority),
				 " (the @cert-authority of %.300s line %d is for it, but libssh cannot check hosts' "
				 "certificates)",
				 c->authority->path, c->authority->number);
		snprintf(message, size,
			 "the host key of %s port %d is unknown (%s)%s; when it is the right one, accept it by "
			 "`ssh-keyscan -p %d %s >> %s`, or set host_keys: accept-new",
			 host->name, host->port, print, authority, host->port, address,
			 hk->path_count ? hk->paths[0] : "~/.ssh/known_hosts");
		return HOSTKEY_REFUSED;
	}
	code = write_down(hk, host, key, c);
	if (code > 0)
		return changed(host, print, hk->paths[0], c->number, message, size);
	if (!code)
		return HOSTKEY_ACCEPTED;
	snprintf(message, size, "the host key of %s port %d is new (%s) and cannot be written to %s: %s", host->name,
		 host->port, print, hk->path_count ? hk->paths[0] : "any file", strerror(-code));
	return HOSTKEY_REFUSED;
}

enum hostkey_verdict hostkeys_check(struct hostkeys *hk, const struct hostkey_host *host, ssh_key key, char *message,
				    size_t size)
{
	struct comparison c = { .key = key };
	char print[128];

	knownhosts_match(hk, host, compare, &c);
	if (c.equal && !c.revoked)
		return HOSTKEY_KNOWN;
	fingerprint(key, print, sizeof(print));
	if (c.revoked) {
		snprintf(message, size, "the host key of %s port %d (%s) is marked as revoked", host->name, host->port,
			 print);
		return HOSTKEY_REFUSED;
	}
	if (!c.other)
		return unknown(hk, host, key, &c, print, message, size);
	return changed(host, print, c.other->path, c.other->number, message, size);
}
