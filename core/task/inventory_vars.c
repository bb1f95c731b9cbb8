/* inventory_vars.c - see inventory_vars.h. */
#define _GNU_SOURCE /* strcasestr */
#include "task/inventory_vars.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "task/hosts.h"
#include "task/inventory.h"
#include "util/buf.h"
#include "util/nameset.h"
#include "util/nodeset.h"

/* How a host is reached; the older spelling counts where the newer one is absent. */
static const char *const reach[INVENTORY_FIELDS][2] = {
	[INVENTORY_ADDRESS] = { "ansible_host", "ansible_ssh_host" },
	[INVENTORY_PORT] = { "ansible_port", "ansible_ssh_port" },
	[INVENTORY_USER] = { "ansible_user", "ansible_ssh_user" },
	[INVENTORY_CONNECTION] = { "ansible_connection", "ansible_connection" },
};

/* What else would change how Ansible reaches a host, and Drover is told in its own configuration. */
static const char *const foreign[] = {
	"ansible_ssh_private_key_file", "ansible_private_key_file", "ansible_ssh_common_args",
	"ansible_ssh_extra_args",       "ansible_become",           "ansible_become_user",
	"ansible_become_method"
};

/* Words in the names of variables that hold secrets. */
static const char *const secret_words[] = { "password",    "passwd", "passphrase", "vault",
					    "private_key", "secret", "token",      "api_key" };

int inventory_json(const char *text, size_t size, struct json_object **list, struct drover_error *err)
{
	struct json_tokener *tokener = json_tokener_new_ex(INVENTORY_DEPTH);
	enum json_tokener_error why;
	size_t end;

	*list = NULL;
	if (size >= INT_MAX) {
		json_tokener_free(tokener);
		return drover_error_set(err, DROVER_ELIMIT, "it is larger than 2 GB");
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*list = json_tokener_parse_ex(tokener, text, (int)size);
	why = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	while (*list && end < size && memchr(" \t\r\n", text[end], 4))
		end++;
	if (*list && end == size)
		return 0;
	json_object_put(*list);
	*list = NULL;
	return drover_error_set(err, DROVER_EINVALID, "it is not JSON, at byte %zu: %s", end,
				why == json_tokener_continue  ? "it ends too early"
				: why == json_tokener_success ? "something follows"
							      : json_tokener_error_desc(why));
}

/* ------------------------------------------------------------------------------ taking away */

static bool is_reach(const char *name)
{
	for (int i = 0; i < INVENTORY_FIELDS; i++)
		if (!strcmp(name, reach[i][0]) || !strcmp(name, reach[i][1]))
			return true;
	return false;
}

static bool is_foreign(const char *name)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (!strcmp(name, foreign[i]))
			return true;
	return false;
}

/* A value that is encrypted, or has something encrypted in it. */
static bool has_vault(struct json_object *value)
{
	bool found = false;

	if (json_object_is_type(value, json_type_array))
		for (size_t i = 0; i < json_object_array_length(value) && !found; i++)
			found = has_vault(json_object_array_get_idx(value, i));
	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach (value, name, inner)
			found = found || !strcmp(name, "__ansible_vault") || has_vault(inner);
	}
	return found;
}

static bool is_secret_name(const char *name)
{
	size_t size = strlen(name);

	/* The name of a file is none. */
	if (size > 5 && !strcmp(name + (size - 5), "_file"))
		return false;
	for (size_t i = 0; i < sizeof(secret_words) / sizeof(*secret_words); i++)
		if (strcasestr(name, secret_words[i]))
			return true;
	return !strncmp(name, "ansible_", 8) && strstr(name, "_pass");
}

/* Somewhere below, too: {"db": {"password": …}}. */
static bool has_secret(const char *name, struct json_object *value)
{
	bool found = is_secret_name(name);

	if (json_object_is_type(value, json_type_array))
		for (size_t i = 0; i < json_object_array_length(value) && !found; i++)
			found = has_secret("", json_object_array_get_idx(value, i));
	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach (value, inner_name, inner)
			found = found || has_secret(inner_name, inner);
	}
	return found;
}

struct reduction {
	bool all;
	struct nameset secrets, foreign; /* names of variables that were met */
};

static void remember(struct nameset *set, const char *name)
{
	nameset_add(set, name, strlen(name));
}

static void reduce_host(struct reduction *r, struct json_object *vars)
{
	if (!json_object_is_type(vars, json_type_object))
		return;
	json_object_object_foreach (vars, name, value) {
		bool secret = has_secret(name, value) || has_vault(value);

		if (is_reach(name))
			continue;
		if (is_foreign(name))
			remember(&r->foreign, name);
		if (secret)
			remember(&r->secrets, name);
		if (secret || !r->all)
			json_object_object_del(vars, name);
	}
}

static void reduce_group(struct json_object *group)
{
	if (!json_object_is_type(group, json_type_object))
		return;
	json_object_object_foreach (group, name, value) {
		(void)value;
		if (strcmp(name, "hosts") && strcmp(name, "children"))
			json_object_object_del(group, name);
	}
}

static void note(struct json_object *notes, const char *what, const struct nameset *names)
{
	struct buf text = BUF_INIT;

	if (!names->count)
		return;
	buf_string(&text, what);
	for (size_t i = 0; i < names->used && i < 20; i++)
		buf_printf(&text, "%s %.80s", i ? "," : "", names->names[i]);
	if (names->count > 20)
		buf_printf(&text, " and %zu more", names->count - 20);
	json_object_array_add(notes, json_object_new_string(text.data));
	buf_dispose(&text);
}

void inventory_reduce(struct json_object *list, bool all, struct json_object *notes)
{
	struct reduction r = { .all = all };
	struct json_object *hostvars;

	if (!json_object_is_type(list, json_type_object))
		return;
	json_object_object_foreach (list, name, value) {
		if (strcmp(name, "_meta")) {
			reduce_group(value);
			continue;
		}
		if (!json_object_is_type(value, json_type_object) ||
		    !json_object_object_get_ex(value, "hostvars", &hostvars) ||
		    !json_object_is_type(hostvars, json_type_object))
			continue;
		json_object_object_foreach (hostvars, host, vars) {
			(void)host;
			reduce_host(&r, vars);
		}
	}
	note(notes, "these variables hold secrets and are not taken over (see `credentials`):", &r.secrets);
	note(notes,
	     "these variables do not change how Drover reaches a host (see `executors`, `credentials`):", &r.foreign);
	nameset_dispose(&r.secrets);
	nameset_dispose(&r.foreign);
}

/* ---------------------------------------------------------------------------------- reading */

static bool is_plain(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value);
}

/* Ansible fills templates in only when it uses a variable: `--list` prints them as they are. */
static bool is_template(const char *text)
{
	return strstr(text, "{{") || strstr(text, "{%");
}

static bool read_text(struct json_object *value, bool (*valid)(const char *text), char **field)
{
	const char *text = is_plain(value) ? json_object_get_string(value) : "";

	if (is_template(text) || !valid(text))
		return false;
	*field = xstrdup(text);
	return true;
}

/* A number, or digits in a string, as YAML and scripts may have them. */
static bool read_port(struct json_object *value, int *port)
{
	const char *text = is_plain(value) ? json_object_get_string(value) : "";
	int64_t number = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;

	if (*text && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text))
		number = strtol(text, NULL, 10);
	if (number < 1 || number > 65535)
		return false;
	*port = (int)number;
	return true;
}

static bool is_ssh(struct json_object *value)
{
	static const char *const names[] = {
		"ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh"
	};

	for (size_t i = 0; is_plain(value) && i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(json_object_get_string(value), names[i]))
			return true;
	return false;
}

static bool read_field(enum inventory_field field, struct json_object *value, struct inventory_host *host)
{
	switch (field) {
	case INVENTORY_ADDRESS:
		return read_text(value, nodeset_name_valid, &host->address);
	case INVENTORY_PORT:
		return read_port(value, &host->port);
	case INVENTORY_USER:
		return read_text(value, hosts_user_valid, &host->user);
	default:
		return is_ssh(value);
	}
}

void inventory_read_host(struct json_object *vars, struct inventory_host *host)
{
	for (int i = 0; i < INVENTORY_FIELDS; i++) {
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(vars, reach[i][0], &value))
			json_object_object_get_ex(vars, reach[i][1], &value);
		if (value && !read_field((enum inventory_field)i, value, host))
			host->bad[i] = xstrdup(json_object_get_string(value));
		json_object_object_del(vars, reach[i][0]);
		json_object_object_del(vars, reach[i][1]);
	}
	if (json_object_object_length(vars))
		host->vars = xstrdup(json_object_to_json_string_ext(vars, JSON_C_TO_STRING_PLAIN));
}
