#include "payload.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "ssh/fanout.h"
#include "ssh/quote.h"

const char *const become_methods[] = { "sudo", "su", "doas", NULL };

const struct drover_payload_field payload_fields[] = {
	{ .name = "command",
	  .types = DROVER_JSON_STRING,
	  .group = 1,
	  .help = "text for the user's shell, as ssh sends it" },
	{ .name = "argv", .types = DROVER_JSON_STRINGS, .group = 1, .help = "words, quoted exactly for a POSIX shell" },
	{ .name = "script",
	  .types = DROVER_JSON_STRING,
	  .group = 1,
	  .help = "a script's text, run by its #! or /bin/sh" },
	{ .name = "env", .types = DROVER_JSON_MAP, .help = "environment variables for the command" },
	{ .name = "stdin", .types = DROVER_JSON_STRING, .help = "the command's standard input" },
	{ .name = "become",
	  .types = DROVER_JSON_BOOL | DROVER_JSON_STRING | DROVER_JSON_OBJECT,
	  .help = "another user to run it as: true (root), a name, or {\"user\", \"method\": sudo, su or doas}" },
	DROVER_PAYLOAD_END
};

/* A member's text, or NULL where it is absent. A NUL cannot be in a command line or a variable. */
static int get_text(json_object *object, const char *name, bool nul_allowed, char **text, size_t *size,
		    struct drover_error *err)
{
	json_object *value;
	size_t length;

	if (!json_object_object_get_ex(object, name, &value))
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return drover_error_set(err, DROVER_EINVALID, "payload.%s must be a string", name);
	length = (size_t)json_object_get_string_len(value);
	if (!nul_allowed && memchr(json_object_get_string(value), 0, length))
		return drover_error_set(err, DROVER_EINVALID, "payload.%s must not contain a NUL character", name);
	*text = malloc(length + 1);
	if (!*text)
		return drover_error_set(err, DROVER_ENOMEM, "no memory for payload.%s", name);
	memcpy(*text, json_object_get_string(value), length + 1);
	if (size)
		*size = length;
	return 0;
}

static int get_words(json_object *object, char **command, struct drover_error *err)
{
	json_object *value;
	const char **words;
	size_t count;
	int result = 0;

	if (!json_object_object_get_ex(object, "argv", &value))
		return 0;
	if (!json_object_is_type(value, json_type_array) || !json_object_array_length(value))
		return drover_error_set(err, DROVER_EINVALID, "payload.argv must be an array of strings, not empty");
	count = json_object_array_length(value);
	words = calloc(count, sizeof(*words));
	if (!words)
		return drover_error_set(err, DROVER_ENOMEM, "no memory for payload.argv");
	for (size_t i = 0; i < count && !result; i++) {
		json_object *word = json_object_array_get_idx(value, i);

		if (!json_object_is_type(word, json_type_string))
			result = drover_error_set(err, DROVER_EINVALID, "payload.argv[%zu] must be a string", i);
		else if (strlen(json_object_get_string(word)) != (size_t)json_object_get_string_len(word))
			result = drover_error_set(err, DROVER_EINVALID,
						  "payload.argv[%zu] must not contain a NUL character", i);
		else
			words[i] = json_object_get_string(word);
	}
	if (!result) {
		*command = quote_words(words, count);
		if (!*command)
			result = drover_error_set(err, DROVER_ENOMEM, "no memory for payload.argv");
	}
	free(words);
	return result;
}

static bool is_variable_name(const char *name)
{
	static const char characters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	return *name && !strchr("0123456789", *name) && strspn(name, characters) == strlen(name);
}

static int get_env(json_object *object, struct payload *p, struct drover_error *err)
{
	json_object *map;

	if (!json_object_object_get_ex(object, "env", &map))
		return 0;
	if (!json_object_is_type(map, json_type_object))
		return drover_error_set(err, DROVER_EINVALID, "payload.env must be an object");
	p->env = calloc((size_t)json_object_object_length(map) + 1, sizeof(*p->env));
	if (!p->env)
		return drover_error_set(err, DROVER_ENOMEM, "no memory for payload.env");
	json_object_object_foreach (map, name, value) {
		const char *text = json_object_get_string(value);
		size_t size;

		if (!is_variable_name(name))
			return drover_error_set(err, DROVER_EINVALID,
						"payload.env: \"%s\" is not the name of an environment variable", name);
		if (!value || json_object_is_type(value, json_type_object) ||
		    json_object_is_type(value, json_type_array))
			return drover_error_set(err, DROVER_EINVALID,
						"payload.env.%s must be a string, a number or a boolean", name);
		if (json_object_is_type(value, json_type_string) &&
		    strlen(text) != (size_t)json_object_get_string_len(value))
			return drover_error_set(err, DROVER_EINVALID, "payload.env.%s must not contain a NUL character",
						name);
		size = strlen(name) + strlen(text) + 2;
		p->env[p->env_count] = malloc(size);
		if (!p->env[p->env_count])
			return drover_error_set(err, DROVER_ENOMEM, "no memory for payload.env");
		snprintf(p->env[p->env_count++], size, "%s=%s", name, text);
	}
	return 0;
}

static int get_method(json_object *become, struct payload *p, struct drover_error *err)
{
	json_object *method;

	if (!json_object_object_get_ex(become, "method", &method))
		return 0;
	for (int i = 0; become_methods[i] && json_object_is_type(method, json_type_string); i++)
		if (!strcmp(json_object_get_string(method), become_methods[i]))
			p->become_method = i;
	return p->become_method >= 0
		       ? 0
		       : drover_error_set(err, DROVER_EINVALID, "payload.become.method must be sudo, su or doas");
}

static int get_become(json_object *object, struct payload *p, struct drover_error *err)
{
	json_object *become, *user;
	const char *name = "root";

	p->become_method = -1;
	if (!json_object_object_get_ex(object, "become", &become))
		return 0;
	if (json_object_is_type(become, json_type_object)) {
		json_object_object_foreach (become, member, value) {
			(void)value;
			if (strcmp(member, "user") != 0 && strcmp(member, "method") != 0)
				return drover_error_set(
					err, DROVER_EINVALID,
					"payload.become has no member `%.60s`: user and method are known", member);
		}
		if (get_method(become, p, err) < 0)
			return DROVER_EINVALID;
		if (!json_object_object_get_ex(become, "user", &user))
			user = NULL;
	} else {
		user = become;
	}
	if (json_object_is_type(user, json_type_boolean)) {
		if (!json_object_get_boolean(user))
			return 0;
	} else if (user) {
		name = json_object_is_type(user, json_type_string) ? json_object_get_string(user) : "";
	}
	if (!fanout_user_valid(name))
		return drover_error_set(err, DROVER_EINVALID, "payload.become: \"%.60s\" is no user's name", name);
	p->become_user = strdup(name);
	return p->become_user ? 0 : drover_error_set(err, DROVER_ENOMEM, "no memory for payload.become");
}

int payload_parse(struct payload *p, const char *json, struct drover_error *err)
{
	json_object *object = json ? json_tokener_parse(json) : NULL;
	json_object *unused;
	int given = 0, result;

	*p = (struct payload){ .command = NULL };
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return drover_error_set(err, DROVER_EINVALID, "the payload must be a JSON object");
	}
	given += json_object_object_get_ex(object, "command", &unused);
	given += json_object_object_get_ex(object, "argv", &unused);
	given += json_object_object_get_ex(object, "script", &unused);
	if (given != 1)
		result = drover_error_set(err, DROVER_EINVALID,
					  "the payload must have exactly one of command, argv, script");
	else
		(void)((result = get_text(object, "command", false, &p->command, NULL, err)) ||
		       (result = get_words(object, &p->command, err)) ||
		       (result = get_text(object, "script", false, &p->script, NULL, err)) ||
		       (result = get_text(object, "stdin", true, &p->input, &p->input_size, err)) ||
		       (result = get_env(object, p, err)) || (result = get_become(object, p, err)));
	json_object_put(object);
	return result;
}

void payload_dispose(struct payload *p)
{
	free(p->command);
	free(p->script);
	for (size_t i = 0; i < p->env_count; i++)
		free(p->env[i]);
	free(p->env);
	free(p->become_user);
	free(p->input);
	*p = (struct payload){ .command = NULL };
}
