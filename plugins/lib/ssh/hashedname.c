#include "ssh/hashedname.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define BASE64_SIZE 28 /* of 20 bytes */

struct hashedname_context {
	EVP_MAC *mac;
	EVP_MAC_CTX *ctx;
};

static bool decode(const char *base64, unsigned char *bytes)
{
	unsigned char decoded[BASE64_SIZE / 4 * 3];

	/* The last of the 21 bytes is what the padding stands for. */
	if (base64[BASE64_SIZE - 1] != '=' || base64[BASE64_SIZE - 2] == '=' ||
	    EVP_DecodeBlock(decoded, (const unsigned char *)base64, BASE64_SIZE) != sizeof(decoded))
		return false;
	memcpy(bytes, decoded, HASHEDNAME_SIZE);
	return true;
}

bool hashedname_parse(const char *text, struct hashedname *name)
{
	return strlen(text) > 3 + 2 * BASE64_SIZE + 1 && !strncmp(text, "|1|", 3) && text[3 + BASE64_SIZE] == '|' &&
	       text[3 + BASE64_SIZE + 1 + BASE64_SIZE] == ' ' && decode(text + 3, name->salt) &&
	       decode(text + 3 + BASE64_SIZE + 1, name->hash);
}

struct hashedname_context *hashedname_context_new(void)
{
	static const unsigned char any[HASHEDNAME_SIZE];
	char digest[] = "SHA1";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				      OSSL_PARAM_construct_end() };
	struct hashedname_context *context = calloc(1, sizeof(*context));

	if (!context)
		return NULL;
	context->mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	context->ctx = context->mac ? EVP_MAC_CTX_new(context->mac) : NULL;
	if (context->ctx && EVP_MAC_init(context->ctx, any, sizeof(any), params))
		return context;
	hashedname_context_free(context);
	return NULL;
}

void hashedname_context_free(struct hashedname_context *context)
{
	if (!context)
		return;
	EVP_MAC_CTX_free(context->ctx);
	EVP_MAC_free(context->mac);
	free(context);
}

bool hashedname_may_be(struct hashedname_context *context, const struct hashedname *name, const char *host)
{
	unsigned char hash[HASHEDNAME_SIZE];
	size_t size;

	if (!EVP_MAC_init(context->ctx, name->salt, sizeof(name->salt), NULL) ||
	    !EVP_MAC_update(context->ctx, (const unsigned char *)host, strlen(host)) ||
	    !EVP_MAC_final(context->ctx, hash, &size, sizeof(hash)))
		return true;
	return size != sizeof(hash) || !memcmp(hash, name->hash, sizeof(hash));
}
