/* client_error.h - what went wrong in a call of client.h, in words that say where, what, and what to do. */
#ifndef CLI_CLIENT_ERROR_H
#define CLI_CLIENT_ERROR_H

#include "cli/client.h"

/* There was no connection or no answer; `detail` are libcurl's words, or "". Returns the error's code. */
int client_transport_error(struct client *client, CURLcode result, const char *detail, struct drover_error *err);
/* The daemon said no: the problem document's words, or the bare status. Takes `answer`, which may be NULL. */
int client_refused(struct client *client, struct json_object *answer, struct drover_error *err);

#endif
