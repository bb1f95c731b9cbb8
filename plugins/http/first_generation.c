/* first_generation.c - what the first generation's calls have in common: ids, and the shape of an answer. */
#include "first_generation.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

const struct first_generation_kind first_generation_adhoc = { "adhoc", "first-adhoc-", 100 };
const struct first_generation_kind first_generation_playbook = { "playbook", "first-playbook-", 600 };

void first_generation_id(const struct first_generation_kind *kind, const char *task_id,
			 char id[FIRST_GENERATION_ID_SIZE])
{
	unsigned char digest[20];
	char hex[2 * sizeof(digest) + 1];

	crypto_generichash(digest, sizeof(digest), (const unsigned char *)task_id, strlen(task_id), NULL, 0);
	snprintf(id, FIRST_GENERATION_ID_SIZE, "%s%s", kind->prefix,
		 sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest)));
}

int first_generation_answer(struct request *r, int code, const char *msg)
{
	writer_object(&r->out, NULL);
	writer_int(&r->out, "code", code);
	writer_null(&r->out, "data");
	writer_string(&r->out, "msg", msg);
	writer_object_end(&r->out);
	return MHD_HTTP_OK;
}

void first_generation_begin(struct request *r)
{
	writer_object(&r->out, NULL);
	writer_int(&r->out, "code", 200);
	writer_array(&r->out, "data");
}

int first_generation_end(struct request *r, size_t hosts)
{
	if (r->problem.kind && r->problem.kind != PROBLEM_FORBIDDEN) {
		drover_log(DROVER_LOG_WARNING, "a first-generation client was not answered: %s", r->problem.detail);
		problem_dispose(&r->problem);
		r->problem = (struct problem){ 0 };
		writer_dispose(&r->out);
		return first_generation_answer(r, 500, FIRST_GENERATION_REFUSED);
	}
	writer_array_end(&r->out);
	writer_string(&r->out, "msg", "");
	writer_int(&r->out, "length", (int64_t)hosts);
	writer_object_end(&r->out);
	return MHD_HTTP_OK;
}

struct json_object *first_generation_parse(const void *text, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(FIRST_GENERATION_JSON_DEPTH);
	struct json_object *value = NULL;

	if (!tokener || size > INT32_MAX)
		goto out;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	value = json_tokener_parse_ex(tokener, text, (int)size);
out:
	if (tokener)
		json_tokener_free(tokener);
	return value;
}
