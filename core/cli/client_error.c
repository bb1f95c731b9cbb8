/* client_error.c - see client_error.h; and client_fail of client.h. */
#include "cli/client_error.h"

#include <string.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/field.h"
#include "cli/term.h"

#define NAMED_BY "; --url, $DROVER_URL or ~/.config/drover/config.yaml say where it is"

int client_transport_error(struct client *client, CURLcode result, const char *detail, struct drover_error *err)
{
	const char *where = client->address.url, *words = *detail ? detail : curl_easy_strerror(result);
	long os_error = 0;

	curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &os_error);
	client->unreachable = true;
	switch (result) {
	case CURLE_COULDNT_CONNECT:
		return drover_error_set(err, DROVER_ERETRY, "no daemon answers at %s: %s" NAMED_BY, where,
					os_error ? strerror((int)os_error) : words);
	case CURLE_PEER_FAILED_VERIFICATION:
		return drover_error_set(err, DROVER_EDENIED,
					"the certificate of %s is not trusted: %s; name the file with its authority as "
					"`ca:` in ~/.config/drover/config.yaml",
					where, words);
	case CURLE_SSL_CACERT_BADFILE:
		return drover_error_set(err, DROVER_EINVALID,
					"cannot read the certificates of %s (`ca:` in ~/.config/drover/config.yaml)",
					client->address.ca ? client->address.ca : "the system");
	case CURLE_OPERATION_TIMEDOUT:
		return drover_error_set(err, DROVER_ERETRY, "%s does not answer: %s; is its daemon overloaded or hung?",
					where, words);
	default:
		return drover_error_set(err, DROVER_ERETRY, "no daemon answers at %s: %s" NAMED_BY, where, words);
	}
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

int client_refused(struct client *client, struct json_object *answer, struct drover_error *err)
{
	const char *title = field_text(answer, "title"), *detail = field_text(answer, "detail");
	const char *hint = "";
	int code = code_of(client->status);

	if (client->status == 401)
		hint = client->address.token ? "; is the token still valid (drover token list)?"
					     : "; a token is read from $DROVER_TOKEN or the token_file of "
					       "~/.config/drover/config.yaml";
	if (*title)
		drover_error_set(err, code, "%s%s%s%s", title, *detail ? ": " : "", detail, hint);
	else
		drover_error_set(err, code, "%s answered with HTTP status %ld; is it a Drover daemon?%s",
				 client->address.url, client->status, hint);
	client->problem = answer;
	return code;
}

int client_fail(struct client *client, const char *what, const struct drover_error *err)
{
	static const struct cli plain = { .stdout_terminal = true, .stderr_terminal = true };
	struct json_object *errors = field(client->problem, "errors");

	if (err->code == DROVER_ECANCELLED)
		return CLI_INTERRUPTED;
	fflush(stdout);
	fprintf(stderr, "drover: cannot %s: ", what);
	term_line(&plain, stderr, err->message);
	fputc('\n', stderr);
	for (size_t i = 0; json_object_is_type(errors, json_type_array) && i < json_object_array_length(errors); i++) {
		struct json_object *one = json_object_array_get_idx(errors, i);
		const char *pointer = field_text(one, *field_text(one, "parameter") ? "parameter" : "pointer");

		fputs("  ", stderr);
		term_line(&plain, stderr, pointer);
		fputs(*pointer ? ": " : "", stderr);
		term_line(&plain, stderr, field_text(one, "detail"));
		fputc('\n', stderr);
	}
	return client->unreachable ? CLI_UNREACHABLE : CLI_ERROR;
}
