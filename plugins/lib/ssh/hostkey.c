#define _GNU_SOURCE

#include "ssh/hostkey.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 300 /* "[name]:port" */

struct line {
	char *text; /* owned; without marker */
	const char *path;
	int number;
	bool revoked;
	bool pattern; /* hashed or with wildcards: only a full match can tell */
};

struct hostkeys {
	const char *const *paths; /* borrowed */
	size_t path_count;
	bool accept_new;
	struct line *lines;
	size_t count;
};

/* --------------------------------------------------------------------------------------- loading */

static int add_line(struct hostkeys *hk, const char *text, const char *path, int number)
{
	struct line line = { .path = path, .number = number };
	struct line *lines;

	text += strspn(text, " \t");
	if (!*text || *text == '#' || *text == '\n')
		return 0;
	if (*text == '@') {
		if (strncmp(text, "@revoked", 8) != 0)
			return 0;
		line.revoked = true;
		text += 8;
		text += strspn(text, " \t");
	}
	lines = reallocarray(hk->lines, hk->count + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	hk->lines = lines;
	line.text = strdup(text);
	if (!line.text)
		return -ENOMEM;
	/* libssh splits at single blanks; a tab is as good to everybody else. */
	for (char *c = line.text; *c; c++)
		*c = *c == '\t' ? ' ' : *c == '\r' || *c == '\n' ? '\0' : *c;
	line.pattern = strcspn(line.text, "|*?!") < strcspn(line.text, " ");
	lines[hk->count++] = line;
	return 0;
}

static int load_file(struct hostkeys *hk, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	int number = 0, code = 0;

	if (!file)
		return 0;
	while (!code && getline(&text, &room, file) >= 0)
		code = add_line(hk, text, path, ++number);
	free(text);
	fclose(file);
	return code;
}

int hostkeys_load(struct hostkeys **hostkeys, const char *const *paths, size_t count, bool accept_new)
{
	struct hostkeys *hk = calloc(1, sizeof(*hk));
	int code = hk ? 0 : -ENOMEM;

	if (!hk)
		return code;
	hk->paths = paths;
	hk->path_count = count;
	hk->accept_new = accept_new;
	for (size_t i = 0; i < count && !code; i++)
		code = load_file(hk, paths[i]);
	if (code < 0) {
		hostkeys_free(hk);
		return code;
	}
	*hostkeys = hk;
	return 0;
}

void hostkeys_free(struct hostkeys *hk)
{
	if (!hk)
		return;
	for (size_t i = 0; i < hk->count; i++)
		free(hk->lines[i].text);
	free(hk->lines);
	free(hk);
}

/* -------------------------------------------------------------------------------------- matching */

/* As known_hosts files name it. */
static const char *host_entry(const char *name, int port, char *text)
{
	if (port == 22)
		snprintf(text, NAME_SIZE, "%s", name);
	else
		snprintf(text, NAME_SIZE, "[%s]:%d", name, port);
	return text;
}

/* Patterns of known_hosts have `*` and `?` only; brackets, which fnmatch(3) knows, are part of names. */
static bool wildcard(const char *pattern, const char *text)
{
	for (; *pattern && *pattern != '*'; pattern++, text++)
		if (!*text || (*pattern != '?' && tolower((unsigned char)*pattern) != tolower((unsigned char)*text)))
			return false;
	if (!*pattern)
		return !*text;
	pattern += strspn(pattern, "*");
	do {
		if (wildcard(pattern, text))
			return true;
	} while (*text++);
	return false;
}

/* `!pattern` in a line: libssh passes over it. */
static bool negated(const char *text, const char *entry)
{
	char *hosts = strndup(text, strcspn(text, " "));
	char *rest = hosts, *pattern;
	bool found = false;

	while (!found && (pattern = strsep(&rest, ",")))
		found = *pattern == '!' && wildcard(pattern + 1, entry);
	free(hosts);
	return found;
}

/* The line's key, where the line is about the host; else NULL. */
static ssh_key key_of_line(const struct line *line, const char *name, const char *entry)
{
	struct ssh_knownhosts_entry *parsed = NULL;
	ssh_key key = NULL;

	if (!line->pattern && !strcasestr(line->text, name))
		return NULL;
	if (line->pattern && negated(line->text, entry))
		return NULL;
	if (ssh_known_hosts_parse_line(entry, line->text, &parsed) != SSH_OK)
		return NULL;
	key = parsed->publickey;
	parsed->publickey = NULL;
	ssh_knownhosts_entry_free(parsed);
	return key;
}

typedef void match_fn(void *context, const struct line *line, ssh_key key);

static size_t match_name(const struct hostkeys *hk, const char *name, int port, match_fn *fn, void *context)
{
	char entry[NAME_SIZE];
	size_t found = 0;

	host_entry(name, port, entry);
	for (size_t i = 0; i < hk->count; i++) {
		ssh_key key = key_of_line(&hk->lines[i], name, entry);

		if (!key)
			continue;
		fn(context, &hk->lines[i], key);
		ssh_key_free(key);
		found++;
	}
	return found;
}

/* Lines about the name; where there is none, those about the address. */
static void match(const struct hostkeys *hk, const struct hostkey_host *host, match_fn *fn, void *context)
{
	if (!match_name(hk, host->name, host->port, fn, context) && host->address)
		(void)match_name(hk, host->address, host->port, fn, context);
}

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

static void note_type(void *context, const struct line *line, ssh_key key)
{
	unsigned *types = context;

	for (size_t i = 0; i < TYPE_COUNT && !line->revoked; i++)
		if (known_types[i].type == ssh_key_type(key))
			*types |= 1U << i;
}

char *hostkeys_algorithms(const struct hostkeys *hk, const struct hostkey_host *host)
{
	unsigned types = 0;
	char text[256] = "";

	match(hk, host, note_type, &types);
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
	const struct line *other; /* a line with another key */
};

static void compare(void *context, const struct line *line, ssh_key key)
{
	struct comparison *c = context;
	bool equal = !ssh_key_cmp(c->key, key, SSH_KEY_CMP_PUBLIC);

	if (line->revoked)
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

/* Appends to the first file, in one write so that parallel units do not mix their lines. */
static int write_down(struct hostkeys *hk, const struct hostkey_host *host, ssh_key key)
{
	char entry[NAME_SIZE];
	char *base64 = NULL, *text = NULL, *folder;
	int fd = -1, size, code = -EIO;

	if (!hk->path_count)
		return -ENOENT;
	if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
		return -EIO;
	size = asprintf(&text, "%s %s %s\n", host_entry(host->name, host->port, entry),
			ssh_key_type_to_char(ssh_key_type(key)), base64);
	ssh_string_free_char(base64);
	if (size < 0)
		return -ENOMEM;
	folder = strndup(hk->paths[0],
			 (size_t)(strrchr(hk->paths[0], '/') ? strrchr(hk->paths[0], '/') - hk->paths[0] : 0));
	if (folder && *folder)
		(void)mkdir(folder, 0700);
	free(folder);
	fd = open(hk->paths[0], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, (size_t)size) != size)
		code = errno ? -errno : -EIO;
	else
		code = add_line(hk, text, hk->paths[0], 0);
	if (fd >= 0)
		close(fd);
	free(text);
	return code;
}

static enum hostkey_verdict unknown(struct hostkeys *hk, const struct hostkey_host *host, ssh_key key,
				    const char *print, char *message, size_t size)
{
	const char *address = host->address ? host->address : host->name;
	int code;

	if (!hk->accept_new) {
		snprintf(message, size,
			 "the host key of %s port %d is unknown (%s); when it is the right one, accept it by "
			 "`ssh-keyscan -p %d %s >> %s`, or set host_keys: accept-new",
			 host->name, host->port, print, host->port, address,
			 hk->path_count ? hk->paths[0] : "~/.ssh/known_hosts");
		return HOSTKEY_REFUSED;
	}
	code = write_down(hk, host, key);
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
	char entry[NAME_SIZE], print[128];

	match(hk, host, compare, &c);
	if (c.equal && !c.revoked)
		return HOSTKEY_KNOWN;
	fingerprint(key, print, sizeof(print));
	if (c.revoked) {
		snprintf(message, size, "the host key of %s port %d (%s) is marked as revoked", host->name, host->port,
			 print);
		return HOSTKEY_REFUSED;
	}
	if (!c.other)
		return unknown(hk, host, key, print, message, size);
	snprintf(message, size,
		 "THE HOST KEY OF %s PORT %d HAS CHANGED: somebody may be listening in, or the host was set up anew. "
		 "It is now %s, and not the one of %s line %d; when that is right, forget the old one by "
		 "`ssh-keygen -f %s -R '%s'`",
		 host->name, host->port, print, c.other->path, c.other->number, c.other->path,
		 host_entry(host->name, host->port, entry));
	return HOSTKEY_REFUSED;
}
