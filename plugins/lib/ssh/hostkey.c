#define _GNU_SOURCE

#include "ssh/hostkey.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssh/hashedname.h"
#include "ssh/hostnames.h"

#define NAME_SIZE 300 /* "[name]:port" */

struct line {
	char *text; /* owned; without marker */
	const char *path;
	int number;
	bool revoked, authority;
	bool pattern; /* hashed or with wildcards: only a full match can tell */
	bool is_hashed;
	struct hashedname hashed;
};

struct hostkeys {
	char **paths; /* owned */
	size_t path_count;
	struct hostkeys *another; /* owned */
	struct line *lines;
	size_t count, room;
	struct hostnames *names;           /* of the lines; those with patterns under "" */
	struct hashedname_context *hasher; /* or NULL: libssh compares hashed names */
};

/* --------------------------------------------------------------------------------------- loading */

/* So that a host's lines are found without a look at all of them. */
static int add_names(struct hostkeys *hk, const struct line *line, size_t number)
{
	const char *name = line->text;
	int code = 0;

	if (line->pattern)
		return hostnames_add(&hk->names, "", 0, number);
	while (*name && *name != ' ' && !code) {
		size_t size = strcspn(name, ", ");

		if (size)
			code = hostnames_add(&hk->names, name, size, number);
		name += size + (name[size] == ',');
	}
	return code;
}

static int make_room(struct hostkeys *hk)
{
	size_t room = hk->room ? 2 * hk->room : 16;
	struct line *lines;

	if (hk->count < hk->room)
		return 0;
	lines = reallocarray(hk->lines, room, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	hk->lines = lines;
	hk->room = room;
	return 0;
}

static int add_line(struct hostkeys *hk, const char *text, const char *path, int number)
{
	struct line line = { .path = path, .number = number };

	text += strspn(text, " \t");
	if (!*text || *text == '#' || *text == '\n')
		return 0;
	if (*text == '@') {
		line.revoked = !strncmp(text, "@revoked", 8);
		line.authority = !strncmp(text, "@cert-authority", 15);
		if (!line.revoked && !line.authority)
			return 0;
		text += line.revoked ? 8 : 15;
		text += strspn(text, " \t");
	}
	line.text = make_room(hk) ? NULL : strdup(text);
	if (!line.text)
		return -ENOMEM;
	/* libssh splits at single blanks; a tab is as good to everybody else. */
	for (char *c = line.text; *c; c++)
		*c = *c == '\t' ? ' ' : *c == '\r' || *c == '\n' ? '\0' : *c;
	line.pattern = strcspn(line.text, "|*?!") < strcspn(line.text, " ");
	line.is_hashed = hk->hasher && hashedname_parse(line.text, &line.hashed);
	hk->lines[hk->count] = line;
	return add_names(hk, &line, hk->count++);
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

int hostkeys_load(struct hostkeys **hostkeys, const char *const *paths, size_t count, struct hostkeys *another)
{
	struct hostkeys *hk = calloc(1, sizeof(*hk));
	int code = 0;

	if (!hk)
		return -ENOMEM;
	hk->hasher = hashedname_context_new();
	hk->paths = calloc(count + 1, sizeof(*hk->paths));
	for (size_t i = 0; hk->paths && i < count && !code; i++) {
		hk->paths[i] = strdup(paths[i]);
		hk->path_count += hk->paths[i] ? 1 : 0;
		code = hk->paths[i] ? load_file(hk, hk->paths[i]) : -ENOMEM;
	}
	if (!hk->paths || code < 0) {
		hostkeys_free(hk);
		return -ENOMEM;
	}
	hk->another = another;
	*hostkeys = hk;
	return 0;
}

struct hostkeys *hostkeys_find(struct hostkeys *list, const char *const *paths, size_t count)
{
	for (; list; list = list->another) {
		size_t same = 0;

		while (same < count && list->path_count == count && !strcmp(list->paths[same], paths[same]))
			same++;
		if (same == count && list->path_count == count)
			break;
	}
	return list;
}

void hostkeys_free(struct hostkeys *hk)
{
	while (hk) {
		struct hostkeys *another = hk->another;

		for (size_t i = 0; i < hk->count; i++)
			free(hk->lines[i].text);
		for (size_t i = 0; i < hk->path_count; i++)
			free(hk->paths[i]);
		free(hk->paths);
		free(hk->lines);
		hostnames_free(hk->names);
		hashedname_context_free(hk->hasher);
		free(hk);
		hk = another;
	}
}

/* -------------------------------------------------------------------------------------- matching */

/* As known_hosts files name it. */
static const char *host_entry(const char *name, int port, bool alias, char *text)
{
	if (port == 22 || alias)
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
static ssh_key key_of_line(const struct line *line, const char *entry)
{
	struct ssh_knownhosts_entry *parsed = NULL;
	ssh_key key = NULL;

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

/* Of the lines under `under`, those that are about `entry`. */
static size_t match_under(const struct hostkeys *hk, const char *under, const char *entry, match_fn *fn, void *context)
{
	const struct hostnames_line *at = hostnames_find(hk->names, under);
	size_t found = 0;

	for (; at; at = at->next) {
		const struct line *line = &hk->lines[at->line];
		ssh_key key = NULL;

		if (!line->is_hashed || hashedname_may_be(hk->hasher, &line->hashed, entry))
			key = key_of_line(line, entry);
		if (!key)
			continue;
		fn(context, line, key);
		ssh_key_free(key);
		found += line->authority ? 0 : 1;
	}
	return found;
}

static size_t match_name(const struct hostkeys *hk, const struct hostkey_host *host, const char *name, match_fn *fn,
			 void *context)
{
	char entry[NAME_SIZE], usual[NAME_SIZE + 8];
	size_t found;

	host_entry(name, host->port, host->alias, entry);
	found = match_under(hk, entry, entry, fn, context) + match_under(hk, "", entry, fn, context);
	if (*entry != '[') {
		snprintf(usual, sizeof(usual), "[%s]:22", entry);
		found += match_under(hk, usual, entry, fn, context);
	}
	return found;
}

/* Lines about the name; where there is none, those about the address. */
static void match(const struct hostkeys *hk, const struct hostkey_host *host, match_fn *fn, void *context)
{
	if (!match_name(hk, host, host->name, fn, context) && host->address)
		(void)match_name(hk, host, host->address, fn, context);
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

	for (size_t i = 0; i < TYPE_COUNT && !line->revoked && !line->authority; i++)
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
	const struct line *other;     /* a line with another key */
	const struct line *authority; /* whose certificates would do */
	int number;                   /* of `other`, in a file that was read again */
};

static void compare(void *context, const struct line *line, ssh_key key)
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
	char entry[NAME_SIZE], *base64 = NULL, *text = NULL;
	int size, code;

	if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
		return -EIO;
	size = asprintf(&text, "%s%s %s %s\n", ends_open(fd) ? "\n" : "",
			host_entry(host->name, host->port, host->alias, entry), ssh_key_type_to_char(ssh_key_type(key)),
			base64);
	ssh_string_free_char(base64);
	if (size < 0)
		return -ENOMEM;
	errno = EIO;
	code = write(fd, text, (size_t)size) == size ? add_line(hk, text + (*text == '\n'), hk->paths[0], 0) : -errno;
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
		match(now, host, compare, c);
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
	char entry[NAME_SIZE];

	snprintf(message, size,
		 "THE HOST KEY OF %s PORT %d HAS CHANGED: somebody may be listening in, or the host was set up anew. "
		 "It is now %s, and not the one of %s line %d; when that is right, forget the old one by "
		 "`ssh-keygen -f %s -R '%s'`",
		 host->name, host->port, print, path, number, path,
		 host_entry(host->name, host->port, host->alias, entry));
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
		return unknown(hk, host, key, &c, print, message, size);
	return changed(host, print, c.other->path, c.other->number, message, size);
}
