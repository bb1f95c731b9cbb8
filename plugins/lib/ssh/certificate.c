#define _GNU_SOURCE

#include "ssh/certificate.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a key as the protocol has them (RFC 4253): fields, each with its length before it. */
struct blob {
	unsigned char *data; /* owned */
	size_t size, at;
};

static bool decode(const char *text, struct blob *blob)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	int count = 0;

	*blob = (struct blob){ .data = malloc(strlen(text) + 1) };
	for (; blob->data && *text && *text != '='; text++) {
		const char *letter = strchr(letters, *text);

		if (!letter)
			return false;
		bits = bits << 6 | (uint32_t)(letter - letters);
		count += 6;
		if (count >= 8) {
			count -= 8;
			blob->data[blob->size++] = (unsigned char)(bits >> count);
		}
	}
	return blob->data;
}

static bool skip_field(struct blob *blob)
{
	const unsigned char *at = blob->data + blob->at;
	size_t length;

	if (blob->size - blob->at < 4)
		return false;
	length = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
	if (length > blob->size - blob->at - 4)
		return false;
	blob->at += 4 + length;
	return true;
}

/* Behind its type a key has the fields that a certificate has behind its type and its nonce. */
static bool of_key(const char *certificate, const char *key)
{
	struct blob c = { .data = NULL }, k = { .data = NULL };
	bool same = decode(certificate, &c) && decode(key, &k) && skip_field(&c) && skip_field(&c) && skip_field(&k) &&
		    c.size - c.at >= k.size - k.at && !memcmp(c.data + c.at, k.data + k.at, k.size - k.at);

	free(c.data);
	free(k.data);
	return same;
}

ssh_key certificate_parse(const char *text, ssh_key private)
{
	char *copy = strdup(text), *rest = copy, *public_text = NULL;
	const char *type = copy ? strsep(&rest, " \t") : NULL, *base64 = rest ? strsep(&rest, " \t\r\n") : NULL;
	ssh_key public = NULL, certificate = NULL;

	if (!base64 || ssh_pki_export_privkey_to_pubkey(private, &public) != SSH_OK ||
	    ssh_pki_export_pubkey_base64(public, &public_text) != SSH_OK || !of_key(base64, public_text) ||
	    ssh_pki_import_cert_base64(base64, ssh_key_type_from_name(type), &certificate) != SSH_OK)
		certificate = NULL;
	ssh_string_free_char(public_text);
	ssh_key_free(public);
	free(copy);
	return certificate;
}
