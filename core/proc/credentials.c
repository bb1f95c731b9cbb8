/* credentials.c - see credentials.h. */
#include "proc/credentials.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "proc/slice.h"
#include "util/buf.h"
#include "util/log.h"

static const char *text(struct json_object *object, const char *name, bool secret)
{
	const char *value = slice_text(object, name, NULL);

	if (value && secret)
		log_secret(value);
	return value ? xstrdup(value) : NULL;
}

static void read_one(struct drover_credential *credential, const char *name, struct json_object *object)
{
	*credential = (struct drover_credential){
		.size = sizeof(*credential),
		.name = xstrdup(name),
		.user = text(object, "user", false),
		.key = text(object, "key", true),
		.certificate = text(object, "certificate", false),
		.passphrase = text(object, "passphrase", true),
		.password = text(object, "password", true),
		.become_password = text(object, "become_password", true),
	};
}

void credentials_read(struct credentials *c, struct json_object *slice)
{
	struct json_object *all = slice_get(slice, "credentials");
	const char *named = slice_text(slice, "options.credential", NULL);

	*c = (struct credentials){ .taken = json_object_is_type(all, json_type_object) };
	if (!c->taken)
		return;
	c->named = named ? xstrdup(named) : NULL;
	c->items = xcalloc((size_t)json_object_object_length(all) + 1, sizeof(*c->items));
	json_object_object_foreach (all, name, object)
		read_one(&c->items[c->count++], name, object);
}

static void wipe(const char *value)
{
	if (value)
		explicit_bzero((char *)value, strlen(value));
	free((char *)value);
}

void credentials_dispose(struct credentials *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct drover_credential *one = &c->items[i];

		wipe(one->name);
		wipe(one->user);
		wipe(one->key);
		wipe(one->certificate);
		wipe(one->passphrase);
		wipe(one->password);
		wipe(one->become_password);
	}
	free(c->items);
	free(c->named);
	*c = (struct credentials){ .items = NULL };
}

int credentials_find(const struct credentials *c, const char *name, const struct drover_credential **found,
		     struct drover_error *err)
{
	const char *wanted = name ? name : c->named;

	*found = NULL;
	if (!wanted)
		return 0;
	if (!c->taken)
		return drover_error_set(err, DROVER_ENOTFOUND,
					"the task names the credential %.80s, but this executor takes none", wanted);
	for (size_t i = 0; i < c->count && !*found; i++)
		if (!strcmp(c->items[i].name, wanted))
			*found = &c->items[i];
	if (*found)
		return 0;
	return drover_error_set(err, DROVER_ENOTFOUND, "this node has no credential %.80s", wanted);
}
