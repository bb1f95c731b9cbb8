/* client.c - see client.h. */
#include "cli/client.h"

#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#define CONNECT_MS 5000

int client_open(struct client *client, const struct address *address, struct drover_error *err)
{
	bool local = !strncmp(address->url, "unix:", 5);

	*client = (struct client){ .wake = -1 };
	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->multi = curl_multi_init();
	client->easy = curl_easy_init();
	if (!client->multi || !client->easy) {
		client_close(client);
		return drover_error_set(err, DROVER_ENOMEM, "cannot set up libcurl");
	}
	client->address = (struct address){ .url = xstrdup(address->url),
					    .token = xstrdup(address->token),
					    .ca = xstrdup(address->ca) };
	client->base = xstrdup(local ? "http://localhost" : address->url);
	client->headers = curl_slist_append(NULL, "Content-Type: application/json");
	/* No "Expect: 100-continue": it costs a round trip, and a second where a server does not know it. */
	client->headers = curl_slist_append(client->headers, "Expect:");
	if (address->token) {
		struct buf header = BUF_INIT;

		buf_printf(&header, "Authorization: Bearer %s", address->token);
		client->headers = curl_slist_append(client->headers, header.data);
		buf_dispose(&header);
	}
	curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers);
	curl_easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(client->easy, CURLOPT_USERAGENT, "drover/" DROVER_VERSION);
	curl_easy_setopt(client->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (local)
		curl_easy_setopt(client->easy, CURLOPT_UNIX_SOCKET_PATH, address->url + 5);
	/* This machine is not reached by way of a proxy. */
	if (local || address_is_loopback(address->url))
		curl_easy_setopt(client->easy, CURLOPT_PROXY, "");
	if (address->ca)
		curl_easy_setopt(client->easy, CURLOPT_CAINFO, address->ca);
	return 0;
}

void client_close(struct client *client)
{
	curl_easy_cleanup(client->easy);
	curl_multi_cleanup(client->multi);
	curl_slist_free_all(client->headers);
	json_object_put(client->problem);
	address_dispose(&client->address);
	free(client->base);
	*client = (struct client){ .wake = -1 };
}

void client_escape(struct client *client, struct buf *path, const char *text)
{
	char *escaped = curl_easy_escape(client->easy, text, 0);

	buf_string(path, escaped ? escaped : "");
	curl_free(escaped);
}
