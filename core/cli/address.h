/* address.h - which daemon to talk to: --url, then $DROVER_URL, then the user's file, then the default. */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include <stdbool.h>

struct drover_error;

#define ADDRESS_DEFAULT "http://127.0.0.1:8007"

struct address {
	char *url;    /* owned; http://…, https://… or unix:PATH */
	char *token;  /* owned, or NULL */
	char *ca;     /* owned; a file of certificates, or NULL */
	bool assumed; /* nobody named one: it is the default */
};

/*
 * `url` (of --url) may be NULL. DROVER_EINVALID: the user's file or an address is wrong (`file:line:column: …`);
 * nothing is to be disposed of then.
 */
int address_find(const char *url, struct address *address, struct drover_error *err);
void address_dispose(struct address *address);

#endif
