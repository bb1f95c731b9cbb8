/* client.c - see client.h. */
#include "cli/client.h"

#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/field.h"

#define CONNECT_MS 5000
#define CALL_MS 120000 /* a large task takes its time until it is durable; a wait is at most 30 s */
#define ANSWER_SIZE ((size_t)512 * 1024 * 1024)

/* On this machine: a proxy of the environment is not asked to reach it. */
static bool is_loopback(const char *url)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	return !strncmp(host, "127.", 4) || !strncmp(host, "localhost", 9) || !strncmp(host, "[::1]", 5);
}

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
	client->where = xstrdup(address->url);
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
	curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, (long)CALL_MS);
	curl_easy_setopt(client->easy, CURLOPT_USERAGENT, "drover/" DROVER_VERSION);
	curl_easy_setopt(client->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (local)
		curl_easy_setopt(client->easy, CURLOPT_UNIX_SOCKET_PATH, address->url + 5);
	if (local || is_loopback(address->url))
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
	free(client->base);
	free(client->where);
	*client = (struct client){ .wake = -1 };
}

void client_escape(struct client *client, struct buf *path, const char *text)
{
	char *escaped = curl_easy_escape(client->easy, text, 0);

	buf_string(path, escaped ? escaped : "");
	curl_free(escaped);
}

static size_t keep(char *data, size_t one, size_t size, void *context)
{
	struct buf *body = context;

	if (size > ANSWER_SIZE - body->size)
		return 0;
	buf_append(body, data, one * size);
	return size;
}

/* Drives the transfer to its end; DROVER_ECANCELLED when `wake` is readable first. */
static int drive(struct client *client, CURLcode *result, struct drover_error *err)
{
	struct curl_waitfd wake = { .fd = client->wake, .events = CURL_WAIT_POLLIN };
	int running = 1, left, rc = 0;
	CURLMsg *message;

	*result = CURLE_OK;
	curl_multi_add_handle(client->multi, client->easy);
	while (!rc) {
		if (curl_multi_perform(client->multi, &running))
			rc = drover_error_set(err, DROVER_EFAULT, "libcurl failed");
		if (rc || !running)
			break;
		wake.revents = 0;
		curl_multi_poll(client->multi, &wake, client->wake >= 0, 1000, NULL);
		if (wake.revents)
			rc = drover_error_set(err, DROVER_ECANCELLED, "interrupted");
	}
	while ((message = curl_multi_info_read(client->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			*result = message->data.result;
	curl_multi_remove_handle(client->multi, client->easy);
	return rc;
}

static int transport_error(struct client *client, CURLcode result, const char *detail, struct drover_error *err)
{
	long os_error = 0;

	curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &os_error);
	client->unreachable = true;
	if (result == CURLE_WRITE_ERROR)
		return drover_error_set(err, DROVER_ELIMIT, "the answer of %s is too large", client->where);
	if (result == CURLE_COULDNT_CONNECT && os_error)
		return drover_error_set(err, DROVER_ERETRY, "no daemon answers at %s: %s", client->where,
					strerror((int)os_error));
	return drover_error_set(err, DROVER_ERETRY, "no daemon answers at %s: %s", client->where,
				*detail ? detail : curl_easy_strerror(result));
}

static int code_of(long status)
{
	switch (status) {
	case 400:
	case 413:
	case 415:
	case 422:
		return DROVER_EINVALID;
	case 401:
	case 403:
		return DROVER_EDENIED;
	case 404:
		return DROVER_ENOTFOUND;
	case 409:
		return DROVER_ECONFLICT;
	case 429:
	case 503:
		return DROVER_ERETRY;
	default:
		return DROVER_EFAULT;
	}
}

/* The problem document's words, or the bare status. Takes `answer`. */
static int refused(struct client *client, struct json_object *answer, struct drover_error *err)
{
	const char *title = field_text(answer, "title"), *detail = field_text(answer, "detail");
	const char *hint = "";
	int code = code_of(client->status);

	if (code == DROVER_EDENIED)
		hint = "; a token is read from $DROVER_TOKEN or the token_file of ~/.config/drover/config.yaml";
	if (*title)
		drover_error_set(err, code, "%s%s%s%s", title, *detail ? ": " : "", detail, hint);
	else
		drover_error_set(err, code, "%s answered with HTTP status %ld; is it a Drover daemon?%s", client->where,
				 client->status, hint);
	client->problem = answer;
	return code;
}

static int parse_answer(struct client *client, const struct buf *body, struct json_object **answer,
			struct drover_error *err)
{
	struct json_tokener *tokener;

	*answer = NULL;
	if (!body->size)
		return 0;
	tokener = json_tokener_new_ex(64);
	*answer = json_tokener_parse_ex(tokener, body->data, (int)body->size);
	json_tokener_free(tokener);
	if (!*answer && client->status < 300)
		return drover_error_set(err, DROVER_EFAULT,
					"%s answered with something that is no JSON; is it a Drover daemon?",
					client->where);
	return 0;
}

int client_send(struct client *client, const char *method, const char *path, const char *text, size_t size,
		struct json_object **answer, struct drover_error *err)
{
	char detail[CURL_ERROR_SIZE] = "";
	struct buf url = BUF_INIT, body = BUF_INIT;
	CURLcode result;
	int rc;

	*answer = NULL;
	json_object_put(client->problem);
	client->problem = NULL;
	client->unreachable = false;
	client->status = 0;
	buf_printf(&url, "%s%s", client->base, path);
	curl_easy_setopt(client->easy, CURLOPT_URL, url.data);
	curl_easy_setopt(client->easy, CURLOPT_HTTPGET, 1L);
	if (strcmp(method, "GET")) {
		curl_easy_setopt(client->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, text ? text : "");
		curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	}
	curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST,
			 strcmp(method, "GET") && strcmp(method, "POST") ? method : NULL);
	curl_easy_setopt(client->easy, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, &body);
	rc = drive(client, &result, err);
	if (!rc && (result == CURLE_COULDNT_CONNECT || result == CURLE_GOT_NOTHING || result == CURLE_RECV_ERROR) &&
	    client->revive && !client->revive(client->revive_context)) {
		body.size = 0;
		rc = drive(client, &result, err);
	}
	if (!rc && result)
		rc = transport_error(client, result, detail, err);
	if (!rc) {
		curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &client->status);
		client->size = body.size;
		rc = parse_answer(client, &body, answer, err);
	}
	if (!rc && (client->status < 200 || client->status > 299)) {
		rc = refused(client, *answer, err);
		*answer = NULL;
	}
	curl_easy_setopt(client->easy, CURLOPT_ERRORBUFFER, NULL);
	buf_dispose(&url);
	buf_dispose(&body);
	return rc;
}

int client_call(struct client *client, const char *method, const char *path, struct json_object *body,
		struct json_object **answer, struct drover_error *err)
{
	size_t size = 0;
	const char *text = NULL;

	if (body)
		text = json_object_to_json_string_length(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
							 &size);
	return client_send(client, method, path, text, size, answer, err);
}

int client_fail(struct client *client, const char *what, const struct drover_error *err)
{
	struct json_object *errors = field(client->problem, "errors");

	if (err->code == DROVER_ECANCELLED)
		return CLI_INTERRUPTED;
	cli_say("cannot %s: %s", what, err->message);
	for (size_t i = 0; json_object_is_type(errors, json_type_array) && i < json_object_array_length(errors); i++) {
		struct json_object *one = json_object_array_get_idx(errors, i);
		const char *pointer = field_text(one, "pointer");

		fprintf(stderr, "  %s%s%s\n", pointer, *pointer ? ": " : "", field_text(one, "detail"));
	}
	return client->unreachable ? CLI_UNREACHABLE : CLI_ERROR;
}
