/* client_call.c - the calls of client.h. */
#include <string.h>

#include <drover/error.h>

#include "cli/client_error.h"

#define CALL_MS 120000 /* a large task takes its time until it is durable; a wait is at most 30 s */
#define SILENCE_S 60   /* of an endless answer: four times what the daemon lets pass without a sign */
#define ANSWER_SIZE ((size_t)512 * 1024 * 1024)

/* One call, and where its answer goes. */
struct transfer {
	struct client *client;
	client_data_fn *fn; /* takes the body of an answer that is none of an error; NULL: it is kept */
	void *context;
	int rc;          /* what fn said */
	struct buf body; /* kept */
};

static size_t take(char *data, size_t one, size_t count, void *context)
{
	struct transfer *transfer = context;
	size_t size = one * count;
	long status = 0;

	curl_easy_getinfo(transfer->client->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->fn && status < 300) {
		transfer->rc = transfer->fn(transfer->context, data, size);
		return transfer->rc ? 0 : size;
	}
	if (size > ANSWER_SIZE - transfer->body.size) {
		transfer->rc = DROVER_ELIMIT;
		return 0;
	}
	buf_append(&transfer->body, data, size);
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

static void prepare(struct transfer *transfer, const char *url, bool endless, char detail[CURL_ERROR_SIZE])
{
	struct client *client = transfer->client;

	json_object_put(client->problem);
	client->problem = NULL;
	client->unreachable = false;
	client->status = 0;
	curl_easy_setopt(client->easy, CURLOPT_URL, url);
	curl_easy_setopt(client->easy, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, NULL);
	curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS,
			 endless            ? 0L
			 : client->patience ? client->patience
					    : (long)CALL_MS);
	curl_easy_setopt(client->easy, CURLOPT_LOW_SPEED_LIMIT, endless ? 1L : 0L);
	curl_easy_setopt(client->easy, CURLOPT_LOW_SPEED_TIME, endless ? (long)SILENCE_S : 0L);
	curl_easy_setopt(client->easy, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, transfer);
}

/* Makes the call that is prepared, once more where a daemon had to be revived for it; then looks at its status. */
static int perform(struct transfer *transfer, const char *detail, struct drover_error *err)
{
	struct client *client = transfer->client;
	CURLcode result;
	int rc = drive(client, &result, err);

	if (!rc && (result == CURLE_COULDNT_CONNECT || result == CURLE_GOT_NOTHING || result == CURLE_RECV_ERROR) &&
	    client->revive && !client->revive(client->revive_context)) {
		transfer->body.size = 0;
		rc = drive(client, &result, err);
	}
	curl_easy_setopt(client->easy, CURLOPT_ERRORBUFFER, NULL);
	if (!rc && transfer->rc == DROVER_ELIMIT && !transfer->fn)
		rc = drover_error_set(err, DROVER_ELIMIT, "the answer of %s is too large", client->address.url);
	if (!rc && transfer->rc)
		rc = transfer->rc;
	if (!rc && result)
		rc = client_transport_error(client, result, detail, err);
	if (!rc)
		curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &client->status);
	client->size = transfer->body.size;
	return rc;
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
					client->address.url);
	return 0;
}

/* An answer that is an error, once its body is here. */
static int look(struct client *client, struct json_object **answer, struct drover_error *err)
{
	int rc = 0;

	if (client->status < 200 || client->status > 299) {
		rc = client_refused(client, *answer, err);
		*answer = NULL;
	}
	return rc;
}

int client_send(struct client *client, const char *method, const char *path, const char *text, size_t size,
		struct json_object **answer, struct drover_error *err)
{
	struct transfer transfer = { .client = client };
	char detail[CURL_ERROR_SIZE] = "";
	struct buf url = BUF_INIT;
	int rc;

	*answer = NULL;
	buf_printf(&url, "%s%s", client->base, path);
	prepare(&transfer, url.data, false, detail);
	if (strcmp(method, "GET")) {
		curl_easy_setopt(client->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, text ? text : "");
		curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	}
	if (strcmp(method, "GET") && strcmp(method, "POST"))
		curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, method);
	rc = perform(&transfer, detail, err);
	if (!rc)
		rc = parse_answer(client, &transfer.body, answer, err);
	if (!rc)
		rc = look(client, answer, err);
	buf_dispose(&url);
	buf_dispose(&transfer.body);
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

int client_raw(struct client *client, const char *path, const char *header, bool endless, client_data_fn *fn,
	       void *context, struct drover_error *err)
{
	struct transfer transfer = { .client = client, .fn = fn, .context = context };
	struct curl_slist own = { .data = (char *)header, .next = client->headers };
	struct json_object *answer = NULL;
	char detail[CURL_ERROR_SIZE] = "";
	struct buf url = BUF_INIT;
	int rc;

	buf_printf(&url, "%s%s", client->base, path);
	prepare(&transfer, url.data, endless, detail);
	curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, header ? &own : client->headers);
	rc = perform(&transfer, detail, err);
	curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers);
	if (!rc && client->status > 299)
		rc = parse_answer(client, &transfer.body, &answer, err);
	if (!rc)
		rc = look(client, &answer, err);
	json_object_put(answer);
	buf_dispose(&url);
	buf_dispose(&transfer.body);
	return rc;
}
