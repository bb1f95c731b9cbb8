/* key_sign.c - see key_sign.h; what is signed is described in drover/signing.h. */
#include "cli/key_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include <drover/error.h>

#include "cli/term.h"
#include "conf/secret.h"
#include "task/signing_keys.h"
#include "util/buf.h"
#include "util/clock.h"

#define VALUE_MAX (1 << 30)
#define BASE64 sodium_base64_VARIANT_ORIGINAL

/* The value's exact bytes. */
static bool read_value(const char *file, struct buf *text)
{
	int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	char part[16384];
	ssize_t got = -1;

	while (fd >= 0 && text->size < VALUE_MAX && (got = read(fd, part, sizeof(part))) > 0)
		buf_append(text, part, (size_t)got);
	if (got < 0)
		cli_say("cannot read %s: %m", file);
	else if (got > 0)
		cli_say("%s is larger than 1 GiB", file);
	if (fd > STDIN_FILENO)
		close(fd);
	return got == 0;
}

static bool read_key(const char *file, struct signing_key *key)
{
	struct drover_error err = { 0 };
	const char *fault;
	char *text = secret_read(file, false, &fault);
	bool good = false;

	if (!text)
		cli_say("the key's file %s: %s", file, fault);
	else if (signing_key_parse(text, key, &err))
		cli_say("%s %s", file, err.message);
	else if (!key->has_private)
		cli_say("%s is a public key, which verifies: the private one signs", file);
	else
		good = true;
	secret_free(text);
	return good;
}

static void print(const struct cli *cli, const char *id, const char *expires, const char *signature)
{
	struct json_object *headers;

	if (!cli->json) {
		printf(DROVER_SIGNED_KEY "=%s\n" DROVER_SIGNED_EXPIRES "=%s\n" DROVER_SIGNED_SIGNATURE "=%s\n", id,
		       expires, signature);
		return;
	}
	headers = json_object_new_object();
	json_object_object_add(headers, DROVER_SIGNED_KEY, json_object_new_string(id));
	json_object_object_add(headers, DROVER_SIGNED_EXPIRES, json_object_new_string(expires));
	json_object_object_add(headers, DROVER_SIGNED_SIGNATURE, json_object_new_string(signature));
	term_json_line(cli, headers, true);
	json_object_put(headers);
}

int key_sign_task(const struct cli *cli, const struct key_sign *what)
{
	char id[DROVER_SIGNING_ID_TEXT], expires[24], encoded[sodium_base64_ENCODED_LEN(crypto_sign_BYTES, BASE64)];
	unsigned char signature[crypto_sign_BYTES];
	struct signing_key key = { .has_private = false };
	struct buf value = BUF_INIT;
	bool good = read_key(what->key, &key) && read_value(what->file, &value);
	void *text = NULL;
	size_t size;

	snprintf(expires, sizeof(expires), "%" PRId64, (clock_utc_ms() + what->expires) / 1000);
	if (good && !(text = drover_signed_task(what->cluster, expires, value.data, value.size, &size))) {
		cli_say("not enough memory");
		good = false;
	}
	if (good) {
		crypto_sign_detached(signature, NULL, text, size, key.private);
		sodium_bin2base64(encoded, sizeof(encoded), signature, sizeof(signature), BASE64);
		signing_key_id_text(key.id, id);
		print(cli, id, expires, encoded);
	}
	sodium_memzero(&key, sizeof(key));
	free(text);
	buf_dispose(&value);
	return good ? CLI_OK : CLI_ERROR;
}
