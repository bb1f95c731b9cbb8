#define _GNU_SOURCE

#include "ssh/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ssh/certificate.h"

static const char no_key[] = "not a private key, or it has a passphrase: load it into the agent, or give both by a "
			     "credential";

static const struct identity *find(const struct identities *all, const char *source)
{
	const struct identity *i = all->first;

	while (i && strcmp(i->source, source) != 0)
		i = i->next;
	return i;
}

/* Takes both texts. */
static struct identity *add(struct identities *all, char *label, char *source)
{
	struct identity *i = label && source ? calloc(1, sizeof(*i)) : NULL;

	if (!i) {
		free(label);
		free(source);
		return NULL;
	}
	i->label = label;
	i->source = source;
	i->next = all->first;
	all->first = i;
	return i;
}

static char *text_of(const char *format, const char *a, const char *b)
{
	char *text;

	return asprintf(&text, format, a, b) < 0 ? NULL : text;
}

const struct identity *identity_file(struct identities *all, const char *path)
{
	const struct identity *known = find(all, path);
	struct identity *i = known ? NULL : add(all, strdup(path), strdup(path));

	if (!i)
		return known;
	if (access(path, R_OK) < 0) {
		i->missing = errno == ENOENT || errno == ENOTDIR;
		i->problem = strerror(errno);
	} else if (ssh_pki_import_privkey_file(path, NULL, NULL, NULL, &i->private) != SSH_OK) {
		i->problem = no_key;
	}
	return i;
}

/* A certificate is of use only with the key that it was made for. */
static void certify(struct identity *i, const char *text)
{
	if (!i->private)
		return;
	i->certificate = certificate_parse(text, i->private);
	if (!i->certificate || ssh_pki_copy_cert_to_privkey(i->certificate, i->private) != SSH_OK) {
		ssh_key_free(i->private);
		i->private = NULL;
		i->missing = true;
		i->problem = "the certificate is none, or of another key";
	}
}

/* The first line, or NULL. Owned by the caller. */
static char *first_line(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (file && getline(&text, &room, file) < 0) {
		free(text);
		text = NULL;
	}
	if (file)
		fclose(file);
	return text;
}

const struct identity *identity_certified(struct identities *all, const char *path, const char *certificate)
{
	char *source = text_of("%s\n%s", path, certificate), *text;
	const struct identity *known = source ? find(all, source) : NULL;
	struct identity *i;

	if (!source || known) {
		free(source);
		return known;
	}
	i = add(all, strdup(certificate), source);
	if (!i)
		return NULL;
	text = first_line(certificate);
	if (!text) {
		i->missing = errno == ENOENT || errno == ENOTDIR;
		i->problem = strerror(errno);
	} else if (ssh_pki_import_privkey_file(path, NULL, NULL, NULL, &i->private) != SSH_OK) {
		i->problem = no_key;
	} else {
		certify(i, text);
	}
	free(text);
	return i;
}

const struct identity *identity_text(struct identities *all, const struct identity_text *text)
{
	char *source = text_of("credential\n%s%s", text->name, "");
	const struct identity *known = source ? find(all, source) : NULL;
	struct identity *i;

	if (!source || known) {
		free(source);
		return known;
	}
	i = add(all, text_of("the %s of credential %s", text->certificate ? "certificate" : "key", text->name), source);
	if (!i)
		return NULL;
	if (ssh_pki_import_privkey_base64(text->key, text->passphrase, NULL, NULL, &i->private) != SSH_OK) {
		i->private = NULL;
		i->problem = text->passphrase ? "not a private key, or another passphrase"
					      : "not a private key, or it has a passphrase";
	} else if (text->certificate) {
		certify(i, text->certificate);
	}
	return i;
}

void identities_dispose(struct identities *all)
{
	while (all->first) {
		struct identity *i = all->first;

		all->first = i->next;
		ssh_key_free(i->private);
		ssh_key_free(i->certificate);
		free(i->label);
		free(i->source);
		free(i);
	}
}
