/*
 * fuzz_envelope.c - any bytes as a unit's message, and as the text of one that a known key has signed (libFuzzer): what
 * is taken is whole, and nothing is taken that this key has not signed.
 */
#include "fuzz.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "task/envelope.h"

#define NOW INT64_C(1795000000000)
#define HEAD 76

static struct signing_keys *read_keys(void)
{
	struct json_object *section = json_tokener_parse("{\"name\":\"east\",\"signing_key\":\"" DROVER_SIGNING_PRIVATE
							 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}");
	struct signing_keys *keys;

	if (signing_keys_read(section, &keys, NULL))
		abort();
	json_object_put(section);
	return keys;
}

static struct buf sign(const struct signing_keys *keys, const void *text, size_t size)
{
	unsigned char id[DROVER_SIGNING_ID_SIZE], signature[SIGNING_SIGNATURE_SIZE];
	struct buf message = BUF_INIT;

	if (signing_keys_sign(keys, text, size, id, signature, NULL))
		abort();
	buf_append(&message, "DRV1", 4);
	buf_append(&message, id, sizeof(id));
	buf_append(&message, signature, sizeof(signature));
	buf_append(&message, text, size);
	return message;
}

static bool take(const struct signing_keys *keys, const void *data, size_t size)
{
	struct envelope e;
	struct drover_error err;
	bool taken = !envelope_open(keys, data, size, NOW, &e, &err);

	if (taken &&
	    (!e.task.id || !e.task.type || !e.task.executor || !e.task.pool || e.count < 1 || e.expires_at < NOW))
		abort();
	for (int64_t i = 0; taken && i < e.count; i++)
		if (!e.hosts[i].name || e.hosts[i].port < 0 || e.hosts[i].port > 65535 ||
		    envelope_check_host(&e, e.first + i, &e.hosts[i], &err))
			abort();
	envelope_dispose(&e);
	return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct signing_keys *keys;
	struct buf message;

	if (!keys)
		keys = read_keys();
	if (take(keys, data, size)) {
		/* Ed25519 is deterministic: the key would have written the very same bytes. */
		message = sign(keys, data + HEAD, size - HEAD);
		if (message.size != size || memcmp(message.data, data, size) != 0)
			abort();
		buf_dispose(&message);
		fuzz_accepted++;
	}
	message = sign(keys, data, size);
	fuzz_accepted += take(keys, message.data, message.size);
	buf_dispose(&message);
	return 0;
}
