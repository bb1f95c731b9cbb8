/* credential.c - see credential.h. */
#include "conf/credential.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/option.h"
#include "conf/secret.h"
#include "conf/suggest.h"
#include "conf/value.h"
#include "conf/wipe.h"
#include "util/buf.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define NAME_LENGTH 64
#define CERTIFICATE_SIZE (64 * 1024)

static const struct schema_credential *values(const struct conf_credential *credential)
{
	return credential->values.self;
}

/* --------------------------------------------------------------------------------------- reading */

/* A certificate is public: it is named by its path, and its text is what travels. */
static void read_certificate(struct conf *c, struct conf_credential *credential, const char *path)
{
	const struct conf_place *place = section_place(c, &credential->values, "certificate");
	char *file = include_relative(place->file ? place->file : "", values(credential)->certificate);
	char *text = xcalloc(1, CERTIFICATE_SIZE + 1), member[200];
	FILE *stream = fopen(file, "re");
	int error = errno;
	size_t size = 0;

	snprintf(member, sizeof(member), "%s.certificate", path);
	if (stream)
		size = fread(text, 1, CERTIFICATE_SIZE + 1, stream);
	if (!stream || ferror(stream))
		errors_add(c->errors, place, member, "cannot read %s: %s", file, strerror(stream ? EIO : error));
	else if (size > CERTIFICATE_SIZE || strlen(text) != size || !value_utf8(text) ||
		 !strstr(text, "-cert-v01@openssh.com"))
		errors_add(c->errors, place, member,
			   "%s holds no OpenSSH certificate: it is the file that `ssh-keygen -s` writes", file);
	else
		credential->certificate = xstrdup(text);
	if (stream)
		fclose(stream);
	free(text);
	free(file);
}

/* What is there only for a key. */
static void needs_key(struct conf *c, const struct conf_credential *credential, const char *path, const char *name)
{
	char member[200];

	if (section_given(&credential->values, "key") || !tree_get(credential->values.node, name))
		return;
	snprintf(member, sizeof(member), "%s.%s", path, name);
	errors_add(c->errors, section_place(c, &credential->values, name), member, "is of no use without `key`");
}

static void check_values(struct conf *c, struct conf_credential *credential, const char *path)
{
	const struct schema_credential *v = values(credential);
	char member[200];

	if (strlen(credential->name) > NAME_LENGTH || !*credential->name ||
	    strspn(credential->name, NAME_LETTERS) != strlen(credential->name))
		errors_add(c->errors, section_place(c, &credential->values, NULL), path,
			   "\"%.80s\" is no credential's name: 1 to 64 letters, digits, `.`, `_` and `-`",
			   credential->name);
	snprintf(member, sizeof(member), "%s.key", path);
	if (v->key && !strstr(v->key, "-----BEGIN "))
		errors_add(c->errors, section_place(c, &credential->values, "key"), member,
			   "is no private key: it begins with a line `-----BEGIN …`");
	needs_key(c, credential, path, "passphrase");
	needs_key(c, credential, path, "certificate");
	if (v->certificate)
		read_certificate(c, credential, path);
}

void credential_read_all(struct conf *c, const struct tree_node *node)
{
	const struct schema_section *schema = &schema_sections[SCHEMA_CREDENTIALS];

	node = section_mapping(c, node, schema->name);
	tree_foreach(node, member)
	{
		struct conf_credential *credential;
		char path[160];

		snprintf(path, sizeof(path), "%s.%.100s", schema->name, member->key);
		c->credentials = xrealloc(c->credentials, (c->credential_count + 1) * sizeof(*c->credentials));
		credential = &c->credentials[c->credential_count++];
		*credential = (struct conf_credential){ .name = member->key };
		section_read(c, &credential->values, section_mapping(c, member, path), path, schema->table,
			     schema->self_size);
		section_unknown(c, credential->values.node, path, &schema->table, 1);
		check_values(c, credential, path);
	}
}

void credential_dispose_all(struct conf *c)
{
	for (size_t i = 0; i < c->credential_count; i++) {
		wipe_put(c->credentials[i].values.given);
		c->credentials[i].values.given = NULL;
		section_dispose(&c->credentials[i].values);
		free(c->credentials[i].certificate);
	}
	free(c->credentials);
}

/* ------------------------------------------------------------------------------------- instances */

bool credential_taken(const struct conf_instance *i)
{
	const struct drover_option *option = i->info ? option_find(i->info->options, "credential") : NULL;

	return option && option->type == DROVER_TYPE_STRING;
}

void credential_check_named(struct conf *c, const struct conf_instance *i)
{
	const char *name = tree_text(i->node, "credential");
	struct suggest near;
	char path[160], text[128];

	if (!name || !credential_taken(i))
		return;
	suggest_begin(&near, name);
	for (size_t n = 0; n < c->credential_count; n++) {
		if (!strcmp(c->credentials[n].name, name))
			return;
		suggest_consider(&near, c->credentials[n].name);
	}
	snprintf(path, sizeof(path), "%s.credential", i->path);
	errors_add(c->errors, section_place(c, &i->options, "credential"), path, "there is no credential `%.80s`%s",
		   name, suggest_text(&near, text, sizeof(text)));
}

/* ---------------------------------------------------------------------------------------- slices */

static void put_text(struct json_object *to, const char *name, const char *text)
{
	if (text)
		json_object_object_add(to, name, json_object_new_string(text));
}

struct json_object *credential_secrets(const struct conf *c)
{
	struct json_object *all = json_object_new_object();

	for (size_t i = 0; i < c->credential_count; i++) {
		const struct schema_credential *v = values(&c->credentials[i]);
		struct json_object *one = json_object_new_object();

		put_text(one, "user", v->user);
		put_text(one, "key", v->key);
		put_text(one, "certificate", c->credentials[i].certificate);
		put_text(one, "passphrase", v->passphrase);
		put_text(one, "password", v->password);
		put_text(one, "become_password", v->become_password);
		json_object_object_add(all, c->credentials[i].name, one);
	}
	return all;
}

struct json_object *credential_names(const struct conf *c)
{
	struct json_object *all = json_object_new_object();

	for (size_t i = 0; i < c->credential_count; i++) {
		const struct drover_list *allow = &values(&c->credentials[i])->allow;
		struct json_object *one = json_object_new_object(), *tokens = NULL;

		if (section_given(&c->credentials[i].values, "allow"))
			tokens = json_object_new_array();
		for (size_t t = 0; tokens && t < allow->count; t++)
			json_object_array_add(tokens, json_object_new_string(allow->items[t]));
		json_object_object_add(one, "allow", tokens);
		json_object_object_add(all, c->credentials[i].name, one);
	}
	return all;
}
