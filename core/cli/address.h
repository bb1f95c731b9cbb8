/* address.h - which daemon to talk to: --url, then $DROVER_URL, then the user's file, then the default. */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include <stdbool.h>

struct drover_error;

#define ADDRESS_DEFAULT "http://127.0.0.1:8007"

struct address {
	char *url;    /* owned; http://…, https://… or unix:PATH */
	char *token;  /* owned, or NULL */
	char *ca;     /* owned; a file of certificates ($DROVER_CA, or the file's), or NULL: the system's */
	bool assumed; /* nobody named one: it is the default */
};

/*
 * The token is $DROVER_TOKEN, else the file's, which is for the file's daemon alone: another one is not told it. A
 * token's file must be its user's alone, and a token does not cross the network in clear text.
 *
 * `url` (of --url) may be NULL. DROVER_EINVALID: the user's file or an address is wrong (`file:line:column: …`);
 * nothing is to be disposed of then.
 */
int address_find(const char *url, struct address *address, struct drover_error *err);
/* Is it this machine, by its literal name or address? */
bool address_is_loopback(const char *url);
void address_dispose(struct address *address);

#endif
